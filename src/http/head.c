/*
 * Message heads: one search for the end of the head, then one pass over its lines. The search is
 * what repeated calls on a growing prefix share; the pass runs once, on a head known to be
 * complete, so its loops need no bounds: each of them stops at the CR that is there. Called by the
 * server and the client for every message; see head.h for what is refused.
 */
#include "http/head.h"

#include "http/head_class.h"

/* clang-format off */
#define V HTTP_CLASS_VALUE
#define G (V | HTTP_CLASS_TARGET)
#define N (V | HTTP_CLASS_TOKEN) /* '#' alone */
#define T (G | HTTP_CLASS_TOKEN)
#define H (G | HTTP_CLASS_HOST)
#define A (G | HTTP_CLASS_TOKEN | HTTP_CLASS_HOST)
const uint8_t http_class[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	V, A, G, N, A, A, A, A, H, H, A, A, H, A, A, G, /* space ! " # $ % & ' ( ) * + , - . / */
	A, A, A, A, A, A, A, A, A, A, H, H, G, H, G, G, /* 0 1 2 3 4 5 6 7 8 9 : ; < = > ? */
	G, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* @ A B C D E F G H I J K L M N O */
	A, A, A, A, A, A, A, A, A, A, A, H, G, H, T, A, /* P Q R S T U V W X Y Z [ \ ] ^ _ */
	T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* ` a b c d e f g h i j k l m n o */
	A, A, A, A, A, A, A, A, A, A, A, G, T, G, A, 0, /* p q r s t u v w x y z { | } ~ DEL */
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
	G, G, G, G, G, G, G, G, G, G, G, G, G, G, G, G,
};
#undef V
#undef G
#undef N
#undef T
#undef H
#undef A
/* clang-format on */

/* Framing fields, gathered over all lines before they are judged together. */
struct framing {
	bool te, te_unknown;
	bool close, keep; /* options named in Connection */
};

/* Index behind the empty line that ends the head, starting the search at *scanned. */
static int
find_end(const char *p, size_t n, size_t start, size_t *scanned)
{
	size_t i = MAX(*scanned, start);
	const char *lf;

	while ((lf = memchr(p + i, '\n', n - i))) {
		i = (size_t)(lf - p);
		if (i == 0 || p[i - 1] != '\r')
			return ERR_BAD;
		if (i >= 2 && p[i - 2] == '\n')
			return i - start < 2 ? ERR_BAD : (int)(i + 1);
		i++;
	}
	*scanned = n;
	return ERR_NEED_MORE;
}

/* First byte from p that may not stand in a field value; end bounds the reads of eight at a
 * time. */
static const char *
skip_value(const char *p, const char *end)
{
	const uint64_t ones = UINT64_MAX / 255, high = ones * 0x80;
	uint64_t x, del;

	while (end - p >= 8) {
		memcpy(&x, p, 8);
		del = x ^ ones * 0x7f;
		if (((x - ones * 0x20) & ~x & high) || ((del - ones) & ~del & high))
			break;
		p += 8;
	}
	while (http_is_class(*p, HTTP_CLASS_VALUE))
		p++;
	return p;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_name(struct str name, const char *lower, size_t n)
{
	return name.n == n && str_ieq(name, str_make(lower, n));
}

static int
note_content_length(struct http_head *h, struct str value)
{
	uint64_t n;

	if (h->content_length >= 0 || str_to_u64(value, &n) < 0 || n > INT64_MAX)
		return ERR_BAD;
	h->content_length = (int64_t)n;
	return 0;
}

/* "chunked" alone is what we speak. Other codings are unknown; a chunked that is not last, or there
 * twice, is an attack. */
static int
note_transfer_encoding(struct framing *f, struct str value)
{
	struct str coding;

	if (f->te)
		return ERR_BAD;
	f->te = true;
	if (str_ieq(value, STR("chunked")))
		return 0;
	f->te_unknown = true;
	while (value.p) {
		coding = str_trim(str_split(&value, ','));
		if (!http_is_token(coding))
			return ERR_BAD;
		if (str_ieq(coding, STR("chunked")) && value.p)
			return ERR_BAD;
	}
	return 0;
}

static void
note_connection(struct framing *f, struct str value)
{
	f->close |= http_list_has(value, "close");
	f->keep |= http_list_has(value, "keep-alive");
}

static int
note_host(struct http_head *h, struct str value)
{
	if (h->host.p || !http_all_class(value, HTTP_CLASS_HOST))
		return ERR_BAD;
	h->host = value;
	return 0;
}

static void
note_expect(struct http_head *h, struct str value)
{
	if (str_ieq(value, STR("100-continue")))
		h->expect_continue = h->minor >= 1;
	else
		h->expect_unknown = true;
}

/* Fields that frame the message; the length of the name tells them apart first. */
static int
note_field(struct http_head *h, struct framing *f, struct str name, struct str value, bool request)
{
	switch (name.n) {
	case 4:
		return request && is_name(name, "host", 4) ? note_host(h, value) : 0;
	case 6:
		if (request && is_name(name, "expect", 6))
			note_expect(h, value);
		return 0;
	case 10:
		if (is_name(name, "connection", 10))
			note_connection(f, value);
		return 0;
	case 14:
		return is_name(name, "content-length", 14) ? note_content_length(h, value) : 0;
	case 17:
		return is_name(name, "transfer-encoding", 17) ? note_transfer_encoding(f, value)
							      : 0;
	default:
		return 0;
	}
}

/* The lines from p to the empty one before end. */
static int
parse_fields(struct http_head *h, struct framing *f, const char *p, const char *end, bool request)
{
	struct http_header *field;
	const char *start, *stop;
	int err;

	for (; p < end - 2; p = stop + 2) {
		if (h->n_headers == HTTP_MAX_HEADERS)
			return ERR_HEADER_TOO_LARGE;
		field = &h->headers[h->n_headers];
		for (start = p; http_is_class(*p, HTTP_CLASS_TOKEN);)
			p++;
		if (p == start || *p != ':')
			return ERR_BAD;
		field->name = str_make(start, (size_t)(p - start));
		for (p++; is_blank(*p);)
			p++;
		stop = skip_value(p, end);
		if (stop[0] != '\r' || stop[1] != '\n')
			return ERR_BAD;
		field->value = str_make(p, (size_t)(stop - p));
		while (field->value.n && is_blank(p[field->value.n - 1]))
			field->value.n--;
		h->n_headers++;
		err = note_field(h, f, field->name, field->value, request);
		if (err < 0)
			return err;
	}
	return 0;
}

void
http_head_init(struct http_head *h)
{
	h->method = h->target = h->reason = h->host = str_make(NULL, 0);
	h->status = 0;
	h->minor = -1;
	h->n_headers = 0;
	h->content_length = -1;
	h->chunked = h->keep_alive = h->expect_continue = h->expect_unknown = false;
}

/* "HTTP/1.x": its end, or NULL with *err. */
static const char *
parse_version(struct http_head *h, const char *p, const char *end, int *err)
{
	*err = ERR_BAD;
	if (end - p < 8 + 2 || memcmp(p, "HTTP/", 5) != 0)
		return NULL;
	if (p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' || p[7] > '9')
		return NULL;
	if (p[5] != '1') {
		*err = ERR_UNSUPPORTED;
		return NULL;
	}
	h->minor = p[7] == '0' ? 0 : 1;
	return p + 8;
}

/* Method, target, version: the start of the next line, or NULL with *err. */
static const char *
parse_request_line(struct http_head *h, const char *p, const char *end, int *err)
{
	const char *start = p;

	*err = ERR_BAD;
	while (http_is_class(*p, HTTP_CLASS_TOKEN))
		p++;
	if (p == start || *p != ' ')
		return NULL;
	h->method = str_make(start, (size_t)(p - start));
	for (start = ++p; http_is_class(*p, HTTP_CLASS_TARGET);)
		p++;
	if (p == start || *p != ' ')
		return NULL;
	h->target = str_make(start, (size_t)(p - start));
	p = parse_version(h, p + 1, end, err);
	if (!p)
		return NULL;
	*err = ERR_BAD;
	return p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

/* An absolute target names the host itself, and counts more than the field (RFC 9112, 3.2.2). */
static int
host_of_target(struct http_head *h)
{
	struct str rest = h->target, host;

	if (rest.p[0] == '/')
		return 0;
	if (rest.n > 7 && str_ieq(str_sub(rest, 0, 7), STR("http://")))
		rest = str_from(rest, 7);
	else if (rest.n > 8 && str_ieq(str_sub(rest, 0, 8), STR("https://")))
		rest = str_from(rest, 8);
	else
		return 0;
	host = rest;
	for (host.n = 0; host.n < rest.n && rest.p[host.n] != '/' && rest.p[host.n] != '?';)
		host.n++;
	if (host.n == 0 || !http_all_class(host, HTTP_CLASS_HOST))
		return ERR_BAD;
	h->host = host;
	return 0;
}

/* Judges the framing fields together; what RFC 9112, 6.3 calls an error is one. */
static int
settle(struct http_head *h, const struct framing *f)
{
	if (f->te && (h->content_length >= 0 || h->minor < 1))
		return ERR_BAD;
	if (f->te_unknown)
		return ERR_UNSUPPORTED;
	h->chunked = f->te;
	h->keep_alive = !f->close && (h->minor >= 1 || f->keep);
	return 0;
}

int
http_parse_request(struct http_head *h, const char *p, size_t n, size_t *scanned)
{
	size_t start = n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
	struct framing f = { 0 };
	const char *line;
	int end, err;

	if (n > start && !http_is_class(p[start], HTTP_CLASS_TOKEN) && !(n == 1 && p[0] == '\r'))
		return ERR_BAD;
	end = find_end(p, n, start, scanned);
	if (end < 0)
		return end;
	http_head_init(h);
	line = parse_request_line(h, p + start, p + end, &err);
	if (!line)
		return err;
	err = parse_fields(h, &f, line, p + end, true);
	if (err == 0)
		err = host_of_target(h);
	if (err == 0)
		err = settle(h, &f);
	return err < 0 ? err : end;
}

/* Version, status, reason: the start of the next line, or NULL. */
static const char *
parse_status_line(struct http_head *h, const char *p, const char *end, int *err)
{
	const char *start;

	p = parse_version(h, p, end, err);
	if (!p)
		return NULL;
	*err = ERR_BAD;
	if (end - p < 6 || p[0] != ' ' || p[1] < '1' || p[1] > '9' || p[2] < '0' || p[2] > '9' ||
	    p[3] < '0' || p[3] > '9')
		return NULL;
	h->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
	p += 4;
	if (*p == ' ')
		p++;
	else if (*p != '\r')
		return NULL;
	start = p;
	p = skip_value(p, end);
	h->reason = str_make(start, (size_t)(p - start));
	return p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

int
http_parse_response(struct http_head *h, const char *p, size_t n, size_t *scanned, bool no_body)
{
	struct framing f = { 0 };
	const char *line;
	int end, err;

	if (n > 0 && p[0] != 'H')
		return ERR_BAD;
	end = find_end(p, n, 0, scanned);
	if (end < 0)
		return end;
	http_head_init(h);
	line = parse_status_line(h, p, p + end, &err);
	if (!line)
		return err;
	err = parse_fields(h, &f, line, p + end, false);
	if (err == 0)
		err = settle(h, &f);
	if (err < 0)
		return err;
	no_body |= h->status < 200 || h->status == 204 || h->status == 304;
	if (!no_body && !h->chunked && h->content_length < 0)
		h->keep_alive = false;
	return end;
}

struct str
http_header_get(const struct http_head *h, const char *name)
{
	struct str want = str_of(name);

	for (unsigned i = 0; i < h->n_headers; i++)
		if (h->headers[i].name.n == want.n && str_ieq(h->headers[i].name, want))
			return h->headers[i].value;
	return str_make(NULL, 0);
}

bool
http_list_has(struct str value, const char *token)
{
	struct str want = str_of(token);

	while (value.p)
		if (str_ieq(str_trim(str_split(&value, ',')), want))
			return true;
	return false;
}

bool
http_is_token(struct str s)
{
	return s.n > 0 && http_all_class(s, HTTP_CLASS_TOKEN);
}

bool
http_is_value(struct str s)
{
	return s.n == str_trim(s).n && http_all_class(s, HTTP_CLASS_VALUE);
}

bool
http_is_target(struct str s)
{
	return s.n > 0 && s.p[0] == '/' && http_all_class(s, HTTP_CLASS_TARGET);
}

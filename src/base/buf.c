/*
 * The growable buffer: growth by doubling, every append through buf_reserve, the first failure
 * kept. Called by whatever builds text or frames.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

enum { FIRST_CAP = 256 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_init_fixed(struct buf *b, void *mem, size_t cap)
{
	*b = (struct buf){ .p = mem, .cap = cap, .max = cap, .fixed = true };
}

void
buf_fini(struct buf *b)
{
	if (!b->fixed)
		free(b->p);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->err = 0;
}

/* Makes cap at least need, or says why not. */
static int
grow(struct buf *b, size_t need)
{
	size_t cap = MAX(b->cap, (size_t)FIRST_CAP);
	char *p;

	if (b->fixed || (b->max && need > b->max))
		return ERR_TOO_LARGE;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->max)
		cap = MIN(cap, b->max);
	p = realloc(b->p, cap);
	if (!p)
		return ERR_NOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (unlikely(b->err))
		return NULL;
	if (unlikely(n > b->cap - b->n || !b->p)) {
		b->err = n > SIZE_MAX - b->n ? ERR_TOO_LARGE : grow(b, b->n + n);
		if (b->err)
			return NULL;
	}
	return b->p + b->n;
}

void
buf_added(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->n);
	b->n += n;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	char *to = n ? buf_reserve(b, n) : NULL;

	if (!to)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void
buf_put_str(struct buf *b, struct str s)
{
	buf_put(b, s.p, s.n);
}

void
buf_puts(struct buf *b, const char *cstr)
{
	buf_put(b, cstr, strlen(cstr));
}

void
buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	char digits[U64_DIGITS];

	buf_put(b, digits, (size_t)(str_put_u64(digits, v) - digits));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->err || !b->p ? 0 : b->cap - b->n;
	va_list args;
	char *to;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, args);
	va_end(args);
	if (n < 0) {
		b->err = b->err ? b->err : ERR_BAD;
		return;
	}
	if ((size_t)n < room) {
		b->n += (size_t)n;
		return;
	}
	to = buf_reserve(b, (size_t)n + 1);
	if (!to)
		return;
	va_start(args, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, args);
	va_end(args);
	b->n += (size_t)n;
}

static void
put_json_escape(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *hit = c ? strchr(from, c) : NULL;
	char long_form[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	if (hit) {
		buf_putc(b, '\\');
		buf_putc(b, to[hit - from]);
	} else {
		buf_put(b, long_form, sizeof(long_form));
	}
}

/* Bytes of s that a JSON string holds as they are. */
static size_t
json_plain(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = c < 0x80 ? 1 : utf8_len(s.p + i, s.n - i);

		if (c < 0x20 || c == '"' || c == '\\' || len == 0)
			break;
		i += len;
	}
	return i;
}

void
buf_put_json(struct buf *b, struct str s)
{
	buf_putc(b, '"');
	while (s.n > 0 && !b->err) {
		size_t n = json_plain(s);

		buf_put(b, s.p, n);
		s = str_from(s, n);
		if (s.n == 0)
			break;
		if ((unsigned char)s.p[0] < 0x80)
			put_json_escape(b, (unsigned char)s.p[0]);
		else
			buf_puts(b, "\xef\xbf\xbd");
		s = str_from(s, 1);
	}
	buf_putc(b, '"');
}

void
buf_put_hex(struct buf *b, const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *from = p;
	char *to = buf_reserve(b, n > SIZE_MAX / 2 ? SIZE_MAX : 2 * n);

	if (!to)
		return;
	for (size_t i = 0; i < n; i++) {
		*to++ = hex[from[i] >> 4];
		*to++ = hex[from[i] & 15];
	}
	b->n += 2 * n;
}

/* Up to three bytes as four characters. */
static void
put_base64_group(char to[4], const unsigned char *p, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);

	to[0] = digits[v >> 18];
	to[1] = digits[v >> 12 & 63];
	to[2] = n > 1 ? digits[v >> 6 & 63] : '=';
	to[3] = n > 2 ? digits[v & 63] : '=';
}

void
buf_put_base64(struct buf *b, const void *p, size_t n)
{
	const unsigned char *from = p;
	size_t groups = n / 3 + (n % 3 != 0);
	char *to = buf_reserve(b, groups > SIZE_MAX / 4 ? SIZE_MAX : 4 * groups);

	if (!to)
		return;
	for (size_t i = 0; i < n; i += 3, to += 4)
		put_base64_group(to, from + i, MIN(n - i, (size_t)3));
	b->n += 4 * groups;
}

static bool
unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void
buf_put_percent(struct buf *b, struct str s, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (unreserved(c) || (keep_slash && c == '/'))
			buf_putc(b, (char)c);
		else
			buf_put(b, escaped, sizeof(escaped));
	}
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (b->n && n)
		memmove(b->p, b->p + n, b->n);
}

const char *
buf_cstr(struct buf *b)
{
	char *end = buf_reserve(b, 1);

	if (!end)
		return "";
	*end = '\0';
	return b->p;
}

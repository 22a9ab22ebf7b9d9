/*
 * Names of objects: pure, and stable over crashes, since a key is fixed on disk before it is
 * used. Called by ship (bundles) and ingest (objects); the contracts are in sink.h.
 *
 *	bundle   <prefix>YYYY/MM/DD/HH/YYYYMMDDHH.<host>[.<n>][.<id>].jsonl.gz
 *	object   <prefix><user>/YYYY/MM/DD/<uri part>.<unix ns>[.<n>][.<ext>]
 *
 * What clients send (user, URI) never adds a path segment, is never "." or "..", never starts
 * with a dot, and is bounded, so that every segment fits a file name (255 bytes) and every key
 * S3's limit (1024 bytes).
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "sink/sink.h"

enum { USER_MAX = 180, URI_PART_MAX = 160, EXT_MAX = 16, NS_DIGITS = 19 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

/* ---- bundles */

int
sink_bundle_key(struct str prefix, int64_t hour_ns, struct str host, unsigned n,
    const struct id *unique, struct buf *out)
{
	char hour[CLOCK_HOUR_LEN + 1], id[2 * ID_LEN + 1];

	clock_hour(hour_ns, hour);
	buf_put_str(out, prefix);
	buf_printf(out, "%.4s/%.2s/%.2s/%.2s/%s.", hour, hour + 4, hour + 6, hour + 8, hour);
	buf_put_str(out, host.n ? host : STR("unknown"));
	if (n > 0)
		buf_printf(out, ".%u", n);
	if (unique) {
		id_text(*unique, id);
		buf_printf(out, ".%s", id);
	}
	buf_puts(out, ".jsonl.gz");
	return buf_failed(out);
}

void
sink_host_name(char *out, size_t cap)
{
	char name[256] = "";
	size_t n;

	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		memcpy(name, "unknown", sizeof("unknown"));
	n = MIN(strlen(name), MIN(cap - 1, (size_t)64));
	for (size_t i = 0; i < n; i++)
		out[i] = is_alnum(name[i]) || name[i] == '_' ? name[i] : '-';
	out[n] = '\0';
}

/* ---- objects: the user's folder */

/* Printable, no separator anywhere, no trouble in shells, URLs or on the file systems of other
 * machines. */
static bool
is_plain(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("-_.~@+,!()$", c) != NULL);
}

/* Cuts what was put since start to max bytes ending in a digest of the whole, so that two long
 * names stay two. */
static void
cut_with_digest(struct buf *out, size_t start, size_t max, struct str whole)
{
	unsigned char hash[SHA256_LEN];

	if (buf_failed(out) || out->n - start <= max)
		return;
	sha256(whole.p, whole.n, hash);
	out->n = start + max - 33;
	buf_putc(out, '~');
	buf_put_hex(out, hash, 16);
}

/* The user as a path segment: plain bytes as they are, others percent-encoded, and so is a dot
 * in front. */
static void
put_user(struct str user, struct buf *out)
{
	size_t start = out->n;

	if (user.n == 0)
		buf_puts(out, "unknown");
	for (size_t i = 0; i < user.n; i++) {
		char c = user.p[i];

		if ((is_plain(c) && !(i == 0 && c == '.')) || c == '=' || c == ':')
			buf_putc(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
	cut_with_digest(out, start, USER_MAX, user);
}

/* ---- objects: the part from the URI */

struct uri_parts {
	struct str base; /* of the last path segment, without its extension */
	struct str
	    tail; /* query and fragment, where there is no extension: they tell pages apart */
	struct str ext;
};

/* Where the path of a URI ends. */
static size_t
path_length(struct str uri)
{
	size_t n = 0;

	while (n < uri.n && uri.p[n] != '?' && uri.p[n] != '#')
		n++;
	return n;
}

/* The path without scheme and authority, if it has them. */
static struct str
strip_authority(struct str path)
{
	for (size_t i = 0; i + 2 < path.n; i++) {
		struct str rest = str_from(path, i + 3);
		ptrdiff_t slash;

		if (path.p[i] == '/')
			break;
		if (memcmp(path.p + i, "://", 3) != 0)
			continue;
		slash = str_find(rest, '/');
		return slash < 0 ? STR("") : str_from(rest, (size_t)slash);
	}
	return path;
}

static bool
is_ext(struct str s)
{
	if (s.n == 0 || s.n > EXT_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]))
			return false;
	return true;
}

static bool
contains(struct str s, struct str word)
{
	for (size_t i = 0; i + word.n <= s.n; i++)
		if (memcmp(s.p + i, word.p, word.n) == 0)
			return true;
	return false;
}

static struct uri_parts
split_uri(struct str uri)
{
	size_t n = path_length(uri);
	struct str segment = strip_authority(str_make(uri.p, n));
	struct uri_parts parts;
	ptrdiff_t at;

	if ((at = str_rfind(segment, '/')) >= 0)
		segment = str_from(segment, (size_t)at + 1);
	parts = (struct uri_parts){ .base = segment, .tail = str_from(uri, n) };
	at = str_rfind(segment, '.');
	if (at >= 0 && is_ext(str_from(segment, (size_t)at + 1))) {
		parts.base = str_make(segment.p, (size_t)at);
		parts.ext = str_from(segment, (size_t)at + 1);
		parts.tail = STR("");
	} else if (contains(uri, STR("screenshot"))) {
		parts.ext = STR("png");
	}
	return parts;
}

/* Text of a URI: plain bytes and UTF-8 as they are, every other byte one '_', at most until the
 * part is full. */
static void
put_clean(struct str s, size_t start, struct buf *out)
{
	while (s.n > 0) {
		size_t len = (unsigned char)s.p[0] < 0x80 ? 1 : utf8_len(s.p, s.n);
		bool keep = len > 1 ? !(s.p[0] == '\xc2' && (unsigned char)s.p[1] < 0xa0)
				    : len == 1 && is_plain(s.p[0]);

		if (out->n - start + MAX(len, (size_t)1) > URI_PART_MAX)
			return;
		if (keep && !(out->n == start && s.p[0] == '.'))
			buf_put(out, s.p, len);
		else
			buf_putc(out, '_');
		if (buf_failed(out))
			return;
		s = str_from(s, MAX(len, (size_t)1));
	}
}

int
sink_object_key(
    struct str prefix, struct str user, struct str uri, int64_t time_ns, struct buf *out)
{
	struct uri_parts parts = split_uri(uri);
	char hour[CLOCK_HOUR_LEN + 1];
	size_t start;

	clock_hour(time_ns, hour);
	buf_put_str(out, prefix);
	put_user(user, out);
	buf_printf(out, "/%.4s/%.2s/%.2s/", hour, hour + 4, hour + 6);
	start = out->n;
	put_clean(parts.base, start, out);
	put_clean(parts.tail, start, out);
	if (out->n == start)
		buf_puts(out, "index");
	buf_printf(out, ".%019lld", (long long)time_ns);
	if (parts.ext.n) {
		buf_putc(out, '.');
		buf_put_str(out, parts.ext);
	}
	return buf_failed(out);
}

void
sink_put_uri(struct str uri, struct buf *out)
{
	for (size_t i = 0; i < uri.n; i++) {
		if (uri.p[i] > ' ' && uri.p[i] <= '~' && uri.p[i] != '%')
			buf_putc(out, uri.p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)uri.p[i]);
	}
}

/* ---- both */

/* Where the extension starts, its dot included; the key's length if it has none. The 19 digits
 * of an object's time are none. */
static size_t
extension_at(struct str key)
{
	ptrdiff_t slash = str_rfind(key, '/'), dot = str_rfind(key, '.');
	size_t digits = 0;

	if (str_ends(key, STR(".jsonl.gz")))
		return key.n - strlen(".jsonl.gz");
	if (dot < 0 || dot < slash)
		return key.n;
	while ((size_t)dot + 1 + digits < key.n && is_digit(key.p[(size_t)dot + 1 + digits]))
		digits++;
	return digits >= NS_DIGITS ? key.n : (size_t)dot;
}

int
sink_key_alternative(struct str key, unsigned n, struct buf *out)
{
	size_t at = extension_at(key);

	buf_put(out, key.p, at);
	if (n > 0)
		buf_printf(out, ".%u", n);
	buf_put_str(out, str_from(key, at));
	return buf_failed(out);
}

const char *
sink_content_type(struct str ext_or_key)
{
	static const struct {
		const char *ext, *type;
	} known[] = {
		{ "png", "image/png" },
		{ "jpg", "image/jpeg" },
		{ "jpeg", "image/jpeg" },
		{ "gif", "image/gif" },
		{ "json", "application/json" },
		{ "log", "text/plain" },
		{ "txt", "text/plain" },
		{ "html", "text/html" },
		{ "xml", "application/xml" },
		{ "gz", "application/gzip" },
	};
	ptrdiff_t dot = str_rfind(ext_or_key, '.');
	struct str ext = dot < 0 ? ext_or_key : str_from(ext_or_key, (size_t)dot + 1);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_ieq(ext, str_of(known[i].ext)))
			return known[i].type;
	return "application/octet-stream";
}

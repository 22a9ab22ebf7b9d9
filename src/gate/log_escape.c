/*
 * See log_escape.h. Most values are plain from end to end: they are copied eight bytes at a time.
 */
#include "gate/log_escape.h"

#include "base/utf8.h"

static const char upper[] = "0123456789ABCDEF";
static const char lower[] = "0123456789abcdef";

/* Printable ASCII that stands for itself in every form. */
static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

#define ONES (UINT64_MAX / 255)
#define HIGH (ONES * 0x80)

/* Nonzero if some byte of x is c. */
static uint64_t
has(uint64_t x, unsigned char c)
{
	x ^= ONES * c;
	return (x - ONES) & ~x & HIGH;
}

/* Some byte of x is not plain. */
static bool
has_special(uint64_t x)
{
	return (x & HIGH) | ((x - ONES * ' ') & ~x & HIGH) | has(x, '"') | has(x, '\\') |
	       has(x, 0x7f);
}

/* Copies the plain bytes that s begins with; returns their number. */
static size_t
copy_plain(struct str s, char *out)
{
	size_t n = 0;
	uint64_t x;

	for (; n + 8 <= s.n; n += 8) {
		memcpy(&x, s.p + n, 8);
		if (has_special(x))
			break;
		memcpy(out + n, &x, 8);
	}
	for (; n < s.n && is_plain((unsigned char)s.p[n]); n++)
		out[n] = s.p[n];
	return n;
}

static size_t
put_hex(char *out, const char *lead, size_t n, unsigned char c, const char *digits)
{
	memcpy(out, lead, n);
	out[n] = digits[c >> 4];
	out[n + 1] = digits[c & 15];
	return n + 2;
}

/* A backslash and the letter for c, if forms has one: pairs of byte and letter. */
static size_t
put_short(char *out, const char *forms, unsigned char c)
{
	for (; forms[0]; forms += 2)
		if ((unsigned char)forms[0] == c) {
			out[0] = '\\';
			out[1] = forms[1];
			return 2;
		}
	return 0;
}

/* One character that is not plain, of a form that keeps UTF-8. *used: the bytes it took. */
static size_t
put_character(bool json, struct str s, char *out, size_t *used)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n, len = utf8_len(s.p, s.n);

	*used = MAX(len, (size_t)1);
	n = put_short(out, json ? "\"\"\\\\\nn\rr\tt\bb\ff" : "\"\"\\\\\nn\rr\tt", c);
	if (n)
		return n;
	if (len == 0) {
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	if (json && c < ' ')
		return put_hex(out, "\\u00", 4, c, upper);
	/* C0, DEL, and C1 (U+0080 to U+009F) drive terminals. */
	if (!json && (c < ' ' || c == 0x7f))
		return put_hex(out, "\\x", 2, c, lower);
	if (!json && c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
		return put_hex(out, "\\x", 2, (unsigned char)s.p[1], lower);
	memcpy(out, s.p, len);
	return len;
}

static size_t
put_escaped(enum log_escape how, struct str s, char *out)
{
	size_t n = 0, used;

	for (;;) {
		used = copy_plain(s, out + n);
		n += used;
		s = str_from(s, used);
		if (s.n == 0)
			return n;
		if (how == LOG_ESCAPE_DEFAULT) {
			n += put_hex(out + n, "\\x", 2, (unsigned char)s.p[0], upper);
			used = 1;
		} else {
			n += put_character(how == LOG_ESCAPE_JSON, s, out + n, &used);
		}
		s = str_from(s, used);
	}
}

static bool
needs_quotes(struct str s)
{
	size_t n = 0;
	uint64_t x;

	for (; n + 8 <= s.n; n += 8) {
		memcpy(&x, s.p + n, 8);
		if (has_special(x) || has(x, ' ') || has(x, '='))
			break;
	}
	for (; n < s.n; n++)
		if (!is_plain((unsigned char)s.p[n]) || s.p[n] == ' ' || s.p[n] == '=')
			return true;
	return s.n == 0;
}

size_t
log_escape(enum log_escape how, struct str value, char *out)
{
	size_t n;

	if (how == LOG_ESCAPE_NONE) {
		if (value.n)
			memcpy(out, value.p, value.n);
		return value.n;
	}
	if (how != LOG_ESCAPE_LOGFMT || !needs_quotes(value))
		return put_escaped(how, value, out);
	out[0] = '"';
	n = 1 + put_escaped(how, value, out + 1);
	out[n] = '"';
	return n + 1;
}

struct str
log_escape_absent(enum log_escape how)
{
	return how == LOG_ESCAPE_DEFAULT || how == LOG_ESCAPE_LOGFMT ? STR("-") : STR("");
}

/*
 * Reading small JSON texts (messages of stores, bodies of the admin API) in place: walking a
 * container, looking up a member, unescaping a string. Nothing is built; values are pieces of the
 * text.
 */
#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

static size_t
skip_space(struct str s, size_t i)
{
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r'))
		i++;
	return i;
}

/* s.p[i] is the opening quote; the index behind the closing one. */
static size_t
skip_string(struct str s, size_t i)
{
	for (i++; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return s.n;
}

static bool
ends_scalar(char c)
{
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t
skip_value(struct str s, size_t i)
{
	size_t depth = 0;

	if (i < s.n && s.p[i] == '"')
		return skip_string(s, i);
	if (i < s.n && s.p[i] != '{' && s.p[i] != '[') {
		while (i < s.n && !ends_scalar(s.p[i]))
			i++;
		return i;
	}
	while (i < s.n) {
		char c = s.p[i];

		if (c == '"') {
			i = skip_string(s, i);
			continue;
		}
		i++;
		if (c == '{' || c == '[')
			depth++;
		if ((c == '}' || c == ']') && --depth == 0)
			break;
	}
	return i;
}

/* Cuts the value at *i off s and moves *i behind it. */
static struct str
take_value(struct str s, size_t *i)
{
	size_t from = skip_space(s, *i), end = skip_value(s, from);

	*i = end;
	return str_sub(s, from, end - from);
}

int
json_next(struct str s, size_t *at, struct str *name, struct str *value)
{
	size_t start = skip_space(s, 0), i;
	bool object;

	if (start == s.n || (s.p[start] != '{' && s.p[start] != '['))
		return ERR_BAD;
	object = s.p[start] == '{';
	i = skip_space(s, *at ? *at : start + 1);
	if (*at && i < s.n && s.p[i] == ',')
		i = skip_space(s, i + 1);
	if (i >= s.n || s.p[i] == '}' || s.p[i] == ']')
		return 0;
	*name = str_make(NULL, 0);
	if (object) {
		*name = take_value(s, &i);
		i = skip_space(s, i);
		if (i >= s.n || s.p[i] != ':')
			return ERR_BAD;
		i++;
	}
	*value = take_value(s, &i);
	if (value->n == 0)
		return ERR_BAD;
	*at = i;
	return 1;
}

/* Unescaping, one character a step */

static int
hex_value(struct str s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.n < 4)
		return ERR_BAD;
	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned char letter = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (letter >= 'a' && letter <= 'f')
			v = v << 4 | (uint32_t)(letter - 'a' + 10);
		else
			return ERR_BAD;
	}
	*out = v;
	return 0;
}

/* s is behind "\u". Bytes used of s (4, or 10 for a pair), or ERR_BAD. */
static int
unicode_escape(struct str s, uint32_t *cp)
{
	uint32_t low;

	if (hex_value(s, cp))
		return ERR_BAD;
	if (*cp < 0xd800 || *cp > 0xdfff)
		return 4;
	if (*cp < 0xdc00 && str_starts(str_from(s, 4), STR("\\u")) &&
	    hex_value(str_from(s, 6), &low) == 0 && low >= 0xdc00 && low <= 0xdfff) {
		*cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
		return 10;
	}
	*cp = 0xfffd;
	return 4;
}

/* Takes one character off the front of the inside of a string: its UTF-8 length in out, or
 * ERR_BAD. */
static int
take_char(struct str *s, char out[4])
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	size_t len = utf8_len(s->p, s->n);
	const char *hit;
	uint32_t cp;
	int used;

	if (len == 0 || (unsigned char)s->p[0] < 0x20 || s->p[0] == '"')
		return ERR_BAD;
	if (s->p[0] != '\\') {
		memcpy(out, s->p, len);
		*s = str_from(*s, len);
		return (int)len;
	}
	if (s->n < 2 || !s->p[1])
		return ERR_BAD;
	hit = strchr(letters, s->p[1]);
	if (hit) {
		out[0] = means[hit - letters];
		*s = str_from(*s, 2);
		return 1;
	}
	used = s->p[1] == 'u' ? unicode_escape(str_from(*s, 2), &cp) : ERR_BAD;
	if (used < 0)
		return ERR_BAD;
	*s = str_from(*s, 2 + (size_t)used);
	return (int)utf8_encode(cp, out);
}

/* The inside of a raw string, without its quotes. */
static int
string_inside(struct str raw, struct str *inside)
{
	if (raw.n < 2 || raw.p[0] != '"' || raw.p[raw.n - 1] != '"')
		return ERR_BAD;
	*inside = str_sub(raw, 1, raw.n - 2);
	return 0;
}

static bool
name_is(struct str raw, struct str name)
{
	struct str rest;
	char one[4];

	if (string_inside(raw, &rest))
		return false;
	if (str_find(rest, '\\') < 0)
		return str_eq(rest, name);
	while (rest.n > 0) {
		int n = take_char(&rest, one);

		if (n < 0 || !str_starts(name, str_make(one, (size_t)n)))
			return false;
		name = str_from(name, (size_t)n);
	}
	return name.n == 0;
}

int
json_get(struct str object, const char *name, struct str *value)
{
	struct str member, v, wanted = str_of(name);
	int err = ERR_NOT_FOUND, more;
	uint64_t bad_at;
	size_t at = 0, start = skip_space(object, 0);

	if (start == object.n || object.p[start] != '{' || json_check_text(object, &bad_at))
		return ERR_BAD;
	while ((more = json_next(object, &at, &member, &v)) > 0) {
		if (name_is(member, wanted)) {
			*value = v;
			err = 0;
		}
	}
	return more < 0 ? more : err;
}

int
json_unquote(struct str raw, struct buf *out)
{
	struct str rest;
	char one[4];

	if (string_inside(raw, &rest))
		return ERR_BAD;
	while (rest.n > 0) {
		int n = take_char(&rest, one);

		if (n < 0)
			return ERR_BAD;
		buf_put(out, one, (size_t)n);
	}
	return buf_failed(out);
}

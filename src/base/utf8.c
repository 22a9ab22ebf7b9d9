/*
 * UTF-8, one sequence at a time. Called by the log, the JSON code and whatever shows foreign bytes.
 */
#include "base/utf8.h"

static bool
follows(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte carries what the lead byte alone cannot rule out: overlong forms, surrogates, beyond U+10FFFF. */
static bool
second_fits(unsigned char lead, unsigned char c)
{
	switch (lead) {
	case 0xe0:
		return c >= 0xa0 && c <= 0xbf;
	case 0xed:
		return c >= 0x80 && c <= 0x9f;
	case 0xf0:
		return c >= 0x90 && c <= 0xbf;
	case 0xf4:
		return c >= 0x80 && c <= 0x8f;
	default:
		return follows(c);
	}
}

size_t
utf8_len(const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len || !second_fits(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (!follows(p[i]))
			return 0;
	}
	return len;
}

size_t
utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

bool
utf8_valid(struct str s)
{
	for (size_t i = 0, len; i < s.n; i += len) {
		len = utf8_len(s.p + i, s.n - i);
		if (len == 0)
			return false;
	}
	return true;
}

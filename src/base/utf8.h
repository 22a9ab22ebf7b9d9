/*
 * UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing beyond U+10FFFF.
 */
#ifndef SLUICE_BASE_UTF8_H
#define SLUICE_BASE_UTF8_H

#include "base/base.h"

static inline bool
utf8_follows(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte carries what the lead byte alone cannot rule out: overlong forms, surrogates,
 * beyond U+10FFFF. */
static inline bool
utf8_second_fits(unsigned char lead, unsigned char c)
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
		return utf8_follows(c);
	}
}

/* Length (1 to 4) of the well-formed sequence at p, or 0 if there is none within n bytes. Inline:
 * the JSON checker asks it for every character beyond ASCII. */
static inline size_t
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
	if (n < len || !utf8_second_fits(p[0], p[1]))
		return 0;
	if ((len > 2 && !utf8_follows(p[2])) || (len > 3 && !utf8_follows(p[3])))
		return 0;
	return len;
}

/* Writes cp (a scalar value) to out and returns its length. */
size_t utf8_encode(uint32_t cp, char out[4]);
bool utf8_valid(struct str s);

#endif

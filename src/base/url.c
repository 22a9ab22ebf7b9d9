/*
 * Percent-decoding. Called for request paths, queries and identifiers in them.
 */
#include "base/url.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
decode_escape(struct str s, char *out)
{
	int high, low;

	if (s.n < 3)
		return ERR_BAD;
	high = hex_digit(s.p[1]);
	low = hex_digit(s.p[2]);
	if (high < 0 || low < 0)
		return ERR_BAD;
	*out = (char)(high << 4 | low);
	return 0;
}

int
url_decode(struct str in, struct buf *out, bool plus_is_space)
{
	size_t i = 0;

	while (i < in.n) {
		char c = in.p[i];

		if (c == '%') {
			if (decode_escape(str_from(in, i), &c))
				return ERR_BAD;
			i += 3;
		} else {
			c = c == '+' && plus_is_space ? ' ' : c;
			i++;
		}
		buf_putc(out, c);
	}
	return buf_failed(out);
}

/*
 * Inside the tokens of JSON: strings, numbers, words, each a small machine that can stop and go on at any byte, its place kept in c->sub. Called by
 * json.c.
 */
#include "base/json_priv.h"
#include "base/utf8.h"

/* sub inside a string: plain, behind a backslash, so many hexadecimal digits to come, or so many
 * bytes of a UTF-8 sequence, the next of which lies between low and high. */
enum { PLAIN, ESCAPE, HEX_1, HEX_2, HEX_3, HEX_4, UTF8_1, UTF8_2, UTF8_3 };

/* sub inside a number: what was seen last. */
enum { BEFORE, MINUS, ZERO, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS };

static bool
is_digit(unsigned char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool
is_hex(unsigned char ch)
{
	return is_digit(ch) || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f');
}

/* Strings */

/* High bit set in the bytes of w that end a run of plain ones: below 0x20, quote, backslash, not
 * ASCII. A byte above a hit may be marked wrongly (the subtractions borrow); the lowest mark is
 * always right. */
static uint64_t
special_bytes(uint64_t w)
{
	uint64_t quote = w ^ ONES * '"', backslash = w ^ ONES * '\\';

	return ((w - ONES * 0x20) | (quote - ONES) | (backslash - ONES) | w) & HIGHS;
}

static bool
is_special(unsigned char ch)
{
	return ch < 0x20 || ch == '"' || ch == '\\' || ch >= 0x80;
}

/* The first byte from p on that is not plain. */
static const unsigned char *
skip_plain(const unsigned char *p, const unsigned char *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t marks = special_bytes(json_load_le(p));

		if (marks)
			return p + __builtin_ctzll(marks) / 8;
	}
	while (p < end && !is_special(*p))
		p++;
	return p;
}

/* Skips plain bytes and whole sequences beyond ASCII. */
const unsigned char *
json_skip_text(const unsigned char *p, const unsigned char *end)
{
	size_t len;

	for (;;) {
		p = skip_plain(p, end);
		if (p == end || *p < 0x80)
			return p;
		while (p < end && *p >= 0x80) {
			len = utf8_len(p, (size_t)(end - p));
			if (len == 0)
				return p;
			p += len;
		}
	}
}

/* The lead byte of a UTF-8 sequence: what must follow. False if it leads none. */
static bool
lead_byte(struct json_check *c, unsigned char ch)
{
	if (ch < 0xc2 || ch > 0xf4)
		return false;
	c->sub = ch < 0xe0 ? UTF8_1 : ch < 0xf0 ? UTF8_2 : UTF8_3;
	c->low = ch == 0xe0 ? 0xa0 : ch == 0xf0 ? 0x90 : 0x80;
	c->high = ch == 0xed ? 0x9f : ch == 0xf4 ? 0x8f : 0xbf;
	return true;
}

static bool
continuation_byte(struct json_check *c, unsigned char ch)
{
	if (ch < c->low || ch > c->high)
		return false;
	c->low = 0x80;
	c->high = 0xbf;
	c->sub = c->sub == UTF8_1 ? PLAIN : c->sub - 1;
	return true;
}

static bool
escape_letter(struct json_check *c, unsigned char ch)
{
	c->sub = ch == 'u' ? HEX_4 : PLAIN;
	switch (ch) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
	case 'u':
		return true;
	default:
		return false;
	}
}

/* One byte of a string that is not plain, or is inside an escape or a sequence. */
static bool
string_byte(struct json_check *c, unsigned char ch)
{
	switch (c->sub) {
	case PLAIN:
		if (ch == '"') {
			c->state = c->state == IN_NAME ? COLON : c->behind;
			return true;
		}
		if (ch == '\\') {
			c->sub = ESCAPE;
			return true;
		}
		return lead_byte(c, ch);
	case ESCAPE:
		return escape_letter(c, ch);
	case HEX_1:
	case HEX_2:
	case HEX_3:
	case HEX_4:
		c->sub = c->sub == HEX_1 ? PLAIN : c->sub - 1;
		return is_hex(ch);
	default:
		return continuation_byte(c, ch);
	}
}

const unsigned char *
json_step_string(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	while (c->state == IN_STRING || c->state == IN_NAME) {
		if (c->sub == PLAIN)
			p = json_skip_text(p, end);
		if (p == end)
			return p;
		if (!string_byte(c, *p)) {
			c->state = BAD;
			return p;
		}
		p++;
	}
	return p;
}

/* Numbers */

/* The place in a number after ch, or -1 if ch does not belong to it. */
static int
number_byte(int sub, unsigned char ch)
{
	bool digit = is_digit(ch), e = (ch | 0x20) == 'e';

	switch (sub) {
	case BEFORE:
		if (ch == '-')
			return MINUS;
		return ch == '0' ? ZERO : digit ? INTEGER : -1;
	case MINUS:
		return ch == '0' ? ZERO : digit ? INTEGER : -1;
	case ZERO:
		return ch == '.' ? POINT : e ? EXPONENT : -1;
	case INTEGER:
		return digit ? INTEGER : ch == '.' ? POINT : e ? EXPONENT : -1;
	case POINT:
		return digit ? FRACTION : -1;
	case FRACTION:
		return digit ? FRACTION : e ? EXPONENT : -1;
	case EXPONENT:
		if (ch == '+' || ch == '-')
			return EXPONENT_SIGN;
		return digit ? EXPONENT_DIGITS : -1;
	default:
		return digit ? EXPONENT_DIGITS : -1;
	}
}

bool
json_number_complete(int sub)
{
	return sub == ZERO || sub == INTEGER || sub == FRACTION || sub == EXPONENT_DIGITS;
}

static const unsigned char *
skip_digits(const unsigned char *p, const unsigned char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* Behind the number at p, if it is one and the byte that ends it is there; else NULL. */
const unsigned char *
json_whole_number(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *digits;

	if (p < end && *p == '-')
		p++;
	digits = p;
	p = skip_digits(p, end);
	if (p == digits || (*digits == '0' && p > digits + 1))
		return NULL;
	if (p < end && *p == '.') {
		digits = p + 1;
		p = skip_digits(digits, end);
		if (p == digits)
			return NULL;
	}
	return p < end && (*p | 0x20) != 'e' ? p : NULL;
}

const unsigned char *
json_step_number(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	int sub = c->sub;

	for (; p < end; p++) {
		int next = number_byte(sub, *p);

		if (next < 0) {
			if (json_number_complete(sub))
				c->state = c->behind;
			else
				c->state = BAD;
			return p;
		}
		sub = next;
	}
	c->sub = (uint8_t)sub;
	return p;
}

/* Words */

const unsigned char *
json_step_word(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	const char *word = c->state == IN_TRUE ? "true" : c->state == IN_FALSE ? "false" : "null";

	for (; p < end; p++) {
		if (*p != (unsigned char)word[c->sub]) {
			c->state = BAD;
			return p;
		}
		c->sub++;
		if (!word[c->sub]) {
			c->state = c->behind;
			return p + 1;
		}
	}
	return p;
}

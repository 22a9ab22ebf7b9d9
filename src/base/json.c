/*
 * The JSON checker: a state machine that can stop and go on at any byte. Called by ingest for every body under `validate json`, so
 * the bytes of strings, which are most of a text, are looked at eight at a time.
 *
 * c->state says what may come next between tokens, or which token we are in; c->sub is the place inside that token. Each step_*
 * function takes bytes from p on and returns the first byte it did not take; it has set the next state if its token is over. A
 * byte that cannot be sets BAD and is not taken.
 */
#include "base/json.h"

enum state {
	VALUE,       /* a value must follow */
	FIRST_VALUE, /* behind [: a value or ] */
	FIRST_NAME,  /* behind {: a name or } */
	NAME,        /* behind a comma in an object */
	COLON,       /* behind a name */
	NEXT,        /* behind a value inside something */
	DONE,        /* behind the one value: white space only */
	IN_STRING,   /* these and what follows are inside a token */
	IN_NAME,
	IN_NUMBER,
	IN_TRUE,
	IN_FALSE,
	IN_NULL,
	BAD
};

/* sub inside a string: plain, behind a backslash, so many hexadecimal digits to come, or so many bytes of a UTF-8 sequence, the next of
 * which lies between low and high. */
enum { PLAIN, ESCAPE, HEX_1, HEX_2, HEX_3, HEX_4, UTF8_1, UTF8_2, UTF8_3 };

/* sub inside a number: what was seen last. */
enum { MINUS, ZERO, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS };

void
json_check_init(struct json_check *c)
{
	memset(c, 0, sizeof(*c));
}

static bool
is_digit(unsigned char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool
is_space(unsigned char ch)
{
	return ch == ' ' || ch == '\n' || ch == '\t' || ch == '\r';
}

static bool
is_hex(unsigned char ch)
{
	return is_digit(ch) || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f');
}

static bool
in_object(const struct json_check *c)
{
	unsigned level = c->depth - 1u;

	return c->is_object[level / 64] >> (level % 64) & 1;
}

static void
value_over(struct json_check *c)
{
	c->state = c->depth ? NEXT : DONE;
}

/* Strings */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* High bit set in the bytes of w that end a run of plain ones: below 0x20, quote, backslash, not ASCII. A byte above a hit may be
 * marked wrongly (the subtractions borrow); the lowest mark is always right. */
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
		uint64_t w;

		memcpy(&w, p, 8);
		if (special_bytes(w))
			break;
	}
	while (p < end && !is_special(*p))
		p++;
	return p;
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
	return ch && strchr("\"\\/bfnrtu", ch);
}

/* One byte of a string that is not plain, or is inside an escape or a sequence. */
static bool
string_byte(struct json_check *c, unsigned char ch)
{
	switch (c->sub) {
	case PLAIN:
		if (ch == '"') {
			if (c->state == IN_NAME)
				c->state = COLON;
			else
				value_over(c);
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

static const unsigned char *
step_string(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	while (c->state == IN_STRING || c->state == IN_NAME) {
		if (c->sub == PLAIN)
			p = skip_plain(p, end);
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

static bool
number_complete(int sub)
{
	return sub == ZERO || sub == INTEGER || sub == FRACTION || sub == EXPONENT_DIGITS;
}

static const unsigned char *
step_number(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	int sub = c->sub;

	for (; p < end; p++) {
		int next = number_byte(sub, *p);

		if (next < 0) {
			if (number_complete(sub))
				value_over(c);
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

static const unsigned char *
step_word(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	const char *word = c->state == IN_TRUE ? "true" : c->state == IN_FALSE ? "false" : "null";

	for (; p < end; p++) {
		if (*p != (unsigned char)word[c->sub]) {
			c->state = BAD;
			return p;
		}
		c->sub++;
		if (!word[c->sub]) {
			value_over(c);
			return p + 1;
		}
	}
	return p;
}

/* Between tokens */

static bool
open_container(struct json_check *c, bool object)
{
	unsigned level = c->depth;
	uint64_t bit = UINT64_C(1) << (level % 64);

	if (level == JSON_MAX_DEPTH)
		return false;
	if (object)
		c->is_object[level / 64] |= bit;
	else
		c->is_object[level / 64] &= ~bit;
	c->depth++;
	c->state = object ? FIRST_NAME : FIRST_VALUE;
	return true;
}

static bool
close_container(struct json_check *c, bool object)
{
	if (c->depth == 0 || in_object(c) != object)
		return false;
	c->depth--;
	value_over(c);
	return true;
}

/* Enters a token whose first byte has been taken. */
static bool
enter(struct json_check *c, enum state state, int sub)
{
	c->state = (uint8_t)state;
	c->sub = (uint8_t)sub;
	return true;
}

static bool
begin_value(struct json_check *c, unsigned char ch)
{
	switch (ch) {
	case '"':
		return enter(c, IN_STRING, PLAIN);
	case '{':
		return open_container(c, true);
	case '[':
		return open_container(c, false);
	case '-':
		return enter(c, IN_NUMBER, MINUS);
	case '0':
		return enter(c, IN_NUMBER, ZERO);
	case 't':
		return enter(c, IN_TRUE, 1);
	case 'f':
		return enter(c, IN_FALSE, 1);
	case 'n':
		return enter(c, IN_NULL, 1);
	default:
		return is_digit(ch) && enter(c, IN_NUMBER, INTEGER);
	}
}

static bool
behind_value(struct json_check *c, unsigned char ch)
{
	if (ch == ',') {
		c->state = in_object(c) ? NAME : VALUE;
		return true;
	}
	return (ch == '}' || ch == ']') && close_container(c, ch == '}');
}

/* One byte between tokens that is not white space. */
static bool
structure_byte(struct json_check *c, unsigned char ch)
{
	switch (c->state) {
	case FIRST_VALUE:
		if (ch == ']')
			return close_container(c, false);
		return begin_value(c, ch);
	case VALUE:
		return begin_value(c, ch);
	case FIRST_NAME:
		if (ch == '}')
			return close_container(c, true);
		return ch == '"' && enter(c, IN_NAME, PLAIN);
	case NAME:
		return ch == '"' && enter(c, IN_NAME, PLAIN);
	case COLON:
		c->state = VALUE;
		return ch == ':';
	case NEXT:
		return behind_value(c, ch);
	default:
		return false;
	}
}

/* Where the text goes without its line breaks: runs between them are moved whole. */
struct copy {
	char *out;
	size_t n;
	const unsigned char *from; /* not yet copied from here on */
};

static void
copy_run(struct copy *copy, const unsigned char *end)
{
	size_t n = (size_t)(end - copy->from);

	if (!copy->out)
		return;
	if (n && (const unsigned char *)copy->out + copy->n != copy->from)
		memmove(copy->out + copy->n, copy->from, n);
	copy->n += n;
	copy->from = end;
}

/* White space, then bytes of structure until a token begins. */
static const unsigned char *
step_structure(
    struct json_check *c, const unsigned char *p, const unsigned char *end, struct copy *copy)
{
	for (; p < end && c->state < IN_STRING; p++) {
		unsigned char ch = *p;

		if (is_space(ch)) {
			if (ch == '\n' || ch == '\r') {
				copy_run(copy, p);
				copy->from = p + 1;
			}
		} else if (!structure_byte(c, ch)) {
			c->state = BAD;
			break;
		}
	}
	return p;
}

static const unsigned char *
step(struct json_check *c, const unsigned char *p, const unsigned char *end, struct copy *copy)
{
	switch (c->state) {
	case IN_STRING:
	case IN_NAME:
		return step_string(c, p, end);
	case IN_NUMBER:
		return step_number(c, p, end);
	case IN_TRUE:
	case IN_FALSE:
	case IN_NULL:
		return step_word(c, p, end);
	default:
		return step_structure(c, p, end, copy);
	}
}

static int
feed(struct json_check *c, const unsigned char *p, size_t n, struct copy *copy)
{
	const unsigned char *start = p, *end = p + n;

	copy->from = p;
	while (p < end && c->state != BAD)
		p = step(c, p, end, copy);
	c->offset += (uint64_t)(p - start);
	copy_run(copy, p);
	return c->state == BAD ? ERR_BAD : 0;
}

int
json_check_feed(struct json_check *c, const void *p, size_t n)
{
	struct copy none = { 0 };

	return n ? feed(c, p, n, &none) : c->state == BAD ? ERR_BAD : 0;
}

int
json_check_feed_line(struct json_check *c, const void *p, size_t n, char *out, size_t *out_n)
{
	struct copy copy = { .out = out };
	int err = n ? feed(c, p, n, &copy) : c->state == BAD ? ERR_BAD : 0;

	*out_n = copy.n;
	return err;
}

int
json_check_end(struct json_check *c)
{
	if (c->state == DONE)
		return 0;
	if (c->state == IN_NUMBER && c->depth == 0 && number_complete(c->sub)) {
		c->state = DONE;
		return 0;
	}
	c->state = BAD;
	return ERR_BAD;
}

int
json_check_text(struct str text, uint64_t *bad_at)
{
	struct json_check c;
	int err;

	json_check_init(&c);
	err = json_check_feed(&c, text.p, text.n);
	if (!err)
		err = json_check_end(&c);
	if (err)
		*bad_at = c.offset;
	return err;
}

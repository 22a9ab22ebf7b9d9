/*
 * The JSON checker: a state machine that can stop and go on at any byte. Called by ingest for every
 * body under `validate json`.
 *
 * Between tokens the grammar is a table: state and kind of byte give the next state or an action. A
 * token is first tried whole, without any state (strings eight bytes at a time); one that is cut,
 * escaped or wrong goes through a machine of its own, whose place is kept in c->sub. Functions
 * called step_* take bytes from p on and return the first byte they did not take; a byte that
 * cannot be sets BAD and is not taken.
 */
#include "base/json.h"

#include "base/utf8.h"

enum state {
	BAD,
	VALUE,        /* a value must follow */
	FIRST_VALUE,  /* behind [: a value or ] */
	FIRST_NAME,   /* behind {: a name or } */
	NAME,         /* behind a comma in an object */
	COLON,        /* behind a name */
	NEXT_ELEMENT, /* behind a value in an array */
	NEXT_MEMBER,  /* behind a value in an object */
	DONE,         /* behind the one value: white space only */
	IN_STRING,    /* these are inside a token */
	IN_NAME,
	IN_NUMBER,
	IN_TRUE,
	IN_FALSE,
	IN_NULL,
	LINE_BREAK, /* these are actions of the table and never a state */
	OPEN_OBJECT,
	OPEN_ARRAY,
	CLOSE
};

/* Kinds of bytes between tokens. */
enum kind {
	OTHER,
	SPACE,
	NEWLINE,
	BRACE,
	END_BRACE,
	BRACKET,
	END_BRACKET,
	COLON_SIGN,
	COMMA,
	QUOTE,
	NUMBER,
	T,
	F,
	N,
	KINDS
};

static const uint8_t kind_of[256] = {
	[' '] = SPACE,
	['\t'] = SPACE,
	['\n'] = NEWLINE,
	['\r'] = NEWLINE,
	['{'] = BRACE,
	['}'] = END_BRACE,
	['['] = BRACKET,
	[']'] = END_BRACKET,
	[':'] = COLON_SIGN,
	[','] = COMMA,
	['"'] = QUOTE,
	['-'] = NUMBER,
	['0'] = NUMBER,
	['1'] = NUMBER,
	['2'] = NUMBER,
	['3'] = NUMBER,
	['4'] = NUMBER,
	['5'] = NUMBER,
	['6'] = NUMBER,
	['7'] = NUMBER,
	['8'] = NUMBER,
	['9'] = NUMBER,
	['t'] = T,
	['f'] = F,
	['n'] = N,
};

#define ROW(state, ...) [state] = { [SPACE] = state, [NEWLINE] = LINE_BREAK, __VA_ARGS__ }
#define ANY_VALUE                                                                                \
	[QUOTE] = IN_STRING, [NUMBER] = IN_NUMBER, [T] = IN_TRUE, [F] = IN_FALSE, [N] = IN_NULL, \
	[BRACE] = OPEN_OBJECT, [BRACKET] = OPEN_ARRAY

/* What is not mentioned is BAD. */
static const uint8_t grammar[DONE + 1][KINDS] = {
	ROW(VALUE, ANY_VALUE),
	ROW(FIRST_VALUE, ANY_VALUE, [END_BRACKET] = CLOSE),
	ROW(FIRST_NAME, [QUOTE] = IN_NAME, [END_BRACE] = CLOSE),
	ROW(NAME, [QUOTE] = IN_NAME),
	ROW(COLON, [COLON_SIGN] = VALUE),
	ROW(NEXT_ELEMENT, [COMMA] = VALUE, [END_BRACKET] = CLOSE),
	ROW(NEXT_MEMBER, [COMMA] = NAME, [END_BRACE] = CLOSE),
	ROW(DONE, [OTHER] = BAD),
};

/* sub inside a string: plain, behind a backslash, so many hexadecimal digits to come, or so many
 * bytes of a UTF-8 sequence, the next of which lies between low and high. */
enum { PLAIN, ESCAPE, HEX_1, HEX_2, HEX_3, HEX_4, UTF8_1, UTF8_2, UTF8_3 };

/* sub inside a number: what was seen last. */
enum { BEFORE, MINUS, ZERO, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS };

void
json_check_init(struct json_check *c)
{
	memset(c, 0, sizeof(*c));
	c->state = VALUE;
	c->behind = DONE;
}

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

/* Eight bytes, the first one lowest. */
static uint64_t
load_le(const unsigned char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(w) : w;
}

/* Strings */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

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
		uint64_t marks = special_bytes(load_le(p));

		if (marks)
			return p + __builtin_ctzll(marks) / 8;
	}
	while (p < end && !is_special(*p))
		p++;
	return p;
}

/* Skips plain bytes and whole sequences beyond ASCII. */
static const unsigned char *
skip_text(const unsigned char *p, const unsigned char *end)
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

static const unsigned char *
step_string(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	while (c->state == IN_STRING || c->state == IN_NAME) {
		if (c->sub == PLAIN)
			p = skip_text(p, end);
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

static bool
number_complete(int sub)
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
static const unsigned char *
whole_number(const unsigned char *p, const unsigned char *end)
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

static const unsigned char *
step_number(struct json_check *c, const unsigned char *p, const unsigned char *end)
{
	int sub = c->sub;

	for (; p < end; p++) {
		int next = number_byte(sub, *p);

		if (next < 0) {
			if (number_complete(sub))
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
			c->state = c->behind;
			return p + 1;
		}
	}
	return p;
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

/* Between tokens */

static bool
between_tokens(uint8_t state)
{
	return state >= VALUE && state <= DONE;
}

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
	c->behind = object ? NEXT_MEMBER : NEXT_ELEMENT;
	c->state = object ? FIRST_NAME : FIRST_VALUE;
	return true;
}

/* The grammar has seen to it that the sign fits. */
static void
close_container(struct json_check *c)
{
	unsigned level = --c->depth;

	if (level == 0)
		c->behind = DONE;
	else if (c->is_object[(level - 1) / 64] >> ((level - 1) % 64) & 1)
		c->behind = NEXT_MEMBER;
	else
		c->behind = NEXT_ELEMENT;
	c->state = c->behind;
}

/* The token at p, whole if it can be had at once; if not its machine is left to go on with it. */
static const unsigned char *
token(struct json_check *c, enum state kind, const unsigned char *p, const unsigned char *end)
{
	const unsigned char *behind;

	c->state = (uint8_t)kind;
	c->sub = 0;
	if (kind == IN_STRING || kind == IN_NAME) {
		behind = skip_text(p + 1, end);
		if (behind == end || *behind != '"')
			return behind;
		c->state = kind == IN_NAME ? COLON : c->behind;
		return behind + 1;
	}
	if (kind == IN_NUMBER) {
		behind = whole_number(p, end);
		if (!behind)
			return p;
		c->state = c->behind;
		return behind;
	}
	return p;
}

static const unsigned char *
skip_blanks(const unsigned char *p, const unsigned char *end)
{
	while (end - p >= 8 && load_le(p) == ONES * ' ')
		p += 8;
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* Does what the grammar says for the byte at p where that is more than a change of state. */
static const unsigned char *
act(struct json_check *c, enum state action, const unsigned char *p, const unsigned char *end,
    struct copy *copy)
{
	switch (action) {
	case LINE_BREAK:
		copy_run(copy, p);
		copy->from = p + 1;
		return skip_blanks(p + 1, end);
	case OPEN_OBJECT:
	case OPEN_ARRAY:
		if (!open_container(c, action == OPEN_OBJECT))
			break;
		return p + 1;
	case CLOSE:
		close_container(c);
		return p + 1;
	case BAD:
		break;
	default:
		return token(c, action, p, end);
	}
	c->state = BAD;
	return p;
}

static const unsigned char *
step_structure(
    struct json_check *c, const unsigned char *p, const unsigned char *end, struct copy *copy)
{
	while (p < end && between_tokens(c->state)) {
		uint8_t next = grammar[c->state][kind_of[*p]];

		if (between_tokens(next)) {
			c->state = next;
			p++;
		} else {
			p = act(c, (enum state)next, p, end, copy);
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

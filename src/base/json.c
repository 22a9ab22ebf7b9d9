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

#include "base/json_priv.h"

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

void
json_check_init(struct json_check *c)
{
	memset(c, 0, sizeof(*c));
	c->state = VALUE;
	c->behind = DONE;
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
		behind = json_skip_text(p + 1, end);
		if (behind == end || *behind != '"')
			return behind;
		c->state = kind == IN_NAME ? COLON : c->behind;
		return behind + 1;
	}
	if (kind == IN_NUMBER) {
		behind = json_whole_number(p, end);
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
	while (end - p >= 8 && json_load_le(p) == ONES * ' ')
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
		return json_step_string(c, p, end);
	case IN_NUMBER:
		return json_step_number(c, p, end);
	case IN_TRUE:
	case IN_FALSE:
	case IN_NULL:
		return json_step_word(c, p, end);
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
	if (c->state == IN_NUMBER && c->depth == 0 && json_number_complete(c->sub)) {
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

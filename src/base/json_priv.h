/*
 * Shared by the JSON checker's two files: json.c, between the tokens, and json_token.c, inside them.
 */
#ifndef SLUICE_BASE_JSON_PRIV_H
#define SLUICE_BASE_JSON_PRIV_H

#include "base/json.h"

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

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Eight bytes, the first one lowest. */
static inline uint64_t
json_load_le(const unsigned char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(w) : w;
}

/* Behind the bytes of a string that stand for themselves, valid UTF-8 included. */
const unsigned char *json_skip_text(const unsigned char *p, const unsigned char *end);
/* Inside a token: take bytes from p on, return the first one not taken; set c->state to what follows, or to BAD. */
const unsigned char *json_step_string(
    struct json_check *c, const unsigned char *p, const unsigned char *end);
const unsigned char *json_step_number(
    struct json_check *c, const unsigned char *p, const unsigned char *end);
const unsigned char *json_step_word(
    struct json_check *c, const unsigned char *p, const unsigned char *end);
/* Behind the number at p, if it is one and the byte that ends it is there; else NULL. */
const unsigned char *json_whole_number(const unsigned char *p, const unsigned char *end);
/* Could a number end at this place in it? */
bool json_number_complete(int sub);

#endif

/*
 * Strict JSON (RFC 8259) without recursion.
 *
 * The checker takes a text in pieces and, on the way, can copy it with the line breaks between
 * tokens dropped, so that one text is one line of JSONL. Strings and numbers are copied byte for
 * byte; UTF-8 must be valid; exactly one value.
 *
 * The reader below walks a small complete text that the checker has accepted (or finds it bad
 * itself).
 */
#ifndef SLUICE_BASE_JSON_H
#define SLUICE_BASE_JSON_H

#include "base/base.h"

#define JSON_MAX_DEPTH 512

struct json_check {
	uint64_t offset; /* bytes taken so far; after ERR_BAD: of the offending byte */
	uint16_t depth;
	uint8_t state, sub, behind;              /* private */
	uint8_t low, high;                       /* private */
	uint64_t is_object[JSON_MAX_DEPTH / 64]; /* one bit a level */
};

void json_check_init(struct json_check *c);
/* Takes n more bytes: 0, or ERR_BAD with c->offset at the first byte that cannot be (also for
 * nesting too deep). */
int json_check_feed(struct json_check *c, const void *p, size_t n);
/* As feed; writes to out (room for n bytes) the text without CR and LF between tokens and stores
 * their number in *out_n. out may be p. */
int json_check_feed_line(struct json_check *c, const void *p, size_t n, char *out, size_t *out_n);
/* The end: 0 if exactly one value was complete, else ERR_BAD with offset at the end. */
int json_check_end(struct json_check *c);

/* One whole text. *bad_at is set on ERR_BAD. */
int json_check_text(struct str text, uint64_t *bad_at);

/*
 * Walks the members of an object or the elements of an array: at 0 for the first call; *name is the
 * raw name with its quotes ({NULL, 0} in an array), *value the raw value. 1 for one more, 0 at the
 * end, ERR_BAD if the text is neither. The text must be valid: what json_check_text has accepted,
 * or a value that came out of one; over any other text it gives nonsense, but stays inside.
 */
int json_next(struct str container, size_t *at, struct str *name, struct str *value);
/* Looks up a member of a JSON object text, the last of equal names; *value is its raw text (a
 * string keeps its quotes). 0, ERR_NOT_FOUND or ERR_BAD (the text is checked). Names are compared
 * after unescaping. */
int json_get(struct str object, const char *name, struct str *value);
/* Unescapes a raw string value (with its quotes) to out; half a surrogate pair becomes U+FFFD. 0,
 * ERR_BAD or out's failure. */
struct buf;
int json_unquote(struct str raw, struct buf *out);

#endif

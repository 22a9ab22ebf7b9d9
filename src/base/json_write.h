/*
 * Writes one JSON document into a buffer, commas and quotes included; the buffer's sticky failure is the only one. Nesting is the
 * caller's: each json_open has its json_close.
 *
 *	json_init(&w, &out);
 *	json_open(&w, NULL, '{');
 *	json_put_str(&w, "name", name);
 *	json_close(&w);
 */
#ifndef SLUICE_BASE_JSON_WRITE_H
#define SLUICE_BASE_JSON_WRITE_H

#include "base/buf.h"

#define JSON_WRITE_DEPTH 32

struct json_writer {
	struct buf *out;
	unsigned depth;
	bool more[JSON_WRITE_DEPTH];  /* the level has a member already */
	char close[JSON_WRITE_DEPTH]; /* '}' or ']' */
};

void json_init(struct json_writer *w, struct buf *out);
/* '{' or '['. name: of the member; NULL in an array and at the top. */
void json_open(struct json_writer *w, const char *name, char kind);
void json_close(struct json_writer *w);
/* A member, or with name NULL an element. */
void json_put_str(struct json_writer *w, const char *name, struct str s);
void json_put_cstr(struct json_writer *w, const char *name, const char *s); /* NULL: null */
void json_put_u64(struct json_writer *w, const char *name, uint64_t v);
void json_put_i64(struct json_writer *w, const char *name, int64_t v);
void json_put_bool(struct json_writer *w, const char *name, bool v);
void json_put_null(struct json_writer *w, const char *name);
/* Nanoseconds as seconds with three decimals: 1.250. */
void json_put_seconds(struct json_writer *w, const char *name, int64_t ns);
/* UTC ns as "2026-11-22T01:02:03.456Z"; 0: null. */
void json_put_time(struct json_writer *w, const char *name, int64_t wall_ns);
/* Text that is JSON already. */
void json_put_raw(struct json_writer *w, const char *name, struct str json);

#endif

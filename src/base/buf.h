/*
 * A growable byte buffer with a limit and a failure that sticks: append as you like, ask once at
 * the end with buf_failed(). After a failure appends do nothing and the contents are what fitted
 * before.
 */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include <stdarg.h>

#include "base/base.h"

struct buf {
	char *p;
	size_t n;   /* bytes used */
	size_t cap; /* bytes allocated */
	size_t max; /* never grows beyond; 0: no limit */
	int err;    /* 0, ERR_NOMEM or ERR_TOO_LARGE; sticks */
	bool fixed; /* p is the caller's memory: never reallocated or freed */
};

void buf_init(struct buf *b, size_t max);
/* Over the caller's memory: fails with ERR_TOO_LARGE beyond cap. */
void buf_init_fixed(struct buf *b, void *mem, size_t cap);
/* Frees what it owns; b is as after buf_init(b, max). */
void buf_fini(struct buf *b);
/* Empties it, forgets a failure, keeps the memory. */
void buf_reset(struct buf *b);
/* Room for n more bytes; returns where they go, or NULL (the failure sticks). Follow with
 * buf_added(). */
char *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *cstr);
void buf_putc(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t v);
/* Needs room for one byte more than it adds, which vsnprintf(3) makes a zero. */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_put_json(struct buf *b, struct str s);
/* Lower-case hexadecimal. */
void buf_put_hex(struct buf *b, const void *p, size_t n);
/* RFC 4648, 4: one line, with padding. */
void buf_put_base64(struct buf *b, const void *p, size_t n);
/* Percent-encoded, unreserved bytes of RFC 3986 (and '/' when keep_slash) as they are. */
void buf_put_percent(struct buf *b, struct str s, bool keep_slash);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}
static inline int
buf_failed(const struct buf *b)
{
	return b->err;
}
/* Ends it with a zero byte that is not counted; returns p, or "" after a failure. */
const char *buf_cstr(struct buf *b);

#endif

/*
 * Memory tied to a lifetime (a configuration, a request): allocate freely, free all at once.
 * Bounded: beyond max allocations return NULL and the failure sticks, so that a builder may ask
 * once.
 */
#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H

#include <stdarg.h>

#include "base/base.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used;  /* bytes handed out */
	size_t max;   /* 0: no limit */
	size_t block; /* size of the next block */
	bool failed;  /* sticks until arena_fini */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
/* Zeroed, aligned for anything; NULL on failure. */
void *arena_alloc(struct arena *a, size_t n);
/* Copies with a zero byte behind; {NULL, 0} on failure. */
struct str arena_str(struct arena *a, struct str s);
char *arena_strz(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

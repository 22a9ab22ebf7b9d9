/*
 * Orders to forget: patterns of rate-limit keys that an operator reset. A cell knows its key only as a hash, so a pattern is not carried out
 * when it is given: it is kept here, and a cell looks at what was ordered since its last look when its client comes next, with the key's text
 * at hand. To the client that is no difference.
 *
 * Bounded: the last RESETS_KEPT orders are kept. A cell that was not looked at for more than those is reset, too: an operator's order is
 * not lost. An order being written, or left half written by a dead process, is looked at again next time.
 */
#ifndef SLUICE_LIMIT_RESETS_H
#define SLUICE_LIMIT_RESETS_H

#include <stdatomic.h>

#include "base/base.h"

#define RESETS_KEPT 64
#define RESETS_PATTERN_MAX 256

/* In shared memory; zeroed is empty. */
struct resets {
	_Atomic uint64_t count; /* ever given */
	struct resets_order {
		_Atomic uint64_t number; /* from 1; of the order that is whole in here */
		_Atomic uint64_t text[RESETS_PATTERN_MAX / 8];
	} orders[RESETS_KEPT];
};

/* 0, or ERR_TOO_LARGE. */
int resets_add(struct resets *r, struct str pattern);
/* What a cell keeps that has seen all orders so far. */
static inline uint16_t
resets_now(const struct resets *r)
{
	return (uint16_t)atomic_load_explicit(&r->count, memory_order_acquire);
}
/* Whether an order that came after *seen is about this key; *seen moves on past all that were whole. */
bool resets_apply(const struct resets *r, uint16_t *seen, struct str key);

/* '*' stands for any bytes, none included; all else for itself. */
bool resets_match(struct str pattern, struct str text);

#endif

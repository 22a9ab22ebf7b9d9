/*
 * Rate limits without a bucket: never more than N requests in any stretch of the window's length, wherever it begins.
 *
 * Exactness would need the time of each of the last N requests. Bounded memory instead: the time line is cut into slots of a twelfth of
 * the window, and a ring of 13 words counts what fell into each, with the time of the slot's last request. A slot counts in full until
 * that last request is one window old. So
 *
 *  - no window of any position ever holds more than N (what is counted is never less than what was allowed in the last window);
 *  - N requests at once are given back exactly one window after the last of them (to 1/4096 of a slot);
 *  - a steady stream is given back late by at most one slot, a twelfth of the window, and so gets at least 12/13 of N a window.
 *
 * Lock-free: a word a slot, changed by compare-and-swap. A request counts itself first and looks at the sum then; who sees more than N takes
 * itself back and is refused. Two that meet at the border may both be refused; never are both allowed. One that dies in between leaves one
 * request counted that was not made, until its slot is over.
 *
 * Called by limit/store.c and tests.
 */
#ifndef SLUICE_LIMIT_WINDOW_H
#define SLUICE_LIMIT_WINDOW_H

#include <stdatomic.h>

#include "limit/gcra.h"

#define WINDOW_WORDS 13
#define WINDOW_COUNT_MAX ((INT64_C(1) << 24) - 1)
#define WINDOW_LENGTH_MIN (INT64_C(1000) * 1000)
#define WINDOW_LENGTH_MAX (INT64_C(7) * 86400 * 1000 * 1000 * 1000)

struct window_limit {
	int64_t count;
	int64_t length, slot; /* ns */
};

/* ERR_BAD: count or length beyond the bounds above. */
int window_init(struct window_limit *l, uint64_t count, int64_t length);
struct window_limit window_scale(const struct window_limit *l, uint32_t scale);

/* One request at now (ns, from 0 on), in words that were zero at first. */
struct limit_result window_take(
    const struct window_limit *l, _Atomic uint64_t words[WINDOW_WORDS], int64_t now);
struct limit_result window_peek(
    const struct window_limit *l, const _Atomic uint64_t words[WINDOW_WORDS], int64_t now);
/* Takes back one that window_take allowed at now. */
void window_refund(const struct window_limit *l, _Atomic uint64_t words[WINDOW_WORDS], int64_t now);

#endif

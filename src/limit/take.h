/*
 * One request against one limit: the limit's arithmetic (limit/gcra.h or limit/window.h) on a
 * client's cell in the store, with what surrounds it: punishment of those who exceed it again
 * and again, and orders to forget.
 *
 * Punishment: refusals are counted; after `after` of them the client is refused for `for_ns`
 * whatever its rate, and counting starts again. A request that finds its limit unused by then
 * (the bucket full, the window empty) starts it again, too.
 *
 * Right across processes: no two of them ever let more pass than the limit says. Nothing here
 * waits.
 */
#ifndef SLUICE_LIMIT_TAKE_H
#define SLUICE_LIMIT_TAKE_H

#include "limit/store.h"

struct limit_rate {
	bool sliding;
	struct gcra_limit gcra;     /* not sliding */
	struct window_limit window; /* sliding */
	uint16_t after;             /* punish after so many refusals; 0: never */
	int64_t for_ns;
};

enum limit_verdict {
	LIMIT_PASSED,
	LIMIT_EXCEEDED,
	LIMIT_PUNISHED,
	LIMIT_NO_ROOM /* the store could not take the client in: what to do is the caller's rule */
};

/* The text of the client's key, for orders to forget; asked for only if there was one since its last request. */
typedef struct str limit_key_fn(void *arg);

/* To be called as soon as the hash is known: limit_take then finds the cell in the cache. */
static inline void
limit_prefetch(const struct limit_store *s, const struct limit_rate *rate, uint64_t hash)
{
	cells_prefetch(rate->sliding ? &s->wide : &s->narrow, hash);
}

/* A request of the client whose cell is `hash`, at now (limit_now); scale: in 65536ths, what of the limit is in force. *out is meaningless
 * with LIMIT_NO_ROOM. */
enum limit_verdict limit_take(struct limit_store *s, const struct limit_rate *rate, uint64_t hash,
    uint32_t scale, int64_t now, limit_key_fn *key, void *arg, struct limit_result *out);
/* Takes back what limit_take let pass with the same arguments, because another limit refused the request. */
void limit_refund(struct limit_store *s, const struct limit_rate *rate, uint64_t hash,
    uint32_t scale, int64_t now);
/* Forgets one client. False: nothing was known. */
bool limit_forget(struct limit_store *s, uint64_t hash);

#endif

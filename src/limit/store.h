/*
 * The store of rate limits: one area of the zone that holds the states of all clients, the operator's orders to forget (limit/resets.h), and
 * who talks most (limit/talkers.h). All processes work on it at once; see limit/cells.h for how.
 *
 *	head      magic, sizes, the secret key of hashes, the clock, counts
 *	resets    orders to forget
 *	talkers   one sketch a slot
 *	narrow    cells of 24 bytes: seen, hold, TAT (limit/gcra.h)
 *	wide      cells of 120 bytes: seen, hold, 13 words: a window (limit/window.h) or counts by slot
 *
 * Valid iff magic, version and sizes are those expected; else it is made anew, and all limits start afresh.
 *
 * Its clock. States are kept over restarts, and neither date nor monotonic clock will do: the one may be set, the other begins anew with
 * the machine. limit_now() is the monotonic clock plus an offset in the head. While the machine runs, setting the date changes nothing. After
 * a start of the machine the clock goes on from where it stood, plus what the date says has passed since, which counts only
 * forward and for a day at most: a date that was set back blocks nobody for longer than before, one set far ahead frees those whose wait was
 * shorter than a day, as a day of rest would have.
 *
 * Who calls: the master makes it before it forks (limit_store_make), children attach, the gate asks.
 */
#ifndef SLUICE_LIMIT_STORE_H
#define SLUICE_LIMIT_STORE_H

#include "base/clock.h"
#include "limit/cells.h"
#include "limit/resets.h"
#include "limit/talkers.h"
#include "limit/window.h"

struct zone;

#define LIMIT_STORE_AREA "limits"
#define LIMIT_STORE_VERSION 1
#define LIMIT_STORE_MIN ((uint64_t)2 << 20)

struct limit_head;

/* A process's door. ready is false until attached: then nothing else of it counts. */
struct limit_store {
	bool ready;
	struct limit_head *head;
	struct resets *resets;
	struct talkers *talkers; /* of all slots */
	struct cells narrow, wide;
	struct zone *zone;
	unsigned slot, slots;
	int64_t offset;
};

/* In the master, before the fork of those who use it: makes the area of that size, or finds it.
 * 0, ERR_NOMEM (the zone gives none), ERR_TOO_LARGE (its size and the number of slots leave no
 * room for cells). */
int limit_store_make(struct zone *z, uint64_t size);
/* In a process of the slot. 0, ERR_NOT_FOUND (there is none), or ERR_CORRUPT. */
int limit_store_attach(struct limit_store *s, struct zone *z, unsigned slot);

/* Now, ns, on the store's own clock: never goes back, also not over a restart. As of the loop's turn. */
static inline int64_t
limit_now(const struct limit_store *s)
{
	return clock_cached_mono() + s->offset;
}
/* Once a second or so, by anyone: notes the time, from which the clock goes on after the machine was started anew. */
void limit_store_tick(struct limit_store *s);

/* The hash of a cell: of a limit's name (prefix, itself from here; 0 for a prefix) and an identifier within it. */
uint64_t limit_hash(const struct limit_store *s, uint64_t prefix, struct str identifier);

struct limit_usage {
	uint64_t size;                                 /* bytes of the area */
	uint64_t narrow, narrow_used, wide, wide_used; /* cells */
	uint64_t evicted;                              /* given up for new ones */
	uint64_t full;   /* not taken in, because all in question were held */
	uint64_t resets; /* orders to forget so far */
};
void limit_store_usage(const struct limit_store *s, struct limit_usage *out);

/* ---- for tests: the clock as arithmetic ---- */

/* What the clock stood at, and when; kept in the head. */
struct limit_clock {
	uint64_t boot[2]; /* which start of the machine: zero where it is not known */
	int64_t offset;
	int64_t mono, wall; /* when it was noted last */
};
/* From what was kept to the offset that holds from now on. boot NULL: not known, then a monotonic clock that stands before the one noted means a
 * start of the machine. */
void limit_clock_resume(struct limit_clock *c, const uint64_t boot[2], int64_t mono, int64_t wall);

#endif

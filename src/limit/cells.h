/*
 * A bounded, lock-free hash table in memory shared by processes: cells of a few words, found by a 64-bit keyed hash.
 *
 *	set:  8 keys (one cache line), then 8 cells of `words` words each
 *	key:  0 free; else the hash with its two lowest bits replaced by a state: USED, or CLAIMED (then bits 2 to 11 are the claimer's slot)
 *
 * The low bits of the hash choose the set, so with at least 4096 sets a key holds all of it: two identifiers share a cell only if 64 bits of
 * SipHash under a secret key agree.
 *
 * A full set makes room by giving up the cell that was seen longest ago, but never one that is held: a client that has used up its
 * limit, or is punished, stays known until that is over, however many new ones come. If all eight are held there is no room, and
 * the caller is told.
 *
 * No process waits for another, and one may die at any instruction. A cell changes hands in three steps: its key becomes CLAIMED (by
 * compare-and-swap); its words are cleared, each by compare-and-swap against what was there while the claim held, so that a late writer
 * of the former owner fails; its key becomes USED. Before the last step the claimer looks for its hash in the rest of the set: if it is USED
 * there, that cell counts; if it is CLAIMED there, that claim is broken, whoever's it is. Of two claimers of one hash the one whose claim
 * came later sees the other's, so that never are two cells of one hash in use, and a sum of all processes is never split. A claim left behind by
 * a dead process is a cell that nobody finds; it is given up like any other.
 *
 * Memory that was torn by a crash of the machine is harmless: a key that is none of the above is given up like any other, and what words mean
 * is checked by those who read them.
 *
 * Called by limit/store.c and tests.
 */
#ifndef SLUICE_LIMIT_CELLS_H
#define SLUICE_LIMIT_CELLS_H

#include <stdatomic.h>

#include "base/base.h"

#define CELLS_WAYS 8

/* The words that every cell begins with. The first is, from the high end: when it was seen last (32 bits, see cells_stamp), two times 16 bits
 * for the caller. The second is until when it is held (ns; whether that is true is up to `held`). */
enum { CELL_SEEN, CELL_HOLD, CELL_DATA };

typedef _Atomic uint64_t cell_word;

/* Whether the cell must not be given up at now. */
typedef bool cells_held_fn(const cell_word *cell, int64_t now, void *arg);

/* A process's door to one table. */
struct cells {
	cell_word *base;
	uint64_t mask;   /* sets - 1 */
	unsigned words;  /* of a cell */
	unsigned stride; /* words of a set */
	unsigned slot;   /* whose claims are ours: unique among the processes, below 1024 */
	cells_held_fn *held;
	void *arg;
	cell_word *used, *evicted, *full; /* counts of the table: cells in use, given up, refused */
};

/* Bytes of a table of that many sets. */
size_t cells_size(uint64_t sets, unsigned words);
/* The largest power of two of sets that fits in bytes; 0: not one. */
uint64_t cells_sets(size_t bytes, unsigned words);

/* Asks the memory for the hash's set: some hundred nanoseconds later it is there. */
static inline void
cells_prefetch(const struct cells *t, uint64_t hash)
{
	const cell_word *set = t->base + (hash & t->mask) * t->stride;

	/* The keys' line, and those of small cells. */
	for (unsigned i = 0; i < 4 * CELLS_WAYS; i += CELLS_WAYS)
		__builtin_prefetch((const void *)&set[i]);
}

/* The cell, or NULL. A cell stays the caller's word to read and to change by compare-and-swap; it may be given up to another hash at any
 * moment, which only ever loses what it said about its owner. */
cell_word *cells_find(const struct cells *t, uint64_t hash);
/* The same, made if there is none, with all words zero but CELL_SEEN, which is now's stamp over `low`. NULL: no room. */
cell_word *cells_take(const struct cells *t, uint64_t hash, int64_t now, uint32_t low);

/* now in the units of the seen half: 2^26 ns, a fifteenth of a second. */
static inline uint32_t
cells_stamp(int64_t now)
{
	return (uint32_t)((uint64_t)now >> 26);
}

/* Nothing is held for longer (two years); what claims to be is torn. */
#define CELLS_HOLD_MAX (INT64_C(1) << 56)
/* held by the second word alone: until that time. */
static inline bool
cells_held_until(const cell_word *cell, int64_t now, void *arg)
{
	int64_t until = (int64_t)atomic_load_explicit(&cell[CELL_HOLD], memory_order_relaxed);

	(void)arg;
	return until > now && until - now <= CELLS_HOLD_MAX;
}

#endif

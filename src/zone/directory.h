/*
 * The series area of the zone: a directory that maps (set, key) to an index, and chains of blocks, one a slot that has counted there. Private
 * to this folder; series.h is its door.
 *
 *	struct directory        constants, lock, sets
 *	acks[slots]             the epoch that each attached slot has seen; 0: not attached
 *	entries[n_entries]      1 cache line for two; entry 0 stands for none
 *	buckets[n_buckets]      heads of hash chains
 *	bits[]                  which units are in use
 *	units[]                 64 bytes each: keys and blocks; unit 0 stands for none
 *
 * What changes structure (make, retire, reclaim) happens under one lock, held for microseconds; finding and counting take none. The lock
 * word names slot and generation of its owner. If that process is dead the lock is taken from it and the directory repaired: what the
 * entries say is true, everything else (hash chains, free units and entries, numbers) is made anew from them. So:
 *  1. an entry is live only when its key and first block are complete, and a block is in a chain only when it is complete;
 *  2. a chain only grows while its entry is in use;
 *  3. chains and units of a retired entry stay as they are until every attached slot has acknowledged a later epoch.
 *
 * The layout follows from size and slots alone. It lives as long as the server runs; at the next start what it holds is read with
 * suspicion (restore.c) and put into a new one.
 */
#ifndef SLUICE_ZONE_DIRECTORY_H
#define SLUICE_ZONE_DIRECTORY_H

#include <stdatomic.h>

#include "zone/metric.h"
#include "zone/units.h"
#include "zone/zone.h"

#define DIRECTORY_AREA "series"
#define DIRECTORY_VERSION 1
#define DIRECTORY_SIZE_MIN (UINT64_C(64) << 10)

/* What a set looks like, for the next start, which may know another table of rows. */
struct directory_set {
	char name[METRIC_NAME_MAX];
	uint32_t words, n_rows;
	_Atomic uint32_t count; /* live entries, `other` included */
	uint32_t unused;
	uint32_t sums[64]; /* metric_row_sum */
	uint16_t at[64], row_words[64];
};

struct directory {
	uint64_t secret[2]; /* of the hash */
	uint64_t size;
	uint32_t n_slots, n_entries, n_buckets, n_units;
	uint32_t n_sets, unused;

	_Alignas(64) _Atomic uint64_t lock; /* slot + 1, generation; 0: free */
	_Atomic uint32_t repairs;           /* odd: one is under way */
	uint32_t free_entry;                /* list through entry.queue */
	uint32_t retired, retired_last;     /* list through entry.queue, oldest first */
	_Atomic uint32_t n_used;            /* entries live and retired */
	_Atomic uint32_t n_retired;
	struct units space;

	_Alignas(64) _Atomic uint32_t epoch; /* grows with each retirement; never 0 */
	_Atomic uint32_t pin_epoch;          /* grows with each that somebody had pinned */
	_Atomic uint32_t top;                /* entries from here on were never used */

	_Alignas(64) struct directory_set sets[METRIC_SETS_MAX];
};

enum { ENTRY_FREE, ENTRY_LIVE, ENTRY_RETIRED };

struct entry {
	_Atomic uint32_t state; /* generation << 2 | ENTRY_* */
	uint32_t hash;
	uint16_t set, key_n;
	_Atomic uint32_t next;   /* in the hash chain */
	_Atomic uint32_t blocks; /* unit of the first block of the chain */
	uint32_t key;            /* unit */
	uint32_t queue;          /* next in the free or retired list */
	uint32_t stamp;          /* the epoch that must be acknowledged before it is used again */
};
_Static_assert(sizeof(struct entry) == 32, "two entries a cache line");

struct block {
	_Atomic uint32_t next; /* unit */
	uint32_t entry;
	uint32_t slot;
	_Atomic uint32_t pinned; /* its process has a pin on it */
	_Atomic int64_t seen;    /* wall ns */
	uint32_t words, unused;
	_Atomic uint64_t word[];
};
_Static_assert(sizeof(struct block) == 32, "words follow at once");

/* The same, found in this process's memory. */
struct dir {
	struct zone *zone;
	struct directory *head; /* NULL: none */
	_Atomic uint32_t *acks;
	struct entry *entries;
	_Atomic uint32_t *buckets;
	uint64_t *bits;
	char *units;
	unsigned slot;
	uint64_t owner;   /* our word in the lock */
	uint64_t gave_up; /* the lock word that was waited for in vain */
};

/* Pseudo-slots follow the processes'. */
#define DIRECTORY_RESTORED(d) ((d)->head->n_slots)
#define DIRECTORY_BASELINE(d) ((d)->head->n_slots + 1)

/* Where things are in an area of this size: fills all of d but zone, slot, owner. False: too
 * small, or the head (if not fresh) is not of such an area. */
bool directory_map(struct dir *d, void *area, size_t size, unsigned slots, bool fresh);
/* Makes an empty one of all registered sets in zeroed memory. */
void directory_format(struct dir *d);
/* The area of z as slot's process sees it. False: there is none. */
bool directory_open(struct dir *d, struct zone *z, unsigned slot);

static inline struct block *
directory_block_at(const struct dir *d, uint32_t unit)
{
	return (struct block *)(void *)(d->units + (size_t)unit * UNIT);
}

static inline const char *
directory_key(const struct dir *d, const struct entry *e)
{
	return d->units + (size_t)e->key * UNIT;
}

static inline uint32_t
directory_block_units(unsigned words)
{
	return units_for(sizeof(struct block) + words * sizeof(uint64_t));
}

/* Keyed, so that clients cannot choose what collides. */
uint64_t directory_hash(const uint64_t secret[2], unsigned set, struct str key);
/* Index, or 0. Without the lock a miss during a repair may be wrong. */
uint32_t directory_find(const struct dir *d, unsigned set, struct str key, uint32_t hash);
/* The slot's block, or NULL. */
struct block *directory_block(const struct dir *d, const struct entry *e, unsigned slot);

/* Waits some milliseconds at most. A dead owner's lock is taken over, and the directory repaired. */
bool directory_lock(struct dir *d);
void directory_unlock(struct dir *d);

/* With the lock. A new live entry with a zeroed block for slot: index, or 0 without room. The privileged may use the reserve. */
uint32_t directory_make(struct dir *d, const struct metric_set *set, struct str key, uint32_t hash,
    unsigned slot, bool privileged);
/* With the lock. A zeroed block for slot, which has none. NULL without room. */
struct block *directory_add_block(
    struct dir *d, uint32_t index, unsigned slot, unsigned words, bool privileged);
/* With the lock: of a live entry. */
void directory_retire(struct dir *d, uint32_t index);
/* With the lock: frees some of what all have acknowledged. True: something was freed. */
bool directory_reclaim(struct dir *d);
/* Wakes those who have not acknowledged yet. */
void directory_nudge(const struct dir *d);
/* With the lock: everything from what the entries say. */
void directory_repair(struct dir *d);

/* ---- in the master, before the first fork ---- */

/* Puts all that an earlier area holds into d. Nothing in from is trusted; what could be taken over, and what not, is logged and counted. */
void directory_restore(struct dir *d, const void *from, size_t size);
/* The block of RESTORED, made if needed; NULL without room. */
struct block *directory_restored(
    struct dir *d, const struct metric_set *set, struct str key, bool privileged);

enum directory_event {
	DIRECTORY_NO_FILE,
	DIRECTORY_SET_ASIDE,
	DIRECTORY_DAMAGED,
	DIRECTORY_EVENTS
};
void directory_count_event(struct dir *d, enum directory_event event, uint64_t n);
void directory_count_dropped(struct dir *d, const struct metric_set *set);

#endif

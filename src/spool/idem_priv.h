/*
 * Shared by idem.c (the table), idem_file.c (its file) and idem_sweep.c (open questions). The layout is described in idem.h.
 */
#ifndef SLUICE_SPOOL_IDEM_PRIV_H
#define SLUICE_SPOOL_IDEM_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "spool/idem.h"

#define BUCKET_ENTRIES 8
#define NOBODY \
	0xfffu /* the slot of a doubt; its generation is the number of the last sweep that had begun */
#define GENERATION_MASK 0x3ffffu

enum idem_phase { PHASE_FREE, PHASE_CLAIMED, PHASE_PENDING, PHASE_DONE };

struct idem_entry {
	_Atomic uint64_t state, stamp, key[2];
};

struct idem_bucket {
	struct idem_entry entries[BUCKET_ENTRIES];
};

struct idem_file {
	uint64_t magic;
	uint32_t version, entry_size;
	uint64_t n_buckets;
	uint32_t crc;
	_Atomic uint32_t sweeps;
	_Atomic uint64_t boot, evicted, dropped;
	unsigned char reserved[200];
	struct idem_bucket buckets[];
};

_Static_assert(sizeof(struct idem_entry) == 32, "an entry of the file");
_Static_assert(offsetof(struct idem_file, buckets) == 256, "the header of the file");

struct idem {
	struct idem_file *file; /* mapped */
	size_t size;
	struct zone *zone;
	uint64_t boot;           /* what file->boot is when the table is complete */
	uint64_t own_state;      /* slot and generation of this process, in place */
	pthread_mutex_t syncing; /* by helpers of this process */
	bool sync_failed;
	_Atomic bool dirty; /* there may be marks that are not on disk */
};

static inline enum idem_phase
idem_phase_of(uint64_t state)
{
	return (enum idem_phase)(state & 3);
}

static inline unsigned
idem_slot_of(uint64_t state)
{
	return (unsigned)(state >> 2) & 0xfff;
}

static inline uint32_t
idem_generation_of(uint64_t state)
{
	return (uint32_t)(state >> 14) & GENERATION_MASK;
}

/* Slot and generation where they belong in a state. */
static inline uint64_t
idem_owner(unsigned slot, uint32_t generation)
{
	return (uint64_t)(slot & 0xfff) << 2 | (uint64_t)(generation & GENERATION_MASK) << 14;
}

/* The same entry in another phase, or of another owner. */
static inline uint64_t
idem_in_phase(uint64_t state, enum idem_phase phase)
{
	return (state & ~UINT64_C(3)) | (uint64_t)phase;
}

static inline uint64_t
idem_owned_by(uint64_t state, uint64_t owner)
{
	return (state & UINT64_C(0xffffffff00000003)) | owner;
}

/* False once the master has reaped the owner of a claim; a doubt has none. */
bool idem_owner_lives(const struct idem *t, uint64_t state);
/* The key of an entry that is PENDING or DONE, and its time in seconds: false if its stamp does not hold. */
bool idem_entry_key(const struct idem_entry *e, struct id *key, uint32_t *seconds);

#endif

/*
 * See cells.h. All orders are sequentially consistent but where a look decides nothing: the argument about two claimers rests on it.
 */
#include "limit/cells.h"

#define STATE_USED UINT64_C(1)
#define STATE_CLAIMED UINT64_C(2)
#define STATE_MASK UINT64_C(3)
#define SLOT_SHIFT 2
#define SLOT_MAX 1023
#define CLAIM_MASK (~UINT64_C(0) << 12) /* the bits of the hash that a claim keeps */

/* Two claimers of one hash that break each other's claims again and again are told apart by the scheduler sooner than this. */
#define ATTEMPTS 64

static uint64_t
used_key(uint64_t hash)
{
	return (hash & ~STATE_MASK) | STATE_USED;
}

static uint64_t
claimed_key(uint64_t hash, unsigned slot)
{
	return (hash & CLAIM_MASK) | (uint64_t)slot << SLOT_SHIFT | STATE_CLAIMED;
}

static bool
is_claim_of(uint64_t key, uint64_t hash)
{
	return (key & STATE_MASK) == STATE_CLAIMED && ((key ^ hash) & CLAIM_MASK) == 0;
}

size_t
cells_size(uint64_t sets, unsigned words)
{
	return (size_t)sets * CELLS_WAYS * (1 + words) * sizeof(uint64_t);
}

uint64_t
cells_sets(size_t bytes, unsigned words)
{
	uint64_t sets = 1;

	if (cells_size(1, words) > bytes)
		return 0;
	while (sets < (UINT64_C(1) << 40) && cells_size(2 * sets, words) <= bytes)
		sets *= 2;
	return sets;
}

static cell_word *
set_of(const struct cells *t, uint64_t hash)
{
	return t->base + (hash & t->mask) * t->stride;
}

static cell_word *
cell_at(const struct cells *t, cell_word *set, unsigned way)
{
	return set + CELLS_WAYS + way * t->words;
}

/* All eight are compared, without a branch that could not be foreseen: which of them it is is chance. */
static int
way_of(const cell_word *set, uint64_t key)
{
	unsigned found = 0;

	for (unsigned i = 0; i < CELLS_WAYS; i++)
		found |= (unsigned)(atomic_load_explicit(&set[i], memory_order_relaxed) == key)
			 << i;
	atomic_thread_fence(memory_order_acquire);
	return found ? __builtin_ctz(found) : -1;
}

cell_word *
cells_find(const struct cells *t, uint64_t hash)
{
	cell_word *set = set_of(t, hash);
	int way;

	way = way_of(set, used_key(hash));
	return way < 0 ? NULL : cell_at(t, set, (unsigned)way);
}

/* The way to use for a new cell: a free one, else what was seen longest ago and is not held. -1: none. */
static int
choose(const struct cells *t, cell_word *set, int64_t now)
{
	uint32_t stamp = cells_stamp(now), oldest = 0;
	int best = -1;

	for (unsigned i = 0; i < CELLS_WAYS; i++) {
		const cell_word *cell = cell_at(t, set, i);
		uint32_t age;

		if (atomic_load_explicit(&set[i], memory_order_relaxed) == 0)
			return (int)i;
		age =
		    stamp -
		    (uint32_t)(atomic_load_explicit(&cell[CELL_SEEN], memory_order_relaxed) >> 32);
		if (age > UINT32_MAX / 2)
			age = 0; /* seen by one whose clock was read later */
		if ((best < 0 || age > oldest) && !t->held(cell, now, t->arg)) {
			best = (int)i;
			oldest = age;
		}
	}
	return best;
}

/* Clears the words of a cell that we claimed. False: the claim was broken. */
static bool
clear(const struct cells *t, const cell_word *key, cell_word *cell, uint64_t mine)
{
	for (unsigned i = 0; i < t->words; i++)
		for (;;) {
			uint64_t was = atomic_load(&cell[i]);

			if (atomic_load(key) != mine)
				return false;
			if (was == 0 || atomic_compare_exchange_strong(&cell[i], &was, 0))
				break;
		}
	return true;
}

/* Looks for the hash in the ways beside ours, and breaks claims of it. The way where it is in use already; -1: nowhere. */
static int
look_beside(cell_word *set, unsigned ours, uint64_t hash)
{
	for (unsigned i = 0; i < CELLS_WAYS; i++) {
		uint64_t key = atomic_load(&set[i]);

		if (i == ours)
			continue;
		while (is_claim_of(key, hash))
			if (atomic_compare_exchange_weak(&set[i], &key, 0))
				key = 0;
		if (key == used_key(hash))
			return (int)i;
	}
	return -1;
}

/* From a claim to a cell in use: ours, or one that is there already. NULL: the claim was broken. */
static cell_word *
settle(const struct cells *t, cell_word *set, unsigned way, uint64_t hash, uint64_t low)
{
	uint64_t mine = claimed_key(hash, t->slot), zero = 0;
	cell_word *cell = cell_at(t, set, way);
	int other;

	if (!clear(t, &set[way], cell, mine))
		return NULL;
	atomic_compare_exchange_strong(&cell[CELL_SEEN], &zero, low);
	other = look_beside(set, way, hash);
	if (other >= 0) {
		atomic_compare_exchange_strong(&set[way], &mine, 0);
		return cell_at(t, set, (unsigned)other);
	}
	return atomic_compare_exchange_strong(&set[way], &mine, used_key(hash)) ? cell : NULL;
}

/* The counts of the table, after a claim of way that gave up `was` (a key) and ended in cell. */
static void
count_claim(const struct cells *t, uint64_t was, bool ours)
{
	bool gave_up = (was & STATE_MASK) == STATE_USED;

	if (gave_up)
		atomic_fetch_add_explicit(t->evicted, 1, memory_order_relaxed);
	if (ours && !gave_up)
		atomic_fetch_add_explicit(t->used, 1, memory_order_relaxed);
	if (!ours && gave_up)
		atomic_fetch_sub_explicit(t->used, 1, memory_order_relaxed);
}

cell_word *
cells_take(const struct cells *t, uint64_t hash, int64_t now, uint32_t low)
{
	uint64_t first = (uint64_t)cells_stamp(now) << 32 | low;
	cell_word *set = set_of(t, hash), *cell = cells_find(t, hash);

	assert(t->slot <= SLOT_MAX);
	for (unsigned i = 0; !cell && i < ATTEMPTS; i++) {
		int way = choose(t, set, now);
		uint64_t was;

		if (way < 0)
			break;
		was = atomic_load(&set[way]);
		/* Chosen to be given up, and now the very one we want: another made it. */
		if (was == used_key(hash) ||
		    !atomic_compare_exchange_strong(&set[way], &was, claimed_key(hash, t->slot))) {
			cell = cells_find(t, hash);
			continue;
		}
		cell = settle(t, set, (unsigned)way, hash, first);
		count_claim(t, was, cell == cell_at(t, set, (unsigned)way));
	}
	if (!cell)
		atomic_fetch_add_explicit(t->full, 1, memory_order_relaxed);
	return cell;
}

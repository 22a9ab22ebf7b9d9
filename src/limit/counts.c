/*
 * See counts.h. A word: life of the server (16 bits, cut), generation of the slot (24 bits, cut), count (24 bits).
 */
#include "limit/counts.h"

#include "limit/store_priv.h"
#include "zone/zone.h"

#define COUNT_BITS 24
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define PER_CELL WINDOW_WORDS
/* Cells given up under our hands, one after another, before there is no room. */
#define ATTEMPTS 8

/* What a word of the slot begins with while its process lives. */
static uint64_t
owner_of(const struct limit_store *s, unsigned slot)
{
	uint64_t generation = atomic_load(&zone_slot(s->zone, slot)->generation) & COUNT_MASK;

	return (s->head->life << COUNT_BITS | generation) << COUNT_BITS;
}

static uint64_t
count_of(const struct limit_store *s, const cell_word *cell, unsigned slot)
{
	uint64_t word = atomic_load(&cell[CELL_DATA + slot % PER_CELL]);

	return (word & ~COUNT_MASK) == owner_of(s, slot) ? word & COUNT_MASK : 0;
}

static uint64_t
hash_of_group(const struct limit_store *s, uint64_t hash, unsigned group)
{
	return group == 0 ? hash : limit_hash(s, hash, str_make(&group, sizeof(group)));
}

/* A cell does not know its group, so a word is compared with every slot that it may stand for. */
bool
limit_counts_any(const struct limit_store *s, const cell_word *cell)
{
	for (unsigned slot = 0; slot < s->slots; slot++)
		if (count_of(s, cell, slot) > 0)
			return true;
	return false;
}

uint64_t
limit_inside(const struct limit_store *s, uint64_t hash)
{
	uint64_t sum = 0;

	for (unsigned group = 0; group * PER_CELL < s->slots; group++) {
		const cell_word *cell = cells_find(&s->wide, hash_of_group(s, hash, group));

		for (unsigned i = 0; cell && i < PER_CELL && group * PER_CELL + i < s->slots; i++)
			sum += count_of(s, cell, group * PER_CELL + i);
	}
	return sum;
}

/* Our own count in a cell, one up or down. Only our slot writes this word, but the cell may change hands. False: it holds none of ours to
 * take away. */
static bool
change(const struct limit_store *s, cell_word *cell, bool up)
{
	cell_word *word = &cell[CELL_DATA + s->slot % PER_CELL];
	uint64_t was = atomic_load(word), owner = owner_of(s, s->slot), count;

	do {
		count = (was & ~COUNT_MASK) == owner ? was & COUNT_MASK : 0;
		if (up ? count == COUNT_MASK : count == 0)
			return false;
	} while (!atomic_compare_exchange_weak(word, &was, owner | (up ? count + 1 : count - 1)));
	return true;
}

enum limit_verdict
limit_enter(
    struct limit_store *s, uint64_t hash, uint64_t max, int64_t now, struct limit_entry *out)
{
	uint64_t own = hash_of_group(s, hash, s->slot / PER_CELL);

	*out = (struct limit_entry){ own, NULL };
	for (unsigned i = 0; !out->cell; i++) {
		uint64_t zero = 0;
		cell_word *cell = i < ATTEMPTS ? cells_take(&s->wide, own, now, 0) : NULL;

		if (!cell)
			return LIMIT_NO_ROOM;
		atomic_compare_exchange_strong(&cell[CELL_HOLD], &zero, LIMIT_COUNTING);
		if (!change(s, cell, true))
			return LIMIT_EXCEEDED;
		/* Given up to another just before we counted: its owner is not to bear that. A count that was seen here holds
		 * the cell, or is cleared with it. */
		if (cells_find(&s->wide, own) == cell)
			out->cell = cell;
		else
			change(s, cell, false);
	}
	if (limit_inside(s, hash) <= max)
		return LIMIT_PASSED;
	limit_leave(s, out);
	return LIMIT_EXCEEDED;
}

void
limit_leave(struct limit_store *s, struct limit_entry *e)
{
	/* Given up while we entered, it was cleared, and our count with it. */
	if (e->cell && cells_find(&s->wide, e->hash) == e->cell)
		change(s, e->cell, false);
	e->cell = NULL;
}

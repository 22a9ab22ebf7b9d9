/*
 * Taking over what an earlier start counted: every live entry of the old area, its slots added up, goes into the pseudo-slot RESTORED of a
 * new one; its baseline into the new baseline. Gauges begin at zero. Rows are known by their checksum, so a change of the tables loses only
 * the rows that changed. The old area is what a crash or a broken disk left: every reference in it is checked, what does not hold is left
 * out and counted.
 */
#include "base/hash.h"
#include "base/log.h"
#include "zone/series.h"
#include "zone/series_priv.h"

/* Where the old words of a row are; by row of the new set. -1: it has none. */
struct row_map {
	int32_t at[64];
};

struct restore {
	struct dir old, *new;
	struct metric_set *sets[METRIC_SETS_MAX]; /* by old id; NULL: it is gone */
	struct row_map rows[METRIC_SETS_MAX];
	unsigned restored, damaged;
};

/* ---- which rows are the same ---- */

/* How many of the rows before `end` have this checksum. */
static unsigned
occurrences(const uint32_t *sums, unsigned end, uint32_t sum)
{
	unsigned n = 0;

	for (unsigned i = 0; i < end; i++)
		n += sums[i] == sum;
	return n;
}

/* The old row that row i of the new ones was: equal ones are told apart by their order, if there are as many. -1: none. */
static int
same_row(const struct directory_set *new, unsigned i, const struct directory_set *old)
{
	uint32_t sum = new->sums[i];
	unsigned nth = occurrences(new->sums, i, sum);

	if (occurrences(new->sums, new->n_rows, sum) != occurrences(old->sums, old->n_rows, sum))
		return -1;
	for (unsigned k = 0; k < old->n_rows; k++)
		if (old->sums[k] == sum && nth-- == 0)
			return new->row_words[i] == old->row_words[k] &&
				       old->at[k] + old->row_words[k] <= old->words
				   ? (int)k
				   : -1;
	return -1;
}

static void
map_sets(struct restore *r)
{
	const struct directory *old = r->old.head, *new = r->new->head;

	for (unsigned i = 0; i < MIN(old->n_sets, METRIC_SETS_MAX); i++) {
		const struct directory_set *from = &old->sets[i];

		if (from->n_rows > ARRAY_LEN(from->sums) || from->words > METRIC_WORDS_MAX)
			continue;
		for (unsigned k = 0; k < new->n_sets; k++) {
			const struct directory_set *to = &new->sets[k];

			if (strncmp(to->name, from->name, sizeof(to->name)) != 0)
				continue;
			r->sets[i] = metric_set(k);
			for (unsigned row = 0; row < to->n_rows; row++) {
				int was = same_row(to, row, from);

				r->rows[i].at[row] = was < 0 ? -1 : from->at[was];
			}
		}
	}
}

/* ---- the new one ---- */

/* In a directory that is not shared yet. */
static uint32_t
find_or_make(struct dir *d, const struct metric_set *set, struct str key, bool privileged)
{
	uint32_t hash = (uint32_t)directory_hash(d->head->secret, set->id, key);
	uint32_t index = directory_find(d, set->id, key, hash);

	if (index != 0)
		return index;
	if (!privileged && set->max_series > 0 &&
	    atomic_load(&d->head->sets[set->id].count) >= set->max_series)
		return 0;
	return directory_make(d, set, key, hash, DIRECTORY_RESTORED(d), privileged);
}

static struct block *
block_for(struct dir *d, uint32_t index, const struct metric_set *set, unsigned slot)
{
	struct block *b = index ? directory_block(d, &d->entries[index], slot) : NULL;

	return b || !index ? b : directory_add_block(d, index, slot, set->words, true);
}

struct block *
directory_restored(struct dir *d, const struct metric_set *set, struct str key, bool privileged)
{
	return block_for(d, find_or_make(d, set, key, privileged), set, DIRECTORY_RESTORED(d));
}

/* ---- the old one ---- */

static bool
has_units(const struct dir *old, uint32_t first, uint32_t n)
{
	return first > 0 && first < old->head->n_units && n <= old->head->n_units - first;
}

/* Its key, if the entry is one that the old server completed: {NULL, 0} if not. */
static struct str
old_key(const struct dir *old, const struct entry *e)
{
	struct str key = str_make("", 0);

	if (e->key_n > SERIES_KEY_MAX ||
	    (e->key_n > 0 && !has_units(old, e->key, units_for(e->key_n))))
		return str_make(NULL, 0);
	if (e->key_n > 0)
		key = str_make(directory_key(old, e), e->key_n);
	if ((uint32_t)directory_hash(old->head->secret, e->set, key) != e->hash)
		return str_make(NULL, 0);
	return key;
}

/* The block that this unit begins, if it is one of the entry. */
static const struct block *
old_block(const struct dir *old, uint32_t unit, uint32_t index, unsigned words)
{
	const struct block *b;

	if (!has_units(old, unit, directory_block_units(words)))
		return NULL;
	b = directory_block_at(old, unit);
	return b->entry == index && b->words == words && b->slot <= DIRECTORY_BASELINE(old) ? b
											    : NULL;
}

static void
fold_raw(
    const struct metric_row *row, _Atomic uint64_t *to, const _Atomic uint64_t *from, unsigned n)
{
	static uint64_t into[METRIC_WORDS_MAX], add[METRIC_WORDS_MAX];

	for (unsigned i = 0; i < n; i++) {
		into[i] = atomic_load_explicit(&to[i], memory_order_relaxed);
		add[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
	}
	row->fold(into, add);
	for (unsigned i = 0; i < n; i++)
		atomic_store_explicit(&to[i], into[i], memory_order_relaxed);
}

static void
add_row(
    const struct metric_row *row, _Atomic uint64_t *to, const _Atomic uint64_t *from, unsigned n)
{
	if (row->type == METRIC_COUNTER || row->type == METRIC_HISTOGRAM) {
		for (unsigned i = 0; i < n; i++)
			atomic_fetch_add_explicit(&to[i],
			    atomic_load_explicit(&from[i], memory_order_relaxed),
			    memory_order_relaxed);
	} else if (row->type == METRIC_RAW && row->fold != NULL) {
		fold_raw(row, to, from, n);
	}
}

static void
add_block(const struct restore *r, unsigned old_set, struct block *to, const struct block *from)
{
	const struct metric_set *set = r->sets[old_set];
	const struct directory_set *shape = &r->new->head->sets[set->id];

	for (unsigned row = 0; row < set->n_rows; row++) {
		int32_t at = r->rows[old_set].at[row];

		if (at >= 0)
			add_row(&set->rows[row], &to->word[set->at[row]], &from->word[at],
			    shape->row_words[row]);
	}
	if (atomic_load_explicit(&from->seen, memory_order_relaxed) > atomic_load(&to->seen))
		atomic_store(&to->seen, atomic_load(&from->seen));
}

/* Adds up the chain of the old entry. False: it was cut short. */
static bool
add_chain(struct restore *r, uint32_t old_index, uint32_t index)
{
	const struct entry *e = &r->old.entries[old_index];
	const struct metric_set *set = r->sets[e->set];
	uint32_t unit = atomic_load_explicit(&e->blocks, memory_order_relaxed);
	unsigned words = r->old.head->sets[e->set].words;

	for (unsigned n = 0; unit != 0; n++) {
		const struct block *from = old_block(&r->old, unit, old_index, words);
		struct block *to;
		bool base;

		if (from == NULL || n > DIRECTORY_BASELINE(&r->old))
			return false;
		base = from->slot == DIRECTORY_BASELINE(&r->old);
		to = block_for(r->new, index, set,
		    base ? DIRECTORY_BASELINE(r->new) : DIRECTORY_RESTORED(r->new));
		if (to != NULL)
			add_block(r, e->set, to, from);
		unit = atomic_load_explicit(&from->next, memory_order_relaxed);
	}
	return true;
}

static void
restore_entry(struct restore *r, uint32_t old_index)
{
	const struct entry *e = &r->old.entries[old_index];
	const struct metric_set *set;
	struct str key;
	uint32_t index;
	bool privileged;

	if ((atomic_load_explicit(&e->state, memory_order_relaxed) & 3) != ENTRY_LIVE)
		return;
	key = old_key(&r->old, e);
	if (e->set >= MIN(r->old.head->n_sets, METRIC_SETS_MAX) || key.p == NULL) {
		r->damaged++;
		return;
	}
	set = r->sets[e->set];
	if (set == NULL)
		return;
	privileged = key.n == 0 || str_eq(key, series_other_key(set));
	index = find_or_make(r->new, set, key, privileged);
	if (index == 0) {
		directory_count_dropped(r->new, set);
		index = find_or_make(r->new, set, series_other_key(set), true);
	}
	r->damaged += !add_chain(r, old_index, index);
	r->restored += index != 0;
}

void
directory_restore(struct dir *d, const void *from, size_t size)
{
	static struct restore r; /* too large for a frame */
	const struct directory *h = from;
	uint32_t top;

	memset(&r, 0, sizeof(r));
	r.new = d;
	if (size < DIRECTORY_SIZE_MIN ||
	    !directory_map(&r.old, (void *)from, size, h->n_slots, false)) {
		log_event(
		    LOG_ERROR, "zone", "what an earlier server counted cannot be read", LOG_END);
		directory_count_event(d, DIRECTORY_DAMAGED, 1);
		return;
	}
	map_sets(&r);
	top = MIN(atomic_load(&h->top), h->n_entries);
	for (uint32_t i = 1; i < top; i++)
		restore_entry(&r, i);
	log_event(r.damaged ? LOG_ERROR : LOG_INFO, "zone",
	    "counters of an earlier start taken over", LOG_I("series", r.restored),
	    LOG_I("damaged", r.damaged), LOG_END);
	if (r.damaged > 0)
		directory_count_event(d, DIRECTORY_DAMAGED, r.damaged);
}

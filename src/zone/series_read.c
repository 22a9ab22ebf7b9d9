/*
 * Reading: walks of a set, and sums over the slots. Takes no lock: the blocks of an entry are a
 * chain that only grows, and what was retired stays where it is until this process has ticked.
 * See series.h.
 */
#include "base/clock.h"
#include "zone/series_priv.h"

static struct block *
first_block(const struct entry *e)
{
	uint32_t unit = atomic_load_explicit(&e->blocks, memory_order_acquire);

	return unit ? directory_block_at(&series_dir, unit) : NULL;
}

static struct block *
next_block(const struct block *b)
{
	uint32_t unit = atomic_load_explicit(&b->next, memory_order_acquire);

	return unit ? directory_block_at(&series_dir, unit) : NULL;
}

/* Not one of the blocks that readers add up? */
static bool
is_left_out(const struct block *b)
{
	return b->slot == SERIES_BASELINE;
}

static int64_t
seen_last(const struct entry *e)
{
	int64_t seen = 0;

	for (const struct block *b = first_block(e); b != NULL; b = next_block(b)) {
		if (atomic_load_explicit(&b->pinned, memory_order_relaxed))
			return clock_cached_wall();
		seen = MAX(seen, atomic_load_explicit(&b->seen, memory_order_relaxed));
	}
	return seen;
}

void
series_view_at(uint32_t index, uint32_t state, struct series_view *out)
{
	const struct entry *e = &series_dir.entries[index];

	out->key = str_make(directory_key(&series_dir, e), e->key_n);
	out->index = index;
	out->generation = state;
	out->seen = seen_last(e);
}

bool
series_next(const struct metric_set *set, uint32_t *cursor, struct series_view *out)
{
	uint32_t top;

	if (series_dir.head == NULL || set->words == 0)
		return false;
	top = atomic_load(&series_dir.head->top);
	for (uint32_t i = *cursor + 1; i < top; i++) {
		const struct entry *e = &series_dir.entries[i];
		uint32_t state = atomic_load_explicit(&e->state, memory_order_acquire);

		if ((state & 3) != ENTRY_LIVE || e->set != set->id)
			continue;
		series_view_at(i, state, out);
		*cursor = i;
		return true;
	}
	*cursor = top;
	return false;
}

/* A miss while a repair is or was under way is looked at again. */
static uint32_t
find(const struct metric_set *set, struct str key)
{
	struct dir *d = &series_dir;
	uint32_t hash = (uint32_t)directory_hash(d->head->secret, set->id, key);
	uint32_t repairs = atomic_load(&d->head->repairs);
	uint32_t index = directory_find(d, set->id, key, hash);

	if (index != 0 || (!(repairs & 1) && repairs == atomic_load(&d->head->repairs)))
		return index;
	if (!directory_lock(d))
		return 0;
	index = directory_find(d, set->id, key, hash);
	directory_unlock(d);
	return index;
}

bool
series_find(const struct metric_set *set, struct str key, struct series_view *out)
{
	uint32_t index, state;

	if (series_dir.head == NULL || set->words == 0 || key.n > SERIES_KEY_MAX)
		return false;
	index = find(set, key);
	if (index == 0)
		return false;
	state = atomic_load_explicit(&series_dir.entries[index].state, memory_order_acquire);
	if ((state & 3) != ENTRY_LIVE)
		return false;
	series_view_at(index, state, out);
	return true;
}

struct entry *
series_entry(const struct series_view *v)
{
	struct entry *e;

	if (series_dir.head == NULL || v->index == 0 || v->index >= series_dir.head->n_entries)
		return NULL;
	e = &series_dir.entries[v->index];
	return atomic_load_explicit(&e->state, memory_order_acquire) == v->generation ? e : NULL;
}

bool
series_still(const struct series_view *v)
{
	return series_entry(v) != NULL;
}

/* ---- sums ---- */

static void
add_words(const struct series_view *v, unsigned at, unsigned n, uint64_t *words)
{
	const struct entry *e = series_entry(v);

	memset(words, 0, n * sizeof(*words));
	for (const struct block *b = e ? first_block(e) : NULL; b != NULL; b = next_block(b)) {
		if (is_left_out(b))
			continue;
		for (unsigned i = 0; i < n; i++)
			words[i] += atomic_load_explicit(&b->word[at + i], memory_order_relaxed);
	}
}

uint64_t
series_value(const struct metric_set *set, const struct series_view *v, unsigned row)
{
	uint64_t value;

	add_words(v, set->at[row], 1, &value);
	return value;
}

void
series_histogram(const struct metric_set *set, const struct series_view *v, unsigned row,
    uint64_t *counts, uint64_t *sum)
{
	unsigned n = set->rows[row].n_bounds + 1;
	uint64_t words[METRIC_BOUNDS_MAX + 2];

	add_words(v, set->at[row], n + 1, words);
	memcpy(counts, words, n * sizeof(*counts));
	*sum = words[n];
}

void
series_sum(const struct metric_set *set, const struct series_view *v, uint64_t *words)
{
	add_words(v, 0, set->words, words);
	for (unsigned i = 0; i < set->n_rows; i++)
		if (set->rows[i].type == METRIC_RAW)
			memset(&words[set->at[i]], 0, set->rows[i].words * sizeof(*words));
}

const _Atomic uint64_t *
series_block(const struct metric_set *set, const struct series_view *v, unsigned slot)
{
	const struct entry *e = series_entry(v);
	const struct block *b = e ? directory_block(&series_dir, e, slot) : NULL;

	(void)set;
	return b ? b->word : NULL;
}

const _Atomic uint64_t *
series_next_block(const struct series_view *v, uint32_t *cursor, unsigned *slot)
{
	const struct entry *e = series_entry(v);
	uint32_t unit = 0;

	if (*cursor != 0)
		unit = atomic_load_explicit(
		    &directory_block_at(&series_dir, *cursor)->next, memory_order_acquire);
	else if (e != NULL)
		unit = atomic_load_explicit(&e->blocks, memory_order_acquire);
	if (unit == 0)
		return NULL;
	*cursor = unit;
	*slot = directory_block_at(&series_dir, unit)->slot;
	return directory_block_at(&series_dir, unit)->word;
}

unsigned
series_slots(void)
{
	return series_dir.head ? series_dir.head->n_slots : 0;
}

/* ---- of the directory ---- */

unsigned
series_count(const struct metric_set *set)
{
	if (series_dir.head == NULL || set->words == 0)
		return 0;
	return atomic_load(&series_dir.head->sets[set->id].count);
}

static uint64_t
dropped_in_all(void)
{
	const struct metric_set *set = series_dropped_set();
	struct series_view v;
	uint64_t sum = 0;
	uint32_t cursor = 0;

	while (series_next(set, &cursor, &v))
		sum += series_value(set, &v, 0);
	return sum;
}

void
series_usage(struct series_usage *out)
{
	const struct directory *h = series_dir.head;

	memset(out, 0, sizeof(*out));
	if (h == NULL)
		return;
	out->size = h->size;
	/* Tables, and of the units those in use. */
	out->used = h->size - (uint64_t)(h->space.n - atomic_load(&h->space.used)) * UNIT;
	out->entries = atomic_load(&h->n_used);
	out->entries_max = h->n_entries - 1;
	out->dropped = dropped_in_all();
}

const char *
series_zone_name(void)
{
	return series_dir.zone ? zone_name(series_dir.zone) : "main";
}

/*
 * Rare operations on series: retiring, the pseudo-slots, clearing a dead process's gauges. See series.h.
 */
#include "base/clock.h"
#include "zone/series_priv.h"

bool
series_retire(const struct metric_set *set, const struct series_view *v)
{
	struct dir *d = &series_dir;
	bool live;

	(void)set;
	if (series_entry(v) == NULL || !directory_lock(d))
		return false;
	live = series_entry(v) != NULL;
	if (live)
		directory_retire(d, v->index);
	(void)directory_reclaim(d);
	directory_unlock(d);
	return live;
}

/*
 * The oldest of a set, oldest first, as of the last look at all of them: a series is only ever seen later than it was, so the first of these
 * that was not seen since is the oldest still. One look serves many retirements, as a flood of new names asks for.
 */
#define CANDIDATES 64

static struct {
	const struct metric_set *set;
	unsigned n, next;
	struct candidate {
		uint32_t index, generation;
		int64_t seen;
	} list[CANDIDATES];
} oldest;

static void
add_candidate(const struct series_view *v)
{
	unsigned i = MIN(oldest.n, CANDIDATES - 1u);

	if (oldest.n == CANDIDATES && v->seen >= oldest.list[i].seen)
		return;
	for (; i > 0 && oldest.list[i - 1].seen > v->seen; i--)
		oldest.list[i] = oldest.list[i - 1];
	oldest.list[i] = (struct candidate){ v->index, v->generation, v->seen };
	oldest.n += oldest.n < CANDIDATES;
}

static void
look_at_all(const struct metric_set *set)
{
	struct series_view v;
	uint32_t cursor = 0;

	oldest.set = set;
	oldest.n = oldest.next = 0;
	while (series_next(set, &cursor, &v))
		add_candidate(&v);
}

/* The first candidate that is still what it was and matches. */
static bool
pick_candidate(bool (*match)(struct str key, void *arg), void *arg, struct series_view *out)
{
	for (unsigned i = oldest.next; i < oldest.n; i++) {
		const struct candidate *c = &oldest.list[i];
		struct series_view v = { .index = c->index, .generation = c->generation };
		bool same = series_still(&v);

		if (same)
			series_view_at(c->index, c->generation, &v);
		if (!same || v.seen != c->seen) {
			oldest.next += i == oldest.next;
			continue;
		}
		if (match == NULL || match(v.key, arg)) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool
pick_from_all(const struct metric_set *set, bool (*match)(struct str key, void *arg), void *arg,
    struct series_view *out)
{
	struct series_view v;
	uint32_t cursor = 0;

	out->index = 0;
	while (series_next(set, &cursor, &v))
		if ((out->index == 0 || v.seen < out->seen) && (match == NULL || match(v.key, arg)))
			*out = v;
	return out->index != 0;
}

bool
series_retire_oldest(
    const struct metric_set *set, bool (*match)(struct str key, void *arg), void *arg)
{
	struct series_view v;

	if (oldest.set == set && pick_candidate(match, arg, &v))
		return series_retire(set, &v);
	look_at_all(set);
	if (!pick_candidate(match, arg, &v) && !pick_from_all(set, match, arg, &v))
		return false;
	return series_retire(set, &v);
}

int
series_edit(const struct metric_set *set, const struct series_view *v, unsigned pseudo,
    void (*edit)(_Atomic uint64_t *words, void *arg), void *arg)
{
	struct dir *d = &series_dir;
	struct entry *e = series_entry(v);
	struct block *b;
	int err = OK;

	assert(pseudo == SERIES_RESTORED || pseudo == SERIES_BASELINE);
	if (e == NULL)
		return ERR_NOT_FOUND;
	if (!directory_lock(d))
		return ERR_BUSY;
	if (series_entry(v) == NULL) {
		err = ERR_NOT_FOUND;
		goto unlock;
	}
	b = directory_block(d, e, pseudo);
	if (b == NULL)
		b = directory_add_block(d, v->index, pseudo, set->words, true);
	if (b == NULL)
		err = ERR_NOMEM;
	else
		edit(b->word, arg);
unlock:
	directory_unlock(d);
	return err;
}

/* ---- in the master ---- */

static void
clear_gauges(struct block *b, const struct metric_set *set)
{
	for (unsigned i = 0; i < set->n_rows; i++)
		if (set->rows[i].type == METRIC_GAUGE)
			atomic_store_explicit(&b->word[set->at[i]], 0, memory_order_relaxed);
	if (atomic_load_explicit(&b->pinned, memory_order_relaxed)) {
		atomic_store_explicit(&b->seen, clock_wall(), memory_order_relaxed);
		atomic_store_explicit(&b->pinned, 0, memory_order_relaxed);
	}
}

void
series_clear_slot(struct zone *z, unsigned slot)
{
	struct dir d;
	uint32_t top;

	if (!directory_open(&d, z, ZONE_SLOT_MASTER))
		return;
	/* As long as we walk, nothing is used again that we may see. */
	atomic_store(&d.acks[ZONE_SLOT_MASTER], atomic_load(&d.head->epoch));
	top = atomic_load(&d.head->top);
	for (uint32_t i = 1; i < top; i++) {
		struct entry *e = &d.entries[i];
		struct block *b;

		if ((atomic_load(&e->state) & 3) != ENTRY_LIVE)
			continue;
		b = directory_block(&d, e, slot);
		if (b != NULL)
			clear_gauges(b, metric_set(e->set));
	}
	atomic_store(&d.acks[slot], 0);
	atomic_store(&d.acks[ZONE_SLOT_MASTER], 0);
}

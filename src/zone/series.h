/*
 * Series: what processes count, by name, in the zone. Writing is a relaxed load and store to memory that nobody else writes: each slot
 * has a block of its own for each series it has touched. Readers add the blocks up.
 *
 * The directory maps (set, key) to an index. It is bounded: what does not fit (zone full, max_series reached, key longer than
 * SERIES_KEY_MAX) is folded into the set's series `other`, and counted in sluice_zone_dropped_total. An index is retired by generation:
 * taken out of the directory at once, used again when every live slot has acknowledged that it writes there no more.
 *
 * A process attaches once (series_attach). Before that, and in programs without a zone, every call works on scratch memory, so that
 * what counts need not ask.
 */
#ifndef SLUICE_ZONE_SERIES_H
#define SLUICE_ZONE_SERIES_H

#include <stdatomic.h>

#include "zone/metric.h"

struct zone;

#define SERIES_KEY_MAX 1024

/* ---- writing: in a worker, shipper or janitor ---- */

/* A process's door to one series. `block` is never NULL: scratch memory where there is none. */
struct series {
	_Atomic uint64_t *block;
	const struct metric_set *set;
	uint32_t index;
	uint32_t state; /* of the directory's entry; 0: not an entry's */
};

/* The sets of the zone's own counters. With the other registrations. */
void series_register(void);
/* In the process of the slot, after fork. Takes up the blocks that earlier processes of the slot left. 0 or an error. */
int series_attach(struct zone *z, unsigned slot);
/* For tests: everything works on scratch memory again; pins are forgotten and not to be used any more. */
void series_detach(void);
/* Acknowledges what was retired; the loop calls it before it sleeps and on a ring. Never blocks. */
void series_tick(void);

/* Finds or makes it; never fails (`other`, or scratch). Marks it as seen now. Valid until the caller next parks. */
struct series *series_get(struct metric_set *set, struct str key);
/* The same for keys that often repeat: *hint, 0 at first, is where the last one was, and is looked at before the directory. */
struct series *series_get_hinted(struct metric_set *set, struct str key, uint32_t *hint);
/* The same for labels given one by one (n_labels of them). A zero byte in a value becomes "?". */
struct series *series_get_labels(struct metric_set *set, const struct str *values);
/* The same, valid for ever: for what a configuration names. Once retired it is found or made again by itself. Counts as seen as long as the
 * process lives. The same for the same set and key; may be called before series_attach. */
struct series *series_pin(struct metric_set *set, struct str key);

static inline void
series_add(struct series *s, unsigned row, uint64_t n)
{
	_Atomic uint64_t *p = &s->block[s->set->at[row]];

	atomic_store_explicit(
	    p, atomic_load_explicit(p, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Gauges. */
static inline void
series_set(struct series *s, unsigned row, int64_t value)
{
	atomic_store_explicit(&s->block[s->set->at[row]], (uint64_t)value, memory_order_relaxed);
}

/* Histograms; value in the stored unit. Negative counts as 0. */
void series_observe(struct series *s, unsigned row, int64_t value);

/* ---- reading: in any process that has the zone ---- */

struct series_view {
	struct str key; /* in the zone; valid until the reader next parks */
	uint32_t index;
	uint32_t generation; /* to find it again: series_still() */
	int64_t seen;        /* wall ns, to the second, when it was last got */
};

/* Walks a set in an order that stays the same from call to call: *cursor starts at 0; false at the end. A walk may go on after parking. */
bool series_next(const struct metric_set *set, uint32_t *cursor, struct series_view *out);
/* By key, without making it. */
bool series_find(const struct metric_set *set, struct str key, struct series_view *out);
/* False once it was retired. */
bool series_still(const struct series_view *v);
/* COUNTER and GAUGE: the sum over all slots. */
uint64_t series_value(const struct metric_set *set, const struct series_view *v, unsigned row);
/* HISTOGRAM: counts (not cumulated) into n_bounds + 1 words; the sum of values in *sum. Their total is the count. */
void series_histogram(const struct metric_set *set, const struct series_view *v, unsigned row,
    uint64_t *counts, uint64_t *sum);
/* All words of the block at once, added up over all slots (RAW rows are left out: zero): for renderers that read many rows. */
void series_sum(const struct metric_set *set, const struct series_view *v, uint64_t *words);
/* A slot's own block, NULL if it has none. Slots beyond the processes': SERIES_RESTORED holds what a dump or an earlier start brought
 * in (readers above include it), SERIES_BASELINE what a reset subtracts (readers above do not). */
const _Atomic uint64_t *series_block(
    const struct metric_set *set, const struct series_view *v, unsigned slot);
/* A walk over all blocks of one series, the pseudo-slots' included: *cursor starts at 0, NULL at the end; *slot is whose it is. */
const _Atomic uint64_t *series_next_block(
    const struct series_view *v, uint32_t *cursor, unsigned *slot);
unsigned series_slots(void); /* the processes' slots; the two below follow them */
#define SERIES_RESTORED (series_slots())
#define SERIES_BASELINE (series_slots() + 1)

/* Writes one of those two pseudo-slots' block, made if needed: edit(words, arg) runs while no other such writer does. 0, or ERR_NOMEM
 * when the zone is full, ERR_NOT_FOUND when it was retired, ERR_BUSY. Rare operations only. */
int series_edit(const struct metric_set *set, const struct series_view *v, unsigned pseudo,
    void (*edit)(_Atomic uint64_t *words, void *arg), void *arg);

/* ---- the directory ---- */

/* Takes it out of the directory. Its counts are gone for readers (a reader in the middle may still see them). False: it was gone already. */
bool series_retire(const struct metric_set *set, const struct series_view *v);
/* Retires the one seen longest ago among those that match says yes to (NULL: all), pinned ones last. False: there is none. match may not
 * call anything here. */
bool series_retire_oldest(
    const struct metric_set *set, bool (*match)(struct str key, void *arg), void *arg);
unsigned series_count(const struct metric_set *set);

struct series_usage {
	uint64_t size, used; /* bytes of the zone's series area */
	unsigned entries, entries_max;
	uint64_t dropped; /* sum over sets: sluice_zone_dropped_total */
};
void series_usage(struct series_usage *out);
const char *series_zone_name(void); /* vts_zone's NAME */

/* In the master, when it buried the slot's process: gauges of the slot become zero. */
void series_clear_slot(struct zone *z, unsigned slot);

#endif

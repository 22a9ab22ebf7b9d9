/*
 * Resetting and deleting nodes: what the control API does with them. A reset writes what the node has counted so far into SERIES_BASELINE,
 * which readers subtract, and begins an era (vts_node.h): no block of another process is written, so nobody has to stop counting.
 */
#include "base/clock.h"
#include "status/vts_priv.h"

uint64_t
vts_era(const struct series *s)
{
	struct series_view view = { .index = s->index, .generation = s->state };
	const struct vts_node_block *b;

	b = (const struct vts_node_block *)series_block(s->set, &view, SERIES_BASELINE);
	return b != NULL ? vts_load(&b->era) : 0;
}

/* ---- reset ---- */

/* While no other reset runs, so that of two at once the later one's numbers stay. */
static void
write_baseline(vts_word *words, void *arg)
{
	struct vts_node_block *b = (struct vts_node_block *)words;
	const struct wide *totals = arg;

	for (unsigned i = 0; i < VTS_COUNTERS; i++) {
		vts_store(&b->counters[i], totals[i].low);
		vts_store(&b->over[i], totals[i].high);
	}
	atomic_store_explicit(&b->era, vts_load(&b->era) + 1, memory_order_release);
}

static void
write_durations(vts_word *words, void *arg)
{
	struct vts_duration_block *b = (struct vts_duration_block *)words;
	const struct vts_histogram *h = arg;

	atomic_store_explicit(&b->n, 0, memory_order_release);
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < h->n; i++) {
		vts_store(&b->bounds_us[i], (uint64_t)h->bounds_us[i]);
		vts_store(&b->counts[i], h->counts[i]);
	}
	vts_store(&b->counts[VTS_BOUNDS_MAX], h->counts[h->n]);
	vts_store(&b->sum_us, h->sum_us);
	vts_store(&b->since, (uint64_t)(clock_wall() / NS_PER_MS));
	atomic_store_explicit(&b->n, h->n, memory_order_release);
}

static void
write_codes(vts_word *words, void *arg)
{
	struct vts_code_block *b = (struct vts_code_block *)words;
	const struct vts_codes *codes = arg;

	for (unsigned i = 0; i < VTS_CODES_MAX; i++)
		vts_store(&b->of[i], i < codes->n ? (uint64_t)codes->of[i].code << VTS_CODE_SHIFT |
							(codes->of[i].count & VTS_CODE_COUNT)
						  : 0);
	vts_store(&b->of[VTS_CODES_MAX], codes->other);
}

static int
reset_durations(const struct vts_entry *e)
{
	struct vts_histogram h;
	struct series_view part;
	uint64_t oldest;

	if (!vts_find_part(e, VTS_DURATION, &part))
		return 0;
	vts_sum_durations(&part, &h, &oldest);
	return series_edit(
	    vts_part_set(e->kind, VTS_DURATION), &part, SERIES_BASELINE, write_durations, &h);
}

static int
reset_codes(const struct vts_entry *e)
{
	struct vts_codes codes;
	struct series_view part;

	if (!vts_find_part(e, VTS_CODE, &part))
		return 0;
	vts_sum_codes(&part, &codes);
	return series_edit(
	    vts_part_set(e->kind, VTS_CODE), &part, SERIES_BASELINE, write_codes, &codes);
}

/* The number of resets moves last: who sees that finds the new era. */
int
vts_reset(const struct vts_entry *e)
{
	struct wide totals[VTS_COUNTERS];
	int err = vts_state_ready() ? 0 : ERR_NOMEM;

	for (unsigned i = 0; i < VTS_COUNTERS; i++)
		totals[i] = vts_total(e, i, false);
	if (err == 0)
		err = series_edit(
		    vts_set(e->kind), &e->view, SERIES_BASELINE, write_baseline, totals);
	if (err == 0)
		err = reset_durations(e);
	if (err == 0)
		err = reset_codes(e);
	if (err == 0)
		vts_state_count_reset();
	return err;
}

/* ---- delete ---- */

bool
vts_delete(const struct vts_entry *e)
{
	struct series_view part;

	for (unsigned i = VTS_NODE + 1; i < VTS_PARTS; i++)
		if (vts_find_part(e, i, &part))
			series_retire(vts_part_set(e->kind, i), &part);
	return series_retire(vts_set(e->kind), &e->view);
}

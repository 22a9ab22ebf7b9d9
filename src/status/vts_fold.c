/*
 * What becomes of a node's blocks when the server starts again: the zone brings what each slot had together in SERIES_RESTORED, two blocks
 * at a time (metric_row.fold). Runs in the master, before anybody counts; `from` may hold anything a damaged file can.
 */
#include "status/vts_priv.h"

/* The earlier, or the smaller, where 0 is none. */
static void
keep_least(vts_word *to, const vts_word *from)
{
	uint64_t a = vts_load(to), b = vts_load(from);

	if (a == 0 || (b != 0 && b < a))
		vts_store(to, b);
}

static void
keep_most(vts_word *to, const vts_word *from)
{
	vts_store(to, MAX(vts_load(to), vts_load(from)));
}

static void
fold_samples(struct vts_node_block *to, const struct vts_node_block *from)
{
	uint64_t all[VTS_SAMPLES];
	unsigned n = vts_merge_samples(from, all, vts_merge_samples(to, all, 0));

	for (unsigned i = 0; i < n; i++)
		vts_store(&to->samples[i], all[i]);
	vts_store(&to->next, n);
}

void
vts_fold_node(uint64_t *into, const uint64_t *from)
{
	struct vts_node_block *to = (void *)into;
	const struct vts_node_block *b = (const void *)from;
	uint64_t era = vts_load(&to->era);

	for (unsigned i = 0; i < VTS_COUNTERS; i++) {
		struct wide sum = { vts_load(&to->counters[i]), vts_load(&to->over[i]) };

		wide_add(&sum, vts_load(&b->counters[i]), vts_load(&b->over[i]));
		vts_store(&to->counters[i], sum.low);
		vts_store(&to->over[i], sum.high);
	}
	keep_least(&to->first_ms, &b->first_ms);
	keep_most(&to->last_ms, &b->last_ms);
	if (vts_load(&b->era) < era)
		return;
	if (vts_load(&b->era) > era) {
		vts_store(&to->min_us, 0);
		vts_store(&to->max_us, 0);
		memset(to->samples, 0, sizeof(to->samples));
		vts_store(&to->era, vts_load(&b->era));
	}
	keep_least(&to->min_us, &b->min_us);
	keep_most(&to->max_us, &b->max_us);
	fold_samples(to, b);
}

static bool
same_bounds(const struct vts_duration_block *a, const struct vts_duration_block *b, uint64_t n)
{
	return vts_load(&a->n) == n &&
	       memcmp(a->bounds_us, b->bounds_us, n * sizeof(vts_word)) == 0;
}

/* Of two histograms with different bounds the newer stays. */
void
vts_fold_duration(uint64_t *into, const uint64_t *from)
{
	struct vts_duration_block *to = (void *)into;
	const struct vts_duration_block *b = (const void *)from;
	uint64_t n = vts_load(&b->n);

	if (n == 0 || n > VTS_BOUNDS_MAX)
		return;
	if (vts_load(&to->n) != 0 && same_bounds(to, b, n)) {
		for (unsigned i = 0; i <= VTS_BOUNDS_MAX; i++)
			vts_add(&to->counts[i], vts_load(&b->counts[i]));
		vts_add(&to->sum_us, vts_load(&b->sum_us));
		keep_least(&to->since, &b->since);
	} else if (vts_load(&to->n) == 0 || vts_load(&b->since) > vts_load(&to->since)) {
		memcpy(to, b, sizeof(*to));
		vts_store(&to->owner, 0);
	}
}

void
vts_fold_code(uint64_t *into, const uint64_t *from)
{
	struct vts_code_block *to = (void *)into;

	for (unsigned i = 0; i < VTS_CODES_MAX; i++)
		vts_add_code(to, (unsigned)(from[i] >> VTS_CODE_SHIFT), from[i] & VTS_CODE_COUNT);
	vts_add(&to->of[VTS_CODES_MAX], from[VTS_CODES_MAX]);
}

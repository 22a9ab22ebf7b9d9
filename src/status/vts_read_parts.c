/*
 * The parts of a node that only some configurations have: its histogram and its status codes. The rest of the reading half of vts.h is in
 * vts_read.c.
 */
#include "status/vts_priv.h"

/* A walk over the blocks of a part that are added up. */
static const void *
next_block(const struct series_view *part, uint32_t *cursor)
{
	const vts_word *words;
	unsigned slot;

	while ((words = series_next_block(part, cursor, &slot)) != NULL)
		if (slot != SERIES_BASELINE)
			return (const void *)words;
	return NULL;
}

bool
vts_find_part(const struct vts_entry *e, enum vts_part part, struct series_view *out)
{
	return series_find(vts_part_set(e->kind, part), e->view.key, out);
}

/* ---- histogram ---- */

/* A block's numbers at one moment. False: it has no bounds, or gets others just now. */
static bool
copy_duration(const struct vts_duration_block *b, struct vts_histogram *out, uint64_t *since)
{
	uint64_t n = b != NULL ? atomic_load_explicit(&b->n, memory_order_acquire) : 0;

	if (n == 0 || n > VTS_BOUNDS_MAX)
		return false;
	out->n = (unsigned)n;
	*since = vts_load(&b->since);
	out->sum_us = vts_load(&b->sum_us);
	for (unsigned i = 0; i < n; i++) {
		out->bounds_us[i] = (int64_t)vts_load(&b->bounds_us[i]);
		out->counts[i] = vts_load(&b->counts[i]);
	}
	out->counts[n] = vts_load(&b->counts[VTS_BOUNDS_MAX]);
	atomic_thread_fence(memory_order_acquire);
	return vts_load(&b->n) == n && vts_load(&b->since) == *since;
}

static bool
same_bounds(const struct vts_histogram *a, const struct vts_histogram *b)
{
	return a->n == b->n &&
	       memcmp(a->bounds_us, b->bounds_us, a->n * sizeof(*a->bounds_us)) == 0;
}

static void
subtract(struct vts_histogram *from, const struct vts_histogram *what)
{
	for (unsigned i = 0; i <= from->n; i++)
		from->counts[i] -= MIN(from->counts[i], what->counts[i]);
	from->sum_us -= MIN(from->sum_us, what->sum_us);
}

/* Blocks with other bounds than the newest block's are of processes that have yet to count under this configuration, or are about to end. */
void
vts_sum_durations(const struct series_view *part, struct vts_histogram *out, uint64_t *oldest)
{
	const struct vts_duration_block *b;
	struct vts_histogram one;
	uint64_t since, newest = 0;
	uint32_t cursor = 0;

	out->n = 0;
	out->sum_us = 0;
	while ((b = next_block(part, &cursor)) != NULL) {
		if (!copy_duration(b, &one, &since))
			continue;
		if (out->n > 0 && same_bounds(out, &one)) {
			for (unsigned i = 0; i <= one.n; i++)
				out->counts[i] += one.counts[i];
			out->sum_us += one.sum_us;
			*oldest = MIN(*oldest, since);
			newest = MAX(newest, since);
		} else if (out->n == 0 || since > newest) {
			*out = one;
			*oldest = newest = since;
		}
	}
}

void
vts_read_histogram(const struct vts_entry *e, struct vts_histogram *out)
{
	const struct vts_duration_block *baseline;
	struct vts_histogram before;
	struct series_view part;
	uint64_t oldest = 0, taken;

	out->n = 0;
	out->sum_us = 0;
	if (!vts_find_part(e, VTS_DURATION, &part))
		return;
	vts_sum_durations(&part, out, &oldest);
	baseline =
	    (const void *)series_block(vts_part_set(e->kind, VTS_DURATION), &part, SERIES_BASELINE);
	/* Buckets that began after the reset were no part of it. */
	if (out->n > 0 && copy_duration(baseline, &before, &taken) && oldest <= taken &&
	    same_bounds(out, &before))
		subtract(out, &before);
}

/* ---- status codes ---- */

static uint64_t *
place_of(struct vts_codes *codes, unsigned code)
{
	unsigned i = 0;

	while (i < codes->n && codes->of[i].code != code)
		i++;
	if (i == VTS_CODES_MAX)
		return &codes->other;
	if (i == codes->n) {
		codes->of[codes->n++].code = code;
		codes->of[i].count = 0;
	}
	return &codes->of[i].count;
}

static void
add_codes(struct vts_codes *to, const struct vts_code_block *b)
{
	uint64_t word;

	for (unsigned i = 0; i < VTS_CODES_MAX; i++)
		if ((word = vts_load(&b->of[i])) != 0)
			*place_of(to, (unsigned)(word >> VTS_CODE_SHIFT)) += word & VTS_CODE_COUNT;
	to->other += vts_load(&b->of[VTS_CODES_MAX]);
}

/* Codes that the baseline knows are among those read. */
static void
subtract_codes(struct vts_codes *from, const struct vts_code_block *b)
{
	struct vts_codes base = { 0 };
	uint64_t *count;

	add_codes(&base, b);
	for (unsigned i = 0; i < base.n; i++) {
		count = place_of(from, base.of[i].code);
		*count -= MIN(*count, base.of[i].count);
	}
	from->other -= MIN(from->other, base.other);
}

/* In the order of the codes, without those that have counted nothing since the reset. At most 63: insertion. */
static void
tidy(struct vts_codes *codes)
{
	unsigned n = 0, at;

	for (unsigned i = 0; i < codes->n; i++) {
		unsigned code = codes->of[i].code;
		uint64_t count = codes->of[i].count;

		if (count == 0)
			continue;
		for (at = n++; at > 0 && codes->of[at - 1].code > code; at--)
			codes->of[at] = codes->of[at - 1];
		codes->of[at].code = code;
		codes->of[at].count = count;
	}
	codes->n = n;
}

void
vts_sum_codes(const struct series_view *part, struct vts_codes *out)
{
	const struct vts_code_block *b;
	uint32_t cursor = 0;

	out->n = 0;
	out->other = 0;
	while ((b = next_block(part, &cursor)) != NULL)
		add_codes(out, b);
}

void
vts_read_codes(const struct vts_entry *e, struct vts_codes *out)
{
	const struct vts_code_block *baseline;
	struct series_view part;

	out->n = 0;
	out->other = 0;
	if (!vts_find_part(e, VTS_CODE, &part))
		return;
	vts_sum_codes(&part, out);
	baseline =
	    (const void *)series_block(vts_part_set(e->kind, VTS_CODE), &part, SERIES_BASELINE);
	if (baseline != NULL)
		subtract_codes(out, baseline);
	tidy(out);
}

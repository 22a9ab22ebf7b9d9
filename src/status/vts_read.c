/*
 * What a node has counted, over all processes: the reading half of vts.h. Called by the views, the limits, the variables and the dump.
 */
#include "status/vts_priv.h"

/* ---- finding ---- */

/* A key is the labels' values with a zero byte between. */
static void
name_entry(struct vts_entry *e)
{
	struct str rest = e->view.key;

	e->group = e->kind == VTS_FILTER ? str_split(&rest, 0) : STR("");
	e->name = rest.p != NULL ? rest : STR("");
}

/* A walk over the blocks that are added up. */
static const struct vts_node_block *
next_block(const struct vts_entry *e, uint32_t *cursor)
{
	const vts_word *words;
	unsigned slot;

	while ((words = series_next_block(&e->view, cursor, &slot)) != NULL)
		if (slot != SERIES_BASELINE)
			return (const struct vts_node_block *)words;
	return NULL;
}

/* A process readies the nodes of its configuration, after a deletion, too: there is one once a request counts. */
static bool
is_used(const struct vts_entry *e)
{
	const struct vts_node_block *b;
	uint32_t cursor = 0;

	while ((b = next_block(e, &cursor)) != NULL)
		if (vts_load(&b->last_ms) != 0)
			return true;
	return false;
}

bool
vts_next(enum vts_kind kind, uint32_t *cursor, struct vts_entry *out)
{
	out->kind = kind;
	do {
		if (!series_next(vts_set(kind), cursor, &out->view))
			return false;
	} while (!is_used(out));
	name_entry(out);
	return true;
}

bool
vts_find_key(enum vts_kind kind, const struct vts_key *key, struct vts_entry *out)
{
	out->kind = kind;
	if (!series_find(vts_set(kind), vts_key_str(key), &out->view) || !is_used(out))
		return false;
	name_entry(out);
	return true;
}

bool
vts_find(enum vts_kind kind, struct str group, struct str name, struct vts_entry *out)
{
	struct vts_key key;

	vts_key_set(&key, kind, group, name);
	return vts_find_key(kind, &key, out);
}

bool
vts_is_other(const struct vts_entry *e)
{
	return str_is(e->name, "other") && (e->kind == VTS_SERVER || str_is(e->group, "other"));
}

static const struct vts_node_block *
baseline_of(const struct vts_entry *e)
{
	return (const struct vts_node_block *)series_block(
	    vts_set(e->kind), &e->view, SERIES_BASELINE);
}

/* ---- counters ---- */

struct wide
vts_total(const struct vts_entry *e, unsigned counter, bool since_reset)
{
	struct wide sum = { 0, 0 };
	const struct vts_node_block *b;
	uint32_t cursor = 0;

	while ((b = next_block(e, &cursor)) != NULL)
		wide_add(&sum, vts_load(&b->counters[counter]), vts_load(&b->over[counter]));
	if (since_reset && (b = baseline_of(e)) != NULL)
		wide_subtract(&sum, vts_load(&b->counters[counter]), vts_load(&b->over[counter]));
	return sum;
}

uint64_t
vts_counter(const struct vts_entry *e, unsigned counter, uint64_t *over)
{
	struct wide v = vts_total(e, counter, true);

	if (counter == VTS_REQUEST_MSEC)
		v = wide_thousandth(v);
	if (over != NULL)
		*over = v.high;
	return v.low;
}

/* ---- a whole node ---- */

static void
add_block(struct wide *sums, const struct vts_node_block *b)
{
	for (unsigned i = 0; i < VTS_COUNTERS; i++)
		wide_add(&sums[i], vts_load(&b->counters[i]), vts_load(&b->over[i]));
}

/* The earlier, or the smaller, where 0 is none. */
static uint64_t
least(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static void
add_extremes(struct vts_node *out, const struct vts_node_block *b, uint64_t era)
{
	out->first_ms = (int64_t)least((uint64_t)out->first_ms, vts_load(&b->first_ms));
	out->last_ms = MAX(out->last_ms, (int64_t)vts_load(&b->last_ms));
	if (atomic_load_explicit(&b->era, memory_order_acquire) != era)
		return;
	out->min_us = least(out->min_us, vts_load(&b->min_us));
	out->max_us = MAX(out->max_us, vts_load(&b->max_us));
}

static uint64_t
era_of(const struct vts_node_block *baseline)
{
	return baseline != NULL ? vts_load(&baseline->era) : 0;
}

void
vts_read(const struct vts_entry *e, struct vts_node *out)
{
	const struct vts_node_block *baseline = baseline_of(e), *b;
	uint32_t cursor = 0;
	struct wide sums[VTS_COUNTERS] = { { 0, 0 } };

	memset(out, 0, sizeof(*out));
	while ((b = next_block(e, &cursor)) != NULL) {
		add_block(sums, b);
		add_extremes(out, b, era_of(baseline));
	}
	for (unsigned i = 0; i < VTS_COUNTERS; i++) {
		if (baseline != NULL)
			wide_subtract(&sums[i], vts_load(&baseline->counters[i]),
			    vts_load(&baseline->over[i]));
		if (i == VTS_REQUEST_MSEC) {
			out->request_us = sums[i].low;
			sums[i] = wide_thousandth(sums[i]);
		}
		out->counters[i] = sums[i].low;
		out->over[i] = sums[i].high;
	}
	out->timed = out->min_us != 0;
	out->min_us -= out->timed; /* kept with one added */
}

void
vts_node_add(struct vts_node *sum, const struct vts_node *node)
{
	for (unsigned i = 0; i < VTS_COUNTERS; i++) {
		struct wide v = { sum->counters[i], sum->over[i] };

		wide_add(&v, node->counters[i], node->over[i]);
		sum->counters[i] = v.low;
		sum->over[i] = v.high;
	}
	sum->request_us += node->request_us;
	if (node->timed && (!sum->timed || node->min_us < sum->min_us))
		sum->min_us = node->min_us;
	sum->max_us = MAX(sum->max_us, node->max_us);
	sum->timed |= node->timed;
	sum->first_ms = (int64_t)least((uint64_t)sum->first_ms, (uint64_t)node->first_ms);
	sum->last_ms = MAX(sum->last_ms, node->last_ms);
}

int64_t
vts_idle_ms(const struct vts_entry *e, int64_t now_ms)
{
	const struct vts_node_block *b;
	uint32_t cursor = 0;
	int64_t last = 0;

	while ((b = next_block(e, &cursor)) != NULL)
		last = MAX(last, (int64_t)vts_load(&b->last_ms));
	return MAX(now_ms - last, INT64_C(0));
}

/* ---- samples ---- */

/* One block's, oldest first. The clock may have stepped back between two. */
static unsigned
sorted_samples(const struct vts_node_block *b, uint64_t *out)
{
	unsigned next = (unsigned)(vts_load(&b->next) % VTS_SAMPLES), n = 0, at;
	uint64_t sample;

	for (unsigned i = 0; i < VTS_SAMPLES; i++) {
		sample = vts_load(&b->samples[(next + i) % VTS_SAMPLES]);
		if (sample == 0)
			continue;
		for (at = n++; at > 0 && out[at - 1] > sample; at--)
			out[at] = out[at - 1];
		out[at] = sample;
	}
	return n;
}

/* The latest of both, into a; both are sorted. Returns how many. */
static unsigned
merge_latest(uint64_t *a, unsigned n_a, const uint64_t *b, unsigned n_b)
{
	uint64_t merged[VTS_SAMPLES];
	unsigned n = MIN(n_a + n_b, (unsigned)VTS_SAMPLES);

	for (unsigned at = n; at > 0; at--)
		if (n_b == 0 || (n_a > 0 && a[n_a - 1] >= b[n_b - 1]))
			merged[at - 1] = a[--n_a];
		else
			merged[at - 1] = b[--n_b];
	memcpy(a, merged, n * sizeof(*a));
	return n;
}

unsigned
vts_merge_samples(const struct vts_node_block *b, uint64_t *all, unsigned n)
{
	uint64_t some[VTS_SAMPLES];

	return merge_latest(all, n, some, sorted_samples(b, some));
}

void
vts_read_samples(const struct vts_entry *e, struct vts_samples *out)
{
	uint64_t all[VTS_SAMPLES];
	uint64_t era = era_of(baseline_of(e));
	uint32_t cursor = 0;
	const struct vts_node_block *b;
	unsigned n = 0;

	while ((b = next_block(e, &cursor)) != NULL)
		if (atomic_load_explicit(&b->era, memory_order_acquire) == era)
			n = vts_merge_samples(b, all, n);
	out->n = n;
	for (unsigned i = 0; i < n; i++) {
		out->of[i].time_ms = (int64_t)(all[i] >> VTS_SAMPLE_SHIFT);
		out->of[i].msec = (uint32_t)(all[i] & VTS_SAMPLE_MSEC);
	}
}

void
vts_samples_add(struct vts_samples *sum, const struct vts_samples *samples)
{
	unsigned n = MIN(sum->n + samples->n, (unsigned)VTS_SAMPLES), a = sum->n, b = samples->n;
	struct vts_samples merged = { .n = n };

	for (unsigned at = n; at > 0; at--)
		if (b == 0 || (a > 0 && sum->of[a - 1].time_ms >= samples->of[b - 1].time_ms))
			merged.of[at - 1] = sum->of[--a];
		else
			merged.of[at - 1] = samples->of[--b];
	*sum = merged;
}

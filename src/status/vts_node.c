/*
 * The sets of the traffic statistics, and what one request does to the blocks of a node. Called by vts_count.c once for each node that a
 * request counts in: this is the hot path, a dozen words in three cache lines that no other process writes.
 */
#include "status/vts_node.h"

#include "base/clock.h"
#include "base/hash.h"

#define WORDS(type) (sizeof(struct type) / sizeof(vts_word))

/* Names are the views' business; none of these rows is part of /metrics. */
#define ROW(what)                                                         \
	static const struct metric_row what##_row = { .type = METRIC_RAW, \
		.words = WORDS(vts_##what##_block),                       \
		.fold = vts_fold_##what,                                  \
		.labels = VTS_LAYOUT }
ROW(node);
ROW(duration);
ROW(code);

#define SET(of, what, label...)                                                     \
	{                                                                           \
		.name = (of), .labels = { label }, .rows = &what##_row, .n_rows = 1 \
	}

static struct metric_set sets[VTS_KINDS][VTS_PARTS] = {
	{ SET("vts_server", node, "host"), SET("vts_server_duration", duration, "host"),
	    SET("vts_server_code", code, "host") },
	{ SET("vts_filter", node, "filter", "filter_name"),
	    SET("vts_filter_duration", duration, "filter", "filter_name"),
	    SET("vts_filter_code", code, "filter", "filter_name") },
};

struct metric_set *
vts_part_set(enum vts_kind kind, enum vts_part part)
{
	return &sets[kind][part];
}

struct metric_set *
vts_set(enum vts_kind kind)
{
	return &sets[kind][VTS_NODE];
}

void
vts_node_register(void)
{
	for (unsigned kind = 0; kind < VTS_KINDS; kind++)
		for (unsigned part = 0; part < VTS_PARTS; part++) {
			metric_register(&sets[kind][part]);
			assert(sets[kind][part].at[0] == 0);
		}
}

/* ---- counters and samples ---- */

/* The number of resets moved on: one of them may have been this node's. Rare. */
static void
begin_era(const struct series *s, struct vts_node_block *b, uint64_t resets)
{
	uint64_t era = vts_era(s);

	if (era != vts_load(&b->era)) {
		vts_store(&b->min_us, 0);
		vts_store(&b->max_us, 0);
		for (unsigned i = 0; i < VTS_SAMPLES; i++)
			vts_store(&b->samples[i], 0);
		vts_store(&b->next, 0);
		atomic_store_explicit(&b->era, era, memory_order_release);
	}
	vts_store(&b->resets, resets);
}

void
vts_node_count(const struct series *s, const struct vts_event *e)
{
	struct vts_node_block *b = (struct vts_node_block *)s->block;
	uint64_t resets = vts_resets(), class = e->status / 100, next;

	if (unlikely(vts_load(&b->resets) != resets))
		begin_era(s, b, resets);
	vts_add(&b->counters[VTS_REQUESTS], 1);
	vts_add(&b->counters[VTS_IN_BYTES], e->in_bytes);
	vts_add(&b->counters[VTS_OUT_BYTES], e->out_bytes);
	if (class >= 1 && class <= 5)
		vts_add(&b->counters[VTS_1XX + class - 1], 1);
	if (e->cache)
		vts_add(&b->counters[e->cache], 1);
	vts_add(&b->counters[VTS_REQUEST_MSEC], e->us);
	if (vts_load(&b->min_us) - 1 > e->us) /* none is the largest number, less one */
		vts_store(&b->min_us, e->us + 1);
	if (vts_load(&b->max_us) < e->us)
		vts_store(&b->max_us, e->us);
	if (unlikely(vts_load(&b->first_ms) == 0))
		vts_store(&b->first_ms, (uint64_t)e->now_ms);
	vts_store(&b->last_ms, (uint64_t)e->now_ms);
	next = vts_load(&b->next) % VTS_SAMPLES; /* whatever scratch memory or a bad file holds */
	vts_store(&b->samples[next], vts_sample(e->now_ms, e->us / 1000));
	vts_store(&b->next, next + 1);
}

/* ---- histogram ---- */

/* Tells one life of a process from another. Never 0. */
static uint64_t
owner(void)
{
	static uint64_t id;

	if (id == 0)
		id = random_u64() | 1;
	return id;
}

static bool
same_bounds(const struct vts_duration_block *b, const int64_t *bounds_us, unsigned n)
{
	bool same = vts_load(&b->n) == n;

	for (unsigned i = 0; same && i < n; i++)
		same = vts_load(&b->bounds_us[i]) == (uint64_t)bounds_us[i];
	return same;
}

/* Other bounds begin with empty buckets. While n is 0 readers pass the block over. */
static void
set_bounds(struct vts_duration_block *b, const int64_t *bounds_us, unsigned n)
{
	atomic_store_explicit(&b->n, 0, memory_order_release);
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i <= VTS_BOUNDS_MAX; i++)
		vts_store(&b->counts[i], 0);
	vts_store(&b->sum_us, 0);
	vts_store(&b->since, (uint64_t)(clock_wall() / NS_PER_MS));
	for (unsigned i = 0; i < n; i++)
		vts_store(&b->bounds_us[i], (uint64_t)bounds_us[i]);
	atomic_store_explicit(&b->n, n, memory_order_release);
}

/* The first request of this process that counts here: the configuration may be another than the last one's. */
static void
take_over(struct vts_duration_block *b, const int64_t *bounds_us, unsigned n)
{
	if (!same_bounds(b, bounds_us, n))
		set_bounds(b, bounds_us, n);
	vts_store(&b->owner, owner());
}

void
vts_node_observe(
    const struct series *s, const struct vts_event *e, const int64_t *bounds_us, unsigned n)
{
	struct vts_duration_block *b = (struct vts_duration_block *)s->block;
	unsigned i = 0;

	if (unlikely(vts_load(&b->owner) != owner()))
		take_over(b, bounds_us, n);
	n = (unsigned)MIN(vts_load(&b->n), (uint64_t)VTS_BOUNDS_MAX);
	while (i < n && vts_load(&b->bounds_us[i]) < e->us)
		i++;
	vts_add(&b->counts[i < n ? i : VTS_BOUNDS_MAX], 1);
	vts_add(&b->sum_us, e->us);
}

/* ---- status codes ---- */

void
vts_add_code(struct vts_code_block *b, unsigned code, uint64_t n)
{
	for (unsigned i = 0; n > 0 && i < VTS_CODES_MAX; i++) {
		vts_word *w = &b->of[(code + i) % VTS_CODES_MAX];
		uint64_t word = vts_load(w);

		if (word != 0 && word >> VTS_CODE_SHIFT != code)
			continue;
		n += word & VTS_CODE_COUNT;
		vts_store(w, (uint64_t)code << VTS_CODE_SHIFT | MIN(n, VTS_CODE_COUNT));
		return;
	}
	vts_add(&b->of[VTS_CODES_MAX], n);
}

void
vts_node_count_code(const struct series *s, unsigned code, bool measured)
{
	struct vts_code_block *b = (struct vts_code_block *)s->block;

	if (measured)
		vts_add_code(b, code, 1);
	else
		vts_add(&b->of[VTS_CODES_MAX], 1);
}

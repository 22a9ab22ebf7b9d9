/*
 * vhost_traffic_status_filter_max_node: when a filter key is new and there are more nodes than allowed, those that were counted longest ago
 * go. Called by vts_count.c when its process counts in a node for the first time.
 *
 * To look at every node for every new key would cost most when a flood of keys arrives, which is when it must not. So a look retires a
 * sixty-fourth of the nodes, and reckons how many may be made, by all processes at the same rate, before the next look is due.
 */
#include "base/clock.h"
#include "status/vts_conf.h"
#include "status/vts_node.h"
#include "status/vts_priv.h"

#define BATCH 128u
#define PASSES 8 /* a limit that was made much lower is reached over several new keys */

struct victim {
	struct series_view view;
	int64_t seen;
};

/* The oldest seen so far, the youngest of them first: a heap. */
struct victims {
	struct victim of[BATCH];
	unsigned n;
};

static bool
is_bounded(const struct vts_scope *scope, struct str key)
{
	for (unsigned i = 0; i < scope->n_prefixes; i++)
		if (str_starts(key, scope->prefixes[i]))
			return true;
	return scope->n_prefixes == 0;
}

static void
swap(struct victim *a, struct victim *b)
{
	struct victim t = *a;

	*a = *b;
	*b = t;
}

static void
sift_down(struct victims *v)
{
	for (unsigned i = 0, child; (child = 2 * i + 1) < v->n; i = child) {
		if (child + 1 < v->n && v->of[child + 1].seen > v->of[child].seen)
			child++;
		if (v->of[i].seen >= v->of[child].seen)
			return;
		swap(&v->of[i], &v->of[child]);
	}
}

static void
consider(struct victims *v, const struct series_view *view, int64_t seen)
{
	unsigned i;

	if (v->n < BATCH) {
		i = v->n++;
		v->of[i] = (struct victim){ *view, seen };
		for (; i > 0 && v->of[i].seen > v->of[(i - 1) / 2].seen; i = (i - 1) / 2)
			swap(&v->of[i], &v->of[(i - 1) / 2]);
	} else if (seen < v->of[0].seen) {
		v->of[0] = (struct victim){ *view, seen };
		sift_down(v);
	}
}

/* Counts the nodes that are bounded, and finds the oldest of them. */
static unsigned
look(const struct vts_scope *scope, struct str fresh, struct victims *out)
{
	struct vts_entry e;
	uint32_t cursor = 0;
	unsigned n = 0;

	out->n = 0;
	while (vts_next(VTS_FILTER, &cursor, &e)) {
		if (!is_bounded(scope, e.view.key))
			continue;
		n++;
		if (!str_eq(e.view.key, fresh) && !vts_is_other(&e))
			consider(out, &e.view, e.view.seen);
	}
	return n;
}

/* The oldest `many` of those found: the youngest of the heap stay. Returns how many went. */
static unsigned
retire(struct victims *v, unsigned many)
{
	struct vts_entry e = { .kind = VTS_FILTER };
	unsigned gone = 0;

	for (; v->n > many; sift_down(v))
		v->of[0] = v->of[--v->n];
	for (unsigned i = 0; i < v->n; i++) {
		e.view = v->of[i].view;
		gone += vts_delete(&e);
	}
	return gone;
}

/* slots are four a worker, and some. */
static unsigned
workers(void)
{
	return MAX(series_slots() / 4, 1u);
}

void
vts_lru_make_room(const struct vts_scope *scope, struct str fresh)
{
	static struct victims victims; /* too large for a task's stack; nothing here parks */
	static unsigned until_look;
	unsigned spare = (unsigned)MIN(scope->max_node / 64, (uint64_t)BATCH / 2), n;

	if (!is_bounded(scope, fresh))
		return;
	if (until_look > 0) {
		until_look--;
		return;
	}
	for (unsigned pass = 0; pass < PASSES; pass++) {
		n = look(scope, fresh, &victims);
		if (n <= scope->max_node)
			break;
		n -= retire(&victims, (unsigned)MIN(n - scope->max_node + spare, (uint64_t)BATCH));
		if (n <= scope->max_node)
			break;
	}
	if (n < scope->max_node)
		until_look = (unsigned)(scope->max_node - n) / workers() / 2;
}

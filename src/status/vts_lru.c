/*
 * vhost_traffic_status_filter_max_node: when a filter key is new and there are as many nodes as allowed, the one that was counted longest ago
 * goes. Called by vts_count.c when its process has counted in a node for the first time.
 *
 * To look at every node for every new key would cost most when a flood of keys arrives, which is when it must not. So one look remembers a
 * batch of the oldest, and the keys after it each send away the next of them, unless it was counted since: whatever is younger than that look
 * is younger than they are. While there is room, a look reckons how many may be made, by all processes at the same rate, before the next.
 */
#include "base/clock.h"
#include "status/vts_conf.h"
#include "status/vts_node.h"
#include "status/vts_priv.h"

/* A look at a hundred thousand nodes takes tens of milliseconds, so it has to last. */
#define BATCH 1024u
#define PASSES 8 /* a limit that was made much lower is reached over several new keys */

struct victim {
	struct series_view view;
	int64_t seen;
};

/* The oldest at the last look: while it lasts a heap with the youngest of them on top, then by age; at: the next to go. */
static struct {
	struct victim of[BATCH];
	unsigned n, at;
	unsigned until_look; /* new keys that there is room for, as far as this process knows */
} victims;

static bool
is_bounded(const struct vts_scope *scope, struct str key)
{
	for (unsigned i = 0; i < scope->n_prefixes; i++)
		if (str_starts(key, scope->prefixes[i]))
			return true;
	return scope->n_prefixes == 0;
}

/* ---- a look ---- */

static void
swap(struct victim *a, struct victim *b)
{
	struct victim t = *a;

	*a = *b;
	*b = t;
}

/* Over the first n. */
static void
sift_down(unsigned n)
{
	struct victim *of = victims.of;

	for (unsigned i = 0, child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && of[child + 1].seen > of[child].seen)
			child++;
		if (of[i].seen >= of[child].seen)
			return;
		swap(&of[i], &of[child]);
	}
}

static void
consider(const struct series_view *view)
{
	struct victim *of = victims.of;
	unsigned i;

	if (victims.n < BATCH) {
		i = victims.n++;
		of[i] = (struct victim){ *view, view->seen };
		for (; i > 0 && of[i].seen > of[(i - 1) / 2].seen; i = (i - 1) / 2)
			swap(&of[i], &of[(i - 1) / 2]);
	} else if (view->seen < of[0].seen) {
		of[0] = (struct victim){ *view, view->seen };
		sift_down(victims.n);
	}
}

/* Counts the nodes that are bounded, and finds the oldest of them. */
static unsigned
look(const struct vts_scope *scope, struct str fresh)
{
	struct vts_entry e;
	uint32_t cursor = 0;
	unsigned n = 0;

	victims.n = victims.at = 0;
	while (vts_next(VTS_FILTER, &cursor, &e)) {
		if (!is_bounded(scope, e.view.key))
			continue;
		n++;
		if (!str_eq(e.view.key, fresh) && !vts_is_other(&e))
			consider(&e.view);
	}
	for (unsigned left = victims.n; left > 1; sift_down(--left))
		swap(&victims.of[0], &victims.of[left - 1]);
	return n;
}

/* ---- who goes ---- */

/* The next that nobody has counted since the look. False: there is none left. */
static bool
retire_one(void)
{
	struct vts_entry e = { .kind = VTS_FILTER };
	struct series_view now;

	while (victims.at < victims.n) {
		const struct victim *v = &victims.of[victims.at++];

		e.view = v->view;
		if (series_still(&v->view) && series_find(vts_set(VTS_FILTER), v->view.key, &now) &&
		    now.seen == v->seen && vts_delete(&e))
			return true;
	}
	return false;
}

/* New to this process, but another has counted there. */
static bool
is_known(struct str key)
{
	struct series_view view;
	uint32_t cursor = 0;
	unsigned slot, used = 0;
	const vts_word *words;

	if (!series_find(vts_set(VTS_FILTER), key, &view))
		return false;
	while ((words = series_next_block(&view, &cursor, &slot)) != NULL)
		used += vts_load(&words[VTS_REQUESTS]) != 0;
	return used > 1;
}

/* Slots are four a worker, and some. */
static unsigned
workers(void)
{
	return MAX(series_slots() / 4, 1u);
}

void
vts_lru_make_room(const struct vts_scope *scope, struct str fresh)
{
	unsigned n;

	if (!is_bounded(scope, fresh) || is_known(fresh))
		return;
	if (victims.until_look > 0) {
		victims.until_look--;
		return;
	}
	if (retire_one())
		return;
	for (unsigned pass = 0; pass < PASSES; pass++) {
		n = look(scope, fresh);
		while (n > scope->max_node && retire_one())
			n--;
		if (n <= scope->max_node)
			break;
	}
	if (n < scope->max_node) {
		victims.until_look = (unsigned)MIN(scope->max_node - n, UINT32_MAX) / workers() / 2;
		victims.n = 0;
	}
}

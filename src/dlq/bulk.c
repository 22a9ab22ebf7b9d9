/*
 * See bulk.h. What an entry's state forbids is told here before the store is asked, which has the last word; the pace of sending again is that of due times.
 */
#include "dlq/bulk.h"

#include <limits.h>
#include <stdlib.h>

#include "task/task.h"

/* Entries that are decided on between two turns of the loop. */
#define SLICE 1000

struct store {
	struct dlq *dlq;
	const struct stream_conf *streams;
};

/* ---- selecting ---- */

void
bulk_add(void *arg, const struct dlq_entry *e)
{
	struct bulk *p = arg;

	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 1024;
		struct id *ids = realloc(p->ids, cap * sizeof(*ids));

		if (ids == NULL) {
			p->failed = true;
			return;
		}
		p->ids = ids;
		p->cap = cap;
	}
	p->ids[p->n++] = e->id;
}

/* Oldest first: they have waited longest. */
static void
turn_round(struct bulk *p)
{
	for (size_t i = 0; i < p->n / 2; i++) {
		struct id id = p->ids[i];

		p->ids[i] = p->ids[p->n - 1 - i];
		p->ids[p->n - 1 - i] = id;
	}
}

int
bulk_pick(struct dlq *d, const struct jobs_selection *s, struct bulk *p)
{
	struct dlq_filter f;

	*p = (struct bulk){ .borrowed = s->filter == NULL };
	if (p->borrowed) {
		p->ids = (struct id *)(uintptr_t)s->ids;
		p->n = s->n;
		return 0;
	}
	f = *s->filter;
	if (f.state < 0)
		f.state = DLQ_PENDING;
	(void)dlq_list(d, &f, 0, UINT_MAX, bulk_add, p);
	turn_round(p);
	return p->failed ? ERR_NOMEM : 0;
}

void
bulk_fini(struct bulk *p)
{
	if (!p->borrowed)
		free(p->ids);
}

/* ---- deciding ---- */

/* What the store would say, for a dry run; and what it does not know. */
static int
judge(const struct store *store, struct id id, bool discard, bool force)
{
	struct dlq_entry e;

	if (dlq_find(store->dlq, id, &e) != 0)
		return ERR_NOT_FOUND;
	if (e.state == DLQ_REPROCESSING)
		return discard && force ? 0 : ERR_BUSY;
	if (e.state != DLQ_PENDING && (discard || !force))
		return ERR_CONFLICT;
	if (discard)
		return 0;
	if (e.type == DLQ_POISON && !force)
		return ERR_DENIED;
	return jobs_has_stream(store->streams, e.stream) ? 0 : ERR_UNSUPPORTED;
}

static void
note(struct jobs_result *out, struct id id, int result)
{
	if (result == 0) {
		out->accepted++;
		return;
	}
	out->skipped++;
	if (out->n_listed < JOBS_SKIPPED_MAX)
		out->listed[out->n_listed++] = (struct jobs_skipped){ id, result };
}

/* One slice: those that judge() lets pass go to the store, which has the last word. */
struct slice {
	struct id ids[SLICE];
	int results[SLICE];
	size_t n;
};

static int
decide(const struct store *store, enum bulk_what what, const struct slice *s, int *results,
    const struct dlq_decision *how)
{
	switch (what) {
	case BULK_REPROCESS:
		return dlq_reprocess(store->dlq, s->ids, s->n, how, results);
	case BULK_DISCARD:
		return dlq_discard(store->dlq, s->ids, s->n, how, results);
	default:
		return dlq_cancel(store->dlq, s->ids, s->n, how, results);
	}
}

static int
decide_slice(const struct store *store, enum bulk_what what, struct slice *s,
    const struct dlq_decision *how, struct jobs_result *out)
{
	int err = s->n == 0 ? 0 : decide(store, what, s, s->results, how);

	for (size_t i = 0; i < s->n && err == 0; i++)
		note(out, s->ids[i], s->results[i]);
	return err;
}

/* n times wait, at most a hundred years. */
static int64_t
times(uint64_t n, int64_t wait)
{
	const int64_t most = INT64_C(100) * 365 * 86400 * NS_PER_S;

	return wait > 0 && n > (uint64_t)(most / wait) ? most : (int64_t)n * wait;
}

/* The store spreads the entries of one slice from its due on; a slice's own due follows from how many went before it. Slices end where a batch does, so
 * that the pauses fall in the same places however it is sliced. */
static struct dlq_decision
pace(const struct dlq_decision *how, int64_t start, uint64_t before)
{
	struct dlq_decision d = *how;
	int64_t later = 0;

	if (how->batch > 0)
		later += times(before / how->batch, how->delay);
	if (how->rate > 0)
		later += times(before, NS_PER_S) / (int64_t)MIN(how->rate, (uint64_t)NS_PER_S);
	if (later > 0)
		d.due = MAX(how->due, start) + later;
	return d;
}

/* Whole batches, if they fit. */
static size_t
slice_room(enum bulk_what what, const struct dlq_decision *how, uint64_t before)
{
	uint64_t batch = what == BULK_REPROCESS ? how->batch : 0;

	if (batch == 0)
		return SLICE;
	if (before % batch > 0 || batch > SLICE)
		return (size_t)MIN((uint64_t)SLICE, batch - before % batch);
	return (size_t)(SLICE / batch * batch);
}

/* Takes from the picked ones, from *at on, until the slice is full. */
static void
fill(const struct store *store, enum bulk_what what, const struct bulk *p, size_t *at, size_t room,
    bool force, struct slice *s, struct jobs_result *out)
{
	s->n = 0;
	while (*at < p->n && s->n < room) {
		struct id id = p->ids[(*at)++];
		int verdict =
		    what == BULK_CANCEL ? 0 : judge(store, id, what == BULK_DISCARD, force);

		if (verdict == 0)
			s->ids[s->n++] = id;
		else
			note(out, id, verdict);
	}
}

int
bulk_decide(struct dlq *d, const struct stream_conf *streams, enum bulk_what what,
    const struct bulk *p, const struct dlq_decision *how, bool dry_run, struct jobs_result *out)
{
	const struct store store = { d, streams };
	struct slice *s = calloc(1, sizeof(*s));
	int64_t start = clock_wall();
	size_t at = 0;
	int err = 0;

	if (s == NULL)
		return ERR_NOMEM;
	while (at < p->n && err == 0) {
		struct dlq_decision paced = pace(how, start, out->accepted);

		fill(
		    &store, what, p, &at, slice_room(what, how, out->accepted), how->force, s, out);
		if (dry_run)
			out->accepted += s->n;
		else
			err = decide_slice(&store, what, s, &paced, out);
		if (err == 0)
			err = task_yield();
	}
	free(s);
	return err;
}

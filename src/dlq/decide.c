/*
 * Decisions of operators and rules: send again, discard, take back. All ids of one call become one set of frames and one sync. While they are on
 * their way their entries are `changing`, so two decisions never cross: the second one waits, and then sees what the first one made of it.
 */
#include <stdlib.h>

#include "dlq/dlq_priv.h"

#define SLICE 64u

enum verdict { REPROCESS, DISCARD, CANCEL };

static bool
any_changing(const struct dlq *d, const struct id *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = index_find(d, ids[i]);

		if (e && e->changing)
			return true;
	}
	return false;
}

static int
judge_reprocess(const struct entry *e, bool force)
{
	if (e->now.state == DLQ_REPROCESSING)
		return ERR_BUSY;
	if (e->now.state != DLQ_PENDING && !force)
		return ERR_CONFLICT;
	return e->now.type == DLQ_POISON && !force ? ERR_DENIED : OK;
}

static int
judge_discard(const struct entry *e, bool force)
{
	if (e->now.state == DLQ_REPROCESSING)
		return force && !e->on_way ? OK : ERR_BUSY;
	return e->now.state == DLQ_PENDING ? OK : ERR_CONFLICT;
}

static int
judge_cancel(const struct entry *e)
{
	if (e->now.state != DLQ_REPROCESSING)
		return ERR_CONFLICT;
	return e->on_way ? ERR_BUSY : OK;
}

/* changing: by this very call, an id that was given twice. */
static int
judge(const struct entry *e, enum verdict v, bool force)
{
	if (!e || e->unborn)
		return ERR_NOT_FOUND;
	if (e->changing)
		return v == REPROCESS ? ERR_BUSY : ERR_CONFLICT;
	return v == REPROCESS ? judge_reprocess(e, force)
	       : v == DISCARD ? judge_discard(e, force)
			      : judge_cancel(e);
}

/* The i-th of a job: pauses after each batch, and never more than `rate` a second. */
static int64_t
due_of(const struct dlq_decision *how, uint64_t i, int64_t now)
{
	int64_t at = how->due;
	uint64_t ns = 0;

	if (how->batch > 0 && how->delay > 0)
		ns = MIN(i / how->batch, (uint64_t)(INT64_MAX / 4 / how->delay)) *
		     (uint64_t)how->delay;
	if (how->rate > 0)
		ns += i / how->rate * NS_PER_S + i % how->rate * NS_PER_S / how->rate;
	if (ns == 0)
		return at;
	return MAX(at, now) + (int64_t)MIN(ns, (uint64_t)INT64_MAX / 2);
}

/* What is cut ends between two characters. */
static struct str
cut(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

static void
change(
    struct frame_change *c, enum verdict v, const struct dlq_decision *how, uint64_t i, int64_t now)
{
	static const struct {
		enum dlq_event_kind kind;
		enum dlq_state state;
	} outcomes[] = {
		[REPROCESS] = { DLQ_EV_REPROCESS, DLQ_REPROCESSING },
		[DISCARD] = { DLQ_EV_DISCARDED, DLQ_DISCARDED },
		[CANCEL] = { DLQ_EV_CANCELLED, DLQ_PENDING },
	};

	c->kind = outcomes[v].kind;
	c->state = outcomes[v].state;
	c->time = c->since = now;
	c->duration = 0;
	c->by = cut(how->by, DLQ_NAME_MAX);
	c->reason = cut(how->reason, DLQ_REASON_MAX);
	c->due = 0;
	c->resolved = v == DISCARD ? now : 0;
	if (v == CANCEL)
		c->job = (struct id){ { 0 } };
	if (v != REPROCESS)
		return;
	c->job = how->job;
	c->due = due_of(how, i, now);
	c->reprocessed++;
	c->by_rule += str_starts(how->by, STR("rule:"));
	c->tries = 0;
}

static void
claim(struct dlq *d, struct entry *e)
{
	e->changing = true;
	index_queue(d, e);
}

/* One frame for each id that was accepted. */
static int
put_changes(struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how,
    const int *results, enum verdict v, struct buf *frames)
{
	int64_t now = clock_wall();
	uint64_t nth = 0;

	for (size_t i = 0; i < n; i++) {
		if (results[i] == OK) {
			struct frame_change c = index_now(index_find(d, ids[i]));
			size_t begun = frame_begin(frames, FRAME_EVENT, ids[i]);

			change(&c, v, how, nth++, now);
			frame_put_change(frames, &c);
			frame_end(frames, begun);
		}
		if (i % SLICE == SLICE - 1)
			(void)task_breathe();
	}
	return buf_failed(frames);
}

static int
decide(struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results,
    enum verdict v)
{
	struct buf frames;
	bool any = false;
	int err;

	while (any_changing(d, ids, n)) {
		err = commit_settled(d);
		if (err)
			return err;
	}
	for (size_t i = 0; i < n; i++) {
		struct entry *e = index_find(d, ids[i]);

		results[i] = judge(e, v, how->force);
		if (results[i] == OK) {
			claim(d, e);
			any = true;
		}
	}
	if (!any)
		return OK;
	buf_init(&frames, 0);
	err = put_changes(d, ids, n, how, results, v, &frames);
	if (!err)
		return commit_add(d, PART_CHANGES, &frames);
	buf_fini(&frames);
	for (size_t i = 0; i < n; i++) {
		if (results[i] == OK)
			index_release(d, index_find(d, ids[i]));
	}
	return ERR_NOMEM;
}

int
dlq_reprocess(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results)
{
	return decide(d, ids, n, how, results, REPROCESS);
}

int
dlq_discard(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results)
{
	return decide(d, ids, n, how, results, DISCARD);
}

int
dlq_cancel(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results)
{
	return decide(d, ids, n, how, results, CANCEL);
}

/*
 * Group commit: frames of many callers gather in the filling batch; the writer sends it to a helper, which writes and syncs it at the end of the
 * active log file (write.c) while the next one fills; then the frames are applied to the index, in their order, and all who waited are
 * woken. It promises: whoever is told 0 finds it so after any crash.
 */
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/dlq_priv.h"

#define BATCH_SOFT (1024u * 1024)     /* who may wait, waits while this much is waiting */
#define BATCH_KEEP (4u * 1024 * 1024) /* memory a batch keeps when it was larger once */
#define BATCH_MAX (UINT32_MAX / 8u)   /* places are 32 bits */
#define SLICE 32u                     /* frames applied without a look at others */

/* Who waits for a batch, on its task's stack. */
struct commit_wait {
	struct list link;
	enum part part;
	bool done;
	int result;
};

/* What callers may hear of it. */
static int
public_error(int err)
{
	return err == OK || err == ERR_NOSPACE || err == ERR_NOMEM ? err : ERR_IO;
}

/* A frame that did not become durable: its entry is as before. */
static void
undo(struct dlq *d, const struct frame *f)
{
	struct entry *e = index_find(d, f->entry);
	struct str contents = f->contents;
	struct frame_change c;

	if (!e || frame_take_change(&contents, &c))
		return;
	if (e->unborn) {
		index_remove(d, e);
		return;
	}
	if (c.kind == DLQ_EV_ATTEMPT) {
		e->inflight--;
		return;
	}
	d->leaving -= e->leaving;
	e->leaving = false;
	index_release(d, e);
}

void
commit_undo(struct dlq *d, const struct buf *frames)
{
	struct frame f;

	for (size_t at = 0; at < frames->n; at += frame_total(&f)) {
		if (frame_decode((const unsigned char *)frames->p + at, frames->n - at, &f))
			break;
		if (f.type != FRAME_HOURS)
			undo(d, &f);
	}
}

/* The same that reads them at the next start, so both come to the same. */
static void
apply_frames(struct dlq *d, const struct buf *frames, uint64_t at, uint32_t number)
{
	struct frame f;
	unsigned n = 0;

	for (size_t i = 0; i < frames->n; i += frame_total(&f)) {
		struct place place = { number, (uint32_t)(at + i), 0 };
		int err = frame_decode((const unsigned char *)frames->p + i, frames->n - i, &f);

		assert(err == OK);
		place.len = (uint32_t)frame_total(&f);
		/* What the statistics say is known already. */
		err = f.type == FRAME_HOURS ? OK : index_apply(d, &f, place, true);
		assert(err == OK || err == ERR_NOMEM);
		(void)err;
		if (++n % SLICE == 0)
			(void)task_breathe();
	}
}

static void
note_file(struct dlq *d, const struct commit_job *c)
{
	struct log_info *log = d->n_logs > 0 ? &d->logs[d->n_logs - 1] : NULL;
	uint64_t end = d->active.end;

	if (d->active.fd < 0)
		return;
	if (c->began_file) {
		d->next_number = d->active.header.number + 1;
		(void)files_log_add(d, d->active.header.number, end, false);
		d->log_bytes += end;
	} else if (log && log->number == c->number) {
		d->log_bytes += end - log->bytes;
		log->bytes = end;
	}
}

static void
note_failure(struct dlq *d, const struct commit_job *c)
{
	int err = c->result[PART_LETTERS] ? c->result[PART_LETTERS] : c->result[PART_CHANGES];

	if (err && err != d->failing)
		log_event(LOG_ERROR, "dlq", "cannot write dead letters", LOG_S("folder", d->dir),
		    LOG_ERR(err), LOG_ERRNO(c->errnum), LOG_END);
	else if (!err && d->failing)
		log_event(LOG_INFO, "dlq", "dead letters can be written again",
		    LOG_S("folder", d->dir), LOG_END);
	d->failing = err;
}

static void
empty(struct buf *b)
{
	if (b->cap > BATCH_KEEP)
		buf_fini(b);
	buf_reset(b);
}

/* Frames are applied, waiters woken; then the batch is empty. */
static void
conclude(struct dlq *d, struct commit_job *c)
{
	struct batch *b = c->batch;
	struct list *node;

	note_file(d, c);
	note_failure(d, c);
	for (unsigned i = 0; i < PARTS; i++) {
		if (c->result[i])
			commit_undo(d, &b->part[i]);
		else
			apply_frames(d, &b->part[i], c->at[i], c->number);
		empty(&b->part[i]);
	}
	b->hours = false;
	while ((node = list_pop(&b->waiting))) {
		struct commit_wait *w = CONTAINER_OF(node, struct commit_wait, link);

		w->done = true;
		w->result = public_error(c->result[w->part]);
	}
	waitq_wake_all(&b->committed);
	waitq_wake_all(&d->settled);
	file_crash_point("dlq.applied");
	metrics_dlq_bytes(d);
	tend_log_drops(d, false);
}

/* In front of the batch: what comes behind in it counts on. */
static int
put_hours(struct dlq *d, struct batch *b)
{
	struct buf first;

	if (!b->hours)
		return OK;
	buf_init(&first, 0);
	hours_put(d, &first);
	buf_put_str(&first, buf_str(&b->part[PART_LETTERS]));
	if (buf_failed(&first)) {
		buf_fini(&first);
		return ERR_NOMEM;
	}
	buf_fini(&b->part[PART_LETTERS]);
	b->part[PART_LETTERS] = first;
	return OK;
}

static bool
is_empty(const struct batch *b)
{
	return b->part[PART_LETTERS].n == 0 && b->part[PART_CHANGES].n == 0 && !b->hours;
}

static void
commit(struct dlq *d)
{
	struct commit_job *c = calloc(1, sizeof(*c));
	struct commit_job small = { 0 };
	int err = c ? OK : ERR_NOMEM;

	c = c ? c : &small;
	c->d = d;
	c->batch = d->filling;
	d->filling = d->filling == &d->batches[0] ? &d->batches[1] : &d->batches[0];
	c->result[PART_LETTERS] = put_hours(d, c->batch);
	waitq_wake_all(&d->space);
	if (!err)
		err = offload(OFFLOAD_COMMIT, write_batch, c);
	if (err)
		c->result[PART_LETTERS] = c->result[PART_CHANGES] = err;
	conclude(d, c);
	if (c != &small)
		free(c);
}

/* The task that commits. Nobody has its handle, so it is never cancelled; it ends when commit_stop says so. */
static void
writer(void *arg)
{
	struct dlq *d = arg;

	while (!d->writer_ends || !is_empty(d->filling)) {
		if (is_empty(d->filling)) {
			(void)waitq_park(&d->work, CLOCK_NEVER);
			continue;
		}
		commit(d);
		if (tend_wanted(d))
			tend_start(d);
	}
	d->writer_gone = true;
	waitq_wake_all(&d->idle);
}

int
commit_start(struct dlq *d)
{
	for (unsigned i = 0; i < ARRAY_LEN(d->batches); i++) {
		struct batch *b = &d->batches[i];

		for (unsigned k = 0; k < PARTS; k++)
			buf_init(&b->part[k], BATCH_MAX);
		list_init(&b->waiting);
		waitq_init(&b->committed);
	}
	d->filling = &d->batches[0];
	return task_go("dlq", writer, d, NULL);
}

void
commit_stop(struct dlq *d)
{
	d->writer_ends = true;
	waitq_wake_all(&d->work);
	while (!d->writer_gone && waitq_park(&d->idle, CLOCK_NEVER) == OK)
		continue;
	for (unsigned i = 0; i < ARRAY_LEN(d->batches); i++) {
		for (unsigned k = 0; k < PARTS; k++)
			buf_fini(&d->batches[i].part[k]);
	}
}

static int
put(struct dlq *d, enum part part, struct buf *frames)
{
	struct buf *to = &d->filling->part[part];
	int err = buf_failed(frames);

	if (!err && frames->n > 0 && !buf_reserve(to, frames->n)) {
		err = buf_failed(to);
		to->err = OK; /* what others have put there stands */
	}
	if (!err)
		buf_put_str(to, buf_str(frames));
	waitq_wake(&d->work, 1);
	return err ? ERR_NOMEM : OK;
}

int
commit_wait_durable(struct dlq *d, enum part part)
{
	struct batch *b = d->filling;
	struct commit_wait w = { .part = part };
	int err = OK;

	list_push(&b->waiting, &w.link);
	while (!w.done && !err)
		err = waitq_park(&b->committed, CLOCK_NEVER);
	list_del(&w.link);
	return w.done ? w.result : err;
}

static size_t
filled(const struct dlq *d)
{
	return d->filling->part[PART_LETTERS].n + d->filling->part[PART_CHANGES].n;
}

int
commit_add(struct dlq *d, enum part part, struct buf *frames)
{
	int err = OK;

	while (filled(d) > BATCH_SOFT && !err)
		err = waitq_park(&d->space, CLOCK_NEVER);
	if (!err)
		err = put(d, part, frames);
	if (err) {
		commit_undo(d, frames);
		waitq_wake_all(&d->settled);
	}
	buf_fini(frames);
	return err ? err : commit_wait_durable(d, part);
}

int
commit_copies(struct dlq *d, struct buf *frames)
{
	int err = put(d, PART_LETTERS, frames);

	if (err)
		commit_undo(d, frames);
	buf_fini(frames);
	return err ? err : commit_wait_durable(d, PART_LETTERS);
}

int
commit_post(struct dlq *d, struct buf *frames)
{
	int err = put(d, PART_CHANGES, frames);

	if (err)
		commit_undo(d, frames);
	buf_fini(frames);
	return err;
}

int
commit_hours(struct dlq *d)
{
	d->filling->hours = true;
	waitq_wake(&d->work, 1);
	return commit_wait_durable(d, PART_LETTERS);
}

int
commit_settled(struct dlq *d)
{
	return waitq_park(&d->settled, CLOCK_NEVER);
}

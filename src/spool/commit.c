/*
 * Group commit (steps 2 and 3 of the durability protocol). One task a spool owns the segments: it takes the batch that appends have
 * filled, has a helper write and sync it while the next one fills, wakes all who waited, in the order of their appends, and does it again.
 *
 * The task is woken by the first record of an empty batch and so runs behind the tasks that are ready in that turn of the loop: one sync
 * covers what they append. It promises: whoever is woken with 0 has a record that a reader finds after any crash; a
 * segment whose write or sync failed is never touched again.
 */
#include <errno.h>

#include "base/file.h"
#include "spool/spool_priv.h"

/* Gives the frames their place in the segment; returns where they end. */
static uint64_t
bind_batch(struct batch *b, const struct open_segment *g, uint64_t at)
{
	unsigned char *p = b->p + SEGMENT_HEADER_LEN;

	for (uint64_t i = 0; i < b->records; i++) {
		uint64_t total = segment_bind_frame(p, &g->header.id, at, g->records + i);

		p += total;
		at += total;
	}
	return at;
}

/* Blocks up to end: in growing steps while there is room for them, else just what is needed. */
static int
reserve(struct open_segment *g, uint64_t end)
{
	uint64_t step = MIN(MAX(g->reserved, RESERVE_MIN), RESERVE_MAX);
	uint64_t need = end > g->reserved ? end - g->reserved : 0;
	int err;

	if (need == 0)
		return OK;
	step = MAX(step, need);
	err = writer_reserve(g->fd, g->reserved, step);
	if (err == ERR_NOSPACE && step > need) {
		step = need;
		err = writer_reserve(g->fd, g->reserved, step);
	}
	if (!err)
		g->reserved += step;
	return err;
}

/* On the commit helper. The header goes out with the first frames: until then nothing of the segment matters. */
static int
write_batch(void *arg)
{
	struct commit_job *c = arg;
	struct open_segment *g = c->segment;
	struct batch *b = c->batch;
	bool first = g->end == 0;
	uint64_t from = first ? 0 : g->end;
	uint64_t end = bind_batch(b, g, first ? SEGMENT_HEADER_LEN : g->end);
	int err;

	if (first)
		segment_encode_header(&g->header, b->p);
	err = reserve(g, end);
	file_crash_point("spool.commit.reserved");
	if (err)
		goto out;
	c->touched = true;
	c->bytes = end - from;
	err = file_write_all(
	    g->fd, first ? b->p : b->p + SEGMENT_HEADER_LEN, (size_t)c->bytes, (off_t)from);
	file_crash_point("spool.commit.written");
	if (!err && c->sync)
		err = file_datasync(g->fd);
	file_crash_point("spool.commit.synced");
out:
	c->errnum = errno;
	return err;
}

/* Everyone who waits for this batch learns its result; then it is empty. */
static void
finish_batch(struct spool *s, struct batch *b, int result)
{
	struct list *node;

	file_crash_point("spool.commit.wake");
	while ((node = list_pop(&b->waiting))) {
		struct append_wait *w = CONTAINER_OF(node, struct append_wait, link);

		w->done = true;
		w->result = result;
	}
	waitq_wake_all(&b->committed);
	s->pending -= b->n;
	b->n = 0;
	b->records = 0;
}

static void
retire(struct spool *s)
{
	struct open_segment *g = s->current;

	s->current = NULL;
	s->first_step = MIN(MAX(g->end / 8, RESERVE_MIN), RESERVE_MAX);
	if (g->end > 0)
		seal_start(g);
	else
		seal_discard(g);
}

/* The file's first record fixes its hour and when it is sealed at the latest. */
static void
first_record(struct spool *s, struct open_segment *g, const struct batch *b)
{
	int64_t mono = clock_mono();
	int64_t hour_left = (b->first / HOUR_NS + 1) * HOUR_NS - b->first;
	int64_t interval = s->opt.seal_interval > 0 ? s->opt.seal_interval : CLOCK_NEVER;

	g->header.created = b->first;
	g->last = b->first;
	g->seal_at = mono + MIN(hour_left, interval);
}

static bool
continues(const struct open_segment *g, const struct batch *b)
{
	return g->end == 0 ||
	       (b->first >= g->last && b->first / HOUR_NS == g->header.created / HOUR_NS);
}

static void
committed(struct spool *s, const struct commit_job *c, int64_t took)
{
	struct open_segment *g = c->segment;
	const struct batch *b = c->batch;

	g->end = MAX(g->end, (uint64_t)SEGMENT_HEADER_LEN) + b->n;
	g->records += b->records;
	g->last = b->last;
	s->failed = 0;
	s->stats.commits++;
	s->stats.records += b->records;
	s->stats.bytes += b->n;
	if (s->opt.added)
		s->opt.added(s->opt.arg, c->bytes);
	if (s->opt.committed)
		s->opt.committed(s->opt.arg, b->records, took);
}

/* Swaps the batches and sees this one through. Parks. */
static void
commit_batch(struct spool *s)
{
	struct open_segment *g = s->current;
	struct batch *b = s->filling;
	int64_t began = clock_mono();
	int err;

	if (g->end == 0)
		first_record(s, g, b);
	s->filling = b == &s->batches[0] ? &s->batches[1] : &s->batches[0];
	waitq_wake_all(&s->space);
	s->commit =
	    (struct commit_job){ .segment = g, .batch = b, .sync = s->opt.sync, .errnum = 0 };
	err = offload(OFFLOAD_COMMIT, write_batch, &s->commit);
	if (!err) {
		committed(s, &s->commit, clock_mono() - began);
	} else {
		spool_failed(s, err, s->commit.errnum, "cannot commit");
		if (s->commit.touched) {
			s->current = NULL;
			seal_abandon(g);
		}
	}
	finish_batch(s, b, err ? spool_error(err) : OK);
}

/* True once there is a segment for the batch; else it is being made, or the batch has failed. */
static bool
have_segment(struct spool *s)
{
	if (s->current && !continues(s->current, s->filling))
		retire(s);
	if (s->current)
		return true;
	if (s->spare) {
		s->current = s->spare;
		s->spare = NULL;
		s->current->state = SEGMENT_CURRENT;
		return true;
	}
	if (s->make_err) {
		finish_batch(s, s->filling, spool_error(s->make_err));
		waitq_wake_all(&s->space);
		s->make_err = OK;
		return false;
	}
	writer_prepare(s);
	return false;
}

/* After a commit: a full segment ends, and before that the next one is made ready. */
static void
look_ahead(struct spool *s)
{
	if (!s->current)
		return;
	if (s->current->end >= s->opt.segment_size)
		retire(s);
	else if (s->current->end >= s->opt.segment_size / 4 * 3 && !s->spare && !s->stopping &&
		 clock_cached_mono() >= s->make_after)
		writer_prepare(s);
}

static int64_t
next_deadline(const struct spool *s)
{
	return s->current && s->current->end > 0 ? s->current->seal_at : CLOCK_NEVER;
}

void
committer(void *arg)
{
	struct spool *s = arg;

	while (s->filling->records > 0 || s->making || !s->stopping) {
		if (s->filling->records > 0 && have_segment(s)) {
			commit_batch(s);
			look_ahead(s);
		} else if (s->filling->records == 0 && clock_mono() >= next_deadline(s)) {
			retire(s);
		} else if (s->filling->records == 0 || (!s->spare && !s->make_err)) {
			(void)waitq_park(&s->work, next_deadline(s));
		}
	}
	if (s->current)
		retire(s);
	if (s->spare)
		seal_discard(s->spare);
	s->spare = NULL;
	s->committer_gone = true;
	waitq_wake_all(&s->idle);
}

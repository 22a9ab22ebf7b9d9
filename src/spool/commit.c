/*
 * Group commit (steps 2 and 3 of the durability protocol): the batch that appends have filled goes to a helper, which writes and syncs it
 * while the next one fills; then all who waited are woken, in the order of their appends.
 *
 * It promises: whoever is woken with 0 has a record that a reader finds after any crash; a segment whose write or sync failed is
 * never touched again.
 *
 * When does a batch go? One sync should cover much, but while it runs the loop should have other work. So a batch goes when the tasks
 * that were ready have had their turn (the committer was woken by the batch's first record and stands behind them in the queue), or
 * before that when it has s->kick records. kick follows the load: if hardly anyone came while a sync ran, the loop stood idle, and half
 * as many is enough next time; else it grows slowly, because fewer syncs cost less. With 256 clients this settles at syncs of 130 to 200.
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
	/* Closed for good, and its lock with it, before anyone hears of it: whoever asks later finds an orphan. */
	if (err && c->touched) {
		(void)file_close(g->fd);
		g->fd = -1;
	}
	return err;
}

/* The frames themselves tell whose fate is to be told, also of those whose writers have gone. */
static void
settle_batch(struct spool *s, const struct batch *b, enum spool_fate fate)
{
	const unsigned char *p = b->p + SEGMENT_HEADER_LEN;

	for (uint64_t i = 0; i < b->records; i++) {
		struct segment_frame f;
		int err = segment_decode_frame(p, b->n, &f);

		assert(err == OK);
		(void)err;
		spool_settle(s, str_make(p + SEGMENT_FRAME_LEN + f.user_len, f.attrs_len), fate);
		p += segment_frame_total(&f);
	}
}

/* Everyone who waits for this batch learns its result; then it is empty. g: where it is now; NULL: it is not. */
static void
finish_batch(struct spool *s, struct batch *b, const struct open_segment *g, int result,
    enum spool_fate fate)
{
	struct list *node;

	file_crash_point("spool.commit.wake");
	if (b->attrs)
		settle_batch(s, b, fate);
	b->attrs = false;
	while ((node = list_pop(&b->waiting))) {
		struct append_wait *w = CONTAINER_OF(node, struct append_wait, link);

		if (g && w->place)
			*w->place = (struct spool_place){ g->header.id,
				g->records - b->records + w->index };
		w->done = true;
		w->result = result;
	}
	waitq_wake_all(&b->committed);
	s->pending -= b->n;
	b->n = 0;
	b->records = b->bodies = 0;
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

/* A stream that has become slow, or ends, gives the blocks back. */
static void
drop_spare(struct spool *s)
{
	if (s->spare)
		seal_discard(s->spare);
	s->spare = NULL;
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
	struct spool_commit done = { .records = b->records, .bytes = b->bodies, .ns = took };

	g->end = MAX(g->end, (uint64_t)SEGMENT_HEADER_LEN) + b->n;
	g->records += b->records;
	g->last = b->last;
	s->failed = 0;
	s->stats.commits++;
	s->stats.records += b->records;
	s->stats.bytes += b->n;
	done.sequence = g->header.sequence;
	done.end = g->end;
	if (s->opt.added)
		s->opt.added(s->opt.arg, c->bytes);
	if (s->opt.committed)
		s->opt.committed(s->opt.arg, &done);
}

static void
follow_load(struct spool *s, const struct batch *b)
{
	if (s->filling->records * 4 < b->records)
		s->kick = MAX(b->records / 2, 1);
	else
		s->kick += s->kick / 16 + 1;
}

/* After a commit: a full segment ends, and before that the next one is made ready. */
static void
look_ahead(struct spool *s)
{
	if (!s->current)
		return;
	if (s->current->end >= s->opt.segment_size)
		retire(s);
	else if (s->current->end >= s->opt.segment_size / 2 && !s->spare && !s->stopping &&
		 clock_cached_mono() >= s->make_after)
		writer_prepare(s, true);
}

/* The outcome of a commit: for the segment, then for those who wait. */
static void
conclude(struct spool *s, int err)
{
	struct commit_job *c = &s->commit;
	enum spool_fate fate = SPOOL_STORED;

	s->committing = false;
	if (!err) {
		committed(s, c, clock_mono() - c->began);
	} else {
		spool_failed(s, err, c->errnum, "cannot commit");
		fate = c->touched ? SPOOL_DOUBT : SPOOL_LOST;
		if (c->touched) {
			s->current = NULL;
			seal_abandon(c->segment);
		}
	}
	follow_load(s, c->batch);
	finish_batch(s, c->batch, err ? NULL : c->segment, err ? spool_error(err) : OK, fate);
	look_ahead(s);
}

static void
commit_done(struct offload_job *job, int result)
{
	struct spool *s = CONTAINER_OF(job, struct spool, commit.job);

	conclude(s, result);
	if (s->filling->records >= s->kick)
		commit_turn(s);
	waitq_wake(&s->work, 1);
}

/* Swaps the batches and sends off the full one. */
static void
commit_start(struct spool *s)
{
	struct open_segment *g = s->current;
	struct batch *b = s->filling;
	int err;

	if (g->end == 0)
		first_record(s, g, b);
	s->filling = b == &s->batches[0] ? &s->batches[1] : &s->batches[0];
	s->committing = true;
	s->commit = (struct commit_job){
		.job = { .fn = write_batch, .arg = &s->commit, .done = commit_done },
		.segment = g,
		.batch = b,
		.sync = s->opt.sync,
		.began = clock_mono(),
	};
	waitq_wake_all(&s->space);
	err = offload_start(OFFLOAD_COMMIT, &s->commit.job);
	if (err)
		conclude(s, err);
}

/* True once there is a segment for the batch; else it is being made, or the batch has failed. */
static bool
have_segment(struct spool *s)
{
	if (s->current && !continues(s->current, s->filling))
		retire(s);
	if (!s->current && !s->spare && !s->make_err)
		writer_prepare(s, false);
	if (!s->current && s->spare) {
		s->current = s->spare;
		s->spare = NULL;
		s->current->state = SEGMENT_CURRENT;
	}
	if (!s->current && s->make_err) {
		finish_batch(s, s->filling, NULL, spool_error(s->make_err), SPOOL_LOST);
		waitq_wake_all(&s->space);
		s->make_err = OK;
	}
	s->hurry = !s->current;
	return s->current != NULL;
}

static int64_t
seal_time(const struct spool *s)
{
	return s->current && s->current->end > 0 ? s->current->seal_at : CLOCK_NEVER;
}

void
commit_turn(struct spool *s)
{
	if (s->committing)
		return;
	if (s->filling->records > 0) {
		if (have_segment(s))
			commit_start(s);
	} else if (clock_mono() >= seal_time(s)) {
		retire(s);
		drop_spare(s);
	}
}

void
committer(void *arg)
{
	struct spool *s = arg;

	while (!s->stopping || s->filling->records > 0 || s->committing || s->making) {
		commit_turn(s);
		(void)waitq_park(&s->work, s->committing ? CLOCK_NEVER : seal_time(s));
	}
	if (s->current)
		retire(s);
	drop_spare(s);
	s->committer_gone = true;
	waitq_wake_all(&s->idle);
}

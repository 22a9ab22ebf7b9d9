/*
 * The door of the spool: options, admission, and appending to the batch being filled. What happens to a batch is in commit.c.
 */
#include "spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "spool/spool_priv.h"
#include "task/loop.h"

int
spool_prepare(const char *dir, bool object)
{
	char path[SPOOL_PATH_MAX];
	int err;

	if (strlen(dir) > SPOOL_DIR_MAX)
		return ERR_TOO_LARGE;
	snprintf(path, sizeof(path), "%s/uploading", dir);
	err = file_make_dirs(path);
	if (err || object)
		return err;
	snprintf(path, sizeof(path), "%s/aggregation", dir);
	return file_make_dirs(path);
}

static int
batch_init(struct batch *b)
{
	b->p = malloc(BATCH_CAP);
	list_init(&b->waiting);
	waitq_init(&b->committed);
	return b->p ? OK : ERR_NOMEM;
}

/* The batches are allocated here and not when they are needed, so that a commit never waits for memory; pages that are never
 * written cost nothing. */
int
spool_new(const struct spool_options *opt, struct spool **out)
{
	struct spool *s;

	if (strlen(opt->dir) > SPOOL_DIR_MAX)
		return ERR_TOO_LARGE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ERR_NOMEM;
	s->opt = *opt;
	s->filling = &s->batches[0];
	s->first_step = RESERVE_MIN;
	s->kick = 1;
	s->stamp = INT64_MIN;
	waitq_init(&s->work);
	waitq_init(&s->space);
	waitq_init(&s->idle);
	if (batch_init(&s->batches[0]) || batch_init(&s->batches[1]) ||
	    task_go("spool commit", committer, s, NULL)) {
		spool_free(s);
		return ERR_NOMEM;
	}
	*out = s;
	return OK;
}

void
spool_free(struct spool *s)
{
	if (!s)
		return;
	free(s->batches[0].p);
	free(s->batches[1].p);
	free(s);
}

int
spool_close(struct spool *s, int64_t deadline)
{
	int err = OK;

	s->stopping = true;
	s->hurry = true;
	waitq_wake_all(&s->work);
	waitq_wake_all(&s->space);
	while (!err && (!s->committer_gone || s->jobs || s->uploads))
		err = waitq_park(&s->idle, deadline);
	return err;
}

struct spool_stats
spool_get_stats(const struct spool *s)
{
	return s->stats;
}

int64_t
spool_now(const struct spool *s)
{
	return s->opt.wall ? s->opt.wall(s->opt.arg) : clock_cached_wall();
}

int64_t
spool_stamp(struct spool *s)
{
	int64_t now = spool_now(s);

	if (now >= s->stamp || s->stamp - now >= NS_PER_S)
		s->stamp = now;
	return s->stamp;
}

int
spool_error(int err)
{
	/* Full, or out of descriptors: it passes, so it is for the client to come again. */
	return err == ERR_NOSPACE || err == ERR_NOMEM || err == ERR_BUSY ? err : ERR_IO;
}

void
spool_settle(struct spool *s, struct str attrs, enum spool_fate fate)
{
	if (attrs.n > 0 && s->opt.settled)
		s->opt.settled(s->opt.arg, attrs, fate);
}

void
spool_failed(struct spool *s, int err, int errnum, const char *doing)
{
	s->stats.failures++;
	s->fail_err = spool_error(err);
	if (s->failed++ > 0)
		s->retry_at = clock_mono() + RETRY_AFTER;
	log_event(LOG_ERROR, "spool", doing, LOG_S("dir", s->opt.dir), LOG_ERR(err),
	    LOG_ERRNO(errnum), LOG_END);
}

int
spool_room(const struct spool *s, uint64_t bytes)
{
	if (s->opt.room && s->opt.room(s->opt.arg) < s->pending + bytes)
		return ERR_NOSPACE;
	return OK;
}

int
spool_admit(struct spool *s, uint64_t bytes)
{
	if (task_cancelled())
		return ERR_CANCELLED;
	if (s->stopping)
		return ERR_STOPPING;
	if (s->failed > 1 && clock_cached_mono() < s->retry_at)
		return s->fail_err;
	return spool_room(s, bytes);
}

/* A batch goes to one segment, so its frames are of one hour and their times do not fall. */
static bool
batch_takes(const struct batch *b, uint64_t total, int64_t time)
{
	if (SEGMENT_HEADER_LEN + b->n + total > BATCH_CAP)
		return false;
	return b->records == 0 || (time >= b->last && time / HOUR_NS == b->last / HOUR_NS);
}

static void
put(unsigned char **p, struct str s)
{
	if (s.n)
		memcpy(*p, s.p, s.n);
	*p += s.n;
}

/* The one copy of the record. Number and CRC come when the batch is bound to a segment. */
static void
batch_put(struct batch *b, const struct spool_record *r, int64_t time)
{
	unsigned char *p = b->p + SEGMENT_HEADER_LEN + b->n;
	struct segment_frame f = {
		.time = time,
		.body_len = r->body.n,
		.attrs_len = (uint32_t)r->attrs.n,
		.user_len = (uint16_t)r->user.n,
	};

	segment_encode_frame(&f, p);
	p += SEGMENT_FRAME_LEN;
	put(&p, r->user);
	put(&p, r->attrs);
	put(&p, r->body);
	b->n += segment_frame_total(&f);
	b->bodies += r->body.n;
	b->attrs = b->attrs || r->attrs.n > 0;
	if (b->records++ == 0)
		b->first = time;
	b->last = time;
}

/* Whoever is cancelled while waiting takes his name off the list; his record stays in the batch. */
static int
wait_committed(struct spool *s, struct batch *b, struct spool_place *place)
{
	struct append_wait w = { .index = b->records - 1, .place = place };

	list_push(&b->waiting, &w.link);
	if (b->records >= s->kick)
		commit_turn(s);
	else if (b->records == 1)
		waitq_wake(&s->work, 1);
	while (!w.done) {
		int err = waitq_park(&b->committed, CLOCK_NEVER);

		if (err && !w.done) {
			list_del(&w.link);
			return err;
		}
	}
	return w.result;
}

/* Waits until the filling batch takes a record of so many bytes: 0 and its time, or why not. Parks. */
static int
wait_for_place(struct spool *s, uint64_t total, int64_t *time)
{
	int err;

	while ((err = spool_admit(s, total)) == OK &&
	       !batch_takes(s->filling, total, *time = spool_stamp(s))) {
		err = waitq_park(&s->space, CLOCK_NEVER);
		if (err)
			break;
	}
	return err;
}

int
spool_append(struct spool *s, const struct spool_record *r)
{
	uint64_t total = SEGMENT_FRAME_LEN + r->user.n + r->attrs.n + r->body.n;
	int64_t time = 0;
	int err = OK;

	if (r->user.n + r->attrs.n > SEGMENT_META_MAX || r->body.n > SPOOL_GATHER_MAX)
		err = ERR_TOO_LARGE;
	else if (s->opt.object)
		return upload_whole(s, r);
	else
		err = wait_for_place(s, total, &time);
	if (err) {
		spool_settle(s, r->attrs, SPOOL_LOST);
		return err;
	}
	batch_put(s->filling, r, time);
	s->pending += total;
	return wait_committed(s, s->filling, r->place);
}

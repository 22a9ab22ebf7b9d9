/*
 * The end of a segment (steps 3 and 4 of the durability protocol), on a helper, while the next one is already in use.
 */
#include <errno.h>

#include "base/file.h"
#include "base/log.h"
#include "spool/spool_priv.h"

/* The lock goes with the descriptor, so it is closed last. A failure leaves NAME.open to recovery. */
static int
seal(void *arg)
{
	struct open_segment *g = arg;
	char bare[SPOOL_PATH_MAX];
	int err;

	writer_bare(g->path, bare);
	err = file_truncate(g->fd, g->end);
	file_crash_point("spool.seal.cut");
	if (!err)
		err = file_datasync(g->fd);
	file_crash_point("spool.seal.synced");
	if (!err)
		err = file_rename(g->path, bare);
	file_crash_point("spool.seal.renamed");
	g->errnum = errno;
	(void)file_close(g->fd);
	return err;
}

static int
discard(void *arg)
{
	struct open_segment *g = arg;
	int err = file_unlink(g->path);

	g->errnum = errno;
	(void)file_close(g->fd);
	return err;
}

static int
abandon(void *arg)
{
	struct open_segment *g = arg;

	if (g->fd >= 0)
		(void)file_close(g->fd);
	return OK;
}

static struct spool *
let_go(struct open_segment *g)
{
	struct spool *s = g->spool;

	g->state = SEGMENT_FREE;
	s->jobs--;
	waitq_wake_all(&s->work);
	waitq_wake_all(&s->idle);
	return s;
}

static void
abandoned(struct offload_job *job, int result)
{
	struct open_segment *g = job->arg;
	uint64_t records = g->records;
	struct spool *s = let_go(g);

	(void)result;
	if (s->opt.orphaned)
		s->opt.orphaned(s->opt.arg, records);
}

static void
discarded(struct offload_job *job, int result)
{
	(void)let_go(job->arg);
	(void)result; /* an empty segment that stays is recovery's to remove */
}

static void
sealed(struct offload_job *job, int result)
{
	struct open_segment *g = job->arg;
	struct spool *s = g->spool;
	uint64_t records = g->records;

	if (result) {
		s->stats.failures++;
		log_event(LOG_ERROR, "spool", "cannot seal a segment", LOG_S("path", g->path),
		    LOG_ERR(result), LOG_ERRNO(g->errnum), LOG_END);
		abandoned(job, result);
		return;
	}
	(void)let_go(g);
	if (s->opt.sealed)
		s->opt.sealed(s->opt.arg, records);
}

static void
start(
    struct open_segment *g, int (*fn)(void *arg), void (*done)(struct offload_job *job, int result))
{
	g->state = SEGMENT_BUSY;
	g->spool->jobs++;
	writer_start(&g->job, fn, g, done);
}

void
seal_start(struct open_segment *g)
{
	start(g, seal, sealed);
}

void
seal_discard(struct open_segment *g)
{
	start(g, discard, discarded);
}

void
seal_abandon(struct open_segment *g)
{
	start(g, abandon, abandoned);
}

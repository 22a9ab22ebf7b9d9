/*
 * Making segments (step 1 of the durability protocol), ahead of need where a stream is busy, and what all makers of files in the
 * stream's folder share: names, locks, reserved blocks. The functions that block run on helpers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/spool_priv.h"

#define FILL_PIECE (1024u * 1024)

bool
writer_same_file(int fd, const char *path)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_ino == named.st_ino &&
	       held.st_dev == named.st_dev;
}

void
writer_bare(const char *path, char out[SPOOL_PATH_MAX])
{
	struct str whole = str_of(path);

	str_copyz(out, SPOOL_PATH_MAX, str_sub(whole, 0, (size_t)str_rfind(whole, '.')));
}

/* Gives up a file that was made a moment ago. */
static void
unmake(int fd, const char *path)
{
	int saved = errno;

	(void)file_unlink(path);
	(void)file_close(fd);
	errno = saved;
}

/* 1: the file is ours alone; 0: another name is to be tried (and the file is gone); or an error. A recovery that finds the file before it
 * is locked takes it for an orphan and removes it: hence the look at the name after locking. */
static int
claim(int fd, const char *path, const char *dir, const char *bare, const char *suffix)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK) {
			unmake(fd, path);
			return ERR_IO;
		}
		(void)file_close(fd);
		return 0;
	}
	if (!writer_same_file(fd, path)) {
		(void)file_close(fd);
		return 0;
	}
	if (name_taken(dir, bare, suffix)) {
		unmake(fd, path);
		return 0;
	}
	return 1;
}

int
writer_create(
    const char *dir, const char *suffix, int64_t wall_ns, uint64_t seq, char path[SPOOL_PATH_MAX])
{
	char bare[NAME_CAP];

	for (int i = 0; i < NAME_TRIES; i++) {
		int fd, got;

		name_make(bare, wall_ns + i, seq);
		snprintf(path, SPOOL_PATH_MAX, "%s/%s%s", dir, bare, suffix);
		fd = file_open(path, O_RDWR | O_CREAT | O_EXCL);
		if (fd == ERR_EXISTS)
			continue;
		if (fd < 0)
			return fd;
		file_crash_point("spool.create.opened");
		got = claim(fd, path, dir, bare, suffix);
		if (got < 0)
			return got;
		file_crash_point("spool.create.locked");
		if (got)
			return fd;
	}
	return ERR_EXISTS;
}

int
writer_reserve(int fd, uint64_t at, uint64_t n)
{
	int err = file_allocate(fd, at, n);

	if (err && (err == ERR_UNSUPPORTED || errno == EINVAL))
		return OK;
	return err;
}

void
writer_start(struct offload_job *job, int (*fn)(void *arg), void *arg,
    void (*done)(struct offload_job *job, int result))
{
	job->fn = fn;
	job->arg = arg;
	job->done = done;
	if (offload_start(OFFLOAD_MISC, job) != OK)
		done(job, fn(arg));
}

/* Writes zeros over the blocks of a segment made ahead of need: to overwrite is all that later syncs have to do then, without a change of
 * the file's extents that would take the file system's journal each time (half the time of a sync, and no waiting for the
 * journal's other users). Only an aid: where there is no room for all of it, or it is waited for, the segment is used as it is. */
static int
fill(struct open_segment *g)
{
	static unsigned char zeros[FILL_PIECE]; /* never written: costs no memory */
	uint64_t to = g->spool->opt.segment_size;
	int err = OK;

	if (writer_reserve(g->fd, 0, to) != OK)
		return OK;
	for (uint64_t at = 0; !err && at < to && !g->spool->hurry; at += FILL_PIECE) {
		size_t n = (size_t)MIN(to - at, FILL_PIECE);

		err = file_write_all(g->fd, zeros, n, (off_t)at);
		if (!err)
			err = file_datasync(g->fd);
		g->reserved = MAX(g->reserved, at + n);
	}
	return err;
}

/* On a helper. The folder is synced before the segment is used, so no 204 depends on a name that a power loss could take. */
static int
make_segment(void *arg)
{
	struct open_segment *g = arg;
	const struct spool *s = g->spool;
	int err;

	g->fd = writer_create(
	    s->opt.dir, NAME_OPEN_SUFFIX, g->header.created, g->header.sequence, g->path);
	if (g->fd < 0) {
		g->errnum = errno;
		return g->fd;
	}
	err = writer_reserve(g->fd, 0, g->reserved);
	file_crash_point("spool.create.reserved");
	if (!err && g->ahead)
		err = fill(g);
	if (!err)
		err = file_datasync(g->fd);
	if (!err)
		err = file_sync_dir(s->opt.dir);
	file_crash_point("spool.create.synced");
	if (err) {
		g->errnum = errno;
		unmake(g->fd, g->path);
		return err;
	}
	g->header.id = id_new();
	return OK;
}

static void
segment_made(struct offload_job *job, int result)
{
	struct open_segment *g = job->arg;
	struct spool *s = g->spool;

	s->making = false;
	s->jobs--;
	if (result == OK) {
		g->state = SEGMENT_READY;
		s->spare = g;
	} else {
		g->state = SEGMENT_FREE;
		/* If nobody needs it yet, whoever does tries again. */
		s->make_err = s->current || s->filling->records == 0 ? OK : result;
		s->make_after = clock_mono() + RETRY_AFTER;
		spool_failed(s, result, g->errnum, "cannot make a segment");
	}
	waitq_wake_all(&s->work);
}

static struct open_segment *
free_segment(struct spool *s)
{
	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (s->segments[i].state == SEGMENT_FREE)
			return &s->segments[i];
	return NULL;
}

void
writer_prepare(struct spool *s, bool ahead)
{
	struct open_segment *g = s->making ? NULL : free_segment(s);

	if (!g)
		return;
	memset(g, 0, sizeof(*g));
	g->spool = s;
	g->state = SEGMENT_BUSY;
	g->reserved = s->first_step;
	g->ahead = ahead && s->opt.sync && spool_room(s, 4 * s->opt.segment_size) == OK;
	g->header = (struct segment_header){
		.created = spool_now(s),
		.slot = s->opt.slot,
		.generation = s->opt.generation,
		.sequence = s->sequence++,
	};
	s->making = true;
	s->hurry = false;
	s->make_err = OK;
	s->jobs++;
	writer_start(&g->job, make_segment, g, segment_made);
}

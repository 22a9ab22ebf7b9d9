/*
 * Orphans: segments whose owner died or gave them up, and uploads that nobody will finish (step 5 of the durability protocol).
 *
 * It promises: a segment in use is left alone; of an orphan every record that was acknowledged stays, in order; doing it twice, or
 * dying in the middle and doing it again, comes to the same.
 */
#include "spool/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/log.h"
#include "spool/spool_priv.h"

#define SCAN_PIECE (64u * 1024)

struct recovery {
	const char *dir;
	struct recover_stats *stats;
	int err; /* the first; the others are still tried */
	bool changed;
};

static bool
all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Bytes from end up to the last one that is not zero: what a write left behind that nobody was told of. Preallocated zeros are none. */
static int
measure_tail(int fd, uint64_t end, uint64_t *torn)
{
	unsigned char *p = malloc(SCAN_PIECE);
	uint64_t at = end;
	ssize_t n;

	*torn = 0;
	if (!p)
		return ERR_NOMEM;
	while ((n = file_read_full(fd, p, SCAN_PIECE, (off_t)at)) > 0) {
		for (size_t i = (size_t)n; i > 0; i--)
			if (p[i - 1]) {
				*torn = at + i - end;
				break;
			}
		at += (uint64_t)n;
	}
	free(p);
	return (int)n;
}

/* Where the last valid frame ends, also behind damage: 0 if there is none. ERR_CORRUPT: a header that is neither valid nor blank. ERR_TOO_LARGE: behind damage, not
 * found in reasonable time. */
static int
find_end(int fd, uint64_t *end)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	struct reader_record rec;
	struct reader *r;
	uint64_t skipped;
	ssize_t n;
	int err;

	*end = 0;
	n = file_read_full(fd, head, sizeof(head), 0);
	if (n < 0)
		return ERR_IO;
	if (n < SEGMENT_HEADER_LEN || all_zero(head, sizeof(head)))
		return OK;
	err = reader_open_fd(fd, 0, &r);
	if (err)
		return err;
	do {
		while ((err = reader_next(r, &rec)) == 1)
			*end = reader_end(r);
		if (err == 0 || err == ERR_CORRUPT)
			err = reader_resync(r, &skipped);
	} while (err == 1);
	reader_close(r);
	return err == ERR_CORRUPT ? ERR_TOO_LARGE : err;
}

/* Nothing ever replaces a sealed segment, even where two hold one name (which their making rules out). */
static int
rename_to_free(const char *dir, const char *path, const char *bare, const char *suffix)
{
	char to[SPOOL_PATH_MAX];
	char name[NAME_CAP];

	(void)str_copyz(name, sizeof(name), str_from(str_of(bare), strlen(dir) + 1));
	if (name_taken(dir, name, suffix))
		return ERR_EXISTS;
	(void)str_copyz(to, sizeof(to), str_of(bare));
	return file_rename(path, to);
}

/* Sync, then the name. */
static int
seal_as_it_is(struct recovery *rc, int fd, const char *path)
{
	char bare[SPOOL_PATH_MAX];
	int err = file_datasync(fd);

	file_crash_point("spool.recover.synced");
	writer_bare(path, bare);
	if (!err)
		err = rename_to_free(rc->dir, path, bare, NAME_OPEN_SUFFIX);
	file_crash_point("spool.recover.renamed");
	if (err)
		return err;
	rc->changed = true;
	rc->stats->sealed++;
	return OK;
}

/* The order of making a segment in reverse: cut, sync, then the name. */
static int
seal_orphan(struct recovery *rc, int fd, const char *path, uint64_t end)
{
	uint64_t torn;
	int err = measure_tail(fd, end, &torn);

	if (!err)
		err = file_truncate(fd, end);
	file_crash_point("spool.recover.cut");
	if (!err)
		err = seal_as_it_is(rc, fd, path);
	if (err)
		return err;
	rc->stats->torn_bytes += torn;
	log_event(LOG_INFO, "spool", "recovered a segment", LOG_S("path", path),
	    LOG_I("bytes", end), LOG_I("torn", torn), LOG_END);
	return OK;
}

static int
remove_orphan(struct recovery *rc, const char *path)
{
	int err = file_unlink(path);

	file_crash_point("spool.recover.removed");
	if (err)
		return err;
	rc->changed = true;
	rc->stats->empty++;
	return OK;
}

/* A header that cannot be read is no reason to throw away what is behind it. */
static int
set_aside(struct recovery *rc, const char *path)
{
	char aside[SPOOL_PATH_MAX + 16];
	int err;

	snprintf(aside, sizeof(aside), "%s.corrupt", path);
	err = file_rename(path, aside);
	if (err)
		return err;
	rc->changed = true;
	log_event(LOG_ERROR, "spool", "set aside a segment with a damaged header",
	    LOG_S("path", aside), LOG_END);
	return OK;
}

static int
recover_locked(struct recovery *rc, int fd, const char *path, enum name_kind kind)
{
	uint64_t end;
	int err;

	file_crash_point("spool.recover.locked");
	if (kind == NAME_PART)
		return remove_orphan(rc, path);
	err = find_end(fd, &end);
	if (err == ERR_CORRUPT)
		return set_aside(rc, path);
	/* Nothing is cut where it is not known what: who packs it takes what can be read. */
	if (err == ERR_IO || err == ERR_TOO_LARGE) {
		log_event(LOG_ERROR, "spool", "recovered a damaged segment uncut",
		    LOG_S("path", path), LOG_ERR(err), LOG_END);
		return seal_as_it_is(rc, fd, path);
	}
	if (err)
		return err;
	return end ? seal_orphan(rc, fd, path, end) : remove_orphan(rc, path);
}

/* Between opening and locking the owner may have sealed it and gone: then the name leads elsewhere, or nowhere. */
static int
recover_one(struct recovery *rc, const char *path, enum name_kind kind)
{
	int fd = file_open(path, O_RDWR), err = OK;

	if (fd < 0)
		return errno == ENOENT ? OK : fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			rc->stats->busy++;
		else
			err = ERR_IO;
	} else if (writer_same_file(fd, path)) {
		err = recover_locked(rc, fd, path, kind);
	}
	(void)file_close(fd);
	return err;
}

static int
each_name(const char *name, void *arg)
{
	struct recovery *rc = arg;
	enum name_kind kind = name_kind(str_of(name));
	char path[SPOOL_PATH_MAX];
	int err;

	if (kind != NAME_OPEN && kind != NAME_PART)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", rc->dir, name);
	err = recover_one(rc, path, kind);
	if (err) {
		log_event(LOG_ERROR, "spool", "cannot recover a segment", LOG_S("path", path),
		    LOG_ERR(err), LOG_ERRNO(errno), LOG_END);
		rc->err = rc->err ? rc->err : err;
	}
	return 0;
}

int
recover_dir(const char *dir, struct recover_stats *out)
{
	struct recovery rc = { .dir = dir, .stats = out };
	int err;

	*out = (struct recover_stats){ 0 };
	if (strlen(dir) > SPOOL_DIR_MAX)
		return ERR_TOO_LARGE;
	err = file_each(dir, each_name, &rc);
	rc.err = rc.err ? rc.err : err;
	if (rc.changed) {
		err = file_sync_dir(dir);
		rc.err = rc.err ? rc.err : err;
	}
	return rc.err;
}

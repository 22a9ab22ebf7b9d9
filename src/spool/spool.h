/*
 * The writing end of a stream's spool, in a worker: append records, wake when they are on disk. Steps 1 to 4 of the durability protocol.
 *
 * Group commit: appends fill a buffer; when no sync is under way the buffer goes to the commit helper (pwrite, fdatasync) while the next one
 * fills; all who waited wake together. A failed write or sync closes the segment for good: its waiters fail, it is never written or synced again, and the shipper recovers what it holds.
 */
#ifndef SLUICE_SPOOL_SPOOL_H
#define SLUICE_SPOOL_SPOOL_H

#include "spool/segment.h"
#include "task/task.h"

#define SPOOL_GATHER_MAX (64u * 1024) /* longer bodies go through spool_upload */

/* What became of a record. */
enum spool_fate {
	SPOOL_STORED,
	SPOOL_LOST, /* it is not there and never will be */
	SPOOL_DOUBT /* a write or sync failed: recovery may find it or not, from now on */
};

/* What went to disk at once. */
struct spool_commit {
	uint64_t records;
	uint64_t bytes;    /* of their bodies */
	int64_t ns;        /* from handing it to the helper to its end */
	uint64_t sequence; /* of the segment they are in */
	uint64_t end;      /* so much of that is on disk; 0: it is an upload's, complete */
};

struct spool_options {
	const char *dir;       /* the stream's folder; made by spool_prepare */
	bool sync;             /* false: acknowledged once written, not synced */
	bool object;           /* each record is an object: always a segment of its own */
	uint64_t segment_size; /* sealed beyond this */
	int64_t
	    seal_interval; /* ns; a segment with records is sealed this long after its first one */
	uint32_t slot, generation;
	/* Bytes that may still be added now (spool_size and min_free, as the caller knows them); asked before each append, cheap. */
	uint64_t (*room)(void *arg);
	void (*added)(void *arg, uint64_t bytes); /* bytes of disk taken */
	/* A segment of so many records is ready for the shipper; or was given up: the shipper is to look for orphans. */
	void (*sealed)(void *arg, uint64_t records);
	void (*orphaned)(void *arg, uint64_t records);
	/* One commit that succeeded, before anybody who waits for it is woken. */
	void (*committed)(void *arg, const struct spool_commit *c);
	/* Once for each record with attributes that spool_append() or spool_upload_begin() was called with, whatever that returned and whether or not the
	 * caller still waits: when its fate is known. SPOOL_STORED comes before the segment it is in is sealed by spool_append()'s side. */
	void (*settled)(void *arg, struct str attrs, enum spool_fate fate);
	int64_t (*wall)(void *arg); /* UTC ns; NULL: clock_cached_wall() */
	void *arg;
	/* Any of the functions may be NULL. All are called from the loop's thread and must not park. */
};

struct spool;

/* Makes the stream's folder and those in it, synced (blocking; the master at start). */
int spool_prepare(const char *dir, bool object);
/* Borrows opt's strings. One a stream and worker; after loop_init(). Starts a task that lives until spool_close().
 * ERR_NOMEM, ERR_TOO_LARGE (dir). */
int spool_new(const struct spool_options *opt, struct spool **out);

/* Where a record is: its segment, and its number there. */
struct spool_place {
	struct id segment;
	uint64_t number;
};

struct spool_record {
	struct str user, attrs, body;
	struct spool_place *place; /* filled in on success; NULL: nobody asks */
};
/* Parks until the record is durable (sync) and returns 0; ERR_NOSPACE, ERR_IO, ERR_TOO_LARGE (user or attrs), ERR_STOPPING; ERR_CANCELLED: the client left, the record may have been stored.
 * The record's memory may go once this returns. */
int spool_append(struct spool *s, const struct spool_record *r);

/* A long body or an object, streamed to a file of its own that becomes a one-record segment. Nothing is visible to the shipper before commit; an abort (or a crash) leaves no record. */
struct spool_upload;
/* size_hint: announced length, 0 if unknown (reserves space). Parks. */
int spool_upload_begin(struct spool *s, struct str user, struct str attrs, uint64_t size_hint,
    struct spool_upload **out);
int spool_upload_write(
    struct spool_upload *u, const void *p, size_t n); /* parks; p is used up on return */
/* Where its record will be. Never parks. */
struct spool_place spool_upload_place(const struct spool_upload *u);
/* Durable and visible on 0. Frees u in every case. Parks. */
int spool_upload_commit(struct spool_upload *u);
/* Frees u; never parks (files are removed by a helper). */
void spool_upload_abort(struct spool_upload *u);

/* Seals what is open: at shutdown (then appends fail with ERR_STOPPING). Waits for commits and uploads under way. Parks.
 * 0, ERR_TIMEOUT, ERR_CANCELLED; may be called again. */
int spool_close(struct spool *s, int64_t deadline);
/* Only after spool_close() has returned 0. */
void spool_free(struct spool *s);

/* Figures since start, for status and tests. */
struct spool_stats {
	uint64_t records, bytes, commits, failures;
};
struct spool_stats spool_get_stats(const struct spool *s);

#endif

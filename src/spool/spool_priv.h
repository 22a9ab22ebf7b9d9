/*
 * What the files of the spool share. One struct spool a stream and worker, all of it touched by the loop's thread only, but for
 * what is handed to a helper for the length of one job: the committing batch and its segment (commit.c), a segment being made (writer.c)
 * or sealed (seal.c), an upload (upload.c).
 *
 *	spool_append ──> filling batch ──swap── committing batch ──> current segment ──> sealed
 *	                                                             spare segment, made ahead
 */
#ifndef SLUICE_SPOOL_PRIV_H
#define SLUICE_SPOOL_PRIV_H

#include <stdatomic.h>

#include "base/list.h"
#include "spool/name.h"
#include "spool/reader.h"
#include "spool/spool.h"

#define SPOOL_PATH_MAX 512
#define SPOOL_DIR_MAX (SPOOL_PATH_MAX - NAME_CAP - 16)

#define BATCH_CAP (1024u * 1024)
#define SEGMENTS_MAX 4 /* current, spare, and two being sealed */
#define RESERVE_MIN (256u * 1024)
#define RESERVE_MAX (8u * 1024 * 1024)
#define RETRY_AFTER (100 * NS_PER_MS)
#define HOUR_NS (3600 * NS_PER_S)
#define NAME_TRIES 64

_Static_assert(
    BATCH_CAP >= SEGMENT_HEADER_LEN + 2 * (SEGMENT_FRAME_LEN + SEGMENT_META_MAX + SPOOL_GATHER_MAX),
    "any record that spool_append takes fits an empty batch");

/* An append that waits for its commit; on its task's stack. */
struct append_wait {
	struct list link;
	uint64_t index; /* of its record in the batch */
	struct spool_place *place;
	bool done;
	int result;
};

/* Frames on their way to the disk. The first SEGMENT_HEADER_LEN bytes of p are kept for a segment's header, so that header and
 * first frames are one write. */
struct batch {
	unsigned char *p;
	size_t n; /* bytes of frames behind the room for the header */
	uint64_t records;
	uint64_t bodies;     /* bytes of their bodies */
	bool attrs;          /* some have attributes: their fate is to be told */
	int64_t first, last; /* times of its frames */
	struct list waiting; /* of struct append_wait */
	struct waitq committed;
};

enum segment_state {
	SEGMENT_FREE,  /* this struct stands for no file */
	SEGMENT_BUSY,  /* a helper makes, seals or removes it */
	SEGMENT_READY, /* open, locked, and without a record: the spare */
	SEGMENT_CURRENT
};

/* A file NAME.open of ours: locked from its making to its sealing. */
struct open_segment {
	struct spool *spool;
	enum segment_state state;
	int fd;
	struct segment_header
	    header;        /* id and sequence fixed when made, the rest at the first record */
	uint64_t end;      /* of the frames that are committed; 0: no header yet */
	uint64_t reserved; /* bytes of the file that have blocks */
	uint64_t records;
	int64_t last;    /* time of the last frame */
	int64_t seal_at; /* monotonic: interval or hour, whichever is first */
	int errnum;      /* of the job that failed */
	bool ahead;      /* made before it is needed: its blocks are filled with zeros */
	struct offload_job job;
	char path[SPOOL_PATH_MAX]; /* NAME.open */
};

struct spool {
	struct spool_options opt;
	struct batch batches[2];
	struct batch *filling;
	struct open_segment segments[SEGMENTS_MAX];
	struct open_segment *current, *spare;
	bool making;
	atomic_bool hurry; /* the helper that fills the next segment is to stop: it is waited for */
	int make_err;      /* why there is no segment for the batch that needs one */
	int64_t make_after; /* monotonic: making ahead of need waits until then after a failure */
	bool committing;
	uint64_t kick; /* a batch of so many records goes at once */
	struct commit_job {
		struct offload_job job;
		struct open_segment *segment;
		struct batch *batch;
		bool sync;
		bool touched; /* the file may have changed: if this failed, it is closed for good */
		int errnum;
		uint64_t bytes; /* written */
		int64_t began;
	} commit;
	uint64_t sequence;   /* next of this process's segments of the stream */
	uint64_t first_step; /* what a new segment reserves: follows what the last one took */
	int64_t stamp;       /* time given to the last record */
	struct waitq work;   /* the committer waits here for records, segments, the end */
	struct waitq space;  /* appends wait here for the filling batch */
	struct waitq idle;   /* spool_close waits here */
	uint64_t
	    pending;   /* bytes promised: in batches and uploads, not yet reported by opt.added */
	unsigned jobs; /* on helpers, without a task waiting for them */
	unsigned uploads;
	unsigned failed;  /* segments in a row that could not be made or written */
	int fail_err;     /* why; answered until retry_at */
	int64_t retry_at; /* monotonic */
	bool stopping, committer_gone;
	struct spool_stats stats;
};

/* spool.c */
int64_t spool_now(const struct spool *s);
/* A time for the next record: never less than the last one's, unless the clock stepped back by a second or more. */
int64_t spool_stamp(struct spool *s);
/* 0, or ERR_NOSPACE: what opt.room allows is promised to others. */
int spool_room(const struct spool *s, uint64_t bytes);
/* 0, or why a new record of so many bytes cannot be taken now. */
int spool_admit(struct spool *s, uint64_t bytes);
/* A commit or the making of a segment went wrong: logs it, holds up new attempts if it is not the first. */
void spool_failed(struct spool *s, int err, int errnum, const char *doing);
/* Tells opt.settled of a record with attributes. */
void spool_settle(struct spool *s, struct str attrs, enum spool_fate fate);
/* What clients may hear of it: ERR_NOSPACE, ERR_NOMEM or ERR_IO. */
int spool_error(int err);

/* commit.c */
/* The task that starts commits at the end of a turn and seals in time. Nobody has its handle, so it is never cancelled; it ends
 * after s->stopping. */
void committer(void *arg);
/* Does what can be done now: sends off the filling batch, or has a segment made for it; seals what is due. Never parks. */
void commit_turn(struct spool *s);

/* writer.c */
/* Makes `<name><suffix>`, locked, its name used by nobody else: the descriptor, and the path; or an error. Blocks. */
int writer_create(
    const char *dir, const char *suffix, int64_t wall_ns, uint64_t seq, char path[SPOOL_PATH_MAX]);
/* Blocks of [at, at + n): 0 or ERR_NOSPACE, ERR_IO. File systems that cannot reserve are taken as they are. */
int writer_reserve(int fd, uint64_t at, uint64_t n);
/* True if path still leads to the file behind fd. */
bool writer_same_file(int fd, const char *path);
/* path without the suffix behind its last dot. */
void writer_bare(const char *path, char out[SPOOL_PATH_MAX]);
/* Hands fn to a helper; where none can be had, runs it and done here. */
void writer_start(struct offload_job *job, int (*fn)(void *arg), void *arg,
    void (*done)(struct offload_job *job, int result));
/* Starts to make a segment on a helper, unless one is being made or no struct is free; wakes the committer when it is s->spare, or
 * has failed (s->make_err). ahead: the stream is busy and has one still. */
void writer_prepare(struct spool *s, bool ahead);

/* seal.c: end with the descriptor closed and the struct free; the committer is woken. */
void seal_start(struct open_segment *g);   /* holds records: cut, synced, renamed */
void seal_discard(struct open_segment *g); /* holds none: removed */
void seal_abandon(struct open_segment *g); /* must not be touched again: only closed */

/* upload.c */
int upload_whole(struct spool *s, const struct spool_record *r);

#endif

/*
 * What the files of the store share. All of it is touched by the loop's thread only, but for what is handed to a helper for the length of one
 * job: the whole store while it is opened (open.c), the batch on its way to the disk and the file it goes to (write.c), copies of places and
 * paths (files.c, history.c).
 *
 *	dlq_add, dlq_discard, … ──frames──> filling batch ──swap── committing batch ──> active log file
 *	                                                                 │
 *	index: entries, queues, counts  <── index_apply, frame by frame ─┘   (the same that reads the files when the store is opened)
 *
 * What is in memory of an entry changes only when the frame that says so is durable, so what a failed commit leaves behind is what was there
 * before. Meanwhile the entry is `changing`: nobody else decides on it. Only attempts go ahead: they are counted at once (dlq_attempt).
 */
#ifndef SLUICE_DLQ_PRIV_H
#define SLUICE_DLQ_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "dlq/frame.h"
#include "dlq/order.h"
#include "task/task.h"

#define DLQ_DIR_MAX 320
#define DLQ_PATH_MAX 400
#define DLQ_HISTORY_MAX 64u                        /* events kept of an entry */
#define DLQ_FILE_SIZE (UINT64_C(16) * 1024 * 1024) /* of a log file, then comes the next */
#define DLQ_HOUR (3600 * NS_PER_S)

struct series;

/* Where a frame is. */
struct place {
	uint32_t file, at, len;
};

struct dlq_stream {
	struct str name; /* its memory follows the struct */
	struct order due;
	uint64_t entries; /* in memory: so many may be in due */
	uint64_t by_state[DLQ_STATES];
	uint64_t by_type[DLQ_TYPES]; /* of those pending and reprocessing */
	struct series *series;       /* NULL until the store is open */
};

enum { TEXT_ERROR, TEXT_BY, TEXT_REASON, TEXTS };
#define ENTRY_STRINGS (LETTER_STRINGS - 1) /* the stream's name is in its struct */

struct entry {
	struct list link; /* of dlq.entries; unlinked while unborn */
	struct id id;
	struct dlq_stream *stream;
	uint64_t born, size, records;
	int64_t created, dead;
	struct frame_change now; /* as it is; its strings are in text */
	enum dlq_kind kind;
	unsigned flags; /* FRAME_FILE, FRAME_LIST, FRAME_LOST */
	bool unborn;    /* its letter is not durable yet: nobody sees it */
	bool on_way;    /* between dlq_take and dlq_end */
	bool leaving;   /* that frame says it is gone */
	bool changing;  /* a frame of it is on its way to the disk, or it is being written anew */
	unsigned inflight;           /* attempts not durable yet */
	uint32_t place[ORDER_KINDS]; /* in stream->due, dlq.victims; 0: not there */
	char *fixed;                 /* what never changes: ENTRY_STRINGS, one behind the other */
	uint16_t fixed_len[ENTRY_STRINGS];
	char *text; /* NULL where there was no memory: shown as empty */
	uint16_t text_len[TEXTS];
	struct place letter;
	uint32_t left_out; /* events older than what is on record below */
	uint16_t n_past;   /* in the letter */
	bool dead_event;   /* the letter is itself an event */
	uint16_t n_events, cap_events;
	struct place *events; /* of the frames behind the letter, the newest DLQ_HISTORY_MAX */
	uint64_t bytes;       /* of all these frames */
};

/* A log file. */
struct log_info {
	uint32_t number;
	uint64_t bytes; /* to the end of its frames */
	bool damaged;   /* is set aside, not removed, when its entries have been written anew */
};

/* Files of an entry that is no more. */
struct trash {
	struct trash *next;
	struct id id;
	enum dlq_kind kind;
};

enum part { PART_LETTERS, PART_CHANGES, PARTS };
struct batch {
	struct buf part[PARTS]; /* whole frames; letters are written first */
	bool hours;             /* begins with a frame of the statistics */
	struct list waiting;    /* of struct commit_wait */
	struct waitq committed;
};

/* The file that frames are added to. A helper's during a commit. */
struct active {
	int fd; /* -1: none */
	struct frame_file header;
	uint64_t end, reserved;
};

struct hour_cell {
	int64_t hour;
	enum dlq_type type;
	uint64_t n;
	struct dlq_stream *stream;
};

struct dlq {
	char dir[DLQ_DIR_MAX], files[DLQ_DIR_MAX + 8];
	struct dlq_limits limits;
	uint64_t file_size;

	/* index.c */
	struct map by_id;    /* to struct entry, the unborn included */
	struct list entries; /* in the order of death */
	struct map streams;  /* by name, to struct dlq_stream; never removed */
	struct order victims;
	uint64_t messages; /* of kind message, born */
	uint64_t next_born;
	uint64_t dropped[DLQ_DROPS];
	uint64_t live;                 /* bytes of frames that are needed */
	uint64_t file_bytes;           /* of payloads that are files */
	uint64_t strays;               /* frames of entries that are not there */
	struct trash *trash, *burning; /* burning: a helper removes those */
	uint64_t unborn, leaving;      /* messages: so many more, so many fewer soon */

	/* hours.c: by hour, oldest first */
	struct hour_cell *hours;
	size_t n_hours, cap_hours;

	/* log files, oldest first; the active one is the last */
	struct log_info *logs;
	size_t n_logs, cap_logs;
	uint64_t log_bytes;
	uint32_t next_number;

	/* commit.c */
	struct batch batches[2];
	struct batch *filling;
	struct active active;
	struct waitq work, space, settled, idle;
	bool stopping; /* nothing new is begun; what is under way may still commit */
	bool writer_ends, writer_gone;
	int failing; /* the last commit's error, logged */
	bool tending, tend_started;
	int64_t tend_after; /* monotonic: not again before, after it failed */
	struct waitq tended;

	/* metrics.c, deliver.c, tend.c */
	struct series *series;
	void (*on_due)(void *arg, struct str stream);
	void *on_due_arg;
	uint64_t unlogged[DLQ_DROPS]; /* drops that no log line has told yet */
	int64_t drops_logged;         /* monotonic */
};

/* ---- index.c ---- */

struct entry *index_find(const struct dlq *d, struct id id); /* also the unborn; or NULL */
/* A new one, unborn, of this stream, with what never changes. NULL: no memory. */
struct entry *index_new(struct dlq *d, struct id id, const struct frame_letter *l);
/* Takes it out of everything. */
void index_remove(struct dlq *d, struct entry *e);
/* apply.c: what a durable frame says. live: just committed; else read when the store is opened. 0; ERR_CORRUPT: the contents are of no known form;
 * ERR_NOMEM. */
int index_apply(struct dlq *d, const struct frame *f, struct place at, bool live);
/* The entry's share of the counts, in or out: by 1 or -1. */
void index_count(struct dlq *d, struct entry *e, int by);
/* After any change of state, on_way, changing: into the queues it belongs to, out of others. */
void index_queue(struct dlq *d, struct entry *e);
/* It is not changing any more. */
void index_release(struct dlq *d, struct entry *e);
/* Once everything is read: the order of death, the queues. 0 or ERR_NOMEM. */
int index_settle(struct dlq *d);
void index_free(struct dlq *d);
/* NULL: no memory. */
struct dlq_stream *index_stream(struct dlq *d, struct str name);
struct dlq_stream *index_find_stream(const struct dlq *d, struct str name);
/* Takes what happens to an entry in memory: numbers, and strings as far as there is memory. */
void index_change(struct dlq *d, struct entry *e, const struct frame_change *c);
/* The entry as a letter and as the change it last had; strings are the entry's. */
struct frame_change index_now(const struct entry *e);
struct str index_string(const struct entry *e, unsigned which); /* LETTER_USER … */
struct str index_error(const struct entry *e);
void index_show(const struct entry *e, struct dlq_entry *out);

/* ---- hours.c ---- */

void hours_add(
    struct dlq *d, int64_t time, struct dlq_stream *stream, enum dlq_type type, uint64_t n);
/* The statistics as a frame. */
void hours_put(const struct dlq *d, struct buf *out);
int hours_load(struct dlq *d, struct str contents); /* 0 or ERR_CORRUPT, ERR_NOMEM */
void hours_expire(struct dlq *d, int64_t now);

/* ---- write.c ---- */

/* One batch on its way: on the heap, a helper's until it is done. */
struct commit_job {
	struct dlq *d;
	struct batch *batch;
	uint64_t at[PARTS]; /* where each part begins */
	uint32_t number;    /* of the file it went to */
	bool began_file;
	int result[PARTS];
	int errnum;
};
/* arg: a struct commit_job, whose results it sets; returns 0. Blocks: on a helper. */
int write_batch(void *arg);

/* ---- commit.c ---- */

int commit_start(struct dlq *d); /* starts the writer */
void commit_stop(struct dlq *d); /* parks until everything is written and the writer gone */
/* Adds these frames, whose entries are `changing` or unborn, and parks until they are durable and applied; takes the contents of frames, which
 * is empty then. 0, or an error: then the entries are as before, nothing was changed; but ERR_CANCELLED: it goes on without the caller. */
int commit_add(struct dlq *d, enum part part, struct buf *frames);
/* The same for entries written anew: does not park before the frames have their place among others, so an attempt that is told of later
 * comes behind them. */
int commit_copies(struct dlq *d, struct buf *frames);
/* Frames that will not be written after all: their entries are as before. */
void commit_undo(struct dlq *d, const struct buf *frames);
/* The same without waiting; for attempts. Never parks. 0 or ERR_NOMEM. */
int commit_post(struct dlq *d, struct buf *frames);
/* Has the statistics written, and parks until they are durable. */
int commit_hours(struct dlq *d);
/* Parks until the entry has no frame on its way. 0, or ERR_CANCELLED. */
int commit_settled(struct dlq *d);
/* Until the part of the filling batch that the caller has just put there is on disk: 0, or an error. Parks. */
int commit_wait_durable(struct dlq *d, enum part part);

/* ---- files.c: blocking calls, on helpers ---- */

void files_log_path(const struct dlq *d, uint32_t number, char out[DLQ_PATH_MAX]);
/* Of an entry's payload, or its list. */
void files_path(
    const struct dlq *d, struct id id, enum dlq_kind kind, bool list, char out[DLQ_PATH_MAX]);
/* Renames it to NAME.bad (.bad.1, …), with a log line. 0 or an error. */
int files_set_aside(const struct dlq *d, const char *path, const char *why);
/* Parks: what is in d->trash is removed, as far as it can be. */
void files_empty_trash(struct dlq *d);
void files_forget_trash(struct dlq *d);
bool files_in_trash(const struct dlq *d, struct id id);
/* A frame at its place, verified, into out. 0, ERR_NOT_FOUND (its file is gone), ERR_CORRUPT, ERR_IO, ERR_NOMEM. Blocks. */
int files_read_frame(const char *path, struct place at, struct buf *out);
int files_log_add(
    struct dlq *d, uint32_t number, uint64_t bytes, bool damaged); /* 0 or ERR_NOMEM */
struct log_info *files_log(struct dlq *d, uint32_t number);

/* ---- history.c ---- */

/* An entry's letter and events as they are on disk, in one buffer of whole frames. Parks. Where frames of events cannot be read they are left
 * out and counted in *lost. 0; ERR_NOT_FOUND, ERR_CORRUPT: the letter cannot be read; ERR_IO; ERR_NOMEM; ERR_CANCELLED. */
int history_gather(struct dlq *d, struct entry *e, struct buf *out, unsigned *lost);
/* The changes in such frames, oldest first. */
void history_walk(
    struct str frames, void (*visit)(void *arg, const struct frame_change *c), void *arg);

/* ---- tend.c ---- */

/* Adds the frame that says an entry is dropped, which is `changing` then. False: no memory, and nothing was done. */
bool tend_put_gone(struct dlq *d, struct buf *out, struct entry *e, enum dlq_drop why);
/* The same for as many messages as are too many, up to max of them, counting those that are being added. How many. */
unsigned tend_make_room(struct dlq *d, struct buf *out, unsigned max);
/* Whether too much of the log is dead weight. */
bool tend_wanted(const struct dlq *d);
/* Log lines for what was dropped, at most one a second unless all. */
void tend_log_drops(struct dlq *d, bool all);
/* Starts a task that tends the store, unless one does. */
void tend_start(struct dlq *d);

/* ---- metrics.c ---- */

void metrics_dlq_open(struct dlq *d);
void metrics_dlq_added(struct dlq_stream *s, enum dlq_type type);
void metrics_dlq_dropped(struct dlq *d, enum dlq_drop why);
/* Gauges of a stream, and of the store. */
void metrics_dlq_stream(struct dlq_stream *s);
void metrics_dlq_bytes(struct dlq *d);

#endif

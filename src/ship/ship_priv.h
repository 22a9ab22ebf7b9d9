/*
 * Shared by the files of ship/. Everything named *_disk or said to block is run on a helper through ship_block().
 */
#ifndef SLUICE_SHIP_SHIP_PRIV_H
#define SLUICE_SHIP_SHIP_PRIV_H

#include "base/hash.h"
#include "limit/breaker.h"
#include "ship/bundle.h"
#include "ship/scan.h"
#include "ship/ship.h"
#include "task/task.h"

#define SHIP_MAX_UPLOADS 64

/* One bundle or object on its way. */
struct ship_upload {
	bool busy;
	struct ship_stream *stream;
	struct id id;             /* of a bundle */
	char name[SCAN_NAME_MAX]; /* of an object's file in uploading/ */
};

/* One stream's delivery. */
struct ship_stream {
	struct ship *ship;
	const struct stream_conf *conf;
	struct sink *sink;
	struct waitq wake; /* the planner waits here between turns */
	bool woken, idle;
	uint64_t given_up; /* segments that workers gave up, as far as we looked after them */
	bool probed;       /* sink->conditional is known */
	struct breaker breaker;
	unsigned streak;  /* failed attempts in a row, for the back-off */
	int64_t retry_at; /* no attempt before: monotonic ns */
	unsigned n_uploads;
	struct ship_upload uploads[SHIP_MAX_UPLOADS];
	unsigned waiting_files;
	struct ship_status status;
};

struct ship {
	struct zone *zone;
	int lock_fd;
	char host[64];
	bool draining;
	bool orphans;    /* there may be segments without an owner */
	bool looking;    /* the task that recovers them runs */
	bool recovering; /* one at a time */
	int keys_err;    /* of the last look after idempotency keys */
	struct waitq recovered;
	struct waitq drained; /* ship_drain waits here */
	unsigned n;
	struct ship_stream streams[];
};

/* Runs fn(arg) on a helper while the task is parked. */
int ship_block(int (*fn)(void *arg), void *arg);
/* Parks the planner until woken or the deadline. */
void ship_stream_wait(struct ship_stream *s, int64_t deadline);
void ship_stream_wake(struct ship_stream *s);

/* plan.c: the task of a bundle stream. object.c: of an object stream. arg: struct ship_stream. */
void plan_run(void *arg);
void object_run(void *arg);

/* upload.c */
bool upload_is_busy(const struct ship_stream *s, const struct id *id, const char *name);
bool upload_has_room(const struct ship_stream *s);
/* When the next attempt may begin: now, or later while backing off or the breaker is open. */
int64_t upload_not_before(const struct ship_stream *s);
/* Starts fn(struct ship_upload) for the bundle of this id (its list and gz are on disk), or the object of this name. 0 or an error. */
int upload_start(struct ship_stream *s, const struct id *id, const char *name, task_fn *fn);
/* Last thing that fn does. */
void upload_done(struct ship_upload *u);
int upload_bundle(struct ship_stream *s, const struct id *id);
/* One attempt: fills result and does the book-keeping. False if none was made (back-off, breaker). Parks. */
bool upload_attempt(
    struct ship_stream *s, const struct sink_item *item, struct sink_result *result);

#endif

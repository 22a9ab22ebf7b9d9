/*
 * Shared by the files of ship/. Everything named *_on_disk, or said to block, runs on a helper through ship_block().
 */
#ifndef SLUICE_SHIP_SHIP_PRIV_H
#define SLUICE_SHIP_SHIP_PRIV_H

#include "base/hash.h"
#include "limit/backoff.h"
#include "limit/breaker.h"
#include "message/message.h"
#include "ship/bundle.h"
#include "ship/scan.h"
#include "ship/ship.h"
#include "sink/metrics.h"
#include "task/task.h"

#define SHIP_MAX_UPLOADS SCAN_MAX_BUSY
#define SHIP_MAX_HOURS 8

/* One bundle or object on its way, or the probe. */
struct ship_upload {
	bool busy;
	struct ship_stream *stream;
	struct id id;             /* of a bundle, or a letter */
	char name[SCAN_NAME_MAX]; /* of an object's file in uploading/ */
	bool letter;              /* a dead letter that is sent again: dlq_take gave it */
};

/* The number that the next bundle of this hour gets: a guess that saves asking for keys known to be taken. */
struct ship_hour {
	int64_t hour;
	unsigned next;
};

/* One stream's delivery. Only its planner claims and packs; only an upload's task touches the files of its bundle or object. */
struct ship_stream {
	struct ship *ship;
	const struct stream_conf *conf;
	struct sink *sink;

	/* what the planner is to do */
	struct waitq wake;
	bool woken;
	bool rescan; /* the disk may show something new */
	bool
	    distrust; /* at start, or a file call failed: what the folders show may not be durable */
	bool looking; /* a look at the disk is under way */
	bool idle;    /* as the planner last saw it: nothing waits, nothing is on its way */

	/* watch.c */
	uint64_t given_up;   /* segments that workers gave up, as far as we looked after them */
	int64_t folder_time; /* of the folder's last change that the planner was told of */

	/* upload.c */
	bool probed, probe_tried; /* probed: sink->conditional is known */
	struct breaker breaker;
	unsigned streak;   /* waves of failed attempts in a row, for the back-off */
	int64_t failed_at; /* monotonic ns */
	int64_t retry_at;  /* no attempt before */
	unsigned n_uploads;
	struct ship_upload uploads[SHIP_MAX_UPLOADS];
	unsigned n_ready;
	/* bundles to be sent, those on their way included */
	struct id ready[SCAN_MAX_BUNDLES + SHIP_MAX_UPLOADS];
	struct id last;    /* of them begun last: the others come first */
	bool letters_turn; /* of letters and the stream's own, which is next */
	char last_name[SCAN_NAME_MAX];
	struct ship_hour hours[SHIP_MAX_HOURS];
	unsigned hours_turn;

	/* messages.c */
	struct message_stream *messages; /* NULL: not of messages, or not open (any more) */
	uint64_t durable_mark;           /* as of the last wake */
	int64_t refreshed;               /* monotonic */
	struct {
		int64_t records; /* in sealed files, when they were weighed last */
		uint64_t files;  /* all of them, then */
		uint64_t settled, done;
	} weighed;

	uint64_t added_before; /* zone_added as the look under way began */
	struct {
		struct delivery_metrics delivery;
		struct series *stream;
		uint64_t sealed_before; /* spool_metrics_sealed as the look under way began */
		int64_t stored;         /* SPOOL_METRIC_STORED */
	} metrics;
	struct ship_status status;
};

struct ship {
	struct zone *zone;
	struct dlq *dlq; /* NULL: there is none */
	char host[64];
	bool draining;
	struct waitq drained; /* ship_drain waits here */
	bool orphans;         /* there may be segments without an owner */
	bool orphans_task;    /* and a task is at it */
	bool recovering;      /* one at a time */
	struct waitq recovered;
	struct waitq tick; /* the watcher waits here */
	bool rung;
	unsigned n;
	struct ship_stream streams[];
};

/* Runs fn(arg) on a helper while the task is parked. */
int ship_block(int (*fn)(void *arg), void *arg);
/* The same for what computes for long, on helpers of its own, so that it does not hold up the short calls of uploads. */
int ship_compute(int (*fn)(void *arg), void *arg);
/* Parks the planner until woken or the deadline. */
void ship_stream_wait(struct ship_stream *s, int64_t deadline);
void ship_stream_wake(struct ship_stream *s);
/* The stream's last look found nothing, and nothing is on its way: tells who drains. */
void ship_stream_idle(struct ship_stream *s, bool idle);
/* How long work on the disk rests after a failed call. Tests make it short. */
extern struct backoff_policy ship_retreat_policy;
/* How long a disk that fails to read a bundle's sources is asked again, before what it cannot read is given up. */
extern int64_t ship_read_patience;
/* A turn of the planner failed, or a file call of an upload did: parks for a time that grows with failures. */
void ship_retreat(unsigned failures);
/* The planner's look is over: tells workers and status what waits. */
void ship_stream_report(
    struct ship_stream *s, unsigned files, int64_t oldest, const struct scan_usage *usage);

/* Tells the other processes how delivery of each stream goes (zone/delivery.h). By the watcher, once a second or more often. */
void ship_publish(struct ship *ship);

/* plan.c: the task of a bundle stream. object.c: of an object stream. arg: struct ship_stream. */
void plan_run(void *arg);
void object_run(void *arg);

/* Tells what waits in the folder, where no planner runs that would look. False: it cannot be said. Parks. */
bool ship_weigh(struct ship_stream *s);

/* messages.c: the task of a stream of messages. arg: struct ship_stream. */
void messages_run(void *arg);
/* How it goes, into the stream's status and metrics; not more often than is of use. */
void messages_refresh(struct ship_stream *s);
void messages_drain(struct ship_stream *s);
void messages_close(struct ship_stream *s, int64_t deadline); /* parks */

/* orphans.c */
/* Step 5 for every stream, and the idempotency keys after it. first: files of the origin gateway too. 0 or the first error, the rest is
 * done all the same. Parks. */
int orphans_recover(struct ship *ship, bool first);
/* The same in a task of its own, again and again until it succeeds. */
void orphans_look(struct ship *ship);

/* metrics.c */
void metrics_open(struct ship_stream *s);
/* shut: the destination cannot even be opened. */
void metrics_breaker(struct ship_stream *s, bool shut);
void metrics_look_begins(struct ship_stream *s);
/* s->status is up to date. */
void metrics_looked(struct ship_stream *s, const struct scan_usage *usage);
/* A file of so many records was delivered and is gone. */
void metrics_delivered(struct ship_stream *s, uint64_t records);

/* poison.c: makes what lies in corrupt/ known as dead letters. Parks. */
void poison_tell(struct ship_stream *s);

/* watch.c */
/* The task that notices what happens in the folders. arg: struct ship. */
void watch_run(void *arg);

/* upload.c */
bool upload_is_busy(const struct ship_stream *s, const struct id *id, const char *name);
/* When the next upload may begin: now or earlier: at once; CLOCK_NEVER: when one that is on its way has ended. */
int64_t upload_next(const struct ship_stream *s);
/* Starts fn(struct ship_upload) for the bundle of this id (its list and gz are on disk), or the object of this name. 0 or an error. */
int upload_start(struct ship_stream *s, const struct id *id, const char *name, task_fn *fn);
/* Asks whether the store honours conditions, as an upload of its own. Nothing is sent before that is known. */
int upload_probe(struct ship_stream *s);
/* Last thing that fn does. err: of a file call, the planner then looks at the disk again. */
void upload_done(struct ship_upload *u, int err);
/* Is a dead letter due to be sent again? *next: if not, when one will be (monotonic ns, CLOCK_NEVER: none). */
bool upload_letter_waits(const struct ship_stream *s, int64_t *next);
/* Takes it and starts fn(struct ship_upload) for it. False: there is none, or not now. */
bool upload_start_letter(struct ship_stream *s, task_fn *fn);
/* One attempt: fills h->result and does the book-keeping. False if none may be made now. Parks. */
struct shipment;
bool upload_attempt(struct shipment *h, const struct sink_item *item);

/* The number that a new bundle of this hour begins with, and that it was fixed. */
unsigned upload_number(struct ship_stream *s, int64_t hour);
void upload_number_fixed(struct ship_stream *s, int64_t hour, unsigned n);

/* object_send.c: the task of one object's upload. arg: struct ship_upload. */
void object_send(void *arg);

/* bundle_send.c */
/* Starts what may be started of the ready bundles and the letters, and the probe before them. Returns when to call again: monotonic ns, CLOCK_NEVER if there
 * is nothing to send or the end of an upload will tell. */
int64_t upload_bundles(struct ship_stream *s);
/* A bundle is packed and its sources are gone. False: there are too many, it is found again at a later look. */
bool upload_add_ready(struct ship_stream *s, const struct id *id);

#endif

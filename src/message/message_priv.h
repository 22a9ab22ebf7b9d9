/*
 * Shared by the files of message/. One struct message_stream a stream, all of it touched by the loop's thread only. Its tasks: one reads ahead
 * (read.c), `concurrency` send (send.c).
 *
 *	read.c ──> queue ──> send.c ──> sink
 *	                       │ ^
 *	             letter.c  v │  dead letters, and those of them that are sent again
 */
#ifndef SLUICE_MESSAGE_PRIV_H
#define SLUICE_MESSAGE_PRIV_H

#include "message/message.h"
#include "message/queue.h"
#include "message/tail.h"
#include "sink/metrics.h"

#define MESSAGE_WINDOW 4096u  /* messages of a stream in memory, those that wait included */
#define MESSAGE_LETTERS 512u  /* dead letters beside them */
#define MESSAGE_READ_MAX 256u /* read at once */

struct message_purge {
	int64_t before; /* UTC ns: what was taken in until then */
	struct str why; /* for the journal */
	uint64_t n;
	bool younger; /* what was taken in later has been met */
	bool past;    /* by so much that nothing older comes behind it */
};

/* One task that sends, and what it is sending. */
struct sender {
	struct message_stream *stream;
	struct task_handle task;
	uint32_t ticket; /* of the breaker */
	bool probing;    /* the breaker is half-open: others wait for how this goes */
	int64_t wall;    /* UTC ns: when the attempt began */
	int64_t took;    /* ns */
	struct sink_message m;
	struct sink_result r;
};

struct message_stream {
	struct message_options opt;
	const struct stream_conf *conf;
	struct journal *journal;
	struct tail *tail;
	struct queue queue;
	struct chunks chunks;
	struct delivery_metrics metrics;
	bool draining, closing;
	unsigned n_tasks;
	struct waitq ended; /* message_close waits here */

	/* read.c */
	struct waitq wake;
	bool woken;
	bool no_room;      /* it had none in its last turn */
	bool wants_room;   /* and there was, or may be, more to read */
	bool reconciled;   /* the journal knows no segments but those that are there */
	bool all_read;     /* as of the last pass */
	bool idle;         /* as told last */
	unsigned failures; /* of the disk, in a row */
	int64_t unloaded;  /* monotonic: when memory was last taken from those that wait */
	struct message *read[MESSAGE_READ_MAX]; /* to be filled in */
	unsigned n_read;
	struct message_purge *purge;
	struct waitq purged;

	/* send.c */
	struct breaker breaker;
	struct waitq work; /* senders without work */
	unsigned n_idle;
	struct timer timer;  /* when one of them has some */
	int64_t pause_until; /* the destination asked for a pause; monotonic */
	int64_t log_second;
	unsigned log_lines, log_left_out;
	unsigned n_senders;
	struct sender *senders;

	/* letter.c */
	int64_t letters_at; /* monotonic: when there may be one to send again; CLOCK_NEVER */
	size_t n_letters;   /* in the queue */
	bool letters_turn;

	uint64_t sent, failed, done;
	bool held;
	char why[240];
};

/* read.c */
void read_run(void *arg); /* a task: struct message_stream */
void read_wake(struct message_stream *s);
/* A message of a segment is done: it leaves. */
void read_done(struct message_stream *s, struct message *m);

/* send.c */
void send_run(void *arg); /* a task: struct sender */
/* There is something to send for so many. */
void send_wake(struct message_stream *s, unsigned n);
void send_timer(struct timer *t);
/* The wait before retry number n, 1 being the first. */
int64_t send_wait(const struct message_stream *s, unsigned n);
/* Fills in me->m for an attempt at the message, and an empty result. */
void send_fill(struct sender *me, const struct message *m);
/* Adds what came of the last attempt to the journal. */
void send_journal(
    struct sender *me, const struct message *m, enum journal_result result, struct str error);

/* letter.c: dead letters */
/* The id that the message has, or would have, as a dead letter: the same for the same record, whatever id its sender gave it. */
struct id letter_id(const struct message *m);
/* The message cannot be delivered, for the reason in me->r: it becomes a dead letter, or one again. It leaves the queue, or waits there until that can
 * be written down. Parks. */
void letter_bury(struct sender *me, struct message *m, enum dlq_type type);
/* One that was sent again has arrived. Parks. */
void letter_delivered(struct sender *me, struct message *m);
/* What was decided of it before could not be carried out: once more. Parks. */
void letter_resume(struct sender *me, struct message *m);
/* A stretch of a segment that cannot be read. 0 once that is on record, or an error. Parks. */
int letter_damage(struct message_stream *s, const struct tail_damage *d);
/* When there may be one to be sent again; monotonic, CLOCK_NEVER: none will, until somebody tells, or one that is here is done. */
int64_t letter_next(const struct message_stream *s);
bool letter_due(const struct message_stream *s, int64_t now);
/* Takes it: sending, in the queue. NULL: there is none after all. Never parks. */
struct message *letter_take(struct message_stream *s, int64_t now);
/* Its contents into memory: 0; ERR_NOT_FOUND, ERR_CORRUPT for good; or an error. Parks. */
int letter_load(struct message_stream *s, struct message *m);
/* Whatever of them is in the queue is the store's again. */
void letter_give_back_all(struct message_stream *s);

#endif

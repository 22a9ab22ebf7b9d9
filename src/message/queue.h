/*
 * The messages of a stream that are in memory: a bounded number, whatever waits on disk. Which of them is to be sent next, which wait for the time of
 * their next attempt, which for another of their key. No I/O, no tasks: the caller says what time it is and what happened.
 *
 *	           queue_add                queue_take               queue_done
 *	free ──┬──────────────> ready ─────────────────────> sending ──────────────> free
 *	       │                 ^  ^ <──────────────────────┘ │
 *	       │    its time     │  │      queue_again        │ queue_wait
 *	       ├──> waiting ─────┘  │                          │
 *	       │        ^───────────│──────────────────────────┘
 *	       └──> blocked ────────┘ the one of its key before it is done
 *
 * Of the messages of one key at most one is ready, waiting or sending; the others are blocked behind it in the order of their adding.
 */
#ifndef SLUICE_MESSAGE_QUEUE_H
#define SLUICE_MESSAGE_QUEUE_H

#include "base/hash.h"
#include "base/list.h"
#include "message/chunk.h"

enum message_state {
	MESSAGE_FREE,
	MESSAGE_FILLED, /* taken by queue_get, not added yet */
	MESSAGE_READY,
	MESSAGE_WAITING,
	MESSAGE_BLOCKED,
	MESSAGE_SENDING,
	MESSAGE_STATES
};

/* What was decided of a message before it could be carried out. */
struct verdict;
struct tail_segment;

struct message {
	/* the window's */
	enum message_state state;
	struct list link;      /* free, ready, or blocked behind another */
	struct list behind;    /* those blocked behind this one */
	struct message *chain; /* the next of the same bucket */
	size_t heap;           /* its place among the waiting */
	int64_t due;           /* waiting: until then; monotonic */

	/* what it is: by whoever fills it in */
	struct tail_segment *segment; /* NULL: a dead letter that is sent again */
	struct id id;                 /* as the destination sees it */
	struct id letter;             /* of the dead letter */
	uint64_t number;              /* of the record in its segment */
	uint64_t offset, length;      /* of its frame there */
	uint64_t key;                 /* of its order; 0: none */
	int64_t received;             /* UTC ns */

	/* what it holds; nothing while chunk is NULL */
	struct chunk *chunk;
	struct str user, method, type, encoding, trace, body;
	const char *path; /* where the body is, if it is not in body */
	uint64_t body_at, body_length;

	/* what has come of it */
	unsigned attempts; /* that counted, ever */
	unsigned tries; /* of these, since it was taken up: less than attempts for a dead letter */
	int64_t first, last; /* UTC ns, of the first and last attempt; 0: none */
	struct verdict *verdict;
};

struct queue_block;

struct queue {
	size_t max;
	size_t counts[MESSAGE_STATES]; /* to be read */
	/* private */
	struct queue_block *blocks;
	struct list free, ready;
	struct message **heap; /* the waiting, the next one first */
	struct message **buckets;
	size_t n_buckets;
};

/* max: messages in it. 0 or ERR_NOMEM. */
int queue_init(struct queue *q, size_t max);
/* The chunks of what is still in it are dropped. */
void queue_fini(struct queue *q);

/* A message to fill in, all zero; NULL: there are max, or memory is short. */
struct message *queue_get(struct queue *q);
/* The same where `extra` more than max may be in it. */
struct message *queue_get_extra(struct queue *q, size_t extra);
/* It was not needed: its chunk is dropped. */
void queue_return(struct queue *q, struct message *m);
/* Filled in. Waits until m->due, if that lies ahead. */
void queue_add(struct queue *q, struct message *m, int64_t now);
/* Filled in, and sent at once, whatever else there is; it has no key. */
void queue_add_sending(struct queue *q, struct message *m);
/* The one to be sent next: those whose time has come, then the others in their order. NULL: none. */
struct message *queue_take(struct queue *q, int64_t now);
/* True if queue_take would give one. */
bool queue_has(const struct queue *q, int64_t now);
/* When the next one that waits is due; CLOCK_NEVER: none waits. */
int64_t queue_next(const struct queue *q);
/* What came of one that was sent: */
void queue_done(struct queue *q, struct message *m); /* it is gone; its chunk is dropped */
void queue_wait(struct queue *q, struct message *m, int64_t due);
void queue_again(struct queue *q, struct message *m); /* at once, behind the others */
/* One that is ready, waiting or blocked goes, as if it were done. */
void queue_remove(struct queue *q, struct message *m);
/* How many are in it. */
size_t queue_count(const struct queue *q);
/* Visits all that are neither free nor filled in just now; visit may remove the one it is called with, or drop its chunk. */
void queue_each(struct queue *q, void (*visit)(void *arg, struct message *m), void *arg);
/* Lets go of what a message holds. */
void queue_unload(struct message *m);
/* Gives memory back if nothing is in it. */
void queue_trim(struct queue *q);

#endif

/*
 * Finding and reading what waits: the segments of a stream of messages, sealed ones whole and open ones as far as their workers say that they are on
 * disk, merged by the time at which records were taken in. Reads ahead in large steps, on a helper: one call fills in many messages.
 *
 * It promises: every durable record is handed out, once in a life of this struct, whatever happens to its segment meanwhile (sealed, recovered); a
 * damaged stretch or a file that cannot be read costs what it holds, and holds up nothing else; a segment is removed when it was read to its end and
 * all of its messages are done, and kept in corrupt/ if a part of it could not be read.
 *
 * All calls are made in the loop's thread, on one task at a time for those that park.
 */
#ifndef SLUICE_MESSAGE_TAIL_H
#define SLUICE_MESSAGE_TAIL_H

#include "message/queue.h"
#include "sink/order.h"
#include "spool/name.h"
#include "zone/zone.h"

struct tail;

/* A segment that is being read, or whose messages are on their way. */
struct tail_segment {
	struct list link;
	char name[NAME_CAP]; /* without suffix */
	struct id id;
	uint64_t left;       /* messages handed out that are not done, damages not told */
	uint64_t done;       /* messages of it that are done */
	bool ended;          /* private: read to its end, as of the last pass */
	struct tail_file *f; /* private */
};

/* A stretch of a segment that holds no record that can be read. */
struct tail_damage {
	struct tail_segment *segment;
	uint64_t offset, length;
};

struct tail_options {
	const char *dir; /* the stream's; borrowed, as all of these */
	struct zone *zone;
	unsigned stream; /* its row there */
	const struct order_by *order;
	struct chunks *chunks;
	/* A segment is about to be removed: its bytes; and it is, durably. From the loop's thread, must not park. */
	void (*removing)(void *arg, uint64_t bytes);
	void (*removed)(void *arg, struct id segment);
	void *arg;
};

int tail_new(const struct tail_options *opt, struct tail **out); /* 0 or ERR_NOMEM */
/* No message of it may be in use any more. */
void tail_free(struct tail *t);

/* Fills in up to n messages (queue_get), the oldest first; each holds its segment until tail_done(). How many, or an error, for which the caller
 * comes again later: nothing is lost. Parks. */
int tail_read(struct tail *t, struct message **v, unsigned n);
/* There was more than tail_read() could take: call it again as soon as there is room. */
bool tail_has_more(const struct tail *t);
/* When to call it again though nobody said that there is something new; monotonic. */
int64_t tail_next(const struct tail *t);
/* Everything was read, as far as the last call could see. */
bool tail_is_read(const struct tail *t);
/* So it was, and all files are gone but those that workers have open without a new record. Not while
 * tail_read() is under way, as are tail_each() and tail_sweep(). */
bool tail_is_empty(const struct tail *t);
/* There is nothing to do for now: gives back memory. */
void tail_rest(struct tail *t);
/* Something has happened in the folder: its names are read again, whatever its time says. Never parks. */
void tail_look(struct tail *t);
/* A message that tail_read() handed out is done. True: its segment can be removed now. */
bool tail_done(struct tail *t, struct tail_segment *s);
/* Messages that are done, of segments that are not removed yet. */
uint64_t tail_settled(const struct tail *t);
/* When the oldest record that is not read yet was taken in, about; UTC ns; 0: all are read. */
int64_t tail_oldest(const struct tail *t);
/* The segments it knows. NULL ends; the first: after NULL. */
const struct tail_segment *tail_each(const struct tail *t, const struct tail_segment *after);

/* A damage that was met and not told yet; NULL: none. Good until tail_told(). */
const struct tail_damage *tail_damage(const struct tail *t);
/* The first one is on record. */
void tail_told(struct tail *t);

/* Reads a message's contents again, after its chunk was dropped. 0; ERR_NOT_FOUND, ERR_CORRUPT: for good; else the disk fails, or memory. Parks. */
int tail_load(struct tail *t, struct message *m);

/* Removes what is done with. 1: some are gone, there may be more; 0: there was nothing; or an error: they are tried again. Parks. */
int tail_sweep(struct tail *t);

/* How long a file that the disk does not give up is tried, before it counts as damaged. Tests make it short. */
extern int64_t tail_patience;

#endif

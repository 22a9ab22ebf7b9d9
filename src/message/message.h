/*
 * Delivery of single records: takes what the workers commit, as soon as it is durable, to a sink of messages, at least once, with retries, and
 * gives to the dead letters what cannot be delivered. Runs in the shipper's loop, below ship/, which opens the sink, recovers orphans and drains.
 *
 *	segments (open ones up to their durable end, sealed ones) ── tail.c ──> window of messages ── send.c ──> sink
 *	dead letters to be sent again (dlq_take)  ─────────────────────────────────^        │
 *	                                  journal.c: what came of each attempt <────────────┘
 *
 * A segment is removed once every message of it is done: delivered, or a dead letter, durably. Memory is bounded by the window, whatever waits.
 */
#ifndef SLUICE_MESSAGE_MESSAGE_H
#define SLUICE_MESSAGE_MESSAGE_H

#include "dlq/dlq.h"
#include "limit/breaker.h"
#include "message/journal.h"
#include "sink/stream.h"
#include "zone/zone.h"

/* The id of the record of this number in a segment: the segment's, as a 128-bit number, plus the number; unless the record carries an id of
 * its own (SEGMENT_ATTR_IDEM). Also the $record_id of ingest. */
struct id message_id(struct id segment, uint64_t number, struct str attrs);

struct message_options {
	const struct stream_conf *conf; /* borrowed for good */
	struct sink *sink;
	struct zone *zone;
	struct dlq *dlq;            /* its dlq_on_due is the caller's: he wakes the stream */
	void (*changed)(void *arg); /* message_is_idle() did; must not park */
	void *arg;
};

struct message_status {
	uint64_t waiting; /* messages not done yet, as far as they were seen */
	uint64_t sent, failures;
	uint64_t done;    /* messages done, or found to be done, since it was opened */
	uint64_t settled; /* messages done, ever, of segments that are still there */
	int64_t oldest;   /* UTC ns; 0: nothing waits */
	const struct breaker *breaker;
	bool held, idle;
	char why[240];
};

struct message_stream;
/* Opens the journal, starts the tasks. Parks. 0 or an error. */
int message_open(const struct message_options *opt, struct message_stream **out);
/* Something was committed or sealed, or a dead letter is due. Never parks. */
void message_wake(struct message_stream *m);
/* Something has happened in the folder, such as recovery: it is idle no more, until it has looked. Never parks. */
void message_look(struct message_stream *m);
/* From now on only what is there is delivered; status.idle tells when it is. Never parks. */
void message_drain(struct message_stream *m);
/* No new attempts; waits for those on their way, which are cut short at the deadline, and may then be made again; flushes the journal. Parks. */
void message_close(struct message_stream *m, int64_t deadline);
/* Nothing waits, nothing is on its way. Never parks. */
bool message_is_idle(const struct message_stream *m);
void message_get_status(const struct message_stream *m, struct message_status *out);
struct journal *message_journal(struct message_stream *m);
/* Removes what waits and is not on its way, on record in the journal as JOURNAL_DROPPED with operator and reason as its error. *n: how many.
 * Parks, for some seconds at most. 0; ERR_BUSY: another purge is under way; ERR_CANCELLED, ERR_TIMEOUT, ERR_IO: some may be gone. */
int message_purge(struct message_stream *m, struct str by, struct str reason, uint64_t *n);

#endif

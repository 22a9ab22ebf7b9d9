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

void message_metrics_register(void);

/* The id of the record of this number in a segment: the segment's, as a 128-bit number, plus the number; unless the record carries an id of
 * its own (SEGMENT_ATTR_IDEM). Also the $record_id of ingest. */
struct id message_id(struct id segment, uint64_t number, struct str attrs);

struct message_options {
	const struct stream_conf *conf; /* borrowed for good */
	struct sink *sink;
	struct zone *zone;
	struct dlq *dlq;
	void (*changed)(void *arg); /* status or idleness did: from the loop, must not park */
	void *arg;
};

struct message_status {
	uint64_t waiting; /* messages not done yet, as far as they were seen */
	uint64_t sent, failures;
	int64_t oldest; /* UTC ns; 0: nothing waits */
	const struct breaker *breaker;
	bool held, idle; /* idle: nothing waits, nothing is on its way */
	char why[240];
};

struct message_stream;
/* Opens the journal, starts the tasks. Parks. 0 or an error. */
int message_open(const struct message_options *opt, struct message_stream **out);
/* Something was committed, sealed or recovered, or a dead letter is due. Never parks. */
void message_wake(struct message_stream *m);
/* From now on only what is there is delivered; status.idle tells when it is. Never parks. */
void message_drain(struct message_stream *m);
/* No new attempts; waits for those on their way, flushes the journal. Parks. */
void message_close(struct message_stream *m, int64_t deadline);
void message_get_status(const struct message_stream *m, struct message_status *out);
struct journal *message_journal(struct message_stream *m);
/* Removes what waits and is not on its way, on record in the journal as JOURNAL_DROPPED with the reason as its error. *n: how many. Parks. */
int message_purge(struct message_stream *m, struct str by, struct str reason, uint64_t *n);

#endif

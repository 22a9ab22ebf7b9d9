/*
 * Delivery: takes sealed segments to their destinations, steps 5 to 13 of the durability protocol. Runs in the shipper's loop: one task a
 * stream, one a bundle or object on its way, one that watches the folders.
 */
#ifndef SLUICE_SHIP_SHIP_H
#define SLUICE_SHIP_SHIP_H

#include "dlq/dlq.h"
#include "sink/stream.h"
#include "spool/idem.h"
#include "zone/zone.h"

/* Before the zone is opened: what delivery counts. */
void ship_metrics_register(void);

/* Locks state_dir/shipper.lock for the rest of the process's life: a new shipper starts when the old one is gone. Before anything that only one
 * may touch is opened. Called on a task; parks. 0 or an error. */
int ship_lock(const char *state_dir);

struct ship; /* the shipper's state for one configuration */

/* Opens the destinations, starts the streams' tasks. The lock is held. first and what
 * hangs on it is borrowed for good. keys: the table of idempotency keys, attached; NULL: none. dlq: the dead letters; NULL: nothing is given
 * up, however often it fails. Called on a task. */
int ship_start(struct stream_conf *first, struct zone *z, struct idem *keys, struct dlq *dlq,
    struct ship **out);
/* Something was sealed, or a child was reaped (orphans: look for open segments without an owner). Any time, never parks. */
void ship_wake(struct ship *s, bool orphans);
/* The workers are gone: recover, bundle and send everything at once without waiting for the interval, until all is delivered or the deadline. Parks. Returns the number of
 * files still waiting (0: all shipped). */
unsigned ship_drain(struct ship *s, int64_t deadline);

/* Last of all: single records that are on their way are waited for until the deadline, what came of them is written down. Whatever else was going on
 * is found on disk again. Parks. */
void ship_close(struct ship *s, int64_t deadline);
/* Of a stream of messages that is being delivered; NULL: none of that name is. Good until the task parks. */
struct message_stream *ship_messages(struct ship *s, struct str stream);

/* For status: one row a stream. */
struct ship_status {
	struct str stream;
	uint64_t waiting_bytes, waiting_files, sent_objects, sent_bytes, failures;
	int64_t oldest; /* UTC ns; 0: nothing waits */
	bool held;
	char why[240];
};
unsigned ship_get_status(struct ship *s, struct ship_status *out, unsigned max);

#endif

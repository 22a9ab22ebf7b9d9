/*
 * What delivery counts for /metrics, whatever is delivered: attempts by their outcome and time, what became of those that failed, the state of
 * breakers. Called by ship/ for bundles and objects, by message/ for single records.
 */
#ifndef SLUICE_SINK_METRICS_H
#define SLUICE_SINK_METRICS_H

#include "limit/breaker.h"
#include "sink/stream.h"
#include "zone/series.h"

/* Before the zone is opened. */
void delivery_metrics_register(void);

/* One stream's. */
struct delivery_metrics {
	struct series *delivery, *breaker;
};
void delivery_metrics_open(struct delivery_metrics *m, const struct stream_conf *s);
void delivery_metrics_attempt(struct delivery_metrics *m, enum sink_outcome outcome, int64_t ns);
/* It will be tried again: an attempt that counted has failed. */
void delivery_metrics_retry(struct delivery_metrics *m);
/* It was given to the dead letters. type: transient 0, permanent 1, poison 2. */
void delivery_metrics_dead(struct delivery_metrics *m, unsigned type);
/* Bytes of segments were passed over. */
void delivery_metrics_damaged(struct delivery_metrics *m, uint64_t bytes);
void delivery_metrics_breaker(struct delivery_metrics *m, enum breaker_state state);
/* So many have failed and wait to be tried again. */
void delivery_metrics_waiting(struct delivery_metrics *m, uint64_t n);
/* Breakers of destinations that no stream has any more. */
void delivery_metrics_forget(const struct stream_conf *first);

/* What a stream's row says, in any process that has the zone. */
struct delivery_counts {
	uint64_t attempts[SINK_POISON + 1]; /* by enum sink_outcome */
	uint64_t retries, retry_waiting;
};
void delivery_metrics_read(struct str stream, struct delivery_counts *out);

#endif

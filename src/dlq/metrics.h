/*
 * What the dead letters show in /metrics. Written by the shipper, which owns the store; read by all.
 */
#ifndef SLUICE_DLQ_METRICS_H
#define SLUICE_DLQ_METRICS_H

#include "dlq/dlq.h"

/* With the other registrations. */
void dlq_metrics_register(void);
/* How many are pending or being sent again, as the shipper last said; in any process that has the zone. */
uint64_t dlq_metrics_waiting(void);
/* The same of one stream, by state. */
void dlq_metrics_read(struct str stream, uint64_t by_state[DLQ_STATES]);

#endif

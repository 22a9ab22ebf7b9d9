/*
 * What the server side of HTTP counts, for /metrics and for the connection figures of the traffic statistics. Counted once a request, by
 * http_count_fn, so that what a client has seen is counted. Requests for the counts themselves (http_request.uncounted) are left out.
 */
#ifndef SLUICE_HTTP_METRICS_H
#define SLUICE_HTTP_METRICS_H

#include "zone/metric.h"

/* "http": one series. */
enum {
	HTTP_METRIC_DURATION, /* histogram, ns */
	HTTP_METRIC_RECEIVED, /* bytes of bodies */
	HTTP_METRIC_SENT,     /* bytes of answers */
	HTTP_METRIC_ACCEPTED,
	HTTP_METRIC_HANDLED, /* accepted and not turned away for want of room */
	HTTP_METRIC_READING, /* gauges: connections that read a head, */
	HTTP_METRIC_WRITING, /* that have a request in flight, */
	HTTP_METRIC_WAITING, /* that are idle */
	HTTP_METRICS
};
extern struct metric_set http_metrics;
/* "http_requests" {method, status}: one row, requests. Methods are those of RFC 9110 and PATCH, else "other"; status is exact. */
extern struct metric_set http_request_metrics;

/* Before the zone is opened: registers both sets, and what counts. */
void http_metrics_register(void);
/* In a worker, once it is attached to the zone: begins to count. 0 or ERR_BUSY. */
int http_metrics_start(void);

/* Of all workers together. */
struct http_totals {
	uint64_t accepted, handled, requests, received, sent;
	uint64_t reading, writing, waiting, active; /* now; active: the three together */
};
void http_totals(struct http_totals *out);

#endif

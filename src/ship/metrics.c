/*
 * What the shipper counts for /metrics: how delivery goes (sink/metrics.h), and its half of what a stream holds (spool/metrics.h). Called by
 * upload.c, object.c and ship.c.
 */
#include "ship/ship_priv.h"

void
ship_metrics_register(void)
{
	spool_metrics_register();
	delivery_metrics_register();
}

void
metrics_open(struct ship_stream *s)
{
	delivery_metrics_open(&s->metrics.delivery, s->conf);
	s->metrics.stream = series_pin(&spool_metrics, s->conf->name);
}

void
metrics_breaker(struct ship_stream *s, bool shut)
{
	delivery_metrics_breaker(&s->metrics.delivery, shut ? BREAKER_OPEN : s->breaker.state);
}

/* ---- what waits ---- */

void
metrics_look_begins(struct ship_stream *s)
{
	s->metrics.sealed_before = spool_metrics_sealed(s->conf->name);
}

void
metrics_looked(struct ship_stream *s, const struct scan_usage *usage)
{
	struct series *stream = s->metrics.stream;

	s->metrics.stored = (int64_t)usage->records;
	series_set(stream, SPOOL_METRIC_SEEN, (int64_t)s->metrics.sealed_before);
	series_set(stream, SPOOL_METRIC_STORED, s->metrics.stored);
	series_set(stream, SPOOL_METRIC_OLDEST, s->status.oldest);
	for (unsigned i = 0; i < SPOOL_STAGES; i++)
		series_set(stream, SPOOL_METRIC_DISK + i, (int64_t)usage->stages[i]);
}

/* During a look nobody knows whether it saw the file: the next one, soon, will tell. */
void
metrics_delivered(struct ship_stream *s, uint64_t records)
{
	if (s->looking)
		return;
	s->metrics.stored -= (int64_t)records;
	series_set(s->metrics.stream, SPOOL_METRIC_STORED, s->metrics.stored);
}

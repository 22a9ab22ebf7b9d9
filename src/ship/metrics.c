/*
 * What delivery counts for /metrics: attempts by their outcome and time, the state of breakers, and the shipper's half of what a stream holds
 * (spool/metrics.h). Called by upload.c, object.c and ship.c.
 */
#include "ship/ship_priv.h"

enum { ATTEMPTS, OUTCOMES = SINK_PERMANENT + 1, DURATION = ATTEMPTS + OUTCOMES, DAMAGED, ROWS };

#define ATTEMPT(outcome)                                                                        \
	{                                                                                       \
		.name = "sluice_delivery_attempts_total", .type = METRIC_COUNTER,               \
		.labels = "result=\"" outcome "\"",                                             \
		.help =                                                                         \
		    "Attempts to deliver a bundle or an object, by result: confirmed; its key " \
		    "was taken; to be tried again; held, because the destination refuses us; "  \
		    "refused for good."                                                         \
	}

static const struct metric_row rows[ROWS] = {
	[ATTEMPTS + SINK_CONFIRMED] = ATTEMPT("confirmed"),
	[ATTEMPTS + SINK_TAKEN] = ATTEMPT("taken"),
	[ATTEMPTS + SINK_AGAIN] = ATTEMPT("again"),
	[ATTEMPTS + SINK_HELD] = ATTEMPT("held"),
	[ATTEMPTS + SINK_PERMANENT] = ATTEMPT("permanent"),
	[DURATION] = { .name = "sluice_delivery_duration_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = metric_latency_bounds,
	    .n_bounds = ARRAY_LEN(metric_latency_bounds),
	    .help = "Time of one attempt to deliver." },
	[DAMAGED] = { .name = "sluice_spool_damaged_bytes_total",
	    .type = METRIC_COUNTER,
	    .help = "Bytes of segments that held no record that could be read when they were "
		    "packed; the segments are kept in corrupt/." },
};

static struct metric_set delivery_set = {
	.name = "delivery", .labels = { "stream" }, .rows = rows, .n_rows = ARRAY_LEN(rows)
};

static const struct metric_row breaker_rows[] = {
	{ .name = "sluice_breaker_state",
	    .type = METRIC_GAUGE,
	    .help = "State of the circuit breaker of a stream's destination: 0 closed, 1 open, 2 "
		    "half-open." },
};

static struct metric_set breaker_set = { .name = "breaker",
	.labels = { "destination", "stream" },
	.rows = breaker_rows,
	.n_rows = ARRAY_LEN(breaker_rows) };

void
ship_metrics_register(void)
{
	spool_metrics_register();
	metric_register(&delivery_set);
	metric_register(&breaker_set);
}

/* ---- start ---- */

static void
put_breaker_key(const struct ship_stream *s, struct buf *b)
{
	buf_put_str(b, s->conf->sink->destination);
	buf_putc(b, '\0');
	buf_put_str(b, s->conf->name);
}

static bool
is_breaker_of(const struct ship_stream *s, struct str key)
{
	struct buf b;
	bool is;

	buf_init(&b, 0);
	put_breaker_key(s, &b);
	is = str_eq(buf_str(&b), key);
	buf_fini(&b);
	return is;
}

void
metrics_open(struct ship_stream *s)
{
	struct buf b;

	buf_init(&b, 0);
	put_breaker_key(s, &b);
	s->metrics.delivery = series_pin(&delivery_set, s->conf->name);
	s->metrics.stream = series_pin(&spool_metrics, s->conf->name);
	s->metrics.breaker = series_pin(&breaker_set, buf_str(&b));
	buf_fini(&b);
	metrics_breaker(s, false);
}

void
metrics_forget_breakers(const struct ship *ship)
{
	struct series_view v;
	uint32_t cursor = 0;

	while (series_next(&breaker_set, &cursor, &v)) {
		bool known = false;

		for (unsigned i = 0; i < ship->n && !known; i++)
			known = is_breaker_of(&ship->streams[i], v.key);
		if (!known)
			series_retire(&breaker_set, &v);
	}
}

/* ---- attempts ---- */

void
metrics_attempt(struct ship_stream *s, enum sink_outcome outcome, int64_t ns)
{
	series_add(s->metrics.delivery, ATTEMPTS + (unsigned)outcome, 1);
	series_observe(s->metrics.delivery, DURATION, ns);
}

void
metrics_damaged(struct ship_stream *s, uint64_t bytes)
{
	series_add(s->metrics.delivery, DAMAGED, bytes);
}

void
metrics_breaker(struct ship_stream *s, bool shut)
{
	series_set(s->metrics.breaker, 0, shut ? BREAKER_OPEN : s->breaker.state);
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

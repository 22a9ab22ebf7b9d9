/*
 * See metrics.h.
 */
#include "sink/metrics.h"

enum {
	ATTEMPTS,
	OUTCOMES = SINK_POISON + 1,
	DURATION = ATTEMPTS + OUTCOMES,
	RETRIES,
	RETRY_WAITING,
	DEAD,
	TYPES = 3,
	DAMAGED = DEAD + TYPES,
	ROWS
};

#define ATTEMPT(outcome)                                                                          \
	{                                                                                         \
		.name = "sluice_delivery_attempts_total", .type = METRIC_COUNTER,                 \
		.labels = "result=\"" outcome "\"",                                               \
		.help = "Attempts to deliver a bundle, an object or a message, by result: "       \
			"confirmed; its key was taken; to be tried again; held, because the "     \
			"destination refuses us; refused for good; not what the destination can " \
			"read."                                                                   \
	}

#define DEAD_OF(type_)                                                                          \
	{                                                                                       \
		.name = "sluice_delivery_dead_letters_total", .type = METRIC_COUNTER,           \
		.labels = "type=\"" type_ "\"",                                                 \
		.help = "What could not be delivered and became a dead letter, by the kind of " \
			"its last error."                                                       \
	}

static const struct metric_row rows[ROWS] = {
	[ATTEMPTS + SINK_CONFIRMED] = ATTEMPT("confirmed"),
	[ATTEMPTS + SINK_TAKEN] = ATTEMPT("taken"),
	[ATTEMPTS + SINK_AGAIN] = ATTEMPT("again"),
	[ATTEMPTS + SINK_HELD] = ATTEMPT("held"),
	[ATTEMPTS + SINK_PERMANENT] = ATTEMPT("permanent"),
	[ATTEMPTS + SINK_POISON] = ATTEMPT("poison"),
	[DURATION] = { .name = "sluice_delivery_duration_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = metric_latency_bounds,
	    .n_bounds = ARRAY_LEN(metric_latency_bounds),
	    .help = "Time of one attempt to deliver." },
	[RETRIES] = { .name = "sluice_delivery_retries_total",
	    .type = METRIC_COUNTER,
	    .help = "Failed attempts at messages that are to be tried again." },
	[RETRY_WAITING] = { .name = "sluice_delivery_retry_waiting",
	    .type = METRIC_GAUGE,
	    .help = "Messages that failed and wait to be tried again." },
	[DEAD] = DEAD_OF("transient"),
	[DEAD + 1] = DEAD_OF("permanent"),
	[DEAD + 2] = DEAD_OF("poison"),
	[DAMAGED] = { .name = "sluice_spool_damaged_bytes_total",
	    .type = METRIC_COUNTER,
	    .help = "Bytes of segments that held no record that could be read when they were "
		    "delivered; the segments are kept in corrupt/." },
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
delivery_metrics_register(void)
{
	metric_register(&delivery_set);
	metric_register(&breaker_set);
}

/* ---- breakers ---- */

static void
put_breaker_key(const struct stream_conf *s, struct buf *b)
{
	buf_put_str(b, s->sink->destination);
	buf_putc(b, '\0');
	buf_put_str(b, s->name);
}

static bool
is_breaker_of(const struct stream_conf *s, struct str key)
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
delivery_metrics_forget(const struct stream_conf *first)
{
	struct series_view v;
	uint32_t cursor = 0;

	while (series_next(&breaker_set, &cursor, &v)) {
		const struct stream_conf *s = first;

		while (s && !is_breaker_of(s, v.key))
			s = s->next;
		if (!s)
			series_retire(&breaker_set, &v);
	}
}

void
delivery_metrics_breaker(struct delivery_metrics *m, enum breaker_state state)
{
	series_set(m->breaker, 0, state);
}

/* ---- the rest ---- */

void
delivery_metrics_open(struct delivery_metrics *m, const struct stream_conf *s)
{
	struct buf b;

	buf_init(&b, 0);
	put_breaker_key(s, &b);
	m->delivery = series_pin(&delivery_set, s->name);
	m->breaker = series_pin(&breaker_set, buf_str(&b));
	buf_fini(&b);
	delivery_metrics_breaker(m, BREAKER_CLOSED);
}

void
delivery_metrics_attempt(struct delivery_metrics *m, enum sink_outcome outcome, int64_t ns)
{
	series_add(m->delivery, ATTEMPTS + (unsigned)outcome, 1);
	series_observe(m->delivery, DURATION, ns);
}

void
delivery_metrics_retry(struct delivery_metrics *m)
{
	series_add(m->delivery, RETRIES, 1);
}

void
delivery_metrics_dead(struct delivery_metrics *m, unsigned type)
{
	assert(type < TYPES);
	series_add(m->delivery, DEAD + type, 1);
}

void
delivery_metrics_damaged(struct delivery_metrics *m, uint64_t bytes)
{
	series_add(m->delivery, DAMAGED, bytes);
}

void
delivery_metrics_waiting(struct delivery_metrics *m, uint64_t n)
{
	series_set(m->delivery, RETRY_WAITING, (int64_t)n);
}

/* ---- reading ---- */

void
delivery_metrics_read(struct str stream, struct delivery_counts *out)
{
	struct series_view v;

	*out = (struct delivery_counts){ .retries = 0 };
	if (!series_find(&delivery_set, stream, &v))
		return;
	for (unsigned i = 0; i < OUTCOMES; i++)
		out->attempts[i] = series_value(&delivery_set, &v, ATTEMPTS + i);
	out->retries = series_value(&delivery_set, &v, RETRIES);
	out->retry_waiting = series_value(&delivery_set, &v, RETRY_WAITING);
}

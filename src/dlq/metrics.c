/*
 * See metrics.h. Called by index.c and commit.c, in the shipper.
 */
#include "dlq/metrics.h"

#include "dlq/dlq_priv.h"
#include "zone/series.h"

enum { MESSAGES, ADDED = MESSAGES + DLQ_STATES, STREAM_ROWS = ADDED + DLQ_TYPES };
enum { DROPPED, BYTES = DROPPED + DLQ_DROPS, STORE_ROWS };

#define MESSAGES_ROW(status)                                                              \
	{                                                                                 \
		.name = "sluice_dlq_messages", .type = METRIC_GAUGE,                      \
		.labels = "status=\"" status "\"",                                        \
		.help = "Dead letters in the store, by stream and what became of them: "  \
			"waiting for a decision; being sent again; delivered; discarded." \
	}
#define ADDED_ROW(type_)                                                                         \
	{                                                                                        \
		.name = "sluice_dlq_added_total", .type = METRIC_COUNTER,                        \
		.labels = "error_type=\"" type_ "\"",                                            \
		.help = "Dead letters that came in, by stream and the kind of their last error." \
	}
#define DROPPED_ROW(reason)                                                                      \
	{                                                                                        \
		.name = "sluice_dlq_dropped_total", .type = METRIC_COUNTER,                      \
		.labels = "reason=\"" reason "\"",                                               \
		.help = "Dead letters dropped because there were too many or they were too old." \
	}

static const struct metric_row stream_rows[STREAM_ROWS] = {
	[MESSAGES + DLQ_PENDING] = MESSAGES_ROW("pending"),
	[MESSAGES + DLQ_REPROCESSING] = MESSAGES_ROW("reprocessing"),
	[MESSAGES + DLQ_RESOLVED] = MESSAGES_ROW("resolved"),
	[MESSAGES + DLQ_DISCARDED] = MESSAGES_ROW("discarded"),
	[ADDED + DLQ_TRANSIENT] = ADDED_ROW("transient"),
	[ADDED + DLQ_PERMANENT] = ADDED_ROW("permanent"),
	[ADDED + DLQ_POISON] = ADDED_ROW("poison"),
};

static const struct metric_row store_rows[STORE_ROWS] = {
	[DROPPED + DLQ_DROP_MAX_MESSAGES] = DROPPED_ROW("max_messages"),
	[DROPPED + DLQ_DROP_RETENTION] = DROPPED_ROW("retention"),
	[BYTES] = { .name = "sluice_dlq_bytes",
	    .type = METRIC_GAUGE,
	    .help = "Bytes of the dead letters on disk." },
};

static struct metric_set stream_set = {
	.name = "dlq", .labels = { "stream" }, .rows = stream_rows, .n_rows = ARRAY_LEN(stream_rows)
};
static struct metric_set store_set = {
	.name = "dlq_store", .rows = store_rows, .n_rows = ARRAY_LEN(store_rows)
};

void
dlq_metrics_register(void)
{
	metric_register(&stream_set);
	metric_register(&store_set);
}

uint64_t
dlq_metrics_waiting(void)
{
	struct series_view v;
	uint32_t cursor = 0;
	uint64_t n = 0;

	while (series_next(&stream_set, &cursor, &v))
		n += series_value(&stream_set, &v, MESSAGES + DLQ_PENDING) +
		     series_value(&stream_set, &v, MESSAGES + DLQ_REPROCESSING);
	return n;
}

void
dlq_metrics_read(struct str stream, uint64_t by_state[DLQ_STATES])
{
	struct series_view v;
	bool found = series_find(&stream_set, stream, &v);

	for (unsigned i = 0; i < DLQ_STATES; i++)
		by_state[i] = found ? series_value(&stream_set, &v, MESSAGES + i) : 0;
}

static struct series *
series_of(struct dlq_stream *s)
{
	if (!s->series)
		s->series = series_pin(&stream_set, s->name);
	return s->series;
}

void
metrics_dlq_stream(struct dlq_stream *s)
{
	for (unsigned i = 0; i < DLQ_STATES; i++)
		series_set(series_of(s), MESSAGES + i, (int64_t)s->by_state[i]);
}

void
metrics_dlq_added(struct dlq_stream *s, enum dlq_type type)
{
	series_add(series_of(s), ADDED + (unsigned)type, 1);
	metrics_dlq_stream(s);
}

void
metrics_dlq_dropped(struct dlq *d, enum dlq_drop why)
{
	series_add(d->series, DROPPED + (unsigned)why, 1);
}

void
metrics_dlq_bytes(struct dlq *d)
{
	series_set(d->series, BYTES, (int64_t)(d->log_bytes + d->file_bytes));
}

void
metrics_dlq_open(struct dlq *d)
{
	struct str name;
	void *value;

	d->series = series_pin(&store_set, STR(""));
	for (size_t at = 0; map_each(&d->streams, &at, &name, &value);)
		metrics_dlq_stream(value);
	metrics_dlq_bytes(d);
}

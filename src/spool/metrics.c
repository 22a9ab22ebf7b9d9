/*
 * The rows of the set "stream". See metrics.h.
 */
#include "spool/metrics.h"

static const int64_t batch_bounds[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096 };

#define REJECTED(why)                                                                       \
	{                                                                                   \
		.name = "sluice_ingest_rejected_total", .type = METRIC_COUNTER,             \
		.labels = "reason=\"" why "\"",                                             \
		.help = "Requests to a stream that were answered with an error, by reason." \
	}
/* Not part of the exposition as it stands; METRIC_COUNTER: kept when its writer dies. */
#define KEPT                                       \
	{                                          \
		.type = METRIC_COUNTER, .help = "" \
	}

static const struct metric_row rows[SPOOL_METRICS] = {
	[SPOOL_METRIC_RECORDS] = { .name = "sluice_ingest_records_total",
	    .type = METRIC_COUNTER,
	    .help = "Records stored durably." },
	[SPOOL_METRIC_BYTES] = { .name = "sluice_ingest_bytes_total",
	    .type = METRIC_COUNTER,
	    .help = "Bytes of the records stored." },
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_DENIED] = REJECTED("denied"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_LIMITED] = REJECTED("limited"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_INVALID] = REJECTED("invalid"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_TOO_LARGE] = REJECTED("too_large"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_INCOMPLETE] = REJECTED("incomplete"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_UNAVAILABLE] = REJECTED("unavailable"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_ERROR] = REJECTED("error"),
	[SPOOL_METRIC_REJECTED + SPOOL_REJECTED_OTHER] = REJECTED("other"),
	[SPOOL_METRIC_COMMIT_TIME] = { .name = "sluice_commit_duration_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = metric_latency_bounds,
	    .n_bounds = ARRAY_LEN(metric_latency_bounds),
	    .help = "Time of one commit: write and sync of all records that waited for it." },
	[SPOOL_METRIC_BATCH] = { .name = "sluice_commit_batch_records",
	    .type = METRIC_HISTOGRAM,
	    .bounds = batch_bounds,
	    .n_bounds = ARRAY_LEN(batch_bounds),
	    .help = "Records made durable by one commit." },
	[SPOOL_METRIC_OPEN] = { .type = METRIC_GAUGE, .help = "" },
	[SPOOL_METRIC_SEALED] = KEPT,
	[SPOOL_METRIC_STORED] = KEPT,
	[SPOOL_METRIC_SEEN] = KEPT,
	[SPOOL_METRIC_OLDEST] = KEPT,
	[SPOOL_METRIC_DISK + SPOOL_STAGE_SPOOL] = KEPT,
	[SPOOL_METRIC_DISK + SPOOL_STAGE_AGGREGATION] = KEPT,
	[SPOOL_METRIC_DISK + SPOOL_STAGE_UPLOADING] = KEPT,
	[SPOOL_METRIC_DISK + SPOOL_STAGE_CORRUPT] = KEPT,
};

struct metric_set spool_metrics = {
	.name = "stream", .labels = { "stream" }, .rows = rows, .n_rows = ARRAY_LEN(rows)
};

const char *const spool_stage_names[SPOOL_STAGES] = { "spool", "aggregation", "uploading",
	"corrupt" };

void
spool_metrics_register(void)
{
	metric_register(&spool_metrics);
}

uint64_t
spool_metrics_sealed(struct str stream)
{
	struct series_view v;

	return series_find(&spool_metrics, stream, &v)
		   ? series_value(&spool_metrics, &v, SPOOL_METRIC_SEALED)
		   : 0;
}

/* Modulo 2^64, as the words are kept. */
static uint64_t
waiting(uint64_t stored, uint64_t open, uint64_t sealed, uint64_t seen)
{
	int64_t n = (int64_t)(stored + open + sealed - seen);

	return n > 0 ? (uint64_t)n : 0;
}

uint64_t
spool_metrics_waiting(const uint64_t *words)
{
	const uint16_t *at = spool_metrics.at;

	return waiting(words[at[SPOOL_METRIC_STORED]], words[at[SPOOL_METRIC_OPEN]],
	    words[at[SPOOL_METRIC_SEALED]], words[at[SPOOL_METRIC_SEEN]]);
}

uint64_t
spool_metrics_waiting_now(struct str stream)
{
	struct series_view v;

	if (!series_find(&spool_metrics, stream, &v))
		return 0;
	return waiting(series_value(&spool_metrics, &v, SPOOL_METRIC_STORED),
	    series_value(&spool_metrics, &v, SPOOL_METRIC_OPEN),
	    series_value(&spool_metrics, &v, SPOOL_METRIC_SEALED),
	    series_value(&spool_metrics, &v, SPOOL_METRIC_SEEN));
}

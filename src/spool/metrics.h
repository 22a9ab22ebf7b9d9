/*
 * What a stream takes in and holds, as /metrics shows it: set "stream" {stream}. Workers count what they store, the shipper says what lies on
 * disk. How many records wait is never counted through, but put together from both, so that it is right after any crash:
 *
 *	open     records in segments that this worker has not sealed yet; gone with the worker (the segment becomes an orphan, then a sealed one)
 *	sealed   records in segments that workers sealed, ever
 *	stored   records in sealed files, from segment to bundle, as of the shipper's last look, less what was delivered since
 *	seen     `sealed`, all workers together, as that look began
 *
 *	waiting = stored + sum of open + (sum of sealed - seen)
 *
 * A segment that is sealed while the shipper looks may count twice until the next look, which its ringing the bell brings about.
 */
#ifndef SLUICE_SPOOL_METRICS_H
#define SLUICE_SPOOL_METRICS_H

#include "zone/series.h"

enum spool_rejected {
	SPOOL_REJECTED_DENIED,
	SPOOL_REJECTED_LIMITED,
	SPOOL_REJECTED_INVALID,
	SPOOL_REJECTED_TOO_LARGE,
	SPOOL_REJECTED_INCOMPLETE,
	SPOOL_REJECTED_UNAVAILABLE,
	SPOOL_REJECTED_ERROR,
	SPOOL_REJECTED_OTHER,
	SPOOL_REJECTED
};

enum spool_stage {
	SPOOL_STAGE_SPOOL, /* the stream's own folder: open and sealed segments */
	SPOOL_STAGE_AGGREGATION,
	SPOOL_STAGE_UPLOADING,
	SPOOL_STAGE_CORRUPT,
	SPOOL_STAGES
};

enum {
	/* by workers */
	SPOOL_METRIC_RECORDS,
	SPOOL_METRIC_BYTES,                                                /* of records */
	SPOOL_METRIC_REJECTED,                                             /* one row a reason */
	SPOOL_METRIC_COMMIT_TIME = SPOOL_METRIC_REJECTED + SPOOL_REJECTED, /* histogram, ns */
	SPOOL_METRIC_BATCH,                                                /* histogram, records */
	SPOOL_METRIC_OPEN,
	SPOOL_METRIC_SEALED,
	/* by the shipper; kept when it dies */
	SPOOL_METRIC_STORED, /* signed */
	SPOOL_METRIC_SEEN,
	SPOOL_METRIC_OLDEST, /* UTC ns of what waits longest; 0: nothing waits */
	SPOOL_METRIC_DISK,   /* bytes, one row a stage */
	SPOOL_METRICS = SPOOL_METRIC_DISK + SPOOL_STAGES
};

extern struct metric_set spool_metrics;
extern const char *const spool_stage_names[SPOOL_STAGES];

/* Before the zone is opened. */
void spool_metrics_register(void);
/* `sealed` of all workers together. */
uint64_t spool_metrics_sealed(struct str stream);
/* Records not yet delivered, from all words of the stream (series_sum). Never negative. */
uint64_t spool_metrics_waiting(const uint64_t *words);
/* The same for who has the stream's name only: a few loads a slot. */
uint64_t spool_metrics_waiting_now(struct str stream);

#endif

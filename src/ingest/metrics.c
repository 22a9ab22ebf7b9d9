/*
 * Requests to streams that were answered with an error, by reason. Counted with all requests, before the last byte of the answer leaves, so
 * that those which never came to the handler (refused by auth, limits, or their length) are there too. Called by http/phase.c.
 */
#include "spool/metrics.h"
#include "ingest/ingest_priv.h"

static enum spool_rejected
reason_of(int status)
{
	switch (status) {
	case 400:
	case 415:
	case 422:
		return SPOOL_REJECTED_INVALID;
	case 401:
	case 403:
		return SPOOL_REJECTED_DENIED;
	case 408:
	case 499:
		return SPOOL_REJECTED_INCOMPLETE;
	case 413:
	case 414:
	case 431:
		return SPOOL_REJECTED_TOO_LARGE;
	case 429:
		return SPOOL_REJECTED_LIMITED;
	case 500:
		return SPOOL_REJECTED_ERROR;
	case 503:
		return SPOOL_REJECTED_UNAVAILABLE;
	default:
		return SPOOL_REJECTED_OTHER;
	}
}

static void
count_rejected(struct http_request *r, int64_t duration)
{
	const struct ingest_conf *conf = r->status >= 400 ? ingest_of(r->location) : NULL;

	(void)duration;
	if (conf == NULL)
		return;
	series_add(series_get(&spool_metrics, conf->stream->name),
	    SPOOL_METRIC_REJECTED + (unsigned)reason_of(r->status), 1);
}

void
ingest_metrics_register(void)
{
	static bool done;

	spool_metrics_register();
	if (!done)
		http_add_count(count_rejected);
	done = true;
}

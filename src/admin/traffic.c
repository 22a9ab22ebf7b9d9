/*
 * See traffic.h.
 */
#include "admin/traffic.h"

#include <stdlib.h>

#include "admin/api.h"
#include "base/clock.h"
#include "http/metrics.h"
#include "spool/metrics.h"
#include "status/figures.h"

/* By {method, status}, as counted: who shows them adds up what it wants. */
static void
write_requests(struct json_writer *w)
{
	struct series_view v;
	uint32_t cursor = 0;

	json_open(w, "requests", '[');
	while (series_next(&http_request_metrics, &cursor, &v)) {
		struct str status = v.key, method = str_split(&status, '\0');
		uint64_t code = 0;

		(void)str_to_u64(status, &code);
		json_open(w, NULL, '{');
		json_put_str(w, "method", method);
		json_put_u64(w, "status", code);
		json_put_u64(w, "count", series_value(&http_request_metrics, &v, 0));
		json_close(w);
	}
	json_close(w);
}

/* Each bound with how many took no longer than it and longer than the one before; the last has no bound. */
static void
write_durations(struct json_writer *w)
{
	const struct metric_row *row = &http_metrics.rows[HTTP_METRIC_DURATION];
	uint64_t counts[METRIC_BOUNDS_MAX + 1] = { 0 }, sum = 0;
	struct series_view v;

	if (series_find(&http_metrics, STR(""), &v))
		series_histogram(&http_metrics, &v, HTTP_METRIC_DURATION, counts, &sum);
	json_open(w, "duration", '{');
	json_open(w, "buckets", '[');
	for (unsigned i = 0; i <= row->n_bounds; i++) {
		json_open(w, NULL, '{');
		if (i < row->n_bounds)
			json_put_seconds(w, "le", row->bounds[i]);
		else
			json_put_null(w, "le");
		json_put_u64(w, "count", counts[i]);
		json_close(w);
	}
	json_close(w);
	json_put_seconds(w, "sum_seconds", (int64_t)sum);
	json_close(w);
}

static void
write_connections(struct json_writer *w)
{
	struct http_totals t;

	http_totals(&t);
	json_put_u64(w, "received_bytes", t.received);
	json_put_u64(w, "sent_bytes", t.sent);
	json_open(w, "connections", '{');
	json_put_u64(w, "accepted", t.accepted);
	json_put_u64(w, "handled", t.handled);
	json_put_u64(w, "reading", t.reading);
	json_put_u64(w, "writing", t.writing);
	json_put_u64(w, "waiting", t.waiting);
	json_close(w);
}

/* words: room for a block. */
static void
write_stream(struct json_writer *w, struct str name, uint64_t *words)
{
	const uint16_t *at = spool_metrics.at;
	struct series_view v;
	uint64_t rejected = 0;

	memset(words, 0, spool_metrics.words * sizeof(*words));
	if (series_find(&spool_metrics, name, &v))
		series_sum(&spool_metrics, &v, words);
	for (unsigned i = 0; i < SPOOL_REJECTED; i++)
		rejected += words[at[SPOOL_METRIC_REJECTED + i]];
	json_open(w, NULL, '{');
	json_put_str(w, "name", name);
	json_put_u64(w, "records", words[at[SPOOL_METRIC_RECORDS]]);
	json_put_u64(w, "bytes", words[at[SPOOL_METRIC_BYTES]]);
	json_put_u64(w, "rejected", rejected);
	json_put_u64(w, "waiting_records", spool_metrics_waiting(words));
	json_close(w);
}

static int
show_traffic(struct api_call *call)
{
	struct json_writer *w = call->json;
	uint64_t *words = malloc(spool_metrics.words * sizeof(*words));

	if (words == NULL)
		return ERR_NOMEM;
	json_open(w, NULL, '{');
	json_put_time(w, "time", clock_wall());
	write_requests(w);
	write_durations(w);
	write_connections(w);
	json_open(w, "streams", '[');
	for (struct stream_conf *s = stream_first(figures_server()->conf); s; s = s->next)
		write_stream(w, s->name, words);
	json_close(w);
	json_close(w);
	free(words);
	return 200;
}

static const struct api_endpoint endpoints[] = {
	{ "GET", "/api/traffic", ROLE_ADMIN, show_traffic,
	    "requests, latency and records so far, to make rates of" },
	{ .path = NULL },
};

void
admin_traffic_register(void)
{
	api_add(endpoints);
}

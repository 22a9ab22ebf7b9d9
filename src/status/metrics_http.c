/*
 * Requests once more, under the names that rules and dashboards written for nginx's exporters ask for. They are made of the same counts as
 * http_requests_total and http_request_duration_seconds, so that requests cost nothing twice. See metrics.h.
 */
#include <stdlib.h>

#include "http/metrics.h"
#include "status/metrics.h"
#include "status/metrics_families.h"

#define STATUSES 600

struct by_status {
	uint64_t requests[STATUSES];
	bool there[STATUSES];
};

/* All methods together; what has no status of three digits is left out. */
static void
sum_by_status(struct by_status *sum)
{
	struct series_view v;
	uint32_t cursor = 0;

	while (series_next(&http_request_metrics, &cursor, &v)) {
		struct str status = v.key;
		uint64_t code;

		(void)str_split(&status, '\0');
		if (str_to_u64(status, &code) != 0 || code >= STATUSES)
			continue;
		sum->requests[code] += series_value(&http_request_metrics, &v, 0);
		sum->there[code] = true;
	}
}

static void
put_requests(struct prom *p)
{
	struct by_status *sum = calloc(1, sizeof(*sum));
	char memory[32], digits[4] = "";
	struct buf labels;

	if (sum == NULL)
		return;
	sum_by_status(sum);
	metrics_family(p, FAMILY_NGINX_REQUESTS);
	for (unsigned code = 0; code < STATUSES; code++) {
		if (!sum->there[code])
			continue;
		for (unsigned i = 0, rest = code; i < 3; i++, rest /= 10)
			digits[2 - i] = (char)('0' + rest % 10);
		buf_init_fixed(&labels, memory, sizeof(memory));
		prom_label(&labels, "status", str_of(digits));
		prom_count(p, buf_str(&labels), sum->requests[code]);
	}
	free(sum);
}

static void
put_durations(struct prom *p)
{
	const struct metric_row *row = &http_metrics.rows[HTTP_METRIC_DURATION];
	uint64_t counts[METRIC_BOUNDS_MAX + 1], sum;
	struct series_view v;

	if (!series_find(&http_metrics, STR(""), &v))
		return;
	series_histogram(&http_metrics, &v, HTTP_METRIC_DURATION, counts, &sum);
	metrics_family(p, FAMILY_NGINX_DURATION);
	prom_histogram(p, STR(""), row->bounds, row->n_bounds, counts, sum, 9);
}

void
metrics_collect_http(struct prom *p)
{
	put_requests(p);
	put_durations(p);
}

/*
 * Counting requests and connections. See metrics.h. A request costs a look into a table of series and four additions to memory of our own;
 * the state of connections is written down once a turn of the loop, before it sleeps.
 */
#include "http/metrics.h"

#include "http/http_priv.h"
#include "task/loop.h"
#include "zone/series.h"

#define STATUS_MIN 100
#define STATUSES 500

static const struct metric_row rows[HTTP_METRICS] = {
	[HTTP_METRIC_DURATION] = { .name = "http_request_duration_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = metric_latency_bounds,
	    .n_bounds = ARRAY_LEN(metric_latency_bounds),
	    .help = "Time from the first byte of a request to the last of its answer." },
	[HTTP_METRIC_RECEIVED] = { .name = "sluice_http_received_bytes_total",
	    .type = METRIC_COUNTER,
	    .help = "Bytes of requests received." },
	[HTTP_METRIC_SENT] = { .name = "sluice_http_sent_bytes_total",
	    .type = METRIC_COUNTER,
	    .help = "Bytes of answers sent." },
	[HTTP_METRIC_ACCEPTED] = { .name = "sluice_http_connections_accepted_total",
	    .type = METRIC_COUNTER,
	    .help = "Connections accepted." },
	[HTTP_METRIC_HANDLED] = { .name = "sluice_http_connections_handled_total",
	    .type = METRIC_COUNTER,
	    .help = "Connections accepted and not turned away for want of room." },
	[HTTP_METRIC_READING] = { .name = "sluice_http_connections",
	    .type = METRIC_GAUGE,
	    .labels = "state=\"reading\"",
	    .help =
		"Open connections: a request is being read, is being answered, or none is there." },
	[HTTP_METRIC_WRITING] = { .name = "sluice_http_connections",
	    .type = METRIC_GAUGE,
	    .labels = "state=\"writing\"",
	    .help = "" },
	[HTTP_METRIC_WAITING] = { .name = "sluice_http_connections",
	    .type = METRIC_GAUGE,
	    .labels = "state=\"waiting\"",
	    .help = "" },
};

struct metric_set http_metrics = { .name = "http", .rows = rows, .n_rows = ARRAY_LEN(rows) };

static const struct metric_row request_rows[] = {
	{ .name = "http_requests_total",
	    .type = METRIC_COUNTER,
	    .help = "Requests answered, by method and exact status." },
};

struct metric_set http_request_metrics = { .name = "http_requests",
	.labels = { "method", "status" },
	.rows = request_rows,
	.n_rows = ARRAY_LEN(request_rows) };

/* ---- requests ---- */

static const struct str methods[] = { STR_INIT("GET"), STR_INIT("PUT"), STR_INIT("POST"),
	STR_INIT("HEAD"), STR_INIT("DELETE"), STR_INIT("OPTIONS"), STR_INIT("PATCH"),
	STR_INIT("CONNECT"), STR_INIT("TRACE"), STR_INIT("other") };

static struct {
	struct series *http;
	/* Found once each. */
	struct series *requests[ARRAY_LEN(methods)][STATUSES];
} self;

static unsigned
method_index(struct str method)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(methods) - 1 && !str_eq(methods[i], method))
		i++;
	return i;
}

static struct series *
pin_requests(unsigned method, unsigned status)
{
	char digits[3] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
		(char)('0' + status % 10) };
	char key[16];
	struct buf b;

	buf_init_fixed(&b, key, sizeof(key));
	buf_put_str(&b, methods[method]);
	buf_putc(&b, '\0');
	buf_put(&b, digits, sizeof(digits));
	return series_pin(&http_request_metrics, buf_str(&b));
}

static struct series *
series_of(struct str method, int status)
{
	unsigned m = method_index(method);
	unsigned s = status < STATUS_MIN || status >= STATUS_MIN + STATUSES
			 ? 499 - STATUS_MIN
			 : (unsigned)status - STATUS_MIN;

	if (!self.requests[m][s])
		self.requests[m][s] = pin_requests(m, s + STATUS_MIN);
	return self.requests[m][s];
}

static void
count_request(struct http_request *r, int64_t duration)
{
	if (!self.http || r->uncounted)
		return;
	series_add(series_of(r->head->method, r->status), 0, 1);
	series_observe(self.http, HTTP_METRIC_DURATION, duration);
	series_add(self.http, HTTP_METRIC_RECEIVED, r->bytes_in);
	series_add(self.http, HTTP_METRIC_SENT, r->bytes_out);
}

/* ---- connections ---- */

void
http_count_connection(bool handled)
{
	if (!self.http)
		return;
	series_add(self.http, HTTP_METRIC_ACCEPTED, 1);
	if (handled)
		series_add(self.http, HTTP_METRIC_HANDLED, 1);
}

static void
note_connections(void *arg)
{
	unsigned open = http_connections(), busy = http_active(), serving = http_serving();

	(void)arg;
	series_set(self.http, HTTP_METRIC_WAITING, open - busy);
	series_set(self.http, HTTP_METRIC_WRITING, serving);
	series_set(self.http, HTTP_METRIC_READING, busy - serving);
}

/* ---- start ---- */

/* Failures are there before the first one happened: a rate is only seen of what had a value before. */
static void
begin_failures(void)
{
	static const int failures[] = { 500, 502, 503, 504 };

	for (unsigned m = 0; m < 3; m++)
		for (size_t i = 0; i < ARRAY_LEN(failures); i++)
			(void)series_of(methods[m], failures[i]);
}

void
http_metrics_register(void)
{
	static bool done;

	metric_register(&http_metrics);
	metric_register(&http_request_metrics);
	if (!done)
		http_add_count(count_request);
	done = true;
}

int
http_metrics_start(void)
{
	self.http = series_pin(&http_metrics, STR(""));
	begin_failures();
	return loop_before_sleep(note_connections, NULL);
}

/* ---- reading ---- */

static uint64_t
all_requests(void)
{
	struct series_view v;
	uint32_t cursor = 0;
	uint64_t sum = 0;

	while (series_next(&http_request_metrics, &cursor, &v))
		sum += series_value(&http_request_metrics, &v, 0);
	return sum;
}

void
http_totals(struct http_totals *out)
{
	struct series_view v;

	if (self.http)
		note_connections(NULL); /* who asks sees its own request */
	*out = (struct http_totals){ .requests = all_requests() };
	if (!series_find(&http_metrics, STR(""), &v))
		return;
	out->accepted = series_value(&http_metrics, &v, HTTP_METRIC_ACCEPTED);
	out->handled = series_value(&http_metrics, &v, HTTP_METRIC_HANDLED);
	out->received = series_value(&http_metrics, &v, HTTP_METRIC_RECEIVED);
	out->sent = series_value(&http_metrics, &v, HTTP_METRIC_SENT);
	out->reading = series_value(&http_metrics, &v, HTTP_METRIC_READING);
	out->writing = series_value(&http_metrics, &v, HTTP_METRIC_WRITING);
	out->waiting = series_value(&http_metrics, &v, HTTP_METRIC_WAITING);
	out->active = out->reading + out->writing + out->waiting;
}

/*
 * The traffic statistics as Prometheus text in the dialect of ngx_vts, which bare `vts_status` speaks: its comment lines, names and labels.
 * It knows no filters and no sum. Called by vts_view.c.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "config.h"
#include "status/prom.h"
#include "status/vts_main.h"
#include "status/vts_view_priv.h"

/* What a snapshot keeps of a zone; times in µs. */
enum { REQUESTS, IN, OUT, CLASSES, AVERAGE = CLASSES + 5, SHORTEST, LONGEST, COLUMNS };

#define COUNTER(family, label, at, text)                                                     \
	{                                                                                    \
		.name = (family), .type = METRIC_COUNTER, .labels = (label), .column = (at), \
		.help = (text)                                                               \
	}
#define CLASS(n, text) \
	COUNTER("nginx_vts_server_responses_total", "status=\"" #n "xx\"", CLASSES + n - 1, text)
#define TIME(label, at, text)                                                     \
	{                                                                         \
		.name = "nginx_vts_server_request_seconds", .type = METRIC_GAUGE, \
		.labels = (label), .column = (at), .decimals = 6, .help = (text)  \
	}

static const struct prom_row rows[] = {
	COUNTER("nginx_vts_server_requests_total", NULL, REQUESTS, "Total number of requests"),
	COUNTER("nginx_vts_server_bytes_total", "direction=\"in\"", IN, "Total bytes transferred"),
	COUNTER("nginx_vts_server_bytes_total", "direction=\"out\"", OUT, ""),
	CLASS(1, "Total responses by class of status"),
	CLASS(2, ""),
	CLASS(3, ""),
	CLASS(4, ""),
	CLASS(5, ""),
	TIME("type=\"avg\"", AVERAGE, "Time of requests in seconds"),
	TIME("type=\"min\"", SHORTEST, ""),
	TIME("type=\"max\"", LONGEST, ""),
};

static bool
read_zone(const struct series_view *v, struct str *values, uint64_t *columns, void *arg)
{
	const struct vts_entry e = { .kind = VTS_SERVER, .view = *v, .name = values[0] };
	struct vts_node *node = arg;

	vts_read(&e, node);
	if (node->last_ms == 0)
		return false; /* as vts_next has it */
	columns[REQUESTS] = node->counters[VTS_REQUESTS];
	columns[IN] = node->counters[VTS_IN_BYTES];
	columns[OUT] = node->counters[VTS_OUT_BYTES];
	for (unsigned i = 0; i < 5; i++)
		columns[CLASSES + i] = node->counters[VTS_1XX + i];
	if (node->counters[VTS_REQUESTS] > 0)
		columns[AVERAGE] = node->request_us / node->counters[VTS_REQUESTS];
	columns[SHORTEST] = node->min_us;
	columns[LONGEST] = node->max_us;
	return true;
}

static void
put_zones(struct prom *p)
{
	static const char *const labels[] = { "zone" };
	struct vts_node node;
	const struct prom_source source = { .set = vts_set(VTS_SERVER),
		.labels = labels,
		.n_labels = 1,
		.printable = true,
		.n_columns = COLUMNS,
		.read = read_zone,
		.arg = &node };
	struct prom_snapshot s;
	int err = prom_take(&s, &source);

	if (err && p->err == 0)
		p->err = err;
	if (err == 0 && s.n > 0)
		prom_put(p, &s, rows, ARRAY_LEN(rows));
	prom_drop(&s);
}

static void
put_comment(struct prom *p, const char *name, struct str value)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, name);
	buf_put_str(&b, value);
	prom_comment(p, buf_str(&b));
	buf_fini(&b);
}

static void
put_head(struct prom *p, const struct vts_main *m)
{
	char seconds[24];
	struct buf b;

	buf_init_fixed(&b, seconds, sizeof(seconds));
	buf_put_u64(&b, (uint64_t)(clock_wall() / NS_PER_S));
	prom_comment(p, STR("nginx-vts-rust"));
	put_comment(p, "Version: ", STR(SLUICE_VERSION));
	put_comment(p, "Hostname: ", m->host);
	put_comment(p, "Current Time: ", buf_str(&b));
	prom_comment(p, STR("VTS Status: Active"));
	prom_comment(p, STR("Module: sluice"));
}

static void
put_info(struct prom *p, const struct vts_main *m)
{
	struct buf labels;

	buf_init(&labels, 0);
	prom_label(&labels, "hostname", m->host);
	prom_label(&labels, "version", STR(SLUICE_VERSION));
	prom_family(p, "nginx_vts_info", METRIC_GAUGE, "Server and version");
	prom_count(p, buf_str(&labels), 1);
	buf_fini(&labels);
}

static void
put_connections(struct prom *p, const struct http_totals *h)
{
	prom_family(p, "nginx_vts_connections", METRIC_GAUGE, "Current connections by state");
	prom_count(p, STR("state=\"active\""), h->active);
	prom_count(p, STR("state=\"reading\""), h->reading);
	prom_count(p, STR("state=\"writing\""), h->writing);
	prom_count(p, STR("state=\"waiting\""), h->waiting);
	prom_family(p, "nginx_vts_connections_total", METRIC_COUNTER, "Total connections");
	prom_count(p, STR("state=\"accepted\""), h->accepted);
	prom_count(p, STR("state=\"handled\""), h->handled);
}

int
vts_answer_native(struct http_request *r)
{
	struct vts_main m;
	struct prom p;

	if (!prom_begin(&p, r))
		return 0;
	vts_main_read(&m);
	put_head(&p, &m);
	put_info(&p, &m);
	put_connections(&p, &m.http);
	put_zones(&p);
	/* Says that there are none. The origin calls it a gauge, which its name forbids. */
	prom_family(&p, "nginx_vts_upstream_zones_total", METRIC_COUNTER, "Upstreams counted");
	prom_count(&p, STR(""), 0);
	return prom_end(&p);
}

/*
 * The traffic statistics as Prometheus text in the dialect of nginx-module-vts: its names and labels, each family in one piece. The sum zone
 * is left out, since sum() over a family would count everything twice. Called by vts_view.c.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "config.h"
#include "status/prom_priv.h"
#include "status/vts_main.h"
#include "status/vts_view_priv.h"

/* What a snapshot keeps of a node. */
enum {
	COLUMN_COUNTERS,                                /* VTS_IN_BYTES to VTS_CACHE_SCARCE */
	COLUMN_TOTAL = VTS_REQUEST_MSEC - VTS_IN_BYTES, /* µs of all requests */
	COLUMN_AVERAGE,                                 /* ms of the latest */
	COLUMNS
};

#define COLUMN(counter) ((counter)-VTS_IN_BYTES)
#define COUNTER(family, label, counter, text)                                \
	{                                                                    \
		.name = (family), .type = METRIC_COUNTER, .labels = (label), \
		.column = COLUMN(counter), .help = (text)                    \
	}

/* The families of a kind of zones whose names begin with p. */
#define BYTES(p)                                                                       \
	{                                                                              \
		COUNTER(p "_bytes_total", "direction=\"in\"", VTS_IN_BYTES,            \
		    "Bytes received and sent"),                                        \
		    COUNTER(p "_bytes_total", "direction=\"out\"", VTS_OUT_BYTES, ""), \
		    COUNTER(p "_requests_total", "code=\"1xx\"", VTS_1XX,              \
			"Requests by class of status"),                                \
		    COUNTER(p "_requests_total", "code=\"2xx\"", VTS_2XX, ""),         \
		    COUNTER(p "_requests_total", "code=\"3xx\"", VTS_3XX, ""),         \
		    COUNTER(p "_requests_total", "code=\"4xx\"", VTS_4XX, ""),         \
		    COUNTER(p "_requests_total", "code=\"5xx\"", VTS_5XX, "")          \
	}
#define SECONDS(p)                                                               \
	{                                                                        \
		{ .name = p "_request_seconds_total",                            \
			.type = METRIC_COUNTER,                                  \
			.column = COLUMN_TOTAL,                                  \
			.decimals = 6,                                           \
			.help = "Time of all requests together in seconds" },    \
		{                                                                \
			.name = p "_request_seconds", .type = METRIC_GAUGE,      \
			.column = COLUMN_AVERAGE, .decimals = 3,                 \
			.help = "Average time of the latest requests in seconds" \
		}                                                                \
	}
#define CACHE(p)                                                                                \
	{                                                                                       \
		COUNTER(p "_cache_total", "status=\"miss\"", VTS_CACHE_MISS,                    \
		    "Requests by cache status"),                                                \
		    COUNTER(p "_cache_total", "status=\"bypass\"", VTS_CACHE_BYPASS, ""),       \
		    COUNTER(p "_cache_total", "status=\"expired\"", VTS_CACHE_EXPIRED, ""),     \
		    COUNTER(p "_cache_total", "status=\"stale\"", VTS_CACHE_STALE, ""),         \
		    COUNTER(p "_cache_total", "status=\"updating\"", VTS_CACHE_UPDATING, ""),   \
		    COUNTER(                                                                    \
			p "_cache_total", "status=\"revalidated\"", VTS_CACHE_REVALIDATED, ""), \
		    COUNTER(p "_cache_total", "status=\"hit\"", VTS_CACHE_HIT, ""),             \
		    COUNTER(p "_cache_total", "status=\"scarce\"", VTS_CACHE_SCARCE, "")        \
	}

/* How a kind of zones is shown. */
static const struct form {
	enum vts_kind kind;
	const char *labels[2];
	unsigned n_labels;
	struct prom_row bytes[7], seconds[2], cache[8];
	const char *duration;
	const char *codes; /* NULL: not shown one by one */
} forms[] = {
	{ .kind = VTS_SERVER,
	    .labels = { "host" },
	    .n_labels = 1,
	    .bytes = BYTES("nginx_vts_server"),
	    .seconds = SECONDS("nginx_vts_server"),
	    .cache = CACHE("nginx_vts_server"),
	    .duration = "nginx_vts_server_request_duration_seconds",
	    .codes = "nginx_vts_status_code_requests_total" },
	{ .kind = VTS_FILTER,
	    .labels = { "filter", "filter_name" },
	    .n_labels = 2,
	    .bytes = BYTES("nginx_vts_filter"),
	    .seconds = SECONDS("nginx_vts_filter"),
	    .cache = CACHE("nginx_vts_filter"),
	    .duration = "nginx_vts_filter_request_duration_seconds" },
};

/* Rendering of one kind. */
struct rendering {
	struct prom *p;
	const struct form *form;
	const struct vts_scope *scope;
	int64_t now_ms;
	struct vts_node node;
	struct vts_samples samples;
	struct vts_histogram histogram;
	struct vts_codes codes;
	struct buf labels;
};

/* ---- the server as a whole ---- */

/* Samples of the family begun that differ in one label. */
static void
put_parts(
    struct prom *p, const char *label, const char *const *names, const uint64_t *values, unsigned n)
{
	struct buf labels;

	buf_init(&labels, 0);
	for (unsigned i = 0; i < n; i++) {
		buf_reset(&labels);
		prom_label(&labels, label, str_of(names[i]));
		prom_count(p, buf_str(&labels), values[i]);
	}
	buf_fini(&labels);
}

static void
put_info(struct prom *p, const struct vts_main *m, int64_t load_ms)
{
	struct buf labels;

	buf_init(&labels, 0);
	prom_label(&labels, "hostname", m->host);
	prom_label(&labels, "module_version", STR(SLUICE_VERSION));
	prom_label(&labels, "version", STR(SLUICE_VERSION));
	prom_family(p, "nginx_vts_info", METRIC_GAUGE, "Server and versions");
	prom_count(p, buf_str(&labels), 1);
	buf_fini(&labels);
	prom_family(p, "nginx_vts_start_time_seconds", METRIC_GAUGE,
	    "When the configuration was read, in seconds since 1970");
	prom_sample(p, STR(""), load_ms, 3);
}

static void
put_main(struct prom *p, const struct vts_main *m)
{
	static const char *const states[] = { "accepted", "active", "handled", "reading",
		"requests", "waiting", "writing" };
	static const char *const parts[] = { "max_size", "used_size", "used_node", "free_size" };
	const struct http_totals *h = &m->http;
	const uint64_t connections[] = { h->accepted, h->active, h->handled, h->reading,
		h->requests, h->waiting, h->writing };
	const uint64_t sizes[] = { m->zone_size, m->zone_used, m->zone_nodes,
		m->zone_size - m->zone_used };

	prom_family(p, "nginx_vts_main_connections", METRIC_GAUGE, "Connections and requests");
	put_parts(p, "status", states, connections, ARRAY_LEN(states));
	prom_family(p, "nginx_vts_main_shm_usage_bytes", METRIC_GAUGE,
	    "Shared memory in bytes; used_node is the number of zones");
	put_parts(p, "shared", parts, sizes, ARRAY_LEN(parts));
}

/* ---- zones ---- */

static struct vts_entry
entry_of(const struct rendering *g, const struct series_view *v, const struct str *values)
{
	unsigned last = g->form->n_labels - 1;

	return (struct vts_entry){
		.kind = g->form->kind,
		.view = *v,
		.group = last > 0 ? values[0] : STR(""),
		.name = values[last],
	};
}

static bool
read_node(const struct series_view *v, struct str *values, uint64_t *columns, void *arg)
{
	struct rendering *g = arg;
	struct vts_entry e = entry_of(g, v, values);

	vts_read(&e, &g->node);
	if (g->node.last_ms == 0)
		return false; /* as vts_next has it */
	vts_read_samples(&e, &g->samples);
	for (unsigned i = VTS_IN_BYTES; i < VTS_REQUEST_MSEC; i++)
		columns[COLUMN(i)] = g->node.counters[i];
	columns[COLUMN_TOTAL] = g->node.request_us;
	columns[COLUMN_AVERAGE] = vts_average(
	    &g->samples, (enum vts_method)g->scope->method, g->scope->period_ms, g->now_ms);
	return true;
}

static void
make_labels(struct rendering *g, const struct vts_entry *e)
{
	const struct form *f = g->form;

	buf_reset(&g->labels);
	if (f->n_labels > 1)
		prom_label_printable(&g->labels, f->labels[0], e->group);
	prom_label_printable(&g->labels, f->labels[f->n_labels - 1], e->name);
}

/* Bounds may differ from zone to zone, so these go one by one. */
static void
put_durations(struct rendering *g)
{
	struct vts_histogram *h = &g->histogram;
	struct vts_entry e;
	uint32_t cursor = 0;
	bool begun = false;

	while (g->p->err == 0 && vts_next(g->form->kind, &cursor, &e)) {
		vts_read_histogram(&e, h);
		if (h->n == 0)
			continue;
		make_labels(g, &e);
		if (!begun)
			prom_family(g->p, g->form->duration, METRIC_HISTOGRAM,
			    "Time of requests in seconds");
		begun = true;
		prom_histogram(
		    g->p, buf_str(&g->labels), h->bounds_us, h->n, h->counts, h->sum_us, 6);
	}
}

static void
put_code(struct rendering *g, size_t common, struct str code, uint64_t count)
{
	g->labels.n = common;
	prom_label(&g->labels, "code", code);
	prom_count(g->p, buf_str(&g->labels), count);
}

static void
put_node_codes(struct rendering *g)
{
	size_t common = g->labels.n;
	char digits[20];

	for (unsigned i = 0; i < g->codes.n; i++) {
		char *end = str_put_u64(digits, g->codes.of[i].code);

		put_code(g, common, str_make(digits, (size_t)(end - digits)), g->codes.of[i].count);
	}
	put_code(g, common, STR("other"), g->codes.other);
}

static void
put_codes(struct rendering *g)
{
	struct vts_entry e;
	uint32_t cursor = 0;
	bool begun = false;

	while (g->p->err == 0 && vts_next(g->form->kind, &cursor, &e)) {
		vts_read_codes(&e, &g->codes);
		if (g->codes.n == 0 && g->codes.other == 0)
			continue;
		make_labels(g, &e);
		if (!begun)
			prom_family(g->p, g->form->codes, METRIC_COUNTER, "Requests by status");
		begun = true;
		put_node_codes(g);
	}
}

static void
put_form(struct rendering *g)
{
	const struct form *f = g->form;
	const struct prom_source source = { .set = vts_set(f->kind),
		.labels = f->labels,
		.n_labels = f->n_labels,
		.printable = true,
		.n_columns = COLUMNS,
		.read = read_node,
		.arg = g };
	struct prom_snapshot s;
	int err = prom_take(&s, &source);

	if (err && g->p->err == 0)
		g->p->err = err;
	if (s.n > 0 && err == 0) {
		prom_put(g->p, &s, f->bytes, ARRAY_LEN(f->bytes));
		if (f->codes)
			put_codes(g);
		prom_put(g->p, &s, f->seconds, ARRAY_LEN(f->seconds));
		put_durations(g);
		prom_put(g->p, &s, f->cache, ARRAY_LEN(f->cache));
	}
	prom_drop(&s);
}

static void
put_all(struct prom *p, const struct vts_scope *s, int64_t load_ms)
{
	struct rendering *g = malloc(sizeof(*g));
	struct vts_main m;

	if (!g) {
		p->err = p->err ? p->err : ERR_NOMEM;
		return;
	}
	vts_main_read(&m);
	put_info(p, &m, load_ms);
	put_main(p, &m);
	*g = (struct rendering){ .p = p, .scope = s, .now_ms = clock_wall() / NS_PER_MS };
	buf_init(&g->labels, 0);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		g->form = &forms[i];
		put_form(g);
	}
	buf_fini(&g->labels);
	free(g);
}

int
vts_answer_prometheus(struct http_request *r, const struct vts_view *v, const struct vts_scope *s)
{
	struct prom p;

	if (!prom_begin(&p, r))
		return 0;
	put_all(&p, s, v->load_ms);
	return prom_end(&p);
}

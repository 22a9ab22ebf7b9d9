/*
 * See metrics.h.
 */
#include "status/metrics.h"

#include "http/conf.h"
#include "status/prom_priv.h"

static metrics_collect_fn *collectors[METRICS_COLLECTORS_MAX] = {
	metrics_collect_server,
	metrics_collect_processes,
	metrics_collect_http,
	metrics_collect_streams,
	metrics_collect_limits,
};
static unsigned n_collectors = 5;

void
metrics_add_collector(metrics_collect_fn *fn)
{
	assert(n_collectors < METRICS_COLLECTORS_MAX);
	collectors[n_collectors++] = fn;
}

static const struct metric_row scrape_rows[] = {
	{ .name = "sluice_scrapes_total",
	    .type = METRIC_COUNTER,
	    .help = "Requests for this page, which are not among the others." },
};

static struct metric_set scrape_set = {
	.name = "scrapes", .rows = scrape_rows, .n_rows = ARRAY_LEN(scrape_rows)
};

static bool
is_shown(const struct metric_set *set)
{
	for (unsigned i = 0; i < set->n_rows; i++)
		if (set->rows[i].name != NULL && set->rows[i].type != METRIC_RAW)
			return true;
	return false;
}

/* Who looks is not what is looked at: a server without requests shows none. */
static void
count_scrape(struct http_request *r)
{
	r->uncounted = true;
	series_add(series_pin(&scrape_set, STR("")), 0, 1);
}

static int
metrics_handle(struct http_request *r, void *arg)
{
	const struct metric_set *set;
	struct prom p;

	(void)arg;
	count_scrape(r);
	if (!prom_begin(&p, r))
		return 0;
	for (unsigned i = 0; i < n_collectors; i++)
		collectors[i](&p);
	for (unsigned id = 0; (set = metric_set(id)) != NULL; id++)
		if (is_shown(set)) {
			prom_put_set(&p, set);
			/* To find a set's few series in a zone of a million takes a while. */
			if (p.err == 0)
				p.err = prom_breathe();
		}
	return prom_end(&p);
}

static int
set_metrics(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)into;
	return http_set_handler(c, node, scope, metrics_handle, NULL, "GET");
}

static const struct conf_row rows[] = {
	{ .name = "metrics",
	    .contexts = CONF_LOCATION,
	    .flags = CONF_RELOAD,
	    .set = set_metrics,
	    .help = "the server's metrics, as Prometheus reads them (text 0.0.4)" },
	{ .name = NULL },
};

static struct conf_module metrics_module = { .name = "metrics", .rows = rows };

void
metrics_register(void)
{
	metric_register(&scrape_set);
	conf_register(&metrics_module);
}

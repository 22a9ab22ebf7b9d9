/*
 * See restarts.h. A first start counts nothing but makes the series: a rate needs a beginning.
 */
#include "server/restarts.h"

#include "zone/series.h"

static const struct metric_row rows[] = {
	{ .name = "sluice_worker_restarts_total",
	    .type = METRIC_COUNTER,
	    .help = "Processes that died without having been told to and were replaced, by role." },
};

static struct metric_set set = {
	.name = "restarts", .labels = { "role" }, .rows = rows, .n_rows = ARRAY_LEN(rows)
};

void
restarts_register(void)
{
	metric_register(&set);
}

void
restarts_count(const char *role, bool restart)
{
	series_add(series_pin(&set, str_of(role)), 0, restart);
}

/*
 * `metrics;`: the server's own exposition, Prometheus text 0.0.4.
 *
 * It shows every registered set whose rows have names (zone/metric.h), and what collectors compute when asked. Families come in one
 * order from scrape to scrape; counters never go backwards, whatever dies or is reloaded meanwhile.
 */
#ifndef SLUICE_STATUS_METRICS_H
#define SLUICE_STATUS_METRICS_H

#include "status/prom.h"

/* Writes families of its own. Runs in a worker, on the scrape's task; may park. */
typedef void metrics_collect_fn(struct prom *p);

/* Before serving, in the order in which they are to be shown; at most METRICS_COLLECTORS_MAX. */
#define METRICS_COLLECTORS_MAX 32
void metrics_add_collector(metrics_collect_fn *fn);

/* The directive and the server's own collectors. Once, before the first parse. */
void metrics_register(void);

/* Lists every family, as conf_reference lists directives. */
void metrics_reference(struct buf *out, bool mdoc);

/* ---- private to status/: the server's own collectors ---- */

void metrics_collect_server(struct prom *p);    /* build, start, zone */
void metrics_collect_processes(struct prom *p); /* who lives, and what each uses */
void metrics_collect_http(struct prom *p);      /* requests under nginx's names */
void metrics_collect_streams(struct prom *p);   /* what waits */
void metrics_collect_limits(struct prom *p);    /* who asks most */

#endif

/*
 * The families of /metrics that are computed when asked: one table for what is shown and for the reference. Private to status/.
 */
#ifndef SLUICE_STATUS_METRICS_FAMILIES_H
#define SLUICE_STATUS_METRICS_FAMILIES_H

#include "status/prom.h"

enum metrics_family {
	FAMILY_BUILD_INFO,
	FAMILY_START_TIME,
	FAMILY_CONFIGURATION,
	FAMILY_ZONE_SIZE,
	FAMILY_ZONE_USED,
	FAMILY_ZONE_SERIES,
	FAMILY_ZONE_SERIES_MAX,
	FAMILY_KEYS_MAX,
	FAMILY_KEYS_EVICTED,
	FAMILY_KEYS_DROPPED,
	FAMILY_DLQ_COUNT,
	FAMILY_PROCESS_UP,
	FAMILY_HEARTBEAT_AGE,
	FAMILY_WORKERS,
	FAMILY_WORKERS_WANTED,
	FAMILY_CPU,
	FAMILY_RESIDENT,
	FAMILY_VIRTUAL,
	FAMILY_THREADS,
	FAMILY_OPEN_FDS,
	FAMILY_MAX_FDS,
	FAMILY_PROCESS_START,
	FAMILY_NGINX_REQUESTS,
	FAMILY_NGINX_DURATION,
	FAMILY_QUEUE_LENGTH,
	FAMILY_SPOOL_BYTES,
	FAMILY_SPOOL_OLDEST,
	FAMILY_LIMIT_STORE,
	FAMILY_LIMIT_TOP,
	METRICS_FAMILIES
};

struct metrics_family_row {
	const char *name;
	enum metric_type type;
	const char *labels; /* their names; NULL: none */
	const char *help;
};

extern const struct metrics_family_row metrics_families[METRICS_FAMILIES];

/* Begins it. */
void metrics_family(struct prom *p, enum metrics_family family);

#endif

/*
 * See metrics_families.h.
 */
#include "status/metrics_families.h"

#define GAUGE METRIC_GAUGE
#define COUNTER METRIC_COUNTER
#define EACH_PROCESS "role, slot"

const struct metrics_family_row metrics_families[METRICS_FAMILIES] = {
	[FAMILY_BUILD_INFO] = { "sluice_build_info", GAUGE, "version",
	    "The program that answers; always 1." },
	[FAMILY_START_TIME] = { "sluice_start_time_seconds", GAUGE, NULL,
	    "When the configuration in force was loaded, in seconds since 1970." },
	[FAMILY_CONFIGURATION] = { "sluice_configuration", GAUGE, NULL,
	    "Number of the configuration in force: 1, then one more a reload." },
	[FAMILY_ZONE_SIZE] = { "sluice_zone_size_bytes", GAUGE, NULL,
	    "Size of the shared memory that counters live in." },
	[FAMILY_ZONE_USED] = { "sluice_zone_used_bytes", GAUGE, NULL, "How much of it is in use." },
	[FAMILY_ZONE_SERIES] = { "sluice_zone_series", GAUGE, NULL, "Series in the zone." },
	[FAMILY_ZONE_SERIES_MAX] = { "sluice_zone_series_max", GAUGE, NULL,
	    "How many series the zone can hold." },
	[FAMILY_KEYS_MAX] = { "sluice_idempotency_keys_max", GAUGE, NULL,
	    "How many Idempotency-Keys can be remembered." },
	[FAMILY_KEYS_EVICTED] = { "sluice_idempotency_evicted_total", COUNTER, NULL,
	    "Idempotency-Keys forgotten before their 24 hours were over, for want of room." },
	[FAMILY_KEYS_DROPPED] = { "sluice_idempotency_dropped_total", COUNTER, NULL,
	    "Idempotency-Keys refused or not remembered for want of room." },
	/* A gauge in all but TYPE: checkers keep names in _count for histograms, unless they are untyped. */
	[FAMILY_DLQ_COUNT] = { "dlq_message_count", METRIC_RAW, NULL,
	    "Dead letters that are pending or being processed again." },
	[FAMILY_PROCESS_UP] = { "sluice_process_up", GAUGE, EACH_PROCESS,
	    "1 while the process is there and gave a sign of life within 5 seconds; else 0." },
	[FAMILY_HEARTBEAT_AGE] = { "sluice_process_heartbeat_age_seconds", GAUGE, EACH_PROCESS,
	    "Time since the process's last sign of life; it gives one a second." },
	[FAMILY_WORKERS] = { "sluice_workers", GAUGE, NULL,
	    "Workers of the configuration in force that give signs of life." },
	[FAMILY_WORKERS_WANTED] = { "sluice_workers_wanted", GAUGE, NULL,
	    "Workers that the configuration in force asks for." },
	[FAMILY_CPU] = { "process_cpu_seconds_total", COUNTER, EACH_PROCESS,
	    "Processor time used, user and system." },
	[FAMILY_RESIDENT] = { "process_resident_memory_bytes", GAUGE, EACH_PROCESS,
	    "Memory resident, the shared zone included." },
	[FAMILY_VIRTUAL] = { "process_virtual_memory_bytes", GAUGE, EACH_PROCESS,
	    "Address space in use." },
	[FAMILY_THREADS] = { "process_threads", GAUGE, EACH_PROCESS, "Threads, helpers included." },
	[FAMILY_OPEN_FDS] = { "process_open_fds", GAUGE, EACH_PROCESS, "Open descriptors." },
	[FAMILY_MAX_FDS] = { "process_max_fds", GAUGE, EACH_PROCESS,
	    "Most descriptors a process may open." },
	[FAMILY_PROCESS_START] = { "process_start_time_seconds", GAUGE, EACH_PROCESS,
	    "When the process began, in seconds since 1970." },
	[FAMILY_NGINX_REQUESTS] = { "nginx_http_requests_total", COUNTER, "status",
	    "Requests answered, by exact status." },
	[FAMILY_NGINX_DURATION] = { "nginx_http_request_duration_seconds", METRIC_HISTOGRAM, NULL,
	    "Time from the first byte of a request to the last of its answer." },
	[FAMILY_QUEUE_LENGTH] = { "message_queue_length", GAUGE, "queue_name",
	    "Records stored and not yet delivered, by stream." },
	[FAMILY_SPOOL_BYTES] = { "sluice_spool_bytes", GAUGE, "stream, stage",
	    "Bytes on disk, by stage: segments; claimed for a bundle; packed or being sent; set "
	    "aside as damaged." },
	[FAMILY_SPOOL_OLDEST] = { "sluice_spool_oldest_seconds", GAUGE, "stream",
	    "Age of the oldest sealed file that waits for delivery; 0: none does." },
	[FAMILY_LIMIT_STORE] = { "sluice_limit_store_up", GAUGE, NULL,
	    "1 while rate limits can be checked; 0: limit_fallback decides. Not there without "
	    "limits." },
	[FAMILY_LIMIT_TOP] = { "sluice_limit_top_requests", GAUGE, "key, policy",
	    "Requests of late by those ten clients that ask most; halved each minute." },
};

void
metrics_family(struct prom *p, enum metrics_family family)
{
	const struct metrics_family_row *row = &metrics_families[family];

	prom_family(p, row->name, row->type, row->help);
}

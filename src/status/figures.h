/*
 * What the processes and streams are doing, as the zone shows it: one place that health and the admin API read from. In a worker.
 */
#ifndef SLUICE_STATUS_FIGURES_H
#define SLUICE_STATUS_FIGURES_H

#include "dlq/dlq.h"
#include "ingest/ingest.h"
#include "sink/metrics.h"
#include "zone/delivery.h"

/* Without a heartbeat for so long a process counts as stuck. It gives one a second. */
#define FIGURES_STALE (5 * NS_PER_S)

/* What the server knows and lower layers do not. Borrowed for good. */
struct figures_server {
	struct conf *conf;
	struct zone *zone;
	struct str state_dir;
	struct str error_log; /* path; empty: standard error */
	const char *version;
	int64_t started;        /* UTC ns */
	uint32_t configuration; /* the number of the one in force: 1, then one more a reload */
	unsigned workers;       /* wanted */
};

/* In a worker, before it serves. */
void figures_open(const struct figures_server *s);
/* NULL before that. */
const struct figures_server *figures_server(void);

enum figures_state { FIGURES_RUNNING, FIGURES_STOPPING, FIGURES_STUCK, FIGURES_MISSING };

struct figures_process {
	const char *role; /* "master", "shipper", "janitor", "worker" */
	unsigned slot;
	int32_t pid; /* 0: missing */
	enum figures_state state;
	int64_t heartbeat_age, uptime; /* ns; the master has neither: -1 */
	uint32_t restarts;             /* how often its slot was taken anew, by reloads, too */
	uint32_t configuration, connections, active;
};

/* The processes by slot: *slot starts at 0, is moved on; false behind the last. Empty slots are left out, but not one whose process has to
 * be there: that one is missing. Stopping: a worker of an earlier configuration that finishes what it has. */
bool figures_next_process(unsigned *slot, struct figures_process *out);
/* "running", "stopping", "stuck", "missing". */
const char *figures_state_name(enum figures_state state);
/* The name of a process: "master", "worker-3". */
#define FIGURES_NAME_MAX 24
void figures_process_name(const struct figures_process *p, char out[FIGURES_NAME_MAX]);
/* Is it as it should be? Else why (of static memory) says what is wrong. */
bool figures_is_healthy(const struct figures_process *p, const char **why);
/* Running workers of the configuration in force. */
unsigned figures_workers(void);
/* Open connections and requests in flight of all workers, a second old at most. */
void figures_connections(uint64_t *open, uint64_t *active);

struct figures_stream {
	const struct stream_conf *conf;
	struct ingest_space space;
	bool reported; /* the shipper has said something */
	struct delivery delivery;
	struct delivery_counts counts;
	uint64_t waiting;             /* records not yet delivered */
	uint64_t letters[DLQ_STATES]; /* dead ones, by state */
};

void figures_stream(const struct stream_conf *conf, struct figures_stream *out);
/* What keeps its data from leaving: "closed" (nothing), "open", "half_open", "unknown" (no shipper has spoken). */
const char *figures_breaker_name(const struct figures_stream *s);

#endif

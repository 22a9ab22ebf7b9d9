/*
 * Traffic statistics: what the vhost_traffic_status directives collect, for those who show it.
 *
 * A node is what one server zone, or one key of a filter group, has counted since it was first seen or last reset. Nodes are series of two
 * sets, "vts_server" {host} and "vts_filter" {filter, filter_name}; every process counts into blocks of its own, and the functions here
 * add them up. What counts them is vts_count.c (the layout of a block: vts_node.h); which requests count where is vts_conf.h.
 *
 * Numbers are exact: a counter is the low 64 bits of a 128-bit total, and `over` says how often it has passed 2^64. What was there at the
 * last reset is subtracted. Nothing here locks or stops a writer, so the numbers of one node may differ by the requests that ended meanwhile.
 * No function parks.
 */
#ifndef SLUICE_STATUS_VTS_H
#define SLUICE_STATUS_VTS_H

#include "zone/series.h"

enum vts_kind { VTS_SERVER, VTS_FILTER, VTS_KINDS };

/* Counters of a node, in the order of the JSON form. */
enum {
	VTS_REQUESTS,
	VTS_IN_BYTES,
	VTS_OUT_BYTES,
	VTS_1XX,
	VTS_2XX,
	VTS_3XX,
	VTS_4XX,
	VTS_5XX,
	VTS_CACHE_MISS,
	VTS_CACHE_BYPASS,
	VTS_CACHE_EXPIRED,
	VTS_CACHE_STALE,
	VTS_CACHE_UPDATING,
	VTS_CACHE_REVALIDATED,
	VTS_CACHE_HIT,
	VTS_CACHE_SCARCE,
	VTS_REQUEST_MSEC, /* time of all requests together */
	VTS_COUNTERS
};

#define VTS_SAMPLES 63
#define VTS_BOUNDS_MAX METRIC_BOUNDS_MAX
#define VTS_CODES_MAX 63
#define VTS_CODE_LIMIT 600 /* all codes are below it */

/* Longest filter group and key; longer ones are cut. */
#define VTS_GROUP_MAX 128
#define VTS_KEY_MAX 512

struct vts_node {
	uint64_t counters[VTS_COUNTERS];
	uint64_t over[VTS_COUNTERS]; /* times each has passed 2^64 */
	uint64_t request_us;         /* VTS_REQUEST_MSEC in microseconds, modulo 2^64 */
	uint64_t min_us, max_us;     /* the shortest and the longest request … */
	bool timed;                  /* … since the last reset, if there was one */
	int64_t first_ms, last_ms;   /* epoch: first and last request; 0, 0 where there is none */
};

/* The latest requests, oldest first. */
struct vts_samples {
	unsigned n;
	struct {
		int64_t time_ms; /* epoch */
		uint32_t msec;
	} of[VTS_SAMPLES];
};

/* n == 0: no histogram_buckets where the node counts. */
struct vts_histogram {
	unsigned n;
	int64_t bounds_us[VTS_BOUNDS_MAX];
	uint64_t counts[VTS_BOUNDS_MAX + 1]; /* each on its own, not cumulated; the last is +Inf */
	uint64_t sum_us;
};

/* Only codes that were seen, ascending. */
struct vts_codes {
	unsigned n;
	struct {
		unsigned code;
		uint64_t count;
	} of[VTS_CODES_MAX];
	uint64_t other; /* codes that measure_status_codes leaves out */
};

/* ---- finding ---- */

/* Where a node is. The strings are in the zone: valid until the reader next parks. */
struct vts_entry {
	enum vts_kind kind;
	struct series_view view;
	struct str group; /* of a filter; empty for servers */
	struct str name;  /* the server zone, or the filter's key */
};

/* Walks the nodes of a kind that have counted a request, in an order that stays the same; *cursor starts at 0, false at the end. A walk may
 * go on after parking. The sets' `other` (what did not fit into the zone) comes with the rest. */
bool vts_next(enum vts_kind kind, uint32_t *cursor, struct vts_entry *out);
/* group is ignored for servers. False: there is none. */
bool vts_find(enum vts_kind kind, struct str group, struct str name, struct vts_entry *out);
/* The sets, for those who render or count series. */
struct metric_set *vts_set(enum vts_kind kind);

/* ---- reading ---- */

void vts_read(const struct vts_entry *e, struct vts_node *out);
void vts_read_samples(const struct vts_entry *e, struct vts_samples *out);
void vts_read_histogram(const struct vts_entry *e, struct vts_histogram *out);
void vts_read_codes(const struct vts_entry *e, struct vts_codes *out);
/* One counter alone, and how often it has passed 2^64 (may be NULL). */
uint64_t vts_counter(const struct vts_entry *e, unsigned counter, uint64_t *over);

/* Adds node to sum, samples to samples: for the sum zone. Both sums start zeroed. */
void vts_node_add(struct vts_node *sum, const struct vts_node *node);
void vts_samples_add(struct vts_samples *sum, const struct vts_samples *samples);

enum vts_method { VTS_AMM, VTS_WMA };
/* The mean time of the samples younger than period_ms, in ms; 0 where there is none. AMM: all alike; WMA: the nth oldest counts n times. */
uint64_t vts_average(
    const struct vts_samples *s, enum vts_method method, int64_t period_ms, int64_t now_ms);

/* ---- operating ---- */

/* All counts of the node become zero for readers, samples, buckets and status codes included; what /metrics shows is not touched. 0, or
 * ERR_NOMEM when the zone has no room to note it. */
int vts_reset(const struct vts_entry *e);
/* Takes the node out of the directory and gives its memory back. It is made again by the next request that counts there. False: it was
 * gone already. */
bool vts_delete(const struct vts_entry *e);
/* The age of its last request, in ms. */
int64_t vts_idle_ms(const struct vts_entry *e, int64_t now_ms);

/* ---- start ---- */

/* The sets, the directives, what counts requests, and the variables. Once, before the first parse and before the zone is opened. */
void vts_register(void);
/* Limits by traffic: among the phases, behind the real address. */
void vts_limit_register(void);

#endif

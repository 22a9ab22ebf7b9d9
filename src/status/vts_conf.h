/*
 * The vhost_traffic_status directives as configured: which requests count where, what limits them, and how it is shown.
 *
 * The rows are in vts_conf.c; the handlers (vts_status, vhost_traffic_status_display) belong to the views, which read the struct below.
 */
#ifndef SLUICE_STATUS_VTS_CONF_H
#define SLUICE_STATUS_VTS_CONF_H

#include "conf/conf.h"
#include "http/text.h"
#include "status/vts.h"

struct http_request;

/* auto: only scrapes by vts_status are left out of the statistics. */
enum vts_bypass { VTS_BYPASS_AUTO, VTS_BYPASS_ON, VTS_BYPASS_OFF };
enum vts_format { VTS_JSON, VTS_HTML, VTS_JSONP, VTS_PROMETHEUS };

/* A key that requests are counted or limited by. */
struct vts_filter {
	struct vts_filter *next;
	const struct conf_node *node;
	struct http_text key;
	struct http_text group; /* no parts: key is a server zone */
	struct str group_text;  /* of a group without variables */
	bool repeats;           /* an earlier one of the list says the same */
	uint32_t hints[3];      /* of each process: where it last counted (series_get_hinted) */
};

enum vts_limit_kind {
	VTS_LIMIT_ZONE,   /* the server zone that the request counts in */
	VTS_LIMIT_SERVER, /* the one that key names */
	VTS_LIMIT_FILTER
};

struct vts_limit {
	struct vts_limit *next;
	const struct conf_node *node;
	enum vts_limit_kind what;
	struct http_text key;
	struct http_text group;
	int counter;
	uint64_t size; /* more than this is too much */
	int status;
	bool repeats;
};

/* What holds in a scope (http, server, location). */
struct vts_scope {
	bool on;          /* without a directive: where a zone is configured */
	int bypass_stats; /* enum vts_bypass */
	bool bypass_limit, limit, limit_check_duplicate;
	bool filter, filter_by_host, filter_check_duplicate;
	bool upstream_stats, cache_stats, stats_by_upstream;
	bool shows; /* vts_conf_shows was called */

	/* for those who show */
	int format; /* enum vts_format, of vhost_traffic_status_display_format */
	struct str jsonp, sum_key;
	int method;        /* enum vts_method */
	int64_t period_ms; /* of averages */

	/* for those who count */
	struct vts_filter *filters; /* all that hold here */
	struct vts_limit *limits;
	const struct conf_scope *limits_of; /* whose directives began the list */
	struct vts_by_filter *by_filter;    /* variables (vts_variable.c) */
	uint64_t max_node;                  /* 0: no bound */
	struct str *prefixes;               /* of keys that it bounds; none: all */
	unsigned n_prefixes;
	unsigned ignore; /* classes of status not counted: 1 << (status / 100) */
	unsigned n_bounds;
	int64_t bounds_us[VTS_BOUNDS_MAX];
	bool codes;                                    /* status codes are counted one by one */
	uint64_t measured[(VTS_CODE_LIMIT + 63) / 64]; /* which; a bit a code */

	/* of the main scope alone */
	struct str dump; /* path; empty: none */
	int64_t dump_period;
};

extern struct conf_module vts_module;

/* What holds in a scope. */
const struct vts_scope *vts_scope_of(const struct conf_scope *s);
/* What holds for a request: its location's, or its server's where it reached none. */
const struct vts_scope *vts_scope_for(const struct http_request *r);
static inline bool
vts_is_measured(const struct vts_scope *s, unsigned code)
{
	return code < VTS_CODE_LIMIT && (s->measured[code / 64] >> (code % 64) & 1);
}

/* For the setter of vts_status: scrapes of this location do not count, unless bypass_stats says otherwise. */
void vts_conf_shows(struct conf_scope *scope);

#endif

/*
 * A node's counters by the names that directives and variables use: one table. Private to the vts files.
 */
#ifndef SLUICE_STATUS_VTS_MEMBER_H
#define SLUICE_STATUS_VTS_MEMBER_H

#include "status/vts.h"

struct vts_member {
	const char *limit;    /* limit_traffic request:100 */
	const char *filter;   /* set_by_filter $v server/zone/requestCounter */
	const char *variable; /* $vts_request_counter */
};

/* By counter; limit is NULL where there is no such member. */
extern const struct vts_member vts_members[VTS_COUNTERS];

/* The counter of that name for limits, or -1. */
int vts_member_limit(struct str name);
/* The same for set_by_filter. */
int vts_member_filter(struct str name);

#endif

/*
 * The control API of the traffic statistics, {location}/control?cmd=C&group=G&zone=Z[&expire=T]:
 * shows, resets and deletes zones.
 *
 *	C  status | reset | delete
 *	G  server | filter | upstream@group | upstream@alone | cache | *   in either case
 *	Z  *                  all of the group
 *	   NAME               a server zone
 *	   FILTER@NAME        one key of a filter
 *	   ::main             with status and server: the server as a whole
 *	T  with delete: only what has had no request for so long; nginx's times
 *
 * Reset and delete answer
 * {"processingReturn":…,"processingCommandString":…,"processingGroupString":…,"processingZoneString":…,
 * "processingCounts":n}, which is true if n zones were found and all of them done. HEAD does
 * nothing.
 *
 * Who may reset and delete:
 *  - by POST whoever the location lets in, but not a page of another site: a browser's request with an Origin other than ours, or a
 *    Sec-Fetch-Site that tells so, is refused with 403;
 *  - by GET who is authorised: came through a unix socket (but not a page of another site by way of a proxy), or has a key of the role admin
 *    in the location's auth_keys. Both are what a link or an image of another site cannot send along. Anybody else gets 405, unless `vhost_traffic_status_control_get on` allows it.
 */
#ifndef SLUICE_STATUS_VTS_CONTROL_H
#define SLUICE_STATUS_VTS_CONTROL_H

#include "base/arena.h"
#include "base/base.h"

enum vts_command { VTS_CMD_NONE, VTS_CMD_STATUS, VTS_CMD_RESET, VTS_CMD_DELETE };

enum vts_group {
	VTS_GROUP_NONE,
	VTS_GROUP_ALL,
	VTS_GROUP_SERVER,
	VTS_GROUP_FILTER,
	VTS_GROUP_UPSTREAM,
	VTS_GROUP_ALONE,
	VTS_GROUP_CACHE
};

struct vts_control {
	enum vts_command command; /* NONE: unknown or missing, or not to be done as asked */
	enum vts_group group;
	/* As they came, decoded; empty where there is none. */
	struct str command_text, group_text, zone;
	int64_t expire_ms; /* -1: none */
};

/* Takes a query apart. Strings are in the arena, or of the query. A value that cannot be decoded is shown as it came, and nothing is done. */
void vts_control_parse(struct vts_control *c, struct str query, struct arena *arena);

struct http_request;
/* Whether a browser says that it asks on behalf of another site. */
bool vts_control_is_foreign(const struct http_request *r);

#endif

/*
 * The server as a whole, as every form of the traffic statistics shows it.
 */
#ifndef SLUICE_STATUS_VTS_MAIN_H
#define SLUICE_STATUS_VTS_MAIN_H

#include "http/metrics.h"

#define VTS_HOST_MAX 255

struct vts_main {
	struct http_totals http;
	struct str zone;               /* name of the zone */
	uint64_t zone_size, zone_used; /* bytes */
	uint64_t zone_nodes;           /* server zones and filters */
	struct str host;               /* in text */
	char text[VTS_HOST_MAX + 1];
};

/* Reads all of it as of now. Never parks. */
void vts_main_read(struct vts_main *m);

#endif

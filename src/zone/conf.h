/*
 * The zone as configured: owns the rows of `vts_zone NAME SIZE;` and nginx-module-vts' `vhost_traffic_status_zone [shared:NAME:SIZE];`, two
 * spellings of one thing. Read by server/ when it opens the zone.
 */
#ifndef SLUICE_ZONE_CONF_H
#define SLUICE_ZONE_CONF_H

#include "conf/conf.h"

#define ZONE_SIZE_MIN (UINT64_C(1) << 20)
#define ZONE_SIZE_DEFAULT (UINT64_C(10) << 20)

struct zone_conf {
	struct str name;              /* "main" by default */
	uint64_t size;                /* bytes of the series area */
	const struct conf_node *from; /* the directive; NULL: default */
};

void zone_conf_register(void);
const struct zone_conf *zone_conf_of(struct conf *c);

#endif

/*
 * GET /api/traffic: what requests and streams have counted so far, all workers together (http/metrics.h, spool/metrics.h). Nothing here is a
 * rate: who asks twice has rates, and of the histogram quantiles, by difference; that is what the console does.
 */
#ifndef SLUICE_ADMIN_TRAFFIC_H
#define SLUICE_ADMIN_TRAFFIC_H

/* Adds it to the table of endpoints (admin/api.h). */
void admin_traffic_register(void);

#endif

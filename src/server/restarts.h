/*
 * sluice_worker_restarts_total{role}: processes that took the place of one that died without having been told to. Each counts itself.
 */
#ifndef SLUICE_SERVER_RESTARTS_H
#define SLUICE_SERVER_RESTARTS_H

#include <stdbool.h>

/* Before the zone is opened. */
void restarts_register(void);
/* In a child, once it is attached to the zone; restart: it replaces one that died. */
void restarts_count(const char *role, bool restart);

#endif

/*
 * The endpoints that show the server at work: /api/status, /api/workers, /api/streams. What they show comes from status/figures.h, so any
 * worker can answer.
 */
#ifndef SLUICE_ADMIN_STATUS_H
#define SLUICE_ADMIN_STATUS_H

/* Adds them to the table of endpoints (admin/api.h). */
void admin_status_register(void);

#endif

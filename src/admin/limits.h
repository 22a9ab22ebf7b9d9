/*
 * GET and DELETE /api/limits: the rate limits in force, who talks most, and forgetting (gate/limit_admin.h).
 */
#ifndef SLUICE_ADMIN_LIMITS_H
#define SLUICE_ADMIN_LIMITS_H

/* Adds them to the table of endpoints (admin/api.h). */
void admin_limits_register(void);

#endif

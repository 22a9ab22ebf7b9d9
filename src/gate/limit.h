/*
 * Rate limits: who may send how much. Directives of ours (limit_policy, limit) and of nginx's (limit_req, limit_conn) on one store
 * (limit/store.h).
 *
 *	limit_policy api { per_ip 60r/m; per_user 100r/m; global 1000r/m; penalty after=20 for=10m; }
 *	location /prime-check { limit api; auth user_token; … }
 *
 * Two phases of a request: what goes by address before access and auth, what goes by user, key or for all behind it. Within a phase a
 * request is charged to all limits or, if one refuses it, to none. A refusal is 429 with the true wait in Retry-After.
 *
 * If the store cannot say (there is no area, or no room for a client), that is logged, counted (sluice_limit_fallback_total) and decided by
 * limit_fallback.
 */
#ifndef SLUICE_GATE_LIMIT_H
#define SLUICE_GATE_LIMIT_H

#include "conf/conf.h"

struct zone;

/* Registers rows, metrics and the first phase: before auth_register() and what checks access. */
void limit_register(void);
/* Registers the second phase: after auth_register(). */
void limit_register_late(void);
/* In the master, before it forks workers of this configuration: makes the store, if anything of it is limited. A failure is logged. */
void limit_prepare(struct conf *c, struct zone *z);
/* In a child that limits or looks after limits, of the zone that the master prepared. */
void limit_start(struct conf *c, unsigned slot);

#endif

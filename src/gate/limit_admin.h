/*
 * Rate limits for the operator: what `GET|DELETE /api/limits` and `sluicectl limits list|reset PATTERN` show and do. Called by admin/, in a
 * worker. Keys are `ratelimit:<endpoint>:<identifier>`: an address, a network ("2001:db8:1:2::/64"), "user:NAME", "key:NAME" or "global".
 */
#ifndef SLUICE_GATE_LIMIT_ADMIN_H
#define SLUICE_GATE_LIMIT_ADMIN_H

#include "base/json_write.h"
#include "limit/talkers.h"

#define LIMIT_ADMIN_TOP_MAX 1000

/* Of the store: "ok"; "off": nothing is limited; "unusable": limit_fallback decides. */
const char *limit_admin_state(void);

/* Writes one object:
 *	{"store":{"state":"ok"|"unusable"|"off","bytes":…,"cells":…,"used":…,"wide_cells":…,"wide_used":…,"evicted":…,"full":…,"resets":…},
 *	 "policies":[{"name":…,"limits":[{"policy":"per-ip","limit":60,"count":60,"period":60.000,"window":"bucket"|"sliding"},…],
 *	              "penalty":{"after":…,"for":…}|null,"adaptive":false,"scale_percent":100},…],
 *	 "hits":[{"endpoint":…,"policy":"per-ip","result":"allowed"|"limited"|"penalty"|"bypassed"|"fallback","count":…},…],
 *	 "top":[{"key":…,"policy":"per-ip","recent":…,"requests":…,"limited":…,"limit":…,"remaining":…,"retry_after":0.000,"seen":…},…]}
 * top: at most so many talkers, those with the most recent requests first. hits: ever counted, as rate_limit_hits_total. 0, or ERR_NOMEM with nothing written.
 * May park. */
int limit_admin_list(struct json_writer *w, unsigned top);

/* Those who ask most, best first; out has room for max. text is the key, a zero byte, the limit's kind ("per-ip"). How many. May park. */
unsigned limit_admin_top(struct talker *out, unsigned max);

/* Forgets what is known of the keys that match ('*' stands for anything), punishments included.
 * With a '*' it holds for all that match, *known is how many of those the list knows; without,
 * *known tells whether the key was (0 or 1). 0; ERR_BAD: it does not begin with "ratelimit:";
 * ERR_TOO_LARGE: more than 255 bytes; ERR_BUSY: the store is unusable. Logged with the
 * operator's name. May park. */
int limit_admin_reset(struct str pattern, struct str operator, unsigned * known);

#endif

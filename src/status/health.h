/*
 * `health;`: could a record be accepted now?
 *
 *	200 {"status":"healthy"}
 *	503 {"status":"unhealthy","reasons":["usage: no spool space"]}
 *
 * Only what keeps records out makes it unhealthy. With ?verbose=1 every component is shown, and what is wrong without keeping records out (a
 * store that is away, a process that gives no sign) makes the status "degraded", which is 200, too. `health brief;` never shows them.
 */
#ifndef SLUICE_STATUS_HEALTH_H
#define SLUICE_STATUS_HEALTH_H

#include "base/json_write.h"
#include "conf/conf.h"

extern struct conf_module health_module;
void health_conf_register(void);

/* ---- private to status/ ---- */

/* The verbose form, as it is written. */
struct health {
	struct json_writer json;
	struct buf reasons; /* JSON strings with commas between */
	bool degraded;
};

/* Something is wrong that keeps no record out. */
void health_degrade(struct health *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* health_components.c: writes them as members of the object that is open. */
void health_write_components(struct health *h);

#endif

/*
 * `health;`: GET answers 200 {"status":"healthy"} while a record could be accepted now, 503 with the reasons when it could not.
 */
#ifndef SLUICE_STATUS_HEALTH_H
#define SLUICE_STATUS_HEALTH_H

#include "conf/conf.h"

extern struct conf_module health_module;
void health_conf_register(void);

#endif

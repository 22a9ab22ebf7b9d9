/*
 * What the shipper's endpoints work on. In the shipper, whose server hands it over before it serves them.
 */
#ifndef SLUICE_ADMIN_SHIPPER_H
#define SLUICE_ADMIN_SHIPPER_H

#include "dlq/conf.h"
#include "dlq/jobs.h"
#include "dlq/rules.h"
#include "ship/ship.h"

/* All of it borrowed for good. */
struct admin_shipper {
	struct dlq *dlq;
	struct jobs *jobs;
	struct rules *rules;
	struct conf *conf;
	struct ship *ship;
};

/* Adds the endpoints to the table (api.h), in every process. */
void admin_shipper_register(void);
void admin_shipper_open(const struct admin_shipper *s);
const struct admin_shipper *admin_shipper(void);
/* The streams of messages are about to be closed: no endpoint uses them any more. Parks. */
void admin_shipper_close(void);

#endif

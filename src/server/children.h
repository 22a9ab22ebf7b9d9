/*
 * The master's children: rows of a table, one a slot of the zone. They are started, given
 * orders, buried and started again here; who is wanted at all is the master's to say (struct
 * children_policy).
 */
#ifndef SLUICE_SERVER_CHILDREN_H
#define SLUICE_SERVER_CHILDREN_H

#include "server/process.h"

struct children_policy {
	/* Is this child, which just ended so, to be started again? */
	bool (*wanted)(const struct process *p, int status, int64_t now);
	/* One was buried: its row still says how it lived. */
	void (*buried)(const struct process *p, int status);
	/* One was started again. */
	void (*reborn)(struct process *p);
};

/* Once, before any other call; all of it is borrowed. 0 or ERR_NOMEM. */
int children_init(struct zone *zone, struct idem *keys, const struct children_policy *policy);
unsigned children_slots(void);
/* Under which configuration children are started from now on. */
void children_follow(struct generation *gen);

/* Starts the only one of its role (not a worker), in its slot. */
void children_start(enum process_role role);
/* Starts as many workers as the configuration says, in slots that are free. */
void children_start_workers(void);
/* The row of a role that has only one. */
struct process *children_only(enum process_role role);
/* Slots for workers that nobody lives in. */
unsigned children_room(void);

/* Gives an order to all of a role, or to those of earlier generations. */
void children_order(enum process_role role, int order, bool only_old);
bool children_alive(enum process_role role);
/* SIGKILL to all of a role. */
void children_kill(enum process_role role);
/* Workers that died are not started again: the next ones take their place. */
void children_forget_workers(void);

/* Buries who ended. */
void children_reap(void);
/* Starts again who is due; when (clock_mono) the next one is due. */
int64_t children_respawn(void);

#endif

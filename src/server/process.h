/*
 * The processes the master keeps: a table of roles, and one row a child. Every child has a socket pair to the master: orders go down it one byte
 * each, and its end tells the child that the master is gone.
 */
#ifndef SLUICE_SERVER_PROCESS_H
#define SLUICE_SERVER_PROCESS_H

#include <sys/types.h>

#include "server/generation.h"
#include "spool/idem.h"
#include "zone/zone.h"

enum process_role { PROCESS_WORKER, PROCESS_SHIPPER, PROCESS_JANITOR, PROCESS_ROLES };

/* Orders. */
enum {
	/* worker: finish requests, seal, exit. shipper: exit at once. janitor: end its jobs, exit */
	ORDER_STOP = 'S',
	/* The workers are gone. shipper: deliver what is left until the deadline, exit. janitor: as above, for the last time */
	ORDER_DRAIN = 'D',
	ORDER_ORPHANS = 'O', /* shipper: a child died, look for what it left */
	ORDER_REOPEN = 'R'   /* log files */
};

/* Exit statuses of children, and of the master. */
enum { EXIT_CLEAN = 0, EXIT_USAGE = 1, EXIT_START = 2, EXIT_WAITING = 3 };

struct process {
	enum process_role role;
	unsigned slot, index; /* index: 0… among its role's */
	uint32_t generation;
	pid_t pid;   /* 0: not running */
	int control; /* master's end; -1 */
	bool stopping,
	    draining; /* was ordered to; draining: the last order of shipper and janitor */
	int64_t started;
	int64_t respawn_at; /* when to start it again; 0: not wanted */
	unsigned quick_deaths;
	unsigned lives; /* times started */
};

/* What a child is given. */
struct process_env {
	struct generation *gen;
	struct zone *zone;
	struct idem *keys; /* NULL: none could be had */
	unsigned slot, index;
	int control;
	bool restart; /* it takes the place of one that died without having been told to */
};

/* worker.c, shipper.c, janitor.c: run until told to stop; return the exit status. */
int worker_main(const struct process_env *env);
int shipper_main(const struct process_env *env);
int janitor_main(const struct process_env *env);

/* Common to children, after fork: signals, loop, log, heartbeat, control. on_order runs in the loop; ORDER_STOP also when the master is gone. */
int process_enter(const struct process_env *env, const char *role,
    void (*on_order)(int order, void *arg), void *arg);

const char *process_role_name(enum process_role role);
/* The slot of a role that has one process only; 0 for workers. */
unsigned process_only_slot(enum process_role role);
/* The role of who lives in a slot (not the master's). */
enum process_role process_role_at(unsigned slot);
/* Master's side: forks one. 0 or -1 with errno. closes: fds the child closes (other children's control ends). */
int process_spawn(struct process *p, struct generation *gen, struct zone *zone, struct idem *keys,
    const struct process *all, unsigned n_all);
void process_order(struct process *p, int order);
/* Opens the access logs of a configuration, for the configured user: 0, or -1 after a log line. */
int process_open_logs(struct conf *c);
/* USR1: the server's own log and the access logs, in the master first. */
void process_reopen_logs(struct conf *c);
/* Gives up the master's rights as `user` says. 0, or -1 after a log line. */
int process_drop_privileges(const struct core_conf *core);
/* The ids that `user` stands for: 0, or -1 if there is no such user. */
int process_user_ids(struct str user, uid_t *uid, gid_t *gid);

#endif

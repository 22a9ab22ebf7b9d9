/*
 * The janitor's jobs: work that is done now and then, once for all processes: dumps, expiry,
 * active checks. Modules of any layer name theirs here; the janitor's process (server/janitor.c)
 * runs them, each on a task of its own, so that a slow one holds up no other.
 *
 * A module calls janitor_register() in its own …_register(); its set-up function then sees the
 * configuration in force and adds the jobs which that asks for:
 *
 *	static void setup(struct conf *c) { if (wants_dump(c)) janitor_add("vts dump", 60 * NS_PER_S, dump, arg); }
 *
 * The janitor may die at any instant like any other process: a job's work must be safe to begin
 * again.
 */
#ifndef SLUICE_ZONE_JANITOR_H
#define SLUICE_ZONE_JANITOR_H

#include "task/task.h"

struct conf;

#define JANITOR_JOBS_MAX 64
#define JANITOR_SETUPS_MAX 32

/* ---- for modules ---- */

/* Before fork, once a module. setup runs in the janitor's process at its start, on a task (may
 * park), with the configuration in force: after each start of the server, each reload, each
 * death of a janitor. */
void janitor_register(void (*setup)(struct conf *c));

/* In the janitor's process, from a set-up function or a job: calls run(arg) on a task (may park,
 * offload) an interval (> 0, ns) from now, and again an interval after each return. When the
 * janitor is to end, the task is cancelled: the wait it is in returns ERR_CANCELLED. name is
 * kept by pointer. 0, ERR_BUSY (JANITOR_JOBS_MAX) or ERR_NOMEM. */
int janitor_add(const char *name, int64_t interval, void (*run)(void *arg), void *arg);

/* The same for what must be done once when the janitor ends in good order, at a stop (the
 * workers are gone by then) or a reload, after its periodic jobs ended: run(arg) on a task (may
 * park, offload), one after the other. It does not run when the janitor was killed. */
int janitor_at_end(const char *name, void (*run)(void *arg), void *arg);

/* ---- for the janitor's process ---- */

/* Runs the set-up functions. Parks. */
void janitor_start(struct conf *c);
/* Cancels the periodic jobs, waits for them to return, no longer than until deadline, and runs what is to be done at the end. Parks. */
void janitor_end(int64_t deadline);

#endif

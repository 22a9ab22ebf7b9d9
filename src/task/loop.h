/*
 * The event loop under the tasks: one a process. What runs it: server/worker.c, server/shipper.c, tests.
 */
#ifndef SLUICE_TASK_LOOP_H
#define SLUICE_TASK_LOOP_H

#include "task/task.h"

struct loop_options {
	unsigned
	    max_tasks;     /* 0: from the kernel's map limit (vm.max_map_count), two maps a stack */
	size_t stack_size; /* 0: 64 KiB (more under sanitizers) */
	size_t max_fds;    /* 0: RLIMIT_NOFILE; a hint */
};

/* One loop a process; may be made again after loop_fini (tests) and in a child after fork, before any use of the parent's. */
int loop_init(const struct loop_options *opt);
void loop_fini(void);
/* Runs until loop_stop() was called and the current turn is over; or, with until_idle, until no task is left. */
int loop_run(void);
void loop_stop(void);
/* Number of tasks alive. */
unsigned loop_tasks(void);
/* Called once at the end of each turn, before the loop sleeps: group commit starts its batch here. At most 4. */
int loop_before_sleep(void (*fn)(void *arg), void *arg);
/* Signals that the loop takes in: handler(signo) is called from the loop. The signal is blocked everywhere but in the loop's wait. */
int loop_on_signal(int signo, void (*handler)(int signo));
/* Installs the alternate stack and the SIGSEGV handler that names the task whose stack overflowed. */
void loop_catch_overflow(void);
const char *loop_backend(void); /* "epoll", "kqueue", "poll" */

#endif

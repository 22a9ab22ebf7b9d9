/*
 * The event loop under the tasks: one a process. What runs it: server/worker.c, shipper.c, janitor.c, tests.
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

/* One loop a process; may be made again after loop_fini (tests), and in a child after fork, which calls it before anything else here:
 * it forgets the parent's tasks, timers, descriptors, jobs and hooks without touching the parent. opt may be NULL. 0, ERR_NOMEM, ERR_IO. */
int loop_init(const struct loop_options *opt);
/* Drops tasks still parked without unwinding them; waits for helper threads to finish the calls they are in. */
void loop_fini(void);
/* Runs until loop_stop() was called and the current turn is over; returns also when nothing is left that could ever happen: no task,
 * descriptor, timer, job or signal. 0 or ERR_IO. */
int loop_run(void);
/* The same, and returns also when no task is left. */
int loop_run_until_idle(void);
void loop_stop(void);
/* Number of tasks alive. */
unsigned loop_tasks(void);
/* Called once at the end of each turn, before the loop sleeps: group commit starts its batch here. At most 4; ERR_BUSY beyond. */
int loop_before_sleep(void (*fn)(void *arg), void *arg);
/* Signals that the loop takes in: handler(signo) is called from the loop. The signal is blocked everywhere but in the loop's wait.
 * handler NULL gives the signal back its default action. 0 or ERR_BAD. */
int loop_on_signal(int signo, void (*handler)(int signo));
/* Installs the alternate stack and the SIGSEGV handler that names the task whose stack overflowed. */
void loop_catch_overflow(void);
const char *loop_backend(void); /* "epoll", "kqueue", "poll" */

#endif

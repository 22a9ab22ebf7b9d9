/*
 * What the files of this folder share and nobody else sees.
 *
 * A task is its stack: `struct task` lies at the top of the mapping, above the first frame, so that a task which does little touches
 * one or two pages in all. While it is parked it stands in up to three kinds of places at once: queues and descriptors
 * (by the wait_nodes on its stack) and the timer heap. wait_end() takes it out of all of them together, which is what
 * makes one wait end for one reason.
 */
#ifndef SLUICE_TASK_TASK_PRIV_H
#define SLUICE_TASK_TASK_PRIV_H

#include "task/task.h"

struct wait_node {
	struct list link; /* in queue->waiters */
	struct task *task;
	struct waitq *queue; /* one of these two is set */
	struct io *io;
	unsigned events; /* of io */
	int result;      /* what the wait returns if this node ends it */
};

enum task_state { TASK_READY, TASK_RUNNING, TASK_PARKED, TASK_DONE };

struct task {
	struct list link; /* run queue; or the warm stacks */
	void *context;    /* while it does not run */
	task_fn *fn;
	void *arg;
	const char *name;
	uint32_t index, gen; /* its slot */
	enum task_state state;
	int result; /* of the wait that ended last */
	bool cancelled;
	bool shielded; /* the wait it is in is not ended by a cancel */
	unsigned node_count;
	struct wait_node *nodes;
	struct waitq *woken_by; /* READY through waitq_wake: a cancel passes the wake on */
	struct waitq joiners;
	struct timer timer;
	char *low; /* the stack, without guard */
	size_t size;
	void *fake; /* AddressSanitizer's */
	unsigned valgrind_id;
	unsigned uses; /* tasks this stack has served */
};

/* task.c */
extern struct task *task_current; /* NULL: on the loop's own stack */
int task_init(unsigned max_tasks);
void task_fini(void);
/* Runs ready tasks until there are none or the turn was long enough. */
void task_run_ready(void);
bool task_any_ready(void);
unsigned task_count(void);
/* Back to the loop; state is set before. Returns when the task is run again. */
void task_switch_out(void);
void task_make_ready(struct task *t);
/* The first function on each stack. */
void task_main(void);

/* stack.c */
/* size 0: the default. max_stacks is only a default for later calls of stack_max(). */
int stack_init(size_t size);
/* Unmaps all that is warm. */
void stack_fini(void);
/* A task with low, size and context set, the rest as it was left or zero. NULL: no memory or no maps. */
struct task *stack_take(void);
void stack_give(struct task *t);
void stack_unmap(struct task *t);
/* How many the kernel's limit on maps allows. */
unsigned stack_max(void);
/* True if the address lies in the guard below t's stack. */
bool stack_in_guard(const struct task *t, const void *address);

/* wait.c */
/* Ends the wait that t is parked in. */
void wait_end(struct task *t, int result);
/* Parks the running task with nobody but a wait_end(), deadline or cancel to end it; shielded: only wait_end(). */
int wait_plain(int64_t deadline, bool shielded);

/* io.c */
int io_init(size_t max_fds);
void io_fini(void);
unsigned io_count(void);

/* timer.c */
int timer_init(unsigned reserved);
void timer_fini(void);
/* Fires all that are due. */
void timer_run(int64_t now);
int64_t timer_next(void); /* CLOCK_NEVER: none */
unsigned timer_count(void);

/* offload.c */
int offload_init(void);
void offload_fini(void);
/* In a child after fork: the threads are the parent's. */
void offload_forget(void);
/* Calls done for all jobs that are ready. */
void offload_drain(void);
/* From here until offload_awake() a finished job wakes the loop. False: one is ready already, do not sleep. */
bool offload_sleep(void);
void offload_awake(void);
unsigned offload_pending(void);

/* loop.c */
/* Ends the loop's sleep, now or when it next begins. From any thread or signal handler. */
void loop_wake(void);

#endif

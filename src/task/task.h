/*
 * Tasks: stackful coroutines on one event loop a process, one thread. Code reads top to bottom; where it must wait it
 * parks, and other tasks run. See ARCHITECTURE, "Tasks".
 *
 *  - Every wait has an absolute deadline (clock_mono() nanoseconds, CLOCK_NEVER for none) and returns 0, ERR_TIMEOUT or ERR_CANCELLED.
 *  - One wait ends for one reason: whoever unlinks the task from queue, timer and descriptor sets it.
 *  - After task_cancel() the wait the task is in, and every later one, returns ERR_CANCELLED at once: cleaning up never parks.
 *    What must still happen is handed to a new task.
 *  - Stacks are small (64 KiB reserved, guard page): no large locals, no recursion on input, no VLAs.
 *  - errno does not survive a call that parks.
 *  "Parks" in a contract below means: may switch to other tasks.
 */
#ifndef SLUICE_TASK_TASK_H
#define SLUICE_TASK_TASK_H

#include "base/base.h"
#include "base/clock.h"
#include "base/list.h"

struct task; /* opaque; lives in a recycled slot */

/* Names a task without keeping it alive; a stale one is noticed. {0, 0} names none. */
struct task_handle {
	uint32_t index, gen;
};

typedef void task_fn(void *arg);

/* Appends a new task to the run queue (never switches). 0, ERR_NOMEM (no stack to be had) or ERR_BUSY (limit of tasks reached).
 * handle may be NULL. name is kept by pointer and shown in crash reports. */
int task_go(const char *name, task_fn *fn, void *arg, struct task_handle *handle);
struct task_handle task_self(void);
/* True while called on a task's stack (false in loop callbacks and before the loop runs). */
bool task_on_stack(void);
bool task_alive(struct task_handle h);
/* Never switches. Cancelling a task that is gone, or oneself, is allowed (oneself: the next wait fails). */
void task_cancel(struct task_handle h);
/* True once this task was cancelled. */
bool task_cancelled(void);
/* Parks until h is gone. */
int task_join(struct task_handle h, int64_t deadline);
int task_sleep_until(int64_t deadline); /* parks; OK when the time has come */
int task_yield(void);                   /* parks until the others ready now had their turn */
/* Yields if this task has used up its slice (a millisecond of CPU since it was last switched to): call it in loops that compute. */
int task_breathe(void);
/* Yields at once, and so that events which have not been taken in yet have their turn, too: for long work that nobody waits for, beside
 * requests that somebody does. Costs a look at the events: do some 50 microseconds of work between two. */
int task_give_way(void);

/* A fair queue of parked tasks. It outlives its waiters' return, unless waitq_wake_all was the last call on it. waitq_wake appends woken tasks to the run queue and never switches; a waiter that was woken and
 * then cancelled passes its wake on; every woken waiter checks its condition again. */
struct waitq {
	struct list waiters;
};
void waitq_init(struct waitq *q);
int waitq_park(struct waitq *q, int64_t deadline); /* parks */
void waitq_wake(struct waitq *q, unsigned n);
void waitq_wake_all(struct waitq *q);
static inline bool
waitq_empty(const struct waitq *q)
{
	return list_empty(&q->waiters);
}

/*
 * A descriptor in the loop. Registered once (edge-triggered where the back-end can), so waiting costs no system call: io_wait
 * returns at once while the direction is thought ready; whoever gets EAGAIN, or less than asked for from a stream socket, calls
 * io_unready() and may wait again. Readiness is told once: bytes left unread without io_unready() are not told again.
 *
 * on_event, if set, is called from the loop (not on a task stack; must not park) when IO_READ or IO_HUP arrives and no task waits to
 * read: it may start a task, or cancel the one whose client left. It may come more than once for the same bytes. An idle keep-alive
 * connection is a struct io with on_event and nothing else; the task that leaves it idle has called io_unready(io, IO_READ).
 *
 * IO_HUP (the peer closed its side, or an error) comes together with IO_READ, so that the reader finds the end or the error. It lets
 * a writer wait on: the peer may have closed only its own direction. When both are gone IO_WRITE comes too.
 */
enum {
	IO_READ = 1,
	IO_WRITE = 2,
	IO_HUP = 4,
	IO_TOLD = 8 /* private: for back-ends without edges */
};

struct wait_node; /* one of the things a parked task waits for; private */

struct io {
	int fd;                                           /* -1: not registered */
	uint32_t gen;                                     /* private: stale events are dropped */
	uint8_t ready;                                    /* IO_* seen and not yet used up */
	struct wait_node *waiter[2];                      /* private: reader, writer */
	void (*on_event)(struct io *io, unsigned events); /* may be changed at any time */
};

/* The caller's memory; fd stays the caller's to close, after io_del. fd must be non-blocking, and connect() comes before.
 * 0 or ERR_NOMEM, ERR_EXISTS (fd has another io), ERR_IO (the kernel refused, e.g. for a regular file): then fd is -1. */
int io_add(struct io *io, int fd, void (*on_event)(struct io *, unsigned));
/* Forgets it: a task waiting on it wakes with ERR_CLOSED. Idempotent, and allowed on a zeroed or never added one with fd -1. */
void io_del(struct io *io);
static inline void
io_unready(struct io *io, unsigned events)
{
	io->ready &= (uint8_t) ~(events | IO_TOLD);
}
/* Parks until one of events (IO_READ or IO_WRITE, or both) is ready. At most one task a direction. */
int io_wait(struct io *io, unsigned events, int64_t deadline);

/* For one-shot use on a descriptor that is not registered: io_add, wait, io_del. Parks. */
int task_wait_fd(int fd, unsigned events, int64_t deadline);

/* Several things at once, at most TASK_WAIT_MAX: returns the index of one that is ready, ERR_TIMEOUT, ERR_CANCELLED or ERR_CLOSED
 * (an io of the set was deleted). Parks. */
#define TASK_WAIT_MAX 16
struct task_source {
	struct io *io; /* with events, or */
	unsigned events;
	struct waitq *queue; /* a queue whose wake counts */
};
int task_wait_any(const struct task_source *set, unsigned n, int64_t deadline);

/* A timer without a task: fires once from the loop (not on a task stack; must not park). */
struct timer {
	int64_t deadline;
	uint32_t heap_index; /* private; 0: not armed */
	uint32_t reserved;   /* private: a task's own, its place in the heap is kept free */
	void (*fire)(struct timer *t);
};
/* Arms or re-arms. Keep-alive time-outs use it by the ten thousand: O(log n). The struct starts zeroed. 0, or ERR_NOMEM if the
 * heap cannot grow (then it is not armed). */
int timer_set(struct timer *t, int64_t deadline);
void timer_clear(struct timer *t);
static inline bool
timer_armed(const struct timer *t)
{
	return t->heap_index != 0;
}

/*
 * One blocking call on a helper thread while the task is parked. Not cut short by cancel or deadline: the cancel is kept
 * and reported by the next wait. fn must not touch the loop or tasks; arg lives on the heap or is otherwise stable. Each pool has its own
 * threads (started on first use, at most the number given at offload_limit) and its own queue, so hung DNS never holds up a commit.
 * Returns fn's value; ERR_NOMEM if no thread could be made; ERR_CANCELLED, without calling fn, in a task that was cancelled before.
 */
enum offload_pool { OFFLOAD_COMMIT, OFFLOAD_SYNC, OFFLOAD_DNS, OFFLOAD_MISC, OFFLOAD_POOLS };
int offload(enum offload_pool pool, int (*fn)(void *arg), void *arg);
/* The same without a task: done(job, result) is called from the loop later. The job is the caller's memory until then. */
struct offload_job {
	int (*fn)(void *arg);
	void *arg;
	void (*done)(struct offload_job *job, int result);
	int result;               /* private */
	struct offload_job *next; /* private */
};
int offload_start(
    enum offload_pool pool, struct offload_job *job); /* 0 or ERR_NOMEM: then done is not called */
void offload_limit(enum offload_pool pool,
    unsigned threads); /* default 1 for COMMIT, 4 for others; at most 32; after loop_init */

#endif

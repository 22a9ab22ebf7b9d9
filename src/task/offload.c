/*
 * Blocking calls on helper threads. Each pool has its own queue, threads and limit, so a hung one delays nobody else.
 *
 * A helper hands a finished job over by pushing it on one list without a lock, which the loop empties once a turn. It wakes the loop only
 * if that may be asleep, and only one helper does: whoever turns `asleep` off writes. The loop sets `asleep` before it looks at the list
 * for the last time, the helper pushes before it looks at `asleep`; one of them sees the other.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "task/slice.h"
#include "task/task_priv.h"

#define THREADS_MAX 32
#define THREAD_STACK (512 * 1024)

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct offload_job *first, **last;
	unsigned queued, idle, threads, limit;
	bool stop;
	pthread_t ids[THREADS_MAX];
};

static struct pool pools[OFFLOAD_POOLS];
static const unsigned default_limit[OFFLOAD_POOLS] = {
	[OFFLOAD_COMMIT] = 1, [OFFLOAD_SYNC] = 4, [OFFLOAD_DNS] = 4, [OFFLOAD_MISC] = 4
};
static _Atomic(struct offload_job *) finished; /* newest first */
static atomic_bool asleep;
static unsigned pending; /* started and not yet done; the loop's */

int
offload_init(void)
{
	for (unsigned i = 0; i < OFFLOAD_POOLS; i++) {
		struct pool *p = &pools[i];

		pthread_mutex_init(&p->lock, NULL);
		pthread_cond_init(&p->work, NULL);
		p->first = NULL;
		p->last = &p->first;
		p->queued = p->idle = p->threads = 0;
		p->limit = p->limit ? p->limit : default_limit[i];
		p->stop = false;
	}
	atomic_store(&finished, NULL);
	atomic_store(&asleep, false);
	pending = 0;
	return 0;
}

void
offload_fini(void)
{
	for (unsigned i = 0; i < OFFLOAD_POOLS; i++) {
		struct pool *p = &pools[i];

		pthread_mutex_lock(&p->lock);
		p->stop = true;
		p->first = NULL;
		pthread_cond_broadcast(&p->work);
		pthread_mutex_unlock(&p->lock);
		for (unsigned t = 0; t < p->threads; t++)
			pthread_join(p->ids[t], NULL);
		pthread_cond_destroy(&p->work);
		pthread_mutex_destroy(&p->lock);
		p->limit = 0;
	}
	pending = 0;
}

void
offload_forget(void)
{
	for (unsigned i = 0; i < OFFLOAD_POOLS; i++)
		pools[i].limit = 0;
	pending = 0;
}

static void
hand_over(struct offload_job *job)
{
	job->next = atomic_load_explicit(&finished, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&finished, &job->next, job))
		continue;
	if (atomic_load(&asleep) && atomic_exchange(&asleep, false))
		loop_wake();
}

/* The next job, with the lock held; NULL: the pool is closing. */
static struct offload_job *
next_job(struct pool *p)
{
	struct offload_job *job;

	while (!p->first && !p->stop) {
		p->idle++;
		pthread_cond_wait(&p->work, &p->lock);
		p->idle--;
	}
	if (p->stop)
		return NULL;
	job = p->first;
	p->first = job->next;
	if (!p->first)
		p->last = &p->first;
	p->queued--;
	return job;
}

static void *
helper(void *arg)
{
	struct pool *p = arg;
	struct offload_job *job;

	if (p == &pools[OFFLOAD_COMMIT])
		slice_ask_short();
	pthread_mutex_lock(&p->lock);
	while ((job = next_job(p))) {
		pthread_mutex_unlock(&p->lock);
		job->result = job->fn(job->arg);
		hand_over(job);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Starts one more thread, with the lock held. All signals but those of crashes are the loop's. */
static int
add_thread(struct pool *p)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&p->ids[p->threads], &attr, helper, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return ERR_NOMEM;
	p->threads++;
	return 0;
}

int
offload_start(enum offload_pool pool, struct offload_job *job)
{
	struct pool *p = &pools[pool];
	bool wake = false;
	int rc = 0;

	job->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->queued + 1 > p->idle && p->threads < p->limit && add_thread(p) != 0 &&
	    p->threads == 0)
		rc = ERR_NOMEM;
	if (rc == 0) {
		*p->last = job;
		p->last = &job->next;
		p->queued++;
		wake = p->idle > 0;
	}
	pthread_mutex_unlock(&p->lock);
	/* Not before the lock is free, or the helper wakes only to wait for it. */
	if (wake)
		pthread_cond_signal(&p->work);
	if (rc == 0)
		pending++;
	return rc;
}

void
offload_limit(enum offload_pool pool, unsigned threads)
{
	struct pool *p = &pools[pool];

	pthread_mutex_lock(&p->lock);
	p->limit = MIN(MAX(threads, 1), THREADS_MAX);
	pthread_mutex_unlock(&p->lock);
}

struct task_job {
	struct offload_job job;
	struct task *task;
};

static void
resume(struct offload_job *job, int result)
{
	(void)result;
	wait_end(CONTAINER_OF(job, struct task_job, job)->task, 0);
}

int
offload(enum offload_pool pool, int (*fn)(void *arg), void *arg)
{
	struct task_job j = { .job = { .fn = fn, .arg = arg, .done = resume },
		.task = task_current };
	int rc;

	assert(task_current);
	if (task_current->cancelled)
		return ERR_CANCELLED;
	rc = offload_start(pool, &j.job);
	if (rc != 0)
		return rc;
	wait_plain(CLOCK_NEVER, true);
	return j.job.result;
}

void
offload_drain(void)
{
	struct offload_job *newest, *oldest = NULL;

	if (!atomic_load_explicit(&finished, memory_order_relaxed))
		return;
	newest = atomic_exchange(&finished, NULL);
	while (newest) {
		struct offload_job *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct offload_job *job = oldest;

		oldest = job->next;
		pending--;
		job->done(job, job->result);
	}
}

bool
offload_sleep(void)
{
	if (pending == 0)
		return true;
	atomic_store(&asleep, true);
	return !atomic_load(&finished);
}

void
offload_awake(void)
{
	if (pending > 0)
		atomic_store_explicit(&asleep, false, memory_order_relaxed);
}

unsigned
offload_pending(void)
{
	return pending;
}

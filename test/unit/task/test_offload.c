/*
 * Helper threads: results, pools that do not delay each other, cancels that are kept, jobs without a task, and how the loop is woken.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "unit/task/task_test.h"

/* A gate that helper threads stand at until the test opens it. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static atomic_int at_gate, most_at_gate;

static void
set_gate(bool open)
{
	pthread_mutex_lock(&gate_lock);
	gate_open = open;
	pthread_cond_broadcast(&gate_moved);
	pthread_mutex_unlock(&gate_lock);
}

static int
pass_gate(void *arg)
{
	int here = atomic_fetch_add(&at_gate, 1) + 1;

	if (here > atomic_load(&most_at_gate))
		atomic_store(&most_at_gate, here);
	pthread_mutex_lock(&gate_lock);
	while (!gate_open)
		pthread_cond_wait(&gate_moved, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
	atomic_fetch_sub(&at_gate, 1);
	return arg ? *(int *)arg : 0;
}

static int
twice(void *arg)
{
	return *(int *)arg * 2;
}

static void
one_call(void *arg)
{
	int n = 21;

	(void)arg;
	assert_int_equal(offload(OFFLOAD_MISC, twice, &n), 42);
	n = ERR_IO;
	assert_int_equal(offload(OFFLOAD_COMMIT, twice, &n), 2 * ERR_IO);
}

static void
test_result(void **state)
{
	(void)state;
	run_task(one_call, NULL);
}

static void
hang(void *arg)
{
	assert_int_equal(offload(OFFLOAD_DNS, pass_gate, arg), 7);
}

static void
hung_pool(void *arg)
{
	int n = 4, seven = 7;

	(void)arg;
	set_gate(false);
	atomic_store(&most_at_gate, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(task_go("hung", hang, &seven, NULL), 0);
	task_yield();
	for (int i = 0; i < 100; i++)
		assert_int_equal(offload(OFFLOAD_COMMIT, twice, &n), 8);
	assert_int_equal(offload(OFFLOAD_SYNC, twice, &n), 8);
	assert_int_equal(offload(OFFLOAD_MISC, twice, &n), 8);
	while (atomic_load(&at_gate) < 4)
		task_sleep_until(clock_mono() + MS);
	assert_int_equal(loop_tasks(), 11);
	set_gate(true);
	while (loop_tasks() > 1)
		task_sleep_until(clock_mono() + MS);
	assert_int_equal(atomic_load(&most_at_gate), 4); /* not more than the limit at once */
}

static void
test_hung_pool(void **state)
{
	(void)state;
	run_task(hung_pool, NULL);
}

static int first_result, second_result;

static void
cancelled_inside(void *arg)
{
	first_result = offload(OFFLOAD_MISC, pass_gate, arg);
	second_result = task_sleep_until(LATE);
}

static void
cancel_is_kept(void *arg)
{
	struct task_handle h;
	int seven = 7;

	(void)arg;
	set_gate(false);
	first_result = second_result = 99;
	task_go("inside", cancelled_inside, &seven, &h);
	while (atomic_load(&at_gate) < 1)
		task_sleep_until(clock_mono() + MS);
	task_cancel(h);
	assert_int_equal(task_sleep_until(clock_mono() + 20 * MS), 0);
	assert_int_equal(first_result, 99); /* not cut short */
	set_gate(true);
	assert_int_equal(task_join(h, LATE), 0);
	assert_int_equal(first_result, 7);
	assert_int_equal(second_result, ERR_CANCELLED);
}

static void
test_cancel(void **state)
{
	(void)state;
	run_task(cancel_is_kept, NULL);
}

static struct offload_job jobs[200];
static unsigned jobs_done, last_done;
static bool in_order;

static int
job_number(void *arg)
{
	return (int)((struct offload_job *)arg - jobs);
}

static void
job_done(struct offload_job *job, int result)
{
	assert_false(task_on_stack());
	assert_int_equal(result, (int)(job - jobs));
	in_order = in_order && (jobs_done == 0 || (unsigned)result == last_done + 1);
	last_done = (unsigned)result;
	jobs_done++;
	memset(job, 0x5a, sizeof(*job)); /* the caller's again */
}

/* Without a task; the loop runs until they are done. */
static void
test_jobs(void **state)
{
	(void)state;
	jobs_done = 0;
	in_order = true;
	for (unsigned i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] =
		    (struct offload_job){ .fn = job_number, .arg = &jobs[i], .done = job_done };
		assert_int_equal(offload_start(OFFLOAD_COMMIT, &jobs[i]), 0);
	}
	assert_int_equal(jobs_done, 0);
	assert_int_equal(loop_run(), 0);
	assert_int_equal(jobs_done, ARRAY_LEN(jobs));
	assert_true(in_order); /* one thread, one queue */
}

/* Five thousand tasks, each with calls one after another, in all pools: nobody is forgotten in the loop's sleep. */
static void
many_calls(void *arg)
{
	int n = (int)(uintptr_t)arg;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(
		    offload((enum offload_pool)((n + i) % OFFLOAD_POOLS), twice, &n), 2 * n);
		if (n % 3 == 0)
			assert_int_equal(task_sleep_until(clock_mono() + n % 7 * NS_PER_US), 0);
	}
}

static void
test_many(void **state)
{
	int64_t start = clock_mono();

	(void)state;
	for (uintptr_t i = 0; i < 5000; i++)
		assert_int_equal(task_go("caller", many_calls, (void *)i, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_true(clock_mono() - start < 15 * NS_PER_S);
}

/* One after another, so that the loop falls asleep each time and must be woken. */
static void
test_wakes(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++)
		run_task(one_call, NULL);
}

static void
open_gate(void *arg)
{
	(void)arg;
	set_gate(true);
}

static void
test_limit(void **state)
{
	int seven = 7;

	(void)state;
	offload_limit(OFFLOAD_DNS, 2);
	set_gate(false);
	atomic_store(&most_at_gate, 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(task_go("hung", hang, &seven, NULL), 0);
	assert_int_equal(loop_before_sleep(open_gate, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_in_range(atomic_load(&most_at_gate), 1, 2);
}

static int
mask_of_helper(void *arg)
{
	return pthread_sigmask(SIG_BLOCK, NULL, arg);
}

static void
helper_signals(void *arg)
{
	sigset_t mask;

	(void)arg;
	assert_int_equal(offload(OFFLOAD_MISC, mask_of_helper, &mask), 0);
	assert_true(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1) &&
		    sigismember(&mask, SIGCHLD));
	assert_false(sigismember(&mask, SIGSEGV));
}

static void
test_helper_signals(void **state)
{
	(void)state;
	run_task(helper_signals, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_result),
		LOOP_TEST(test_hung_pool),
		LOOP_TEST(test_cancel),
		LOOP_TEST(test_jobs),
		LOOP_TEST(test_many),
		LOOP_TEST(test_wakes),
		LOOP_TEST(test_limit),
		LOOP_TEST(test_helper_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The loop itself: hooks, stopping, signals, beginning again after loop_fini and in a forked child.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/wait.h>

#include "unit/task/task_test.h"

static unsigned hook_calls, woken_by_hook;
static struct waitq batch;

/* As group commit does: what the turn has gathered is served before the loop sleeps. */
static void
serve_batch(void *arg)
{
	(void)arg;
	hook_calls++;
	waitq_wake_all(&batch);
}

static void
join_batch(void *arg)
{
	(void)arg;
	assert_int_equal(waitq_park(&batch, LATE), 0);
	woken_by_hook++;
}

static void
test_hook(void **state)
{
	(void)state;
	hook_calls = woken_by_hook = 0;
	waitq_init(&batch);
	assert_int_equal(loop_before_sleep(serve_batch, NULL), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(task_go("joins", join_batch, NULL, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(woken_by_hook, 100);
	assert_in_range(hook_calls, 1, 3); /* one turn gathered them all */
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_before_sleep(serve_batch, NULL), 0);
	assert_int_equal(loop_before_sleep(serve_batch, NULL), ERR_BUSY);
}

static void
stop_soon(void *arg)
{
	task_sleep_until(SOON);
	loop_stop();
	*(int *)arg = 1;
	task_sleep_until(LATE);
	*(int *)arg = 2;
}

static void
test_stop(void **state)
{
	int reached = 0;

	(void)state;
	assert_int_equal(task_go("stop", stop_soon, &reached, NULL), 0);
	assert_int_equal(loop_run(), 0);
	assert_int_equal(reached, 1);
	assert_int_equal(loop_tasks(), 1); /* still parked; dropped by loop_fini */
}

static void
test_nothing_to_do(void **state)
{
	(void)state;
	assert_int_equal(loop_run(), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(loop_tasks(), 0);
	assert_non_null(loop_backend());
}

/* A task that yields for ever keeps neither events nor timers nor others from their turn. */
static bool enough;

static void
spin(void *arg)
{
	(void)arg;
	while (!enough)
		assert_int_equal(task_yield(), 0);
}

static void
among_spinners(void *arg)
{
	int pipes[2];

	(void)arg;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(task_wait_fd(pipes[0], IO_READ, LATE), 0);
	assert_int_equal(task_sleep_until(SOON), 0);
	enough = true;
	close(pipes[0]);
	close(pipes[1]);
}

static void
test_fairness(void **state)
{
	(void)state;
	enough = false;
	for (int i = 0; i < 10; i++)
		assert_int_equal(task_go("spin", spin, NULL, NULL), 0);
	run_task(among_spinners, NULL);
}

static unsigned taken;
static bool is_blocked;

static void
take_signal(int signo)
{
	sigset_t mask;

	assert_int_equal(signo, SIGUSR1);
	assert_false(task_on_stack());
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	is_blocked = sigismember(&mask, SIGUSR1);
	taken++;
}

static void
raise_twice(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
	assert_int_equal(taken, 0); /* blocked here */
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_int_equal(taken, 1);
	assert_true(is_blocked);
	raise(SIGUSR1);
	raise(SIGUSR1);
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_int_equal(taken, 2);
}

static void
test_signal(void **state)
{
	sigset_t mask;

	(void)state;
	taken = 0;
	assert_int_equal(loop_on_signal(SIGUSR1, take_signal), 0);
	assert_int_equal(loop_on_signal(0, take_signal), ERR_BAD);
	assert_int_equal(loop_on_signal(1000, take_signal), ERR_BAD);
	run_task(raise_twice, NULL);
	assert_int_equal(loop_on_signal(SIGUSR1, NULL), 0);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_false(sigismember(&mask, SIGUSR1));
}

static void
stop_on_signal(int signo)
{
	(void)signo;
	loop_stop();
}

/* From outside, while the loop sleeps with nothing else to wake it. */
static void
test_signal_wakes(void **state)
{
	pid_t parent = getpid(), child;
	int status;

	(void)state;
	assert_int_equal(loop_on_signal(SIGTERM, stop_on_signal), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		usleep(20000);
		kill(parent, SIGTERM);
		_exit(0);
	}
	assert_int_equal(loop_run(), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static struct timer parents_timer;
static struct io parents_io = { .fd = -1 };

static void
parents_event(struct io *io, unsigned events)
{
	(void)io, (void)events;
}

static void
parents_fire(struct timer *t)
{
	(void)t;
}

static int
give_five(void *arg)
{
	(void)arg;
	return 5;
}

static void
childs_task(void *arg)
{
	int *ok = arg;

	*ok = offload(OFFLOAD_MISC, give_five, NULL) == 5 && task_sleep_until(SOON) == 0;
}

static int
child_main(int pipe_read)
{
	int ok = 0;

	if (loop_init(NULL) != 0)
		return 1;
	if (loop_tasks() != 0 || timer_armed(&parents_timer) || parents_io.fd != -1)
		return 2;
	if (io_add(&parents_io, pipe_read, parents_event) != 0 ||
	    timer_set(&parents_timer, LATE) != 0)
		return 3;
	if (task_go("child", childs_task, &ok, NULL) != 0 || loop_run_until_idle() != 0 || !ok)
		return 4;
	io_del(&parents_io);
	timer_clear(&parents_timer);
	loop_fini();
	return 0;
}

static void
parks_for_ever(void *arg)
{
	(void)arg;
	task_sleep_until(LATE);
}

static void
forks(void *arg)
{
	pid_t *child = arg;
	int pipes[2], status;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(io_add(&parents_io, pipes[0], parents_event), 0);
	parents_timer.fire = parents_fire;
	assert_int_equal(timer_set(&parents_timer, LATE), 0);
	*child = fork();
	assert_true(*child >= 0);
	if (*child == 0)
		_exit(child_main(pipes[0]));
	assert_int_equal(waitpid(*child, &status, 0), *child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* The parent's registration is untouched. */
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(io_wait(&parents_io, IO_READ, LATE), 0);
	assert_true(timer_armed(&parents_timer));
	timer_clear(&parents_timer);
	io_del(&parents_io);
	close(pipes[0]);
	close(pipes[1]);
}

static void
drive_fork(struct timer *t)
{
	pid_t child;
	int pipes[2], status;

	(void)t;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(child_main(pipes[0]));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(pipes[0]);
	close(pipes[1]);
	loop_stop();
}

static void
use_helper(void *arg)
{
	assert_int_equal(offload(OFFLOAD_MISC, give_five, arg), 5);
}

static void
test_fork(void **state)
{
	struct timer t = { .fire = drive_fork };
	struct task_handle h;
	pid_t child;

	(void)state;
	run_task(use_helper, NULL); /* a thread that the child will not have */
	/* From a callback, as the master starts its children, and from a task. */
	assert_int_equal(task_go("parked", parks_for_ever, NULL, &h), 0);
	timer_set(&t, SOON);
	assert_int_equal(loop_run(), 0);
	task_cancel(h);
	run_task(forks, &child);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_hook),
		LOOP_TEST(test_stop),
		LOOP_TEST(test_nothing_to_do),
		LOOP_TEST(test_fairness),
		LOOP_TEST(test_signal),
		LOOP_TEST(test_signal_wakes),
		LOOP_TEST(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Waiting: queues, deadlines, several things at once; that one wait ends for one reason, that no wake is lost, and a storm of
 * wakes, cancels and time-outs in random order that must balance.
 */
#include <stdlib.h>
#include <unistd.h>

#include "unit/task/task_test.h"

static struct waitq queue;

struct waiter {
	int result;
	int64_t deadline;
	unsigned order;
	struct task_handle h;
};

static unsigned next_order;

static void
park_once(void *arg)
{
	struct waiter *w = arg;

	w->result = waitq_park(&queue, w->deadline);
	w->order = next_order++;
}

static void
start(struct waiter *w, unsigned n, int64_t deadline)
{
	next_order = 0;
	waitq_init(&queue);
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct waiter){ .result = 99, .deadline = deadline };
		assert_int_equal(task_go("waiter", park_once, &w[i], &w[i].h), 0);
	}
	task_yield();
}

static void
fifo(void *arg)
{
	struct waiter w[5];

	(void)arg;
	start(w, 5, LATE);
	waitq_wake(&queue, 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(w[i].result, 99); /* a wake never switches */
	task_yield();
	assert_int_equal(w[0].result, 0);
	assert_int_equal(w[1].result, 0);
	assert_int_equal(w[2].result, 99);
	waitq_wake(&queue, 1);
	waitq_wake_all(&queue);
	assert_true(waitq_empty(&queue));
	task_yield();
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(w[i].result, 0);
		assert_int_equal(w[i].order, i);
	}
	waitq_wake(&queue, 1); /* nobody there: forgotten */
}

static void
deadline(void *arg)
{
	struct waiter w[1];
	int64_t began = clock_mono(), due = began + 20 * MS;

	(void)arg;
	start(w, 1, due);
	assert_int_equal(task_join(w[0].h, LATE), 0);
	assert_int_equal(w[0].result, ERR_TIMEOUT);
	assert_true(clock_mono() >= due);
	assert_true(waitq_empty(&queue));
	assert_int_equal(waitq_park(&queue, began), ERR_TIMEOUT); /* already past: at once */
}

/* Woken, then cancelled before it ran: the next waiter gets the wake. */
static void
pass_on(void *arg)
{
	struct waiter w[3];

	(void)arg;
	start(w, 3, LATE);
	waitq_wake(&queue, 1);
	task_cancel(w[0].h);
	task_yield();
	assert_int_equal(w[0].result, ERR_CANCELLED);
	assert_int_equal(w[1].result, 0);
	assert_int_equal(w[2].result, 99);
	/* Cancelled while parked: it had no wake to pass on. */
	task_cancel(w[2].h);
	task_yield();
	assert_int_equal(w[2].result, ERR_CANCELLED);
}

static void
pass_on_chain(void *arg)
{
	struct waiter w[4];

	(void)arg;
	start(w, 4, LATE);
	waitq_wake(&queue, 1);
	for (int i = 0; i < 3; i++)
		task_cancel(w[i].h); /* each gets the wake from the one before */
	task_yield();
	for (int i = 0; i < 3; i++)
		assert_int_equal(w[i].result, ERR_CANCELLED);
	assert_int_equal(w[3].result, 0);
}

/* After waitq_wake_all the queue may be gone: a cancel must not touch it. */
static void
queue_gone(void *arg)
{
	struct waiter w[2];

	(void)arg;
	start(w, 2, LATE);
	waitq_wake_all(&queue);
	memset(&queue, 0x5a, sizeof(queue));
	task_cancel(w[0].h);
	task_cancel(w[1].h);
	task_yield();
	assert_int_equal(w[0].result, ERR_CANCELLED);
	assert_int_equal(w[1].result, ERR_CANCELLED);
}

static void
test_queue(void **state)
{
	(void)state;
	run_task(fifo, NULL);
	run_task(deadline, NULL);
	run_task(pass_on, NULL);
	run_task(pass_on_chain, NULL);
	run_task(queue_gone, NULL);
}

static struct waitq q1, q2;
static int any_result;

static void
wait_two(void *arg)
{
	const struct task_source set[] = { { .queue = &q1 }, { .queue = &q2 } };

	any_result = task_wait_any(set, 2, *(int64_t *)arg);
}

static void
any_queue(void *arg)
{
	int64_t late = LATE, soon = SOON;
	struct task_handle h;

	(void)arg;
	waitq_init(&q1);
	waitq_init(&q2);
	task_go("two", wait_two, &late, &h);
	task_yield();
	waitq_wake(&q2, 1);
	waitq_wake(&q1, 1); /* too late: the wait has ended */
	assert_true(waitq_empty(&q1) && waitq_empty(&q2));
	task_join(h, LATE);
	assert_int_equal(any_result, 1);

	task_go("two", wait_two, &soon, &h);
	task_join(h, LATE);
	assert_int_equal(any_result, ERR_TIMEOUT);
	assert_true(waitq_empty(&q1) && waitq_empty(&q2));

	task_go("two", wait_two, &late, &h);
	task_yield();
	task_cancel(h);
	assert_true(waitq_empty(&q1) && waitq_empty(&q2));
	task_join(h, LATE);
	assert_int_equal(any_result, ERR_CANCELLED);
}

static struct io readable;

static void
wait_mixed(void *arg)
{
	const struct task_source set[] = { { .queue = &q1 },
		{ .io = &readable, .events = IO_READ } };

	(void)arg;
	any_result = task_wait_any(set, 2, LATE);
}

static void
any_io(void *arg)
{
	struct task_handle h;
	int pipes[2];

	(void)arg;
	assert_int_equal(pipe(pipes), 0);
	waitq_init(&q1);
	assert_int_equal(io_add(&readable, pipes[0], NULL), 0);
	task_go("mixed", wait_mixed, NULL, &h);
	task_yield();
	assert_int_equal(write(pipes[1], "x", 1), 1);
	task_join(h, LATE);
	assert_int_equal(any_result, 1);
	assert_true(waitq_empty(&q1));

	task_go("mixed", wait_mixed, NULL, &h); /* still ready: at once */
	task_join(h, LATE);
	assert_int_equal(any_result, 1);

	io_unready(&readable, IO_READ);
	task_go("mixed", wait_mixed, NULL, &h);
	task_yield();
	waitq_wake(&q1, 1);
	task_join(h, LATE);
	assert_int_equal(any_result, 0);
	assert_null(readable.waiter[0]);

	task_go("mixed", wait_mixed, NULL, &h);
	task_yield();
	io_del(&readable);
	task_join(h, LATE);
	assert_int_equal(any_result, ERR_CLOSED);
	assert_true(waitq_empty(&q1));
	close(pipes[0]);
	close(pipes[1]);
}

static void
test_any(void **state)
{
	(void)state;
	run_task(any_queue, NULL);
	run_task(any_io, NULL);
}

static void
sleeps(void *arg)
{
	int64_t due = clock_mono() + 15 * MS;

	(void)arg;
	assert_int_equal(task_sleep_until(due), 0);
	assert_true(clock_mono() >= due);
	assert_int_equal(task_sleep_until(due), 0); /* already past */
}

static void
test_sleep(void **state)
{
	(void)state;
	run_task(sleeps, NULL);
}

/*
 * The storm. Tokens are handed out over a queue as a semaphore does: whoever waits for one rechecks, whoever is done
 * gives it back and wakes one. Others are cancelled or time out at random moments, also between their wake and their turn. If ever a
 * wake were lost, tasks would wait while a token is free: every task that is neither cancelled nor timed out must get its token.
 */
#define STORM_TASKS 20000
#define STORM_TOKENS 8

static struct {
	struct waitq q;
	unsigned tokens, in_use, most_in_use;
	unsigned got, timed_out, cancelled;
	struct task_handle h[STORM_TASKS];
	bool may_fail[STORM_TASKS];
} storm;

static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned
choose(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static int
take_token(int64_t until)
{
	while (storm.tokens == 0) {
		int rc = waitq_park(&storm.q, until);

		if (rc != 0)
			return rc;
	}
	storm.tokens--;
	return 0;
}

static void
give_token(void)
{
	storm.tokens++;
	waitq_wake(&storm.q, 1);
}

static void
hold_for_a_while(void)
{
	switch (choose(4)) {
	case 0:
		task_yield();
		break;
	case 1:
		task_sleep_until(clock_mono() + choose(30) * NS_PER_US);
		break;
	case 2:
		task_breathe();
		break;
	default:
		break;
	}
}

static void
storm_task(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;
	int rc = take_token(
	    storm.may_fail[me] && choose(2) ? clock_mono() + choose(3000) * NS_PER_US : LATE);

	if (rc == 0) {
		storm.got++;
		storm.in_use++;
		storm.most_in_use = MAX(storm.most_in_use, storm.in_use);
		hold_for_a_while();
		storm.in_use--;
		give_token();
		return;
	}
	assert_true(storm.may_fail[me]);
	assert_true(rc == ERR_TIMEOUT || rc == ERR_CANCELLED);
	if (rc == ERR_TIMEOUT)
		storm.timed_out++;
	else
		storm.cancelled++;
}

static void
storm_driver(void *arg)
{
	unsigned started = 0;

	(void)arg;
	while (started < STORM_TASKS || loop_tasks() > 1) {
		for (unsigned n = choose(400); n > 0 && started < STORM_TASKS; n--, started++) {
			storm.may_fail[started] = choose(2);
			assert_int_equal(task_go("storm", storm_task, (void *)(uintptr_t)started,
					     &storm.h[started]),
			    0);
		}
		for (unsigned n = choose(100); n > 0; n--) {
			unsigned victim = choose(started + 1);

			if (victim < started && storm.may_fail[victim])
				task_cancel(storm.h[victim]);
		}
		task_yield();
	}
}

static void
test_storm(void **state)
{
	(void)state;
	waitq_init(&storm.q);
	storm.tokens = STORM_TOKENS;
	run_task(storm_driver, NULL);
	print_message(
	    "got %u, timed out %u, cancelled %u\n", storm.got, storm.timed_out, storm.cancelled);
	assert_true(waitq_empty(&storm.q));
	assert_int_equal(storm.tokens, STORM_TOKENS);
	assert_int_equal(storm.in_use, 0);
	assert_in_range(storm.most_in_use, 2, STORM_TOKENS);
	assert_int_equal(storm.got + storm.timed_out + storm.cancelled, STORM_TASKS);
	assert_true(storm.timed_out > 0 && storm.cancelled > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_queue),
		LOOP_TEST(test_any),
		LOOP_TEST(test_sleep),
		LOOP_TEST(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

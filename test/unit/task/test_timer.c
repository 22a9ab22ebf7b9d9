/*
 * Timers by the ten thousand, against a plain list of what should fire.
 */
#include <stdlib.h>

#include "unit/task/task_test.h"

#define N 20000

struct checked {
	struct timer t;
	bool armed;
	unsigned fired;
};

static struct checked set[N];
static unsigned fired;
static int64_t last_deadline;

static void
on_fire(struct timer *t)
{
	struct checked *c = CONTAINER_OF(t, struct checked, t);

	assert_false(task_on_stack());
	assert_true(c->armed);
	assert_false(timer_armed(t));
	assert_true(t->deadline <= clock_mono());
	assert_true(t->deadline >= last_deadline); /* in order */
	last_deadline = t->deadline;
	c->armed = false;
	c->fired++;
	fired++;
}

static void
arm(struct checked *c, int64_t deadline)
{
	c->t.fire = on_fire;
	assert_int_equal(timer_set(&c->t, deadline), 0);
	assert_true(timer_armed(&c->t));
	c->armed = true;
}

static void
disarm(struct checked *c)
{
	timer_clear(&c->t);
	assert_false(timer_armed(&c->t));
	c->armed = false;
}

static void
reset(void)
{
	memset(set, 0, sizeof(set));
	fired = 0;
	last_deadline = 0;
	srand(7);
}

static void
test_many(void **state)
{
	int64_t now = clock_mono();
	unsigned expected = 0;

	(void)state;
	reset();
	for (unsigned i = 0; i < N; i++)
		arm(&set[i], now + rand() % 300 * MS);
	for (unsigned i = 0; i < 3 * N; i++) { /* set again, earlier or later, or cleared */
		struct checked *c = &set[rand() % N];

		if (rand() % 3)
			arm(c, now + (200 + rand() % 200) * MS + rand() % 1000);
		else
			disarm(c);
	}
	for (unsigned i = 0; i < N; i++)
		expected += set[i].armed;
	assert_in_range(expected, N / 4, N - 1);
	assert_int_equal(loop_run(), 0); /* ends when no timer is left */
	assert_int_equal(fired, expected);
	for (unsigned i = 0; i < N; i++)
		assert_false(set[i].armed);
}

/* Clearing what is not armed is nothing. */
static void
test_clear_twice(void **state)
{
	(void)state;
	reset();
	disarm(&set[0]); /* zeroed: not armed */
	arm(&set[0], clock_mono() + MS);
	arm(&set[1], clock_mono() + MS);
	disarm(&set[0]);
	disarm(&set[0]);
	assert_int_equal(loop_run(), 0);
	assert_int_equal(fired, 1);
	assert_int_equal(set[1].fired, 1);
}

static unsigned again;

static void
rearm(struct timer *t)
{
	if (++again < 5)
		timer_set(t, 0); /* long past: fires in the next turn, not for ever in this one */
}

static unsigned turns;

static void
count_turn(void *arg)
{
	(void)arg;
	turns++;
}

static void
test_rearm_in_the_past(void **state)
{
	struct timer t = { .fire = rearm };

	(void)state;
	again = turns = 0;
	loop_before_sleep(count_turn, NULL);
	timer_set(&t, 0);
	assert_int_equal(loop_run(), 0);
	assert_int_equal(again, 5);
	assert_true(turns >= 5);
}

static struct checked victim;

static void
clear_other(struct timer *t)
{
	(void)t;
	disarm(&victim);
}

/* One that fires may clear another that is due in the same turn. */
static void
test_clear_while_firing(void **state)
{
	struct timer t = { .fire = clear_other };
	int64_t now = clock_mono();

	(void)state;
	reset();
	victim = (struct checked){ .armed = false };
	arm(&victim, now + 1);
	timer_set(&t, now);
	assert_int_equal(loop_run(), 0);
	assert_int_equal(victim.fired, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_many),
		LOOP_TEST(test_clear_twice),
		LOOP_TEST(test_rearm_in_the_past),
		LOOP_TEST(test_clear_while_firing),
	};

	_Static_assert(sizeof(struct timer) <= 32, "a timer is in every idle connection");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The breaker's states and tickets, and the steps of the back-off.
 */
#include "unit/unit.h"

#include "base/clock.h"
#include "limit/backoff.h"
#include "limit/breaker.h"

#define S NS_PER_S

static void
failures_in_a_row_open_it(void **state)
{
	struct breaker b;
	uint32_t ticket;

	(void)state;
	breaker_init(&b, 3, 10 * S);
	for (int i = 0; i < 2; i++)
		assert_false(breaker_failure(&b, breaker_take(&b, 0), false, 0));
	breaker_success(&b);
	for (int i = 0; i < 2; i++)
		assert_false(breaker_failure(&b, breaker_take(&b, 0), false, 0));
	ticket = breaker_take(&b, 0);
	assert_true(breaker_failure(&b, ticket, false, 5 * S));
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(breaker_next(&b, 6 * S), 15 * S);
	assert_int_equal(breaker_take(&b, 15 * S - 1), 0);
	assert_int_not_equal(breaker_take(&b, 15 * S), 0);
}

static void
held_opens_at_once(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 5, 10 * S);
	assert_true(breaker_failure(&b, breaker_take(&b, 0), true, 0));
	assert_int_equal(breaker_take(&b, S), 0);
}

static void
half_open_lets_one_pass(void **state)
{
	struct breaker b;
	uint32_t probe;

	(void)state;
	breaker_init(&b, 1, 10 * S);
	breaker_failure(&b, breaker_take(&b, 0), false, 0);
	probe = breaker_take(&b, 10 * S);
	assert_int_not_equal(probe, 0);
	assert_int_equal(breaker_take(&b, 10 * S), 0);
	assert_int_equal(breaker_next(&b, 10 * S), CLOCK_NEVER);
	breaker_cancel(&b, probe);
	probe = breaker_take(&b, 10 * S);
	assert_int_not_equal(probe, 0);
	assert_true(breaker_failure(&b, probe, false, 11 * S));
	assert_int_equal(breaker_next(&b, 11 * S), 21 * S);
	assert_int_not_equal(breaker_take(&b, 21 * S), 0);
	breaker_success(&b);
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_int_not_equal(breaker_take(&b, 21 * S), 0);
	assert_int_not_equal(breaker_take(&b, 21 * S), 0);
}

/* What began before it opened, and fails late, neither makes it wait longer nor lets a second probe out. */
static void
late_failures_change_nothing(void **state)
{
	struct breaker b;
	uint32_t early, other, probe;

	(void)state;
	breaker_init(&b, 1, 10 * S);
	early = breaker_take(&b, 0);
	other = breaker_take(&b, 0);
	assert_true(breaker_failure(&b, other, false, 0));
	assert_false(breaker_failure(&b, early, false, 5 * S));
	assert_int_equal(breaker_next(&b, 5 * S), 10 * S);
	probe = breaker_take(&b, 10 * S);
	assert_false(breaker_failure(&b, early, true, 11 * S));
	breaker_cancel(&b, early);
	assert_int_equal(breaker_take(&b, 11 * S), 0);
	assert_true(breaker_failure(&b, probe, false, 12 * S));
}

static void
waits_grow_to_the_most(void **state)
{
	struct backoff_policy p = { S, 30 * S, 2, false };
	static const int64_t waits[] = { 1, 2, 4, 8, 16, 30, 30 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(waits); i++)
		assert_int_equal(backoff_wait(&p, i, 0), waits[i] * S);
	assert_int_equal(backoff_wait(&p, UINT32_MAX, 0), 30 * S);
	p.jitter = true;
	assert_int_equal(backoff_wait(&p, 0, 0), S);
	assert_true(backoff_wait(&p, 0, UINT64_MAX) > S * 109 / 100);
	assert_true(backoff_wait(&p, 0, UINT64_MAX) <= S * 11 / 10);
}

/* No policy makes it go round for long or overflow. */
static void
odd_policies(void **state)
{
	struct backoff_policy p = { S, INT64_MAX, 1, true };

	(void)state;
	assert_true(backoff_wait(&p, UINT32_MAX, 7) >= S);
	p.multiplier = 10;
	assert_true(backoff_wait(&p, UINT32_MAX, UINT64_MAX) > BACKOFF_MAX_NS);
	p.initial = 0;
	assert_int_equal(backoff_wait(&p, UINT32_MAX, UINT64_MAX), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_in_a_row_open_it),
		cmocka_unit_test(held_opens_at_once),
		cmocka_unit_test(half_open_lets_one_pass),
		cmocka_unit_test(late_failures_change_nothing),
		cmocka_unit_test(waits_grow_to_the_most),
		cmocka_unit_test(odd_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

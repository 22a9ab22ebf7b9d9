/*
 * GCRA: what it allows, for how long it makes wait, and that no rate, however odd, makes it overflow.
 */
#include "unit/unit.h"

#include "base/clock.h"
#include "limit/gcra.h"

#define S NS_PER_S
#define NOW (INT64_C(1800000000) * S)

static struct gcra_limit
limit_of(uint64_t count, int64_t period, uint64_t capacity)
{
	struct gcra_limit l;

	assert_int_equal(gcra_init(&l, count, period, capacity), 0);
	return l;
}

static void
one_too_many_waits_its_turn(void **state)
{
	struct gcra_limit l = limit_of(60, 60 * S, 60);
	struct limit_result r;
	int64_t tat = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		r = gcra_take(&l, &tat, NOW + i);
		assert_true(r.allowed);
		assert_int_equal(r.remaining, 59 - i);
		assert_int_equal(r.limit, 60);
		assert_int_equal(r.wait, 0);
	}
	r = gcra_take(&l, &tat, NOW + 60);
	assert_false(r.allowed);
	assert_int_equal(r.remaining, 0);
	/* The first one is given back a second after it came, all of them a minute after. */
	assert_int_equal(r.wait, S - 60);
	assert_int_equal(r.full, 60 * S - 60);
	assert_false(gcra_take(&l, &tat, NOW + S - 1).allowed);
	assert_true(gcra_take(&l, &tat, NOW + S).allowed);
	assert_false(gcra_take(&l, &tat, NOW + S).allowed);
}

/* Who waits as long as told passes, and not a nanosecond sooner. */
static void
the_wait_is_true(void **state)
{
	static const uint64_t counts[] = { 1, 3, 7, 60, 99, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct gcra_limit l = limit_of(counts[i], 60 * S, 1 + counts[i] / 2);
		int64_t tat = 0, now = NOW;

		for (int k = 0; k < 500; k++) {
			struct limit_result r = gcra_take(&l, &tat, now);

			if (r.allowed)
				continue;
			assert_false(gcra_peek(&l, tat, now + r.wait - 1).allowed);
			now += r.wait;
			assert_true(gcra_take(&l, &tat, now).allowed);
		}
	}
}

/* At the edge of a clock's minute, where a counter of fixed windows lets twice the limit through. */
static void
no_double_burst_at_an_edge(void **state)
{
	struct gcra_limit l = limit_of(60, 60 * S, 60);
	int64_t edge = NOW / (60 * S) * (60 * S) + 60 * S, tat = 0;
	int passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		passed += gcra_take(&l, &tat, edge - S + i).allowed;
	for (int i = 0; i < 100; i++)
		passed += gcra_take(&l, &tat, edge + S + i).allowed;
	assert_int_equal(passed, 62);
}

/* Over a long time neither more nor less than the rate: whole intervals add up to whole periods. */
static void
nothing_drifts(void **state)
{
	struct gcra_limit l = limit_of(100, 60 * S, 1);
	int64_t tat = 0, now = NOW;
	long passed = 0;

	(void)state;
	for (long i = 0; i < 1000000; i++, now += 100 * NS_PER_MS)
		passed += gcra_take(&l, &tat, now).allowed;
	assert_int_equal(passed, 1000000 / 6 + 1);
}

static void
a_thousand_seconds_at_an_odd_rate(void **state)
{
	struct gcra_limit l = limit_of(7, S, 7);
	int64_t tat = 0, now = NOW;
	long passed = 0;

	(void)state;
	for (long i = 0; i < 100000; i++, now += 10 * NS_PER_MS)
		passed += gcra_take(&l, &tat, now).allowed;
	assert_in_range(passed, 7000, 7007);
}

static void
burst_and_sustained(void **state)
{
	struct gcra_limit l = limit_of(60, 60 * S, 5);
	int64_t tat = 0;
	int passed = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		passed += gcra_take(&l, &tat, NOW).allowed;
	assert_int_equal(passed, 5);
	assert_true(gcra_take(&l, &tat, NOW + S).allowed);
	assert_false(gcra_take(&l, &tat, NOW + S).allowed);
	/* A long rest gives back no more than the burst. */
	for (int i = 0; i < 10; i++)
		passed += gcra_take(&l, &tat, NOW + 3600 * S).allowed;
	assert_int_equal(passed, 10);
}

/* The clock went back, or the limit was lowered: nobody waits for longer than an empty bucket takes. */
static void
a_tat_from_the_future_is_cut(void **state)
{
	struct gcra_limit l = limit_of(60, 60 * S, 60);
	int64_t tat = NOW + 3600 * S;
	struct limit_result r = gcra_take(&l, &tat, NOW);

	(void)state;
	assert_false(r.allowed);
	assert_int_equal(r.wait, S);
	assert_int_equal(r.full, 60 * S);
	assert_int_equal(gcra_debt(&l, INT64_MAX, NOW), 60 * S);
	assert_int_equal(gcra_debt(&l, 0, NOW), 0);
}

static void
absurd_limits(void **state)
{
	static const struct {
		uint64_t count;
		int64_t period;
		uint64_t capacity;
		int err;
	} cases[] = {
		{ 0, S, 1, ERR_BAD },
		{ 1, 0, 1, ERR_BAD },
		{ 1, -1, 1, ERR_BAD },
		{ 1, S, 0, ERR_BAD },
		{ UINT64_MAX, S, 1, ERR_BAD },
		{ 1, INT64_MAX, 1, ERR_BAD },
		{ 1000000001, S, 1, ERR_BAD },
		{ 1000000000, S, 1, 0 },
		{ 1, S, UINT64_MAX, 0 },
		{ 1, GCRA_SPAN_MAX, UINT64_MAX, 0 },
		{ 1000000000, S, UINT64_MAX, 0 },
		{ 3, 86400 * S, 1u << 31, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gcra_limit l;
		int64_t tat = 0;

		assert_int_equal(gcra_init(&l, cases[i].count, cases[i].period, cases[i].capacity),
		    cases[i].err);
		if (cases[i].err)
			continue;
		assert_true(l.interval >= 1 && l.capacity >= 1);
		for (uint32_t scale = 1; scale <= 65536; scale *= 16) {
			struct gcra_limit scaled = gcra_scale(&l, scale);

			assert_true(scaled.interval >= l.interval && scaled.capacity >= 1 &&
				    scaled.capacity <= l.capacity);
			assert_true(gcra_take(&scaled, &tat, INT64_MAX / 2).allowed);
			tat = 0;
		}
		tat = INT64_MAX;
		assert_true(gcra_take(&l, &tat, INT64_MAX / 2).full >= 0);
	}
}

static void
scaled_limits(void **state)
{
	struct gcra_limit l = limit_of(60, 60 * S, 60), half = gcra_scale(&l, 32768);

	(void)state;
	assert_int_equal(half.capacity, 30);
	assert_int_equal(half.interval, 2 * S);
	assert_int_equal(gcra_scale(&l, 65536).capacity, 60);
	assert_int_equal(gcra_scale(&l, 65536).interval, S);
	assert_int_equal(gcra_scale(&l, 1).capacity, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_too_many_waits_its_turn),
		cmocka_unit_test(the_wait_is_true),
		cmocka_unit_test(no_double_burst_at_an_edge),
		cmocka_unit_test(nothing_drifts),
		cmocka_unit_test(a_thousand_seconds_at_an_odd_rate),
		cmocka_unit_test(burst_and_sustained),
		cmocka_unit_test(a_tat_from_the_future_is_cut),
		cmocka_unit_test(absurd_limits),
		cmocka_unit_test(scaled_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

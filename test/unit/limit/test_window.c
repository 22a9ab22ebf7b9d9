/*
 * Sliding windows: never more than the limit in any window, held against a log of all that was allowed.
 */
#include "unit/unit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "limit/window.h"

#define S NS_PER_S
#define NOW (INT64_C(1800000000) * S)

static struct window_limit
limit_of(uint64_t count, int64_t length)
{
	struct window_limit l;

	assert_int_equal(window_init(&l, count, length), 0);
	return l;
}

static void
all_at_once_come_back_after_the_window(void **state)
{
	struct window_limit l = limit_of(60, 60 * S);
	_Atomic uint64_t words[WINDOW_WORDS] = { 0 };
	struct limit_result r;

	(void)state;
	for (int i = 0; i < 60; i++) {
		r = window_take(&l, words, NOW + i * NS_PER_MS);
		assert_true(r.allowed);
		assert_int_equal(r.remaining, 59 - i);
	}
	r = window_take(&l, words, NOW + 100 * NS_PER_MS);
	assert_false(r.allowed);
	assert_int_equal(r.remaining, 0);
	/* The slot's last request is known to a 4096th of the slot: two milliseconds. */
	assert_in_range(r.wait, 60 * S - 100 * NS_PER_MS, 60 * S - 35 * NS_PER_MS);
	assert_false(window_take(&l, words, NOW + 60 * S + 58 * NS_PER_MS).allowed);
	assert_true(window_take(&l, words, NOW + 60 * S + 63 * NS_PER_MS).allowed);
}

/* A burst before a minute's edge and one behind it are one burst. */
static void
no_edge(void **state)
{
	struct window_limit l = limit_of(60, 60 * S);
	_Atomic uint64_t words[WINDOW_WORDS] = { 0 };
	int64_t edge = NOW / (60 * S) * (60 * S) + 60 * S;
	int passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		passed += window_take(&l, words, edge - S).allowed;
	for (int i = 0; i < 100; i++)
		passed += window_take(&l, words, edge + S).allowed;
	assert_int_equal(passed, 60);
}

/* Random arrivals of all tempers, against the log: in no window more than the limit; a wait that is kept is enough; and no more than one
 * slot is lost of what an exact log would let through. */
static void
never_more_in_any_window(void **state)
{
	enum { COUNT = 40, STEPS = 20000 };
	static int64_t log[STEPS];
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 4; round++) {
		struct window_limit l = limit_of(COUNT, 60 * S);
		_Atomic uint64_t words[WINDOW_WORDS] = { 0 };
		int64_t now = NOW, began = NOW;
		int n = 0;

		for (int i = 0; i < STEPS; i++) {
			struct limit_result r = window_take(&l, words, now);

			if (r.allowed) {
				if (n >= COUNT)
					assert_true(now - log[n - COUNT] >= 60 * S);
				log[n++] = now;
			} else {
				assert_true(r.wait > 0 && r.wait <= 60 * S + l.slot);
				assert_true(window_peek(&l, words, now + r.wait).allowed);
				if (rand_r(&seed) % 4 == 0)
					now += r.wait;
			}
			now += (int64_t)(rand_r(&seed) % 1000) * (round + 1) * NS_PER_MS;
		}
		/* Offered more than enough: at least 12/13 of the rate. */
		if (round == 0)
			assert_true(n >= (now - began) / (60 * S) * COUNT * 12 / 13);
	}
}

static void
refunds_and_sums(void **state)
{
	struct window_limit l = limit_of(2, S);
	_Atomic uint64_t words[WINDOW_WORDS] = { 0 };

	(void)state;
	assert_true(window_take(&l, words, NOW).allowed);
	assert_true(window_take(&l, words, NOW).allowed);
	window_refund(&l, words, NOW);
	assert_int_equal(window_peek(&l, words, NOW).remaining, 1);
	assert_true(window_take(&l, words, NOW).allowed);
	assert_false(window_take(&l, words, NOW).allowed);
	window_refund(&l, words, NOW + 5 * S); /* nothing there */
	assert_int_equal(window_peek(&l, words, NOW + 5 * S).remaining, 2);
}

/* Words that a crash left, or a reader whose clock is behind: no wait beyond a window, no count below zero. */
static void
strange_words(void **state)
{
	struct window_limit l = limit_of(10, 60 * S);
	unsigned seed = 3;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		_Atomic uint64_t words[WINDOW_WORDS];
		struct limit_result r;

		for (unsigned k = 0; k < WINDOW_WORDS; k++)
			words[k] = (uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed) << 11 ^
				   (uint64_t)rand_r(&seed);
		r = window_take(&l, words, NOW);
		assert_in_range(r.remaining, 0, 10);
		assert_in_range(r.wait, 0, (WINDOW_WORDS + 1) * l.slot + 60 * S);
	}
	for (int i = 0; i < 20; i++) {
		_Atomic uint64_t words[WINDOW_WORDS] = { 0 };

		for (int k = 0; k < 10; k++)
			assert_true(window_take(&l, words, NOW).allowed);
		assert_false(window_take(&l, words, NOW - i * S).allowed);
	}
}

static void
bounds(void **state)
{
	struct window_limit l;

	(void)state;
	assert_int_equal(window_init(&l, 0, S), ERR_BAD);
	assert_int_equal(window_init(&l, (uint64_t)WINDOW_COUNT_MAX + 1, S), ERR_BAD);
	assert_int_equal(window_init(&l, 1, 0), ERR_BAD);
	assert_int_equal(window_init(&l, 1, INT64_MAX), ERR_BAD);
	assert_int_equal(window_init(&l, (uint64_t)WINDOW_COUNT_MAX, WINDOW_LENGTH_MAX), 0);
	assert_int_equal(window_scale(&l, 32768).count, WINDOW_COUNT_MAX / 2);
	assert_int_equal(window_scale(&l, 1).count, WINDOW_COUNT_MAX / 65536);
	l.count = 5;
	assert_int_equal(window_scale(&l, 1).count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once_come_back_after_the_window),
		cmocka_unit_test(no_edge),
		cmocka_unit_test(never_more_in_any_window),
		cmocka_unit_test(refunds_and_sums),
		cmocka_unit_test(strange_words),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

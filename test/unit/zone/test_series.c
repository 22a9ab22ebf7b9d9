/*
 * Series: getting, counting, reading, what does not fit, retirement, slots that die.
 */
#include <string.h>

#include "unit/unit.h"

#include "base/clock.h"
#include "zone/series.h"
#include "zone/zone.h"

#include "unit/zone/zone_test.h"

static void
teaches_layout(void **state)
{
	(void)state;
	assert_int_equal(test_words.words, 1 + 1 + 14 + 3);
	assert_int_equal(test_words.at[TEST_LATENCY], 2);
	assert_int_equal(test_words.at[TEST_RAW], 16);
	assert_int_equal(test_words.n_labels, 2);
	assert_ptr_equal(metric_set(test_words.id), &test_words);
}

static void
counts_by_key(void **state)
{
	struct series *a = series_get(&test_words, STR("a")),
		      *b = series_get(&test_words, STR("b"));
	struct series_view v;

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(a, series_get(&test_words, STR("a")));
	series_add(a, TEST_COUNT, 2);
	series_add(b, TEST_COUNT, 3);
	series_add(a, TEST_COUNT, UINT64_MAX);
	series_set(a, TEST_GAUGE, -5);
	assert_true(series_find(&test_words, STR("a"), &v));
	assert_int_equal(series_value(&test_words, &v, TEST_COUNT), 1);
	assert_int_equal((int64_t)series_value(&test_words, &v, TEST_GAUGE), -5);
	assert_true(series_find(&test_words, STR("b"), &v));
	assert_int_equal(series_value(&test_words, &v, TEST_COUNT), 3);
	assert_false(series_find(&test_words, STR("c"), &v));
	assert_int_equal(series_count(&test_words), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(teaches_layout),
		cmocka_unit_test_setup_teardown(counts_by_key, test_zone_make, test_zone_drop),
	};

	test_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

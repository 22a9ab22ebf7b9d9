/*
 * For the tests of zone/: a set of each kind of row, and a zone of eight slots with this process in slot 3.
 */
#ifndef SLUICE_TEST_ZONE_H
#define SLUICE_TEST_ZONE_H

#include "zone/series.h"
#include "zone/zone.h"

#define TEST_SLOTS 8

enum { TEST_COUNT, TEST_GAUGE, TEST_LATENCY, TEST_RAW };

static const struct metric_row test_rows[] = {
	[TEST_COUNT] = { .name = "test_total", .type = METRIC_COUNTER },
	[TEST_GAUGE] = { .name = "test_now", .type = METRIC_GAUGE },
	[TEST_LATENCY] = { .name = "test_seconds",
	    .type = METRIC_HISTOGRAM,
	    .bounds = metric_latency_bounds,
	    .n_bounds = 12 },
	[TEST_RAW] = { .type = METRIC_RAW, .words = 3 },
};

static struct metric_set test_words = {
	.name = "test_words", .labels = { "word", "more" }, .rows = test_rows, .n_rows = 4
};

#define TEST_FEW_MAX 10

static struct metric_set test_few = { .name = "test_few",
	.labels = { "word" },
	.rows = test_rows,
	.n_rows = 1,
	.max_series = TEST_FEW_MAX };
static struct metric_set test_single = { .name = "test_single", .rows = test_rows, .n_rows = 1 };

static struct zone *test_zone;

static inline void
test_register(void)
{
	series_register();
	metric_register(&test_words);
	metric_register(&test_few);
	metric_register(&test_single);
}

/* Of test_words, as any process sees it; 0 if it is not there. */
static inline uint64_t
test_value_of(struct str key, unsigned row)
{
	struct series_view v;

	return series_find(&test_words, key, &v) ? series_value(&test_words, &v, row) : 0;
}

static inline uint64_t
test_value(const char *key, unsigned row)
{
	return test_value_of(str_of(key), row);
}

static inline int
test_zone_make(void **state)
{
	(void)state;
	test_zone = zone_new(TEST_SLOTS);
	return test_zone == NULL || series_attach(test_zone, ZONE_SLOT_WORKER) != 0 ? -1 : 0;
}

static inline int
test_zone_drop(void **state)
{
	(void)state;
	zone_free(test_zone);
	series_detach();
	return 0;
}

#endif

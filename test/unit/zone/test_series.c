/*
 * Series: getting, counting, reading, what does not fit, pins, retirement, the pseudo-slots, slots that die.
 */
#include <stdio.h>
#include <string.h>

#include "unit/unit.h"

#include "base/clock.h"
#include "unit/zone/zone_test.h"
#include "zone/directory.h"

/* As another slot's process would: the same process attaches there and back. */
static void
become(unsigned slot)
{
	assert_int_equal(series_attach(test_zone, slot), 0);
}

static uint64_t
dropped(void)
{
	struct series_usage u;

	series_usage(&u);
	return u.dropped;
}

/* ---- rows ---- */

static void
lays_out_rows(void **state)
{
	uint32_t layout = metric_layout();

	(void)state;
	assert_int_equal(test_words.words, 1 + 1 + 14 + 3);
	assert_int_equal(test_words.at[TEST_LATENCY], 2);
	assert_int_equal(test_words.at[TEST_RAW], 16);
	assert_int_equal(test_words.n_labels, 2);
	assert_ptr_equal(metric_set(test_words.id), &test_words);
	assert_null(metric_set(METRIC_SETS_MAX));
	metric_register(&test_words);
	assert_int_equal(metric_layout(), layout);
}

static void
tells_rows_apart(void **state)
{
	const struct metric_row *row = &test_rows[TEST_LATENCY];
	struct metric_row other = *row;
	int64_t bounds[12];

	(void)state;
	assert_int_equal(metric_row_sum(&other), metric_row_sum(row));
	memcpy(bounds, row->bounds, sizeof(bounds));
	bounds[11]++;
	other.bounds = bounds;
	assert_int_not_equal(metric_row_sum(&other), metric_row_sum(row));
	other = *row;
	other.labels = "a=\"b\"";
	assert_int_not_equal(metric_row_sum(&other), metric_row_sum(row));
	other = *row;
	other.help = "says it better";
	assert_int_equal(metric_row_sum(&other), metric_row_sum(row));
}

/* ---- counting ---- */

static void
counts_by_key(void **state)
{
	struct series *a = series_get(&test_words, STR("a")),
		      *b = series_get(&test_words, STR("b"));

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(a, series_get(&test_words, STR("a")));
	series_add(a, TEST_COUNT, 2);
	series_add(b, TEST_COUNT, 3);
	series_set(a, TEST_GAUGE, -5);
	assert_int_equal(test_value("a", TEST_COUNT), 2);
	assert_int_equal((int64_t)test_value("a", TEST_GAUGE), -5);
	assert_int_equal(test_value("b", TEST_COUNT), 3);
	assert_int_equal(test_value("c", TEST_COUNT), 0);
	assert_int_equal(series_count(&test_words), 2);
	assert_int_equal(dropped(), 0);
}

static void
wraps_quietly(void **state)
{
	struct series *a = series_get(&test_words, STR("a"));

	(void)state;
	series_add(a, TEST_COUNT, UINT64_MAX);
	assert_true(test_value("a", TEST_COUNT) == UINT64_MAX);
	series_add(a, TEST_COUNT, 3);
	assert_int_equal(test_value("a", TEST_COUNT), 2);
}

static void
observes_into_buckets(void **state)
{
	struct series *s = series_get(&test_words, STR("a"));
	struct series_view v;
	uint64_t counts[13], sum;

	(void)state;
	series_observe(s, TEST_LATENCY, -7);
	series_observe(s, TEST_LATENCY, INT64_MIN);
	for (unsigned i = 0; i < 12; i++) {
		series_observe(s, TEST_LATENCY, metric_latency_bounds[i]);
		series_observe(s, TEST_LATENCY, metric_latency_bounds[i] + 1);
	}
	assert_true(series_find(&test_words, STR("a"), &v));
	series_histogram(&test_words, &v, TEST_LATENCY, counts, &sum);
	assert_int_equal(counts[0], 3); /* a bound belongs to the bucket below it */
	for (unsigned i = 1; i < 12; i++)
		assert_int_equal(counts[i], 2);
	assert_int_equal(counts[12], 1);
	for (unsigned i = 0; i < 12; i++)
		sum -= 2 * (uint64_t)metric_latency_bounds[i] + 1;
	assert_int_equal(sum, 0);
}

static void
adds_up_slots(void **state)
{
	struct series_view v;
	uint64_t words[19];

	(void)state;
	for (unsigned slot = 1; slot < TEST_SLOTS; slot++) {
		struct series *s;

		become(slot);
		s = series_get(&test_words, STR("a"));
		series_add(s, TEST_COUNT, slot);
		series_set(s, TEST_GAUGE, 1);
		series_observe(s, TEST_LATENCY, 0);
		series_add(s, TEST_RAW, slot);
	}
	assert_true(series_find(&test_words, STR("a"), &v));
	series_sum(&test_words, &v, words);
	assert_int_equal(words[0], 28);
	assert_int_equal(words[1], 7);
	assert_int_equal(words[2], 7);
	assert_int_equal(words[16], 0); /* raw words are read slot by slot */
	assert_null(series_block(&test_words, &v, 0));
	for (unsigned slot = 1; slot < TEST_SLOTS; slot++)
		assert_int_equal(
		    series_block(&test_words, &v, slot)[test_words.at[TEST_RAW]], slot);
	/* A process takes up what an earlier one of its slot left. */
	become(3);
	series_add(series_get(&test_words, STR("a")), TEST_COUNT, 1);
	assert_int_equal(test_value("a", TEST_COUNT), 29);
}

static void
walks_in_one_order(void **state)
{
	static const char *const keys[] = { "one", "two", "three", "four" };
	struct series_view v;
	uint32_t cursor;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		(void)series_get(&test_words, str_of(keys[i]));
		(void)series_get(&test_few, str_of(keys[i]));
	}
	for (int round = 0; round < 2; round++) {
		cursor = 0;
		for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
			assert_true(series_next(&test_words, &cursor, &v));
			assert_true(str_is(v.key, keys[i]));
			assert_true(series_still(&v));
		}
		assert_false(series_next(&test_words, &cursor, &v));
		assert_false(series_next(&test_words, &cursor, &v));
	}
}

static void
joins_labels(void **state)
{
	const struct str plain[] = { STR("x"), STR("yz") }, none[] = { STR(""), { NULL, 0 } },
			 sly[] = { STR("a\0b"), STR("c") };
	static char text[SERIES_KEY_MAX];
	const struct str longest[] = { { text, SERIES_KEY_MAX - 2 }, STR("y") },
			 longer[] = { { text, SERIES_KEY_MAX - 1 }, STR("y") };
	struct series_view v;

	(void)state;
	memset(text, 'x', sizeof(text));
	(void)series_get_labels(&test_words, plain);
	assert_true(series_find(&test_words, STR("x\0yz"), &v));
	(void)series_get_labels(&test_words, none);
	assert_true(series_find(&test_words, STR("\0"), &v));
	(void)series_get_labels(&test_words, sly);
	assert_true(series_find(&test_words, STR("a?b\0c"), &v));
	(void)series_get_labels(&test_words, longest);
	assert_int_equal(dropped(), 0);
	(void)series_get_labels(&test_words, longer);
	assert_int_equal(dropped(), 1);
}

static void
keys_of_every_length(void **state)
{
	char text[SERIES_KEY_MAX + 1];

	(void)state;
	for (size_t n = 1; n <= SERIES_KEY_MAX; n += n < 70 ? 1 : 53) {
		memset(text, 'k', n);
		series_add(series_get(&test_words, str_make(text, n)), TEST_COUNT, n);
		text[n - 1] = 'l';
		series_add(series_get(&test_words, str_make(text, n)), TEST_COUNT, 1);
	}
	for (size_t n = 1; n <= SERIES_KEY_MAX; n += n < 70 ? 1 : 53) {
		struct series_view v;

		memset(text, 'k', n);
		assert_true(series_find(&test_words, str_make(text, n), &v));
		assert_int_equal(series_value(&test_words, &v, TEST_COUNT), n);
	}
	assert_int_equal(dropped(), 0);
}

static void
remembers_when_seen(void **state)
{
	struct series_view v;
	struct block *b;

	(void)state;
	b = CONTAINER_OF(series_get(&test_words, STR("a"))->block, struct block, word);
	assert_true(series_find(&test_words, STR("a"), &v));
	assert_true(v.seen > 0 && v.seen <= clock_wall());
	/* The clock was far ahead, and is no more. */
	atomic_store(&b->seen, v.seen + 86400 * NS_PER_S);
	(void)series_get(&test_words, STR("a"));
	assert_true(series_find(&test_words, STR("a"), &v));
	assert_true(v.seen <= clock_wall());
}

/* ---- what does not fit ---- */

static void
folds_what_exceeds_the_sets_limit(void **state)
{
	char key[16];
	struct series_view v;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		series_add(series_get(&test_few, str_of(key)), 0, 1);
	}
	assert_int_equal(series_count(&test_few), TEST_FEW_MAX + 1);
	assert_true(series_find(&test_few, STR("other"), &v));
	assert_int_equal(series_value(&test_few, &v, 0), 100 - TEST_FEW_MAX);
	assert_int_equal(dropped(), 100 - TEST_FEW_MAX);
	assert_true(series_find(metric_set(0), STR("test_few"), &v));
	/* Those who were first still count on their own. */
	series_add(series_get(&test_few, STR("k0")), 0, 1);
	assert_true(series_find(&test_few, STR("k0"), &v));
	assert_int_equal(series_value(&test_few, &v, 0), 2);
}

static void
folds_keys_that_are_too_long(void **state)
{
	static char text[SERIES_KEY_MAX + 1];

	(void)state;
	series_add(series_get(&test_words, str_make(text, sizeof(text))), TEST_COUNT, 4);
	assert_int_equal(test_value("other\0other", TEST_COUNT), 0); /* cut at the zero byte */
	assert_int_equal(test_value_of(STR("other\0other"), TEST_COUNT), 4);
	assert_int_equal(dropped(), 1);
}

static void
a_full_zone_still_counts_everything(void **state)
{
	uint64_t sum = 0, n = 100000;
	struct series_view v;
	struct series_usage u;
	uint32_t cursor = 0;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		series_add(series_get(&test_words, str_of(key)), TEST_COUNT, 1);
	}
	series_usage(&u);
	assert_true(u.used <= u.size && u.used > u.size / 2);
	assert_true(u.entries <= u.entries_max);
	while (series_next(&test_words, &cursor, &v))
		sum += series_value(&test_words, &v, TEST_COUNT);
	assert_int_equal(sum, n);
	assert_int_equal(u.dropped, test_value_of(STR("other\0other"), TEST_COUNT));
	assert_int_equal(u.dropped + series_count(&test_words) - 1, n);
	/* What has no labels, and `other` of another slot, have room all the same. */
	series_add(series_get(&test_single, STR("")), 0, 1);
	assert_true(series_find(&test_single, STR(""), &v));
	become(5);
	series_add(series_get(&test_words, STR("new")), TEST_COUNT, 1);
	assert_int_equal(test_value_of(STR("other\0other"), TEST_COUNT), u.dropped + 1);
}

/* As in a tool: registered, but never attached. */
static void
works_without_a_zone(void **state)
{
	struct series *s = series_get(&test_words, STR("a")),
		      *p = series_pin(&test_words, STR("b"));
	struct series_view v;
	struct series_usage u;
	uint32_t cursor = 0;

	(void)state;
	series_add(s, TEST_COUNT, 1);
	series_add(p, TEST_COUNT, 1);
	series_observe(p, TEST_LATENCY, 1);
	series_tick();
	assert_false(series_next(&test_words, &cursor, &v));
	assert_false(series_find(&test_words, STR("a"), &v));
	assert_false(series_retire_oldest(&test_words, NULL, NULL));
	assert_int_equal(series_count(&test_words), 0);
	series_usage(&u);
	assert_int_equal(u.size, 0);
}

/* ---- pins ---- */

static void
pins_last(void **state)
{
	struct series *p = series_pin(&test_words, STR("pinned"));
	struct series_view v;
	uint32_t index = p->index;

	(void)state;
	assert_ptr_equal(p, series_pin(&test_words, STR("pinned")));
	assert_ptr_not_equal(p, series_pin(&test_few, STR("pinned")));
	series_add(p, TEST_COUNT, 1);
	assert_int_equal(test_value("pinned", TEST_COUNT), 1);
	assert_true(series_find(&test_words, STR("pinned"), &v));
	assert_true(series_retire(&test_words, &v));
	assert_int_equal(test_value("pinned", TEST_COUNT), 0);
	series_add(p, TEST_COUNT, 1); /* into what nobody reads any more */
	series_tick();
	series_add(p, TEST_COUNT, 1);
	assert_int_not_equal(p->index, index);
	assert_int_equal(test_value("pinned", TEST_COUNT), 1);
	/* In the next life of the process's slot, too. */
	become(4);
	series_add(p, TEST_COUNT, 1);
	assert_int_equal(test_value("pinned", TEST_COUNT), 2);
}

static void
a_pin_waits_for_room(void **state)
{
	struct series *p;
	struct series_view v;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < TEST_FEW_MAX; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		(void)series_get(&test_few, str_of(key));
	}
	p = series_pin(&test_few, STR("late"));
	series_add(p, 0, 1);
	assert_true(series_find(&test_few, STR("other"), &v));
	assert_int_equal(series_value(&test_few, &v, 0), 1);
	assert_true(series_retire(&test_few, &v)); /* `other`, which counts as well */
	assert_true(series_find(&test_few, STR("k3"), &v));
	assert_true(series_retire(&test_few, &v));
	series_tick();
	series_add(p, 0, 1);
	assert_true(series_find(&test_few, STR("late"), &v));
	assert_int_equal(series_value(&test_few, &v, 0), 1);
}

/* ---- retirement ---- */

static uint32_t
retire(const char *key)
{
	struct series_view v;

	assert_true(series_find(&test_words, str_of(key), &v));
	assert_true(series_retire(&test_words, &v));
	assert_false(series_still(&v));
	assert_false(series_retire(&test_words, &v));
	assert_int_equal(series_value(&test_words, &v, TEST_COUNT), 0);
	assert_null(series_block(&test_words, &v, ZONE_SLOT_WORKER));
	return v.index;
}

static void
begins_again_after_retirement(void **state)
{
	struct series *s = series_get(&test_words, STR("a"));

	(void)state;
	series_add(s, TEST_COUNT, 5);
	(void)retire("a");
	assert_int_equal(series_count(&test_words), 0);
	s = series_get(&test_words, STR("a"));
	series_add(s, TEST_COUNT, 1);
	assert_int_equal(test_value("a", TEST_COUNT), 1);
}

/* Reclaims whatever may be: by retiring another one. */
static void
reclaim(void)
{
	(void)series_get(&test_words, STR("reclaim"));
	(void)retire("reclaim");
}

static unsigned
entries_used(void)
{
	struct series_usage u;

	series_usage(&u);
	return u.entries;
}

static void
waits_for_acknowledgement(void **state)
{
	struct dir d;
	unsigned used;

	(void)state;
	assert_true(directory_open(&d, test_zone, 6));
	/* Slot 6 lives, and does not come to tick. */
	atomic_store(&d.acks[6], atomic_load(&d.head->epoch));
	(void)series_get(&test_words, STR("a"));
	(void)retire("a");
	series_tick();
	reclaim();
	used = entries_used();
	assert_int_equal(used, 2);
	series_tick();
	reclaim();
	assert_int_equal(entries_used(), 3);
	/* It ticks: what was retired before can be used again. */
	atomic_store(&d.acks[6], atomic_load(&d.head->epoch));
	series_tick();
	reclaim();
	assert_int_equal(entries_used(), 1);
	/* It dies. */
	(void)series_get(&test_words, STR("b"));
	(void)retire("b");
	series_clear_slot(test_zone, 6);
	series_tick();
	reclaim();
	assert_int_equal(entries_used(), 1);
}

static void
a_door_held_over_retirement_harms_nobody(void **state)
{
	struct series *s = series_get(&test_words, STR("a"));
	uint32_t index = s->index;
	_Atomic uint64_t *block = s->block;
	struct series *t;

	(void)state;
	(void)retire("a");
	/* Until we tick, our block is not given to anybody else. */
	for (unsigned i = 0; i < 200; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%u", i);
		t = series_get(&test_words, str_of(key));
		assert_int_not_equal(t->index, index);
		assert_ptr_not_equal(t->block, block);
	}
	series_add(&(struct series){ .block = block, .set = &test_words }, TEST_COUNT, 9);
	series_tick();
	reclaim();
	series_tick();
	/* Used again, the new one begins at zero. */
	t = series_get(&test_words, STR("b"));
	assert_int_equal(t->index, index);
	assert_int_equal(test_value("b", TEST_COUNT), 0);
}

static bool
begins_with_k(struct str key, void *arg)
{
	(void)arg;
	return key.n > 0 && key.p[0] == 'k';
}

static void
retires_the_oldest(void **state)
{
	static const char *const keys[] = { "a", "k1", "k2", "k3" };
	struct series_view v;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		struct series *s = series_get(&test_words, str_of(keys[i]));

		atomic_store(&CONTAINER_OF(s->block, struct block, word)->seen, (i + 1) * NS_PER_S);
	}
	(void)series_pin(&test_words, STR("k1"));
	assert_true(series_retire_oldest(&test_words, begins_with_k, NULL));
	assert_false(series_find(&test_words, STR("k2"), &v));
	assert_true(series_retire_oldest(&test_words, NULL, NULL));
	assert_false(series_find(&test_words, STR("a"), &v));
	assert_true(series_retire_oldest(&test_words, begins_with_k, NULL));
	assert_true(series_retire_oldest(&test_words, begins_with_k, NULL));
	assert_false(series_retire_oldest(&test_words, begins_with_k, NULL));
	assert_int_equal(series_count(&test_words), 0);
}

/* A million names, of which a thousand are kept: neither zone nor process grow. */
static void
a_flood_stays_bounded(void **state)
{
	struct series_usage before, after;
	unsigned n = 1000000;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		if (i % 50 == 0)
			series_tick();
		if (series_count(&test_words) >= 1000)
			assert_true(series_retire_oldest(&test_words, NULL, NULL));
		snprintf(key, sizeof(key), "flood %u", i);
		series_add(series_get(&test_words, str_of(key)), TEST_COUNT, 1);
		if (i == n / 2)
			series_usage(&before);
	}
	series_usage(&after);
	assert_int_equal(after.dropped, 0);
	assert_true(after.entries <= 1000 + 100);
	assert_true(after.used <= before.used + before.used / 10);
}

/* ---- pseudo-slots, dead slots ---- */

static void
put_nine(_Atomic uint64_t *words, void *arg)
{
	(void)arg;
	atomic_store(&words[test_words.at[TEST_COUNT]], 9);
}

static void
edits_pseudo_slots(void **state)
{
	struct series_view v;

	(void)state;
	series_add(series_get(&test_words, STR("a")), TEST_COUNT, 1);
	assert_true(series_find(&test_words, STR("a"), &v));
	assert_null(series_block(&test_words, &v, SERIES_BASELINE));
	assert_int_equal(series_edit(&test_words, &v, SERIES_BASELINE, put_nine, NULL), 0);
	assert_int_equal(test_value("a", TEST_COUNT), 1);
	assert_int_equal(series_block(&test_words, &v, SERIES_BASELINE)[0], 9);
	assert_int_equal(series_edit(&test_words, &v, SERIES_RESTORED, put_nine, NULL), 0);
	assert_int_equal(test_value("a", TEST_COUNT), 10);
	(void)retire("a");
	assert_int_equal(
	    series_edit(&test_words, &v, SERIES_RESTORED, put_nine, NULL), ERR_NOT_FOUND);
}

static void
clears_gauges_of_the_dead(void **state)
{
	struct series *s = series_pin(&test_words, STR("a"));
	struct series_view v;

	(void)state;
	series_add(s, TEST_COUNT, 3);
	series_set(s, TEST_GAUGE, 7);
	become(5);
	series_set(series_get(&test_words, STR("a")), TEST_GAUGE, 2);
	assert_int_equal(test_value("a", TEST_GAUGE), 9);
	series_clear_slot(test_zone, ZONE_SLOT_WORKER);
	assert_int_equal(test_value("a", TEST_GAUGE), 2);
	assert_int_equal(test_value("a", TEST_COUNT), 3);
	/* Its pin is no pin any more, but it was just seen. */
	series_clear_slot(test_zone, 5);
	assert_true(series_find(&test_words, STR("a"), &v));
	assert_true(clock_wall() - v.seen < 60 * NS_PER_S);
}

#define IN_ZONE(test) cmocka_unit_test_setup_teardown(test, test_zone_make, test_zone_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lays_out_rows),
		cmocka_unit_test(tells_rows_apart),
		cmocka_unit_test(works_without_a_zone),
		IN_ZONE(counts_by_key),
		IN_ZONE(wraps_quietly),
		IN_ZONE(observes_into_buckets),
		IN_ZONE(adds_up_slots),
		IN_ZONE(walks_in_one_order),
		IN_ZONE(joins_labels),
		IN_ZONE(keys_of_every_length),
		IN_ZONE(remembers_when_seen),
		IN_ZONE(folds_what_exceeds_the_sets_limit),
		IN_ZONE(folds_keys_that_are_too_long),
		IN_ZONE(a_full_zone_still_counts_everything),
		IN_ZONE(pins_last),
		IN_ZONE(a_pin_waits_for_room),
		IN_ZONE(begins_again_after_retirement),
		IN_ZONE(waits_for_acknowledgement),
		IN_ZONE(a_door_held_over_retirement_harms_nobody),
		IN_ZONE(retires_the_oldest),
		IN_ZONE(a_flood_stays_bounded),
		IN_ZONE(edits_pseudo_slots),
		IN_ZONE(clears_gauges_of_the_dead),
	};

	test_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What a node counts, over processes, resets and restarts; and what readers make of it.
 */
#include "unit/unit.h"

#include "unit/status/vts_test.h"

#define W ZONE_SLOT_WORKER

/* ---- wide numbers ---- */

static void
wide_numbers(void **state)
{
	struct wide v = { UINT64_MAX, 0 };

	(void)state;
	wide_add(&v, 1, 0);
	assert_true(v.low == 0 && v.high == 1);
	wide_subtract(&v, 1, 0);
	assert_true(v.low == UINT64_MAX && v.high == 0);
	wide_subtract(&v, 0, 1);
	assert_true(v.low == 0 && v.high == 0);
	v = (struct wide){ 5, 3 };
	wide_subtract(&v, 6, 3);
	assert_true(v.low == 0 && v.high == 0);
	/* 2^64 / 1000, (2^128 - 1) / 1000 */
	v = wide_thousandth((struct wide){ 0, 1 });
	assert_true(v.low == UINT64_C(18446744073709551) && v.high == 0);
	v = wide_thousandth((struct wide){ UINT64_MAX, UINT64_MAX });
	assert_true(
	    v.high == UINT64_C(18446744073709551) && v.low == UINT64_C(11363194349405083795));
}

/* ---- counters ---- */

static void
counts_over_processes(void **state)
{
	struct vts_node n;

	(void)state;
	be_slot(W);
	count("sum", 100, 1500, 1000);
	count("sum", 200, 2500, 2000);
	count("sum", 299, 0, 3000);
	be_slot(W + 1);
	count("sum", 304, 4000000, 1500);
	count("sum", 499, 1, 900);
	count("sum", 503, 1, 2500);
	count("sum", 0, 1, 2500);
	n = node("sum");
	assert_int_equal(n.counters[VTS_REQUESTS], 7);
	assert_int_equal(n.counters[VTS_IN_BYTES], 70);
	assert_int_equal(n.counters[VTS_OUT_BYTES], 700);
	assert_int_equal(n.counters[VTS_1XX], 1);
	assert_int_equal(n.counters[VTS_2XX], 2);
	assert_int_equal(n.counters[VTS_3XX], 1);
	assert_int_equal(n.counters[VTS_4XX], 1);
	assert_int_equal(n.counters[VTS_5XX], 1);
	assert_int_equal(n.counters[VTS_CACHE_HIT], 0);
	assert_int_equal(n.request_us, 4004003);
	assert_int_equal(n.counters[VTS_REQUEST_MSEC], 4004);
	assert_true(n.timed);
	assert_int_equal(n.min_us, 0);
	assert_int_equal(n.max_us, 4000000);
	assert_int_equal(n.first_ms, 1000);
	assert_int_equal(n.last_ms, 3000);
	for (unsigned i = 0; i < VTS_COUNTERS; i++)
		assert_int_equal(n.over[i], 0);
}

static void
counts_cache_statuses(void **state)
{
	struct vts_event e = { .status = 200, .cache = VTS_CACHE_HIT, .now_ms = 1 };

	(void)state;
	be_slot(W);
	vts_node_count(part("cache", VTS_NODE), &e);
	e.cache = VTS_CACHE_SCARCE;
	vts_node_count(part("cache", VTS_NODE), &e);
	assert_int_equal(node("cache").counters[VTS_CACHE_HIT], 1);
	assert_int_equal(node("cache").counters[VTS_CACHE_SCARCE], 1);
	assert_int_equal(node("cache").counters[VTS_CACHE_MISS], 0);
}

/* Each process near 2^64: the sum has passed it once, and goes on exactly. */
static void
passes_two_to_the_64(void **state)
{
	struct vts_entry e;
	struct vts_node n, sum;
	uint64_t over;

	(void)state;
	for (unsigned slot = W; slot < W + 2; slot++) {
		be_slot(slot);
		count("over", 200, 0, 1000);
		part("over", VTS_NODE)->block[VTS_REQUESTS] = UINT64_MAX;
		part("over", VTS_NODE)->block[VTS_REQUEST_MSEC] = UINT64_MAX;
	}
	n = node("over");
	assert_int_equal(n.counters[VTS_REQUESTS], UINT64_MAX - 1);
	assert_int_equal(n.over[VTS_REQUESTS], 1);
	assert_int_equal(n.counters[VTS_REQUEST_MSEC], UINT64_C(36893488147419103));
	assert_int_equal(n.over[VTS_REQUEST_MSEC], 0);
	sum = n;
	vts_node_add(&sum, &n);
	assert_int_equal(sum.counters[VTS_REQUESTS], UINT64_MAX - 3);
	assert_int_equal(sum.over[VTS_REQUESTS], 3);
	e = entry("over");
	assert_int_equal(vts_counter(&e, VTS_IN_BYTES, &over), 20);
	assert_int_equal(over, 0);
}

static void
sum_of_nodes(void **state)
{
	struct vts_node sum = { 0 }, one;

	(void)state;
	be_slot(W);
	count("one", 200, 700, 5000);
	count("two", 404, 300, 4000);
	one = node("one");
	vts_node_add(&sum, &one);
	one = node("two");
	vts_node_add(&sum, &one);
	one = (struct vts_node){ 0 }; /* one that was never asked changes nothing */
	vts_node_add(&sum, &one);
	assert_int_equal(sum.counters[VTS_REQUESTS], 2);
	assert_int_equal(sum.min_us, 300);
	assert_int_equal(sum.max_us, 700);
	assert_int_equal(sum.first_ms, 4000);
	assert_int_equal(sum.last_ms, 5000);
}

/* ---- samples and averages ---- */

static void
latest_samples(void **state)
{
	struct vts_samples s, sum = { 0 };
	struct vts_entry e;

	(void)state;
	be_slot(W);
	for (unsigned i = 0; i < 100; i++)
		count("ring", 200, i * 1000, 10000 + 10 * (int64_t)i);
	be_slot(W + 1);
	for (unsigned i = 0; i < 3; i++)
		count("ring", 200, (1000 + i) * 1000, 10985 + 1000 * (int64_t)i);
	e = entry("ring");
	vts_read_samples(&e, &s);
	assert_int_equal(s.n, VTS_SAMPLES);
	assert_int_equal(s.of[62].time_ms, 12985);
	assert_int_equal(s.of[62].msec, 1002);
	assert_int_equal(s.of[61].msec, 1001);
	assert_int_equal(s.of[60].msec, 99);
	assert_int_equal(s.of[59].msec, 1000);
	assert_int_equal(s.of[58].msec, 98);
	assert_int_equal(s.of[0].msec, 40);
	for (unsigned i = 1; i < s.n; i++)
		assert_true(s.of[i - 1].time_ms <= s.of[i].time_ms);
	vts_samples_add(&sum, &s);
	assert_int_equal(sum.n, VTS_SAMPLES);
	for (unsigned i = 0; i < s.n; i++)
		assert_true(sum.of[i].time_ms == s.of[i].time_ms && sum.of[i].msec == s.of[i].msec);
	vts_samples_add(&sum, &s);
	assert_int_equal(sum.n, VTS_SAMPLES);
	assert_int_equal(sum.of[62].msec, 1002);
	assert_int_equal(sum.of[61].msec, 1002);
}

static void
sample_bounds(void **state)
{
	struct vts_samples s;
	struct vts_entry e;

	(void)state;
	be_slot(W);
	count("long", 200, UINT64_C(5000000) * 1000, 4102444800000); /* the year 2100 */
	count("long", 200, 1000, 4102444700000);                     /* the clock steps back */
	e = entry("long");
	vts_read_samples(&e, &s);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.of[0].time_ms, 4102444700000);
	assert_int_equal(s.of[0].msec, 1);
	assert_int_equal(s.of[1].msec, VTS_SAMPLE_MSEC);
}

static void
averages(void **state)
{
	const struct vts_samples none = { 0 }, some = { .n = 4,
		.of = { { 1000, 500 }, { 50000, 10 }, { 60000, 20 }, { 70000, 60 } } };

	(void)state;
	assert_int_equal(vts_average(&none, VTS_AMM, 60000, 70000), 0);
	assert_int_equal(vts_average(&some, VTS_AMM, 60000, 70000), (10 + 20 + 60) / 3);
	assert_int_equal(vts_average(&some, VTS_WMA, 60000, 70000), (10 + 2 * 20 + 3 * 60) / 6);
	assert_int_equal(vts_average(&some, VTS_AMM, 70000, 70000), (500 + 10 + 20 + 60) / 4);
	assert_int_equal(vts_average(&some, VTS_AMM, 20000, 70000), (20 + 60) / 2);
	assert_int_equal(vts_average(&some, VTS_AMM, 60000, 130000), 0);
	assert_int_equal(vts_average(&some, VTS_WMA, 0, 70000), 0);
}

/* ---- histogram ---- */

static void
observe(const char *name, uint64_t us, const int64_t *bounds, unsigned n)
{
	struct vts_event e = { .us = us };

	vts_node_observe(part(name, VTS_DURATION), &e, bounds, n);
}

static struct vts_histogram
histogram(const char *name)
{
	struct vts_entry e = entry(name);
	struct vts_histogram h;

	vts_read_histogram(&e, &h);
	return h;
}

static void
buckets(void **state)
{
	static const int64_t bounds[] = { 1000, 5000, 10000 };
	struct vts_histogram h;

	(void)state;
	be_slot(W);
	count("buckets", 200, 0, 1);
	assert_int_equal(histogram("buckets").n, 0);
	observe("buckets", 0, bounds, 3);
	observe("buckets", 1000, bounds, 3);
	observe("buckets", 1001, bounds, 3);
	be_slot(W + 1);
	observe("buckets", 10000, bounds, 3);
	observe("buckets", 10001, bounds, 3);
	h = histogram("buckets");
	assert_int_equal(h.n, 3);
	assert_memory_equal(h.bounds_us, bounds, sizeof(bounds));
	assert_int_equal(h.counts[0], 2);
	assert_int_equal(h.counts[1], 1);
	assert_int_equal(h.counts[2], 1);
	assert_int_equal(h.counts[3], 1);
	assert_int_equal(h.sum_us, 0 + 1000 + 1001 + 10000 + 10001);
}

/* Another configuration comes with another process. */
static void
other_buckets(void **state)
{
	static const int64_t bounds[] = { 1000, 5000 }, others[] = { 2000 };
	struct vts_histogram h;

	(void)state;
	be_slot(W);
	count("others", 200, 0, 1);
	observe("others", 1, bounds, 2);
	observe("others", 3000, others, 1); /* the same life: the node keeps its bounds */
	assert_int_equal(histogram("others").n, 2);
	assert_int_equal(histogram("others").counts[1], 1);
	be_slot(W + 1);
	observe("others", 1, bounds, 2);
	part("others", VTS_DURATION)->block[0] = 0; /* a new life */
	part("others", VTS_DURATION)->block[2] = 1; /* … whose predecessor began long ago */
	observe("others", 1, others, 1);
	be_slot(W);
	part("others", VTS_DURATION)->block[2] = 1;
	h = histogram("others");
	assert_int_equal(h.n, 1);
	assert_int_equal(h.bounds_us[0], 2000);
	assert_int_equal(h.counts[0], 1);
	assert_int_equal(h.counts[1], 0);
}

/* ---- status codes ---- */

static void
codes(void **state)
{
	struct vts_codes c;
	struct vts_entry e;

	(void)state;
	be_slot(W);
	count("codes", 200, 0, 1);
	e = entry("codes");
	vts_read_codes(&e, &c);
	assert_int_equal(c.n + c.other, 0);
	vts_node_count_code(part("codes", VTS_CODE), 404, true);
	vts_node_count_code(part("codes", VTS_CODE), 200, true);
	vts_node_count_code(part("codes", VTS_CODE), 200, true);
	vts_node_count_code(part("codes", VTS_CODE), 418, false);
	be_slot(W + 1);
	vts_node_count_code(part("codes", VTS_CODE), 404, true);
	vts_read_codes(&e, &c);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.of[0].code, 200);
	assert_int_equal(c.of[0].count, 2);
	assert_int_equal(c.of[1].code, 404);
	assert_int_equal(c.of[1].count, 2);
	assert_int_equal(c.other, 1);
}

static void
too_many_codes(void **state)
{
	struct vts_codes c;
	struct vts_entry e;
	uint64_t sum = 0;

	(void)state;
	be_slot(W);
	count("many", 200, 0, 1);
	for (unsigned code = 100; code < 600; code++)
		vts_node_count_code(part("many", VTS_CODE), code, true);
	e = entry("many");
	vts_read_codes(&e, &c);
	assert_int_equal(c.n, VTS_CODES_MAX);
	for (unsigned i = 0; i < c.n; i++) {
		assert_true(i == 0 || c.of[i - 1].code < c.of[i].code);
		sum += c.of[i].count;
	}
	assert_int_equal(sum + c.other, 500);
}

/* ---- reset and delete ---- */

static void
reset_is_complete(void **state)
{
	static const int64_t bounds[] = { 1000 };
	struct vts_entry e;
	struct vts_node n;
	struct vts_samples s;
	struct vts_codes c;

	(void)state;
	for (unsigned slot = W; slot < W + 2; slot++) {
		be_slot(slot);
		count("reset", 200, 100, 1000);
		observe("reset", 100, bounds, 1);
		vts_node_count_code(part("reset", VTS_CODE), 200, true);
		vts_node_count_code(part("reset", VTS_CODE), 201, false);
	}
	e = entry("reset");
	assert_int_equal(vts_reset(&e), 0);
	n = node("reset");
	for (unsigned i = 0; i < VTS_COUNTERS; i++)
		assert_int_equal(n.counters[i] | n.over[i], 0);
	assert_int_equal(n.request_us | n.min_us | n.max_us, 0);
	assert_false(n.timed);
	assert_int_equal(n.last_ms, 1000); /* when it was seen is no count */
	vts_read_samples(&e, &s);
	assert_int_equal(s.n, 0);
	vts_read_codes(&e, &c);
	assert_int_equal(c.n + c.other, 0);
	assert_int_equal(histogram("reset").counts[0] | histogram("reset").sum_us, 0);

	/* One process goes on; the other has ended. */
	be_slot(W);
	count("reset", 404, 900, 2000);
	observe("reset", 900, bounds, 1);
	vts_node_count_code(part("reset", VTS_CODE), 404, true);
	n = node("reset");
	assert_int_equal(n.counters[VTS_REQUESTS], 1);
	assert_int_equal(n.counters[VTS_2XX], 0);
	assert_int_equal(n.counters[VTS_4XX], 1);
	assert_int_equal(n.min_us, 900);
	assert_int_equal(n.max_us, 900);
	vts_read_samples(&e, &s);
	assert_int_equal(s.n, 1);
	vts_read_codes(&e, &c);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.of[0].code, 404);
	assert_int_equal(histogram("reset").counts[0], 1);
	assert_int_equal(histogram("reset").sum_us, 900);

	assert_int_equal(vts_reset(&e), 0);
	assert_int_equal(node("reset").counters[VTS_REQUESTS], 0);
	assert_int_equal(histogram("reset").counts[0], 0);
	assert_int_equal(
	    node("sum").counters[VTS_REQUESTS], 7); /* another's counts are not touched */
	assert_int_equal(node("sum").max_us, 4000000);
	count("sum", 200, 5, 3000);
	assert_int_equal(node("sum").max_us, 4000000);
}

static void
delete_is_complete(void **state)
{
	static const int64_t bounds[] = { 1000 };
	struct vts_entry e;
	unsigned before[VTS_PARTS];

	(void)state;
	be_slot(W);
	for (unsigned i = 0; i < VTS_PARTS; i++)
		before[i] = series_count(vts_part_set(VTS_SERVER, i));
	count("gone", 200, 100, 1000);
	observe("gone", 100, bounds, 1);
	vts_node_count_code(part("gone", VTS_CODE), 200, true);
	e = entry("gone");
	assert_true(vts_delete(&e));
	assert_false(vts_delete(&e));
	assert_false(vts_find(VTS_SERVER, STR(""), STR("gone"), &e));
	for (unsigned i = 0; i < VTS_PARTS; i++)
		assert_int_equal(series_count(vts_part_set(VTS_SERVER, i)), before[i]);
	count("gone", 200, 100, 1000);
	assert_int_equal(node("gone").counters[VTS_REQUESTS], 1);
}

static void
idle_since(void **state)
{
	struct vts_entry e;

	(void)state;
	be_slot(W);
	count("idle", 200, 1, 5000);
	be_slot(W + 1);
	count("idle", 200, 1, 7000);
	e = entry("idle");
	assert_int_equal(vts_idle_ms(&e, 10000), 3000);
	assert_int_equal(vts_idle_ms(&e, 6000), 0);
}

/* ---- restarts ---- */

static void
folds_nodes(void **state)
{
	struct vts_node_block into = { .counters = { 0 } }, a = { .counters = { 0 } },
			      b = { .counters = { 0 } };

	(void)state;
	a.counters[VTS_REQUESTS] = UINT64_MAX;
	a.min_us = 11;
	a.max_us = 20;
	a.first_ms = 100;
	a.last_ms = 200;
	for (unsigned i = 0; i < 50; i++)
		a.samples[i] = vts_sample(100 + i, i);
	a.next = 50;
	b = a;
	b.counters[VTS_REQUESTS] = 3;
	b.min_us = 6;
	b.first_ms = 90;
	vts_fold_node((uint64_t *)&into, (uint64_t *)&a);
	assert_memory_equal(&into, &a, sizeof(a));
	vts_fold_node((uint64_t *)&into, (uint64_t *)&b);
	assert_int_equal(into.counters[VTS_REQUESTS], 2);
	assert_int_equal(into.over[VTS_REQUESTS], 1);
	assert_int_equal(into.min_us, 6);
	assert_int_equal(into.max_us, 20);
	assert_int_equal(into.first_ms, 90);
	assert_int_equal(into.samples[62], vts_sample(149, 49));
	assert_int_equal(into.samples[0], vts_sample(118, 18));

	b.era = 4; /* counted after a reset: what cannot be subtracted of the others is over */
	b.max_us = 7;
	vts_fold_node((uint64_t *)&into, (uint64_t *)&b);
	assert_int_equal(into.era, 4);
	assert_int_equal(into.max_us, 7);
	assert_int_equal(into.next, 50);
	assert_int_equal(into.counters[VTS_REQUESTS], 5);
	vts_fold_node((uint64_t *)&into, (uint64_t *)&a);
	assert_int_equal(into.max_us, 7);
	assert_int_equal(into.counters[VTS_REQUESTS], 4);
	assert_int_equal(into.over[VTS_REQUESTS], 2);
}

static void
folds_parts(void **state)
{
	struct vts_duration_block into = { .n = 0 }, a = { .n = 1, .since = 5, .sum_us = 7 };
	struct vts_duration_block garbage = { .n = 77, .since = 99 };
	struct vts_code_block codes_into = { .of = { 0 } }, more = { .of = { 0 } };

	(void)state;
	a.owner = 99;
	a.bounds_us[0] = 1000;
	a.counts[0] = 2;
	a.counts[VTS_BOUNDS_MAX] = 1;
	vts_fold_duration((uint64_t *)&into, (uint64_t *)&a);
	vts_fold_duration((uint64_t *)&into, (uint64_t *)&a);
	vts_fold_duration((uint64_t *)&into, (uint64_t *)&garbage);
	assert_int_equal(into.owner, 0);
	assert_int_equal(into.counts[0], 4);
	assert_int_equal(into.counts[VTS_BOUNDS_MAX], 2);
	assert_int_equal(into.sum_us, 14);
	a.bounds_us[0] = 2000;
	vts_fold_duration((uint64_t *)&into, (uint64_t *)&a);
	assert_int_equal(into.bounds_us[0], 1000); /* as old */
	a.since = 6;
	vts_fold_duration((uint64_t *)&into, (uint64_t *)&a);
	assert_int_equal(into.bounds_us[0], 2000);
	assert_int_equal(into.counts[0], 2);

	vts_add_code(&more, 200, 5);
	vts_add_code(&more, 599, VTS_CODE_COUNT);
	more.of[VTS_CODES_MAX] = 3;
	vts_fold_code((uint64_t *)&codes_into, (uint64_t *)&more);
	vts_fold_code((uint64_t *)&codes_into, (uint64_t *)&more);
	assert_int_equal(codes_into.of[200 % VTS_CODES_MAX] & VTS_CODE_COUNT, 10);
	assert_int_equal(codes_into.of[599 % VTS_CODES_MAX] & VTS_CODE_COUNT, VTS_CODE_COUNT);
	assert_int_equal(codes_into.of[VTS_CODES_MAX], 6);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(wide_numbers),
		cmocka_unit_test(counts_over_processes),
		cmocka_unit_test(counts_cache_statuses),
		cmocka_unit_test(passes_two_to_the_64),
		cmocka_unit_test(sum_of_nodes),
		cmocka_unit_test(latest_samples),
		cmocka_unit_test(sample_bounds),
		cmocka_unit_test(averages),
		cmocka_unit_test(buckets),
		cmocka_unit_test(other_buckets),
		cmocka_unit_test(codes),
		cmocka_unit_test(too_many_codes),
		cmocka_unit_test(reset_is_complete),
		cmocka_unit_test(delete_is_complete),
		cmocka_unit_test(idle_since),
		cmocka_unit_test(folds_nodes),
		cmocka_unit_test(folds_parts),
	};

	return cmocka_run_group_tests(tests, make_zone, drop_zone);
}

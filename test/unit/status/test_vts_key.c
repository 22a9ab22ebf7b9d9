/*
 * Keys of nodes: printable, bounded, in one piece; and how many there may be.
 */
#include <stdio.h>

#include "unit/unit.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "unit/status/vts_test.h"

static void
is_name(const char *raw, size_t n, const char *want)
{
	struct vts_key k;

	vts_key_set(&k, VTS_SERVER, STR("no group"), str_make(raw, n));
	if (!str_is(vts_key_str(&k), want))
		fail_msg("%.*s is not %s", STR_ARG(vts_key_str(&k)), want);
}

#define IS_NAME(raw, want) is_name(raw, sizeof(raw) - 1, want)

static void
printable(void **state)
{
	(void)state;
	IS_NAME("", "");
	IS_NAME("example.org", "example.org");
	IS_NAME("~!@#$%^&*() {}|\"<>?\\", "~!@#$%^&*() {}|\"<>?\\");
	IS_NAME("a\nb", "a\\x0ab");
	IS_NAME("\0\x1f\x7f", "\\x00\\x1f\\x7f");
	IS_NAME("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	IS_NAME("\xc3", "\\xc3");
	IS_NAME("\xc0\xaf", "\\xc0\\xaf");
	IS_NAME("\xed\xa0\x80", "\\xed\\xa0\\x80");
	IS_NAME("\xc2\x85", "\\xc2\\x85");
	IS_NAME("12345678\x01"
		"12345678",
	    "12345678\\x0112345678");
}

/* Every byte at every place of eight: the fast way and the slow agree. */
static void
every_byte_everywhere(void **state)
{
	char raw[24];
	struct vts_key k;

	(void)state;
	for (unsigned at = 0; at < sizeof(raw); at++)
		for (unsigned c = 0; c < 256; c++) {
			memset(raw, 'a', sizeof(raw));
			raw[at] = (char)c;
			vts_key_set(&k, VTS_SERVER, STR(""), str_make(raw, sizeof(raw)));
			if (c >= 0x20 && c < 0x7f)
				assert_true(str_eq(vts_key_str(&k), str_make(raw, sizeof(raw))));
			else
				assert_int_equal(k.n, sizeof(raw) + 3);
			assert_true(utf8_valid(vts_key_str(&k)));
		}
}

static void
bounded(void **state)
{
	static char raw[4 * VTS_KEY_MAX];
	struct vts_key k;

	(void)state;
	memset(raw, 'x', sizeof(raw));
	vts_key_set(&k, VTS_FILTER, str_make(raw, sizeof(raw)), str_make(raw, sizeof(raw)));
	assert_int_equal(k.n, VTS_GROUP_MAX + 1 + VTS_KEY_MAX);
	assert_int_equal(k.bytes[VTS_GROUP_MAX], 0);
	memset(raw, 1, sizeof(raw));
	vts_key_set(&k, VTS_SERVER, STR(""), str_make(raw, sizeof(raw)));
	assert_int_equal(k.n, VTS_KEY_MAX);
	/* Characters of three bytes are not cut in two: 170 of them fit into 512. */
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = "\xe2\x82\xac"[i % 3];
	vts_key_set(&k, VTS_SERVER, STR(""), str_make(raw, sizeof(raw)));
	assert_int_equal(k.n, VTS_KEY_MAX / 3 * 3);
	assert_true(utf8_valid(vts_key_str(&k)));
	vts_key_set(&k, VTS_FILTER, STR("g"), STR(""));
	assert_true(vts_key_is_empty(&k));
}

/* ---- how many ---- */

static const struct vts_scope *
bound(uint64_t max, struct str *prefixes, unsigned n)
{
	static struct vts_scope scope;

	scope = (struct vts_scope){ .max_node = max, .prefixes = prefixes, .n_prefixes = n };
	return &scope;
}

/* As vts_count.c does it. */
static void
count_filter(const struct vts_scope *scope, const char *group, const char *name)
{
	struct vts_event e = { .status = 200, .now_ms = 1 };
	struct vts_key k;
	struct series *s;
	bool is_new;

	vts_key_set(&k, VTS_FILTER, str_of(group), str_of(name));
	s = series_get(vts_set(VTS_FILTER), vts_key_str(&k));
	is_new = vts_node_is_new(s);
	vts_node_count(s, &e);
	series_get(vts_part_set(VTS_FILTER, VTS_CODE), vts_key_str(&k));
	if (is_new)
		vts_lru_make_room(scope, vts_key_str(&k));
}

static bool
is_there(const char *group, const char *name)
{
	struct vts_entry e;

	return vts_find(VTS_FILTER, str_of(group), str_of(name), &e);
}

/* The zone tells moments apart by the clock that the loop refreshes. */
static void
let_time_pass(void)
{
	int64_t before = clock_cached_wall();

	while (clock_cached_wall() == before)
		clock_refresh();
}

static void
forget(void)
{
	struct vts_entry e;
	uint32_t cursor = 0;

	while (vts_next(VTS_FILTER, &cursor, &e))
		vts_delete(&e);
	series_tick();
}

static void
oldest_go_first(void **state)
{
	const struct vts_scope *scope = bound(3, NULL, 0);

	(void)state;
	for (const char *name = "abc"; *name; name++) {
		count_filter(scope, "g", (const char[]){ *name, 0 });
		let_time_pass();
	}
	count_filter(scope, "g", "a");
	let_time_pass();
	count_filter(scope, "g", "d");
	assert_true(is_there("g", "a") && is_there("g", "c") && is_there("g", "d"));
	assert_false(is_there("g", "b"));
	assert_int_equal(series_count(vts_set(VTS_FILTER)), 3);
	assert_int_equal(series_count(vts_part_set(VTS_FILTER, VTS_CODE)), 3);
	forget();
}

static void
only_the_groups_named(void **state)
{
	struct str prefixes[] = { STR_INIT("short"), STR_INIT("none") };
	const struct vts_scope *scope = bound(2, prefixes, 2);
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "%u", i);
		count_filter(scope, "short", name);
		count_filter(scope, "shorter", name);
		count_filter(scope, "other", name);
		let_time_pass();
	}
	assert_int_equal(series_count(vts_set(VTS_FILTER)), 22);
	assert_true(is_there("other", "0") && is_there("shorter", "19") && is_there("short", "19"));
	forget();
}

/* Far more keys than room: never more than allowed, and those just seen are there. */
static void
flood(void **state)
{
	const struct vts_scope *scope = bound(200, NULL, 0);
	char name[32];
	unsigned most = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "key-%u", i);
		count_filter(scope, "flood", name);
		if (i % 64 == 0)
			let_time_pass();
		series_tick();
		most = MAX(most, series_count(vts_set(VTS_FILTER)));
	}
	assert_true(most <= 200);
	assert_true(most > 190);
	assert_true(is_there("flood", "key-19999") && is_there("flood", "key-19900"));
	assert_false(is_there("flood", "key-0"));
	forget();
}

/* Without a bound the zone is one: what does not fit counts under `other`. */
static void
full_zone(void **state)
{
	struct series_usage usage;
	struct vts_entry e;
	struct vts_node n;
	uint64_t sum = 0;
	uint32_t cursor = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct vts_event event = { .status = 200, .now_ms = 1 };
		struct vts_key k;

		snprintf(name, sizeof(name), "key-%u", i);
		vts_key_set(&k, VTS_FILTER, STR("full"), str_of(name));
		vts_node_count(series_get(vts_set(VTS_FILTER), vts_key_str(&k)), &event);
	}
	series_usage(&usage);
	assert_true(usage.dropped > 0);
	while (vts_next(VTS_FILTER, &cursor, &e)) {
		vts_read(&e, &n);
		sum += n.counters[VTS_REQUESTS];
	}
	assert_int_equal(sum, 5000);
	assert_true(vts_find(VTS_FILTER, STR("other"), STR("other"), &e));
	assert_true(vts_is_other(&e));
	assert_int_equal(vts_counter(&e, VTS_REQUESTS, NULL), usage.dropped);
	forget();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable),
		cmocka_unit_test(every_byte_everywhere),
		cmocka_unit_test(bounded),
		cmocka_unit_test(oldest_go_first),
		cmocka_unit_test(only_the_groups_named),
		cmocka_unit_test(flood),
		cmocka_unit_test(full_zone),
	};

	return cmocka_run_group_tests(tests, make_zone, drop_zone);
}

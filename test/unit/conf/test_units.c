/*
 * Sizes, times and key=value.
 */
#include "conf/conf_priv.h"
#include "unit/conf/conf_test.h"

#define S INT64_C(1000000000)

static void
reads_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "8k", 8192 },
		{ "8K", 8192 },
		{ "10m", 10 << 20 },
		{ "3g", UINT64_C(3) << 30 },
		{ "7b", 7 },
		{ "18446744073709551615", UINT64_MAX },
		{ "17179869183g", UINT64_C(17179869183) << 30 },
	};
	static const char *const bad[] = { "", "k", "8kb", "-1", "1.5m", " 1", "1 ", "8 k", "8x",
		"18446744073709551616", "17179869184g", "999999999999999999999999" };
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(conf_parse_size(str_of(good[i].text), &v), 0);
		assert_true(v == good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(conf_parse_size(str_of(bad[i]), &v), ERR_BAD);
}

static void
reads_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "30", 30 * S },
		{ "500ms", S / 2 },
		{ "1h30m", 5400 * S },
		{ "1h 30m", 5400 * S },
		{ "1m 30", 90 * S },
		{ "10m", 600 * S },
		{ "1m5ms", 60 * S + 5 * S / 1000 },
		{ "1y1M1w1d", (365 + 30 + 7 + 1) * 86400 * S },
		{ "2d  3h", (2 * 24 + 3) * 3600 * S },
		{ "10m ", 600 * S },
		{ "100y", INT64_C(100) * 365 * 86400 * S },
	};
	static const char *const bad[] = { "", "s", "-1s", "1.5s", "30m1h", "1m1m", "1s2", "5ms1s",
		"1x", " 1s", "99999999999999999999", "101y", "100y1s", "300y", "9223372037s" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(conf_parse_time(str_of(good[i].text), &ns), 0);
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(conf_parse_time(str_of(bad[i]), &ns), ERR_BAD);
}

static void
writes_what_it_reads(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} times[] = { { 0, "0s" }, { S, "1s" }, { 90 * S, "90s" }, { 600 * S, "10m" },
		{ 5400 * S, "90m" }, { 7200 * S, "2h" }, { 1500 * S / 1000, "1500ms" } };
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0" }, { 1000, "1000" }, { 1024, "1k" }, { 1536, "1536" },
		{ 1 << 20, "1m" }, { UINT64_C(5) << 30, "5g" } };
	char text[CONF_UNIT_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		int64_t ns;

		conf_format_time(times[i].ns, text);
		assert_string_equal(text, times[i].text);
		assert_int_equal(conf_parse_time(str_of(text), &ns), 0);
		assert_true(ns == times[i].ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t bytes;

		conf_format_size(sizes[i].bytes, text);
		assert_string_equal(text, sizes[i].text);
		assert_int_equal(conf_parse_size(str_of(text), &bytes), 0);
		assert_true(bytes == sizes[i].bytes);
	}
}

static void
reads_go_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "10m", 600 * S },
		{ "10m0s", 600 * S },
		{ "1h30m", 5400 * S },
		{ "500ms", S / 2 },
		{ "1.5h", 5400 * S },
		{ ".5s", S / 2 },
		{ "2.s", 2 * S },
		{ "1ns", 1 },
		{ "3us", 3000 },
		{ "3\xc2\xb5s", 3000 },
		{ "30s1m", 90 * S },
		{ "0.000000001s", 1 },
	};
	static const char *const bad[] = { "", "10", "m", "-5m", "+5m", "1d", "10 m", ".s", "1h30",
		"9223372036854775808ns", "2562048h", "1..5s" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(conf_parse_go_duration(str_of(good[i].text), &ns), 0);
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(conf_parse_go_duration(str_of(bad[i]), &ns), ERR_BAD);
}

static void
finds_key_values(void **state)
{
	struct conf *c = parsed("sink s3 bucket=b=c prefix= bucketx=1 bucket;");
	const struct conf_node *n = conf_tree(c);
	struct str v;

	(void)state;
	assert_false(conf_arg_kv(n, 0, "bucket", &v));
	assert_true(conf_arg_kv(n, 1, "bucket", &v));
	assert_true(str_is(v, "b=c"));
	assert_true(conf_arg_kv(n, 2, "prefix", &v));
	assert_int_equal(v.n, 0);
	assert_false(conf_arg_kv(n, 3, "bucket", &v));
	assert_false(conf_arg_kv(n, 4, "bucket", &v));
	assert_false(conf_arg_kv(n, 5, "bucket", &v));
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(reads_times),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(reads_go_durations),
		cmocka_unit_test(finds_key_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

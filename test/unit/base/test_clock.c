/*
 * The calendar against gmtime and timegm of the C library, and the date forms of the protocols.
 */
#include <time.h>

#include "base/clock.h"
#include "unit/unit.h"

static void
check_second(int64_t second)
{
	struct clock_utc t;
	time_t clock = (time_t)second;
	struct tm tm;

	assert_non_null(gmtime_r(&clock, &tm));
	clock_split(second * NS_PER_S + 5, &t);
	assert_int_equal(t.year, tm.tm_year + 1900);
	assert_int_equal(t.month, tm.tm_mon + 1);
	assert_int_equal(t.day, tm.tm_mday);
	assert_int_equal(t.hour, tm.tm_hour);
	assert_int_equal(t.minute, tm.tm_min);
	assert_int_equal(t.second, tm.tm_sec);
	assert_int_equal(t.weekday, tm.tm_wday);
	assert_int_equal(t.nanosecond, 5);
	assert_true(clock_join(&t) == second * NS_PER_S + 5);
}

static void
calendar_agrees_with_the_c_library(void **state)
{
	(void)state;
	/* Every day from 1700 to 2261, at a time of day that moves. */
	for (int64_t day = -98615; day < 106500; day++)
		check_second(day * 86400 + (day & 0xffff) % 86400);
	check_second(0);
	check_second(-1);
	check_second(951782399); /* the last second of 28 February 2000 */
	check_second(951782400);
}

static void
forms(void **state)
{
	/* The example of RFC 9110, 5.6.7, and its half second. */
	int64_t at = INT64_C(784111777) * NS_PER_S + 456789012;
	char rfc3339[CLOCK_RFC3339_LEN + 1], http[CLOCK_HTTP_LEN + 1];
	char amz[CLOCK_AMZ_LEN + 1], hour[CLOCK_HOUR_LEN + 1];

	(void)state;
	clock_rfc3339(at, rfc3339);
	clock_http(at, http);
	clock_amz(at, amz);
	clock_hour(at, hour);
	assert_string_equal(rfc3339, "1994-11-06T08:49:37.456Z");
	assert_string_equal(http, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_string_equal(amz, "19941106T084937Z");
	assert_string_equal(hour, "1994110608");
}

static void
http_dates_that_are(void **state)
{
	static const char *const same[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		at = 0;
		assert_int_equal(clock_parse_http(str_of(same[i]), &at), 0);
		assert_true(at == INT64_C(784111777) * NS_PER_S);
	}
	assert_int_equal(clock_parse_http(STR("Thu, 29 Feb 2024 23:59:60 GMT"), &at), 0);
	assert_true(at == INT64_C(1709251200) * NS_PER_S);
	assert_int_equal(clock_parse_http(STR("Sat Nov 16 08:49:37 2024"), &at), 0);
}

static void
http_dates_that_are_not(void **state)
{
	static const char *const bad[] = {
		"",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Xyz, 06 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 23:60:00 GMT",
		"Sun, 06 Nov 1994 23:00:61 GMT",
		"Sun, 06 Nov 9999 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT",
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(clock_parse_http(str_of(bad[i]), &at), ERR_BAD);
}

static void
http_dates_come_back(void **state)
{
	(void)state;
	for (int64_t second = 0; second < INT64_C(9000000000); second += 86399 * 7) {
		char text[CLOCK_HTTP_LEN + 1];
		int64_t at;

		clock_http(second * NS_PER_S, text);
		assert_int_equal(clock_parse_http(str_of(text), &at), 0);
		assert_true(at == second * NS_PER_S);
	}
}

static void
rfc3339_times_that_are(void **state)
{
	static const struct {
		const char *text;
		int64_t at;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-22T01:02:03Z", INT64_C(1795309323) * NS_PER_S },
		{ "2026-11-22t01:02:03.5z", INT64_C(1795309323) * NS_PER_S + NS_PER_S / 2 },
		{ "2026-11-22T01:02:03.000000001Z", INT64_C(1795309323) * NS_PER_S + 1 },
		/* RFC 3339, 5.8 */
		{ "1985-04-12T23:20:50.52Z", INT64_C(482196050) * NS_PER_S + 520 * NS_PER_MS },
		{ "1996-12-19T16:39:57-08:00", INT64_C(851042397) * NS_PER_S },
		{ "2024-02-29T00:00:00+23:59", INT64_C(1709078460) * NS_PER_S },
	};
	char text[CLOCK_RFC3339_LEN + 1];
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(clock_parse_rfc3339(str_of(cases[i].text), &at), 0);
		assert_true(at == cases[i].at);
		clock_rfc3339(at, text);
		assert_int_equal(clock_parse_rfc3339(str_of(text), &at), 0);
		assert_true(at == cases[i].at - cases[i].at % NS_PER_MS);
	}
}

static void
rfc3339_times_that_are_not(void **state)
{
	static const char *const bad[] = { "", "2026", "2026-11-22", "2026-11-22T01:02:03",
		"2026-11-22 01:02:03Z", "2026-11-22T01:02Z", "2026-11-22T01:02:03.Z",
		"2026-11-22T01:02:03.1234567890Z", "2026-11-22T01:02:03ZZ", "2026-11-22T01:02:03+9",
		"2026-11-22T01:02:03+24:00", "2026-11-22T01:02:03+0900", "2026-13-22T01:02:03Z",
		"2026-00-22T01:02:03Z", "2026-02-29T01:02:03Z", "2026-11-31T01:02:03Z",
		"2026-11-22T24:00:00Z", "2026-11-22T01:60:03Z", "2026-11-22T01:02:60Z",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-01-01T00:00:00Z",
		"-026-11-22T01:02:03Z", "2026-11-22T01:02:03-08:60" };
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (clock_parse_rfc3339(str_of(bad[i]), &at) != ERR_BAD)
			fail_msg("\"%s\" is taken", bad[i]);
}

static void
cached_values_stand_still(void **state)
{
	int64_t mono = clock_cached_mono(), wall = clock_cached_wall();

	(void)state;
	assert_true(mono > 0 && wall > 0);
	while (clock_mono() <= mono)
		;
	assert_true(clock_cached_mono() == mono);
	clock_refresh();
	assert_true(clock_cached_mono() > mono);
	assert_true(clock_wall() > INT64_C(1700000000) * NS_PER_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calendar_agrees_with_the_c_library),
		cmocka_unit_test(forms),
		cmocka_unit_test(http_dates_that_are),
		cmocka_unit_test(http_dates_that_are_not),
		cmocka_unit_test(http_dates_come_back),
		cmocka_unit_test(rfc3339_times_that_are),
		cmocka_unit_test(rfc3339_times_that_are_not),
		cmocka_unit_test(cached_values_stand_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Lines of logs taken apart: all forms, and what only looks like one. The file under test belongs to a program, so it is taken in whole.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/log_line.c"

#include "unit/unit.h"

static struct log_line l;

static bool
parse(const char *text)
{
	return log_line_parse(str_of(text), &l);
}

#define assert_text(s, text) assert_true(str_is(s, text))

static void
own_logfmt(void **state)
{
	(void)state;
	assert_true(parse("2026-11-22T01:02:03.456Z info http: request done method=PUT "
			  "uri=\"/a b\\\"\\x0astatus=500\" status=204 latency_ms=1.204 "
			  "remote_ip=::1 request_id=r-1 bytes_in=3"));
	assert_text(l.time, "2026-11-22T01:02:03.456Z");
	assert_text(l.level, "info");
	assert_text(l.area, "http");
	assert_text(l.message, "request done");
	assert_text(l.method, "PUT");
	assert_text(l.uri, "/a b\"\nstatus=500");
	assert_text(l.client, "::1");
	assert_text(l.request_id, "r-1");
	assert_int_equal(l.status, 204);
	assert_int_equal(l.latency, 1204);
	assert_false(log_line_is_error(&l));
	assert_true(parse("2026-11-22T01:02:03.456Z error ship: upload failed"));
	assert_text(l.message, "upload failed");
	assert_int_equal(l.latency, -1);
	assert_true(log_line_is_error(&l));
}

static void
own_json(void **state)
{
	(void)state;
	assert_true(parse("{\"time\":\"2026-11-22T01:02:03.456Z\",\"level\":\"error\",\"area\":"
			  "\"http\",\"message\":\"request error\",\"uri\":\"/\\u00e9\\n\","
			  "\"status\":404,\"latency_ms\":0.034,\"deep\":{\"status\":200}}"));
	assert_text(l.uri, "/\xc3\xa9\n");
	assert_int_equal(l.status, 404);
	assert_int_equal(l.latency, 34);
	assert_true(log_line_is_error(&l));
}

static void
access_logs(void **state)
{
	(void)state;
	assert_true(
	    parse("10.0.0.1 - bob [22/Nov/2026:01:02:03 +0000] \"GET /x?a=\\x22b HTTP/1.1\" "
		  "502 12 \"-\" \"curl status=200\" rt=1.5"));
	assert_text(l.client, "10.0.0.1");
	assert_text(l.time, "22/Nov/2026:01:02:03 +0000");
	assert_text(l.method, "GET");
	assert_text(l.uri, "/x?a=\"b");
	assert_int_equal(l.status, 502);
	assert_int_equal(l.latency, 1500000);
	assert_true(log_line_is_error(&l));
	assert_true(parse("2001:db8::1 - - [t] \"\" 400 0 \"-\" \"-\""));
	assert_int_equal(l.status, 400);
	assert_true(parse("{\"request\":\"GET / HTTP/1.1\",\"status\":\"200\",\"request_time\":"
			  "\"0.250\",\"time_iso8601\":\"2026-11-22T01:02:03+00:00\"}"));
	assert_text(l.uri, "/");
	assert_int_equal(l.status, 200);
	assert_int_equal(l.latency, 250000);
	assert_true(parse("time=2026-11-22T01:02:03.456Z method=GET uri=\"/a b\" status=502 "
			  "latency_ms=8.716 remote_ip=::1 request_id=r-1 user=- referer=-"));
	assert_text(l.time, "2026-11-22T01:02:03.456Z");
	assert_text(l.uri, "/a b");
	assert_text(l.client, "::1");
	assert_int_equal(l.status, 502);
	assert_int_equal(l.latency, 8716);
	assert_true(log_line_is_error(&l));
}

static void
refuses_other_things(void **state)
{
	static const char *const bad[] = { "", " ", "hello", "{", "{}", "[]", "{\"status\":200",
		"2026-11-22T01:02:03.456Z", "2026-11-22T01:02:03.456Z info",
		"2026-11-22T01:02:03.456Z info http:", "2026-11-22T01:02:03.456Z loud http: x",
		"2026-11-22T01:02:03.456Z info http x", "26-11-22T01:02:03.456Z info http: x",
		"22T01:02:03.456Z error http: torn", "a - b [t] \"GET / HTTP/1.1",
		"a - b [t] \"GET /\" 99999 1", "a - b [t] GET", "[", "a [", "a [t",
		"2026-11-22T01:02:03.456Z info http: x uri=\"no end", "status=200 uri=\"no end",
		"a=b c=d", "hello status=200" };
	char *line = malloc(LOG_LINE_MAX + 2);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(parse(bad[i]));
	memset(line, 'x', LOG_LINE_MAX + 1);
	assert_false(log_line_parse(str_make(line, LOG_LINE_MAX + 1), &l));
	free(line);
}

static void
strange_numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t latency;
	} all[] = { { "1", 1000 }, { "0.0004", 0 }, { "1.", 1000 }, { "-1", -1 }, { "1e9", -1 },
		{ "", -1 }, { ".5", -1 }, { "99999999999999999999", -1 },
		{ "9223372036854775807", -1 }, { "1.2.3", -1 },
		{ "1.99999999999999999999999999", 1999 } };
	char line[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		snprintf(line, sizeof(line),
		    "2026-11-22T01:02:03.456Z info http: x latency_ms=%s status=%s", all[i].text,
		    all[i].text);
		assert_true(parse(line));
		assert_int_equal(l.latency, all[i].latency);
		assert_int_equal(l.status, 0);
	}
}

/* A line cut anywhere is taken or refused, and never read beyond. */
static void
torn_lines(void **state)
{
	static const char *const lines[] = {
		"2026-11-22T01:02:03.456Z error http: a b uri=\"\\x41\\\"\" status=500 "
		"latency_ms=1.5",
		"1.2.3.4 - - [22/Nov/2026:01:02:03 +0000] \"GET / HTTP/1.1\" 500 1 \"-\" \"-\" "
		"rt=1",
		"{\"time\":\"t\",\"status\":500,\"uri\":\"\\u00e9\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		for (size_t n = 0; n <= strlen(lines[i]); n++) {
			char *exact = malloc(n ? n : 1);

			memcpy(exact, lines[i], n);
			(void)log_line_parse(str_make(exact, n), &l);
			free(exact);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_logfmt),
		cmocka_unit_test(own_json),
		cmocka_unit_test(access_logs),
		cmocka_unit_test(refuses_other_things),
		cmocka_unit_test(strange_numbers),
		cmocka_unit_test(torn_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

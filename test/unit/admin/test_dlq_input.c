/*
 * What requests about dead letters may say: pages, filters, decisions, orders; and that each of them is refused by name.
 */
#include "admin/dlq_input.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "unit/unit.h"

#define ID "0123456789abcdef0123456789abcdef"
#define SECOND INT64_C(1000000000)

static struct arena arena;
static struct fields fields = { .arena = &arena };

/* ---- pages ---- */

static struct dlq_page page;

static int
read_page(const char *query)
{
	return dlq_input_page(&fields, str_of(query), &page);
}

static void
pages(void **state)
{
	(void)state;
	assert_int_equal(read_page(""), 0);
	assert_true(page.page == 1 && page.per_page == 50);
	assert_true(page.filter.state == -1 && page.filter.type == -1 && page.filter.q.n == 0);
	assert_int_equal(
	    read_page("page=7&per_page=500&stream=usage&status=resolved&error_type=poison&q=a%26b&"
		      "message_id=m1&job=" ID "&after=10&before=1970-01-01T00:00:20Z"),
	    0);
	assert_true(page.page == 7 && page.per_page == 500);
	assert_true(page.filter.state == DLQ_RESOLVED && page.filter.type == DLQ_POISON);
	assert_true(str_is(page.filter.stream, "usage") && str_is(page.filter.q, "a&b"));
	assert_true(str_is(page.filter.message_id, "m1") && page.filter.job.b[1] == 0x23);
	assert_true(page.filter.after == 10 * SECOND && page.filter.before == 20 * SECOND);
}

static void
bad_pages(void **state)
{
	static const char *const bad[][2] = { { "page=0", "page: " }, { "page=-1", "page: " },
		{ "page=1000000001", "page: " }, { "per_page=0", "per_page: " },
		{ "per_page=501", "per_page: " }, { "per_page=x", "per_page: " },
		{ "status=lost",
		    "status: pending, reprocessing, resolved or discarded is allowed" },
		{ "error_type=held", "error_type: transient, permanent or poison is allowed" },
		{ "job=1", "job: " }, { "after=now", "after: " }, { "before=1.5", "before: " },
		{ "q=%f", "q: " }, { "q=%c3%28", "q: " },
		{ "stream=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    "stream: " } };
	char text[300] = "q=";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(read_page(bad[i][0]), ERR_BAD);
		assert_memory_equal(fields.why, bad[i][1], strlen(bad[i][1]));
	}
	memset(text + 2, 'x', 201);
	assert_int_equal(read_page(text), ERR_BAD);
	assert_string_equal(fields.why, "q: at most 200 bytes are allowed");
}

/* ---- decisions ---- */

static struct dlq_wish wish;

static int
read_wish(bool reprocess, const char *body)
{
	dlq_wish_fini(&wish);
	return dlq_input_wish(&fields, reprocess, str_of(body), &wish);
}

static void
decisions(void **state)
{
	(void)state;
	assert_int_equal(
	    read_wish(true, "{\"message_ids\":[\"" ID
			    "\"],\"override_delay\":1500000000,\"force\":true,\"operator\":\"ann\","
			    "\"reason\":\"because\",\"batch\":100,\"delay\":\"1s\",\"rate\":50,"
			    "\"dry_run\":true}"),
	    0);
	assert_true(wish.ids.n == 1 && wish.ids.v[0].b[0] == 1 && !wish.has_filter);
	assert_true(wish.force && wish.dry_run && wish.override_delay == 1500000000);
	assert_true(wish.batch == 100 && wish.delay == SECOND && wish.rate == 50);
	assert_true(str_is(wish.operator, "ann") && str_is(wish.reason, "because"));
	assert_int_equal(read_wish(true, "{\"filter\":{},\"override_delay\":\"30s\"}"), 0);
	assert_true(wish.has_filter && !wish.ids.given && wish.filter.state == -1);
	assert_true(wish.override_delay == 30 * SECOND);
	assert_int_equal(
	    read_wish(false, "{\"filter\":{\"stream\":\"s\",\"status\":\"pending\",\"error_type\":"
			     "\"transient\",\"q\":\"t\",\"after\":1,\"before\":2}}"),
	    0);
	assert_true(wish.filter.state == DLQ_PENDING && wish.filter.type == DLQ_TRANSIENT);
	assert_true(wish.filter.after == SECOND && wish.filter.before == 2 * SECOND);
}

static void
bad_decisions(void **state)
{
	static const struct {
		bool reprocess;
		const char *body, *why;
	} bad[] = {
		{ true, "{}", "either message_ids or filter is needed" },
		{ false, "{\"message_ids\":[\"" ID "\"],\"filter\":{}}",
		    "either message_ids or filter is needed" },
		{ true, "{\"message_ids\":[]}", "message_ids: at least one id is needed" },
		{ true, "{\"message_ids\":null}", "either message_ids or filter is needed" },
		{ true, "{\"message_ids\":[\"1\"]}",
		    "message_ids[0]: an id of 32 hexadecimal digits is needed" },
		{ false, "{\"filter\":{},\"batch\":1}", "batch: there is no such member" },
		{ false, "{\"filter\":{},\"override_delay\":1}",
		    "override_delay: there is no such member" },
		{ true, "{\"filter\":{\"status\":7}}", "filter.status: a string is needed" },
		{ true, "{\"filter\":{\"streams\":\"a\"}}",
		    "filter.streams: there is no such member" },
		{ true, "{\"filter\":\"all\"}", "filter: an object is needed" },
		{ true, "{\"filter\":{},\"force\":\"yes\"}", "force: true or false is allowed" },
		{ true, "{\"filter\":{},\"rate\":1000001}",
		    "rate: a whole number from 0 to 1000000 is allowed" },
		{ true, "{\"filter\":{},\"batch\":-1}",
		    "batch: a whole number from 0 to 1000000 is allowed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(read_wish(bad[i].reprocess, bad[i].body), ERR_BAD);
		assert_string_equal(fields.why, bad[i].why);
	}
}

/* As many ids as are allowed, and one more. */
static void
too_many_ids(void **state)
{
	struct buf body;

	(void)state;
	buf_init(&body, 0);
	for (unsigned extra = 0; extra < 2; extra++) {
		buf_reset(&body);
		buf_puts(&body, "{\"message_ids\":[\"" ID "\"");
		for (unsigned i = 1; i < DLQ_INPUT_IDS_MAX + extra; i++)
			buf_puts(&body, ",\"" ID "\"");
		buf_puts(&body, "]}");
		assert_int_equal(read_wish(true, buf_cstr(&body)), extra ? ERR_BAD : 0);
		assert_true(extra || wish.ids.n == DLQ_INPUT_IDS_MAX);
	}
	assert_string_equal(fields.why, "message_ids: at most 10000 ids are allowed");
	buf_fini(&body);
}

/* ---- orders ---- */

static void
orders(void **state)
{
	struct dlq_order o;

	(void)state;
	assert_int_equal(dlq_input_cancel(&fields, STR("{}"), &o), 0);
	assert_true(o.operator.n == 0 && o.reason.n == 0);
	assert_int_equal(dlq_input_cancel(&fields, STR("{\"stream\":\"a\"}"), &o), ERR_BAD);
	assert_string_equal(fields.why, "stream: there is no such member");
	assert_int_equal(
	    dlq_input_purge(&fields,
		STR("{\"stream\":\"a\",\"reason\":\"test data\",\"operator\":\"ann\"}"), &o),
	    0);
	assert_true(str_is(o.stream, "a") && str_is(o.reason, "test data"));
	assert_int_equal(dlq_input_purge(&fields, STR("{\"reason\":\"x\"}"), &o), ERR_BAD);
	assert_string_equal(fields.why, "stream: the name of a stream is needed");
	assert_int_equal(dlq_input_purge(&fields, STR("{\"stream\":\"a\"}"), &o), ERR_BAD);
	assert_string_equal(fields.why, "reason: why it is purged is needed");
}

static int
end(void **state)
{
	(void)state;
	dlq_wish_fini(&wish);
	arena_fini(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages),
		cmocka_unit_test(bad_pages),
		cmocka_unit_test(decisions),
		cmocka_unit_test(bad_decisions),
		cmocka_unit_test(too_many_ids),
		cmocka_unit_test(orders),
	};

	arena_init(&arena, 0);
	return cmocka_run_group_tests(tests, NULL, end);
}

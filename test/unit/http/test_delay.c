/*
 * SLUICE_DELAY_MS: answers come that much later, and those in flight when the server stops still
 * come. And the phases that upper layers hang around a request: their order, and that one of them
 * may answer.
 */
#include "unit/http/http_test.h"

#define DELAY_MS 60

static char order[16];

static void
note(const char *what)
{
	strncat(order, what, sizeof(order) - strlen(order) - 1);
}

static int
first(struct http_request *r)
{
	(void)r;
	note("1");
	return 0;
}

static int
second(struct http_request *r)
{
	note("2");
	if (!str_is(http_header_get(r->head, "Authorization"), "yes"))
		return http_reply_message(r, 401, "who are you?") + 1;
	r->user = STR("u1");
	return 0;
}

static int
handle(struct http_request *r, void *arg)
{
	(void)arg;
	note("h");
	assert_true(str_is(http_client_address(r), "127.0.0.1"));
	return http_reply(r, 200, "text/plain", r->user);
}

static void
after(struct http_request *r, int64_t duration)
{
	note("l");
	assert_true(duration >= DELAY_MS * MS);
	assert_true(r->bytes_out > 100);
}

static int
set_handle(struct conf *c, const struct conf_node *n, struct conf_scope *s, void *into)
{
	(void)into;
	return http_set_handler(c, n, s, handle, NULL, "GET");
}

static const struct conf_row rows[] = {
	{ "handle", CONF_LOCATION, 0, 0, 0, set_handle, 0, NULL, "", "", NULL }, { .name = NULL }
};
static struct conf_module module = { .name = "test", .rows = rows };

static void
delayed(void)
{
	int64_t start = clock_mono();

	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: t\r\nAuthorization: yes\r\n\r\n"), 200);
	assert_true(clock_mono() - start >= DELAY_MS * MS);
	task_sleep_until(clock_mono() + 5 * MS);
	assert_string_equal(order, "12hl");
	order[0] = 0;
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: t\r\n\r\n"), 401);
	task_sleep_until(clock_mono() + 5 * MS);
	assert_string_equal(order, "12l");
}

static void
in_flight_at_the_stop(void)
{
	struct peer p[5];

	for (int i = 0; i < 5; i++) {
		peer_open(&p[i]);
		peer_say(&p[i], "GET / HTTP/1.1\r\nHost: t\r\nAuthorization: yes\r\n\r\n");
	}
	task_sleep_until(clock_mono() + 10 * MS);
	assert_int_equal(http_active(), 5);
	http_drain();
	for (int i = 0; i < 5; i++) {
		expect(&p[i], 200, "u1");
		expect_end(&p[i]);
		peer_close(&p[i]);
	}
}

static void
test_delayed(void **state)
{
	(void)state;
	with_site("location / { handle; }", delayed);
}

static void
test_in_flight_at_the_stop(void **state)
{
	(void)state;
	with_site("location / { handle; }", in_flight_at_the_stop);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delayed),
		cmocka_unit_test(test_in_flight_at_the_stop),
	};

	setenv("SLUICE_DELAY_MS", "60", 1);
	site.module = &module;
	http_add_phase(first);
	http_add_phase(second);
	http_add_log(after);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

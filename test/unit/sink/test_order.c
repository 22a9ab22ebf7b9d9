/* sink/order: which messages have the same key. */
#include "base/base.h"
#include "sink/order.h"
#include "unit/unit.h"

static struct conf *c;

static struct order_by
parse(const char *text)
{
	struct order_by o;

	if (!order_parse(c, str_of(text), &o))
		fail_msg("refused: %s", text);
	return o;
}

static uint64_t
key(const char *rule, const char *user, const char *body)
{
	struct order_by o = parse(rule);

	return order_key(&o, str_of(user), str_of(body));
}

static void
test_rules(void **state)
{
	static const char *const bad[] = { "", "k", "json", "json:", "json:.a", "json:a.",
		"json:a..b", "USER", "json:1.2.3.4.5.6.7.8.9" };
	struct order_by o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (order_parse(c, str_of(bad[i]), &o))
			fail_msg("accepted: %s", bad[i]);
	o = parse("json:a.b c.d");
	assert_int_equal(o.depth, 3);
	assert_string_equal(o.path[1], "b c");
	assert_int_equal(parse("json:1.2.3.4.5.6.7.8").depth, 8);
}

static void
test_none_and_all(void **state)
{
	(void)state;
	assert_int_equal(key("none", "u", "{}"), 0);
	assert_int_not_equal(key("all", "", NULL), 0);
	assert_int_equal(key("all", "u", "{}"), key("all", "v", NULL));
}

static void
test_user(void **state)
{
	(void)state;
	assert_int_equal(key("user", "", "{}"), 0);
	assert_int_not_equal(key("user", "u", "{}"), 0);
	assert_int_equal(key("user", "u", "{}"), key("user", "u", NULL));
	assert_int_not_equal(key("user", "u", NULL), key("user", "v", NULL));
}

static void
test_json(void **state)
{
	(void)state;
	assert_int_equal(key("json:a.b", "u", "{\"a\":{\"b\":7}}"),
	    key("json:a.b", "v", " {\"x\":1, \"a\": {\"c\":2,\"b\":7 } }"));
	assert_int_not_equal(key("json:a", "u", "{\"a\":\"7\"}"), key("json:a", "u", "{\"a\":7}"));
	assert_int_not_equal(key("json:a", "u", "{\"a\":0}"), 0);
	assert_int_not_equal(key("json:a", "u", "{\"a\":false}"), 0);
}

static void
test_json_without_key(void **state)
{
	static const char *const bodies[] = { NULL, "", "{}", "{\"a\":null}", "{\"a\":\"\"}",
		"{\"a\":", "[1]", "7", "{\"b\":1}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		if (key("json:a", "u", bodies[i]) != 0)
			fail_msg("has a key: %s", bodies[i]);
	assert_int_equal(key("json:a.b", "u", "{\"a\":7}"), 0);
}

static int
setup(void **state)
{
	(void)state;
	c = conf_new();
	return c == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	conf_free(c);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_none_and_all),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_without_key),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

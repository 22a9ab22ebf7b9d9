/*
 * Reading small JSON texts: members, elements, unescaping; nonsense never leaves its bounds.
 */
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "unit/guard.h"
#include "unit/unit.h"

static struct guard guard;

static struct str
get(const char *object, const char *name)
{
	struct str value = STR("(none)");
	int err = json_get(guard_tail(&guard, str_of(object)), name, &value);

	if (err == ERR_NOT_FOUND)
		return STR("(none)");
	return err ? STR("(bad)") : value;
}

static void
members_are_found(void **state)
{
	static const char text[] =
	    " { \"a\" : 1 , \"b\\u0063\\n\":\"x\\\"}\" , \"o\":{\"a\":[2,{}]},\"l\":[ ],"
	    "\"t\":true,\"n\":null,\"a\":-5e1 } ";

	(void)state;
	assert_true(str_is(get(text, "a"), "-5e1"));
	assert_true(str_is(get(text, "bc\n"), "\"x\\\"}\""));
	assert_true(str_is(get(text, "o"), "{\"a\":[2,{}]}"));
	assert_true(str_is(get(text, "l"), "[ ]"));
	assert_true(str_is(get(text, "t"), "true"));
	assert_true(str_is(get(text, "n"), "null"));
	assert_true(str_is(get(text, "b"), "(none)"));
	assert_true(str_is(get(text, "bc"), "(none)"));
	assert_true(str_is(get(text, ""), "(none)"));
	assert_true(str_is(get("{}", "a"), "(none)"));
	assert_true(str_is(get("{\"\":1}", ""), "1"));
	assert_true(str_is(get("{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80"), "1"));
}

static void
members_of_what_is_no_object(void **state)
{
	static const char *const bad[] = { "", " ", "[1]", "1", "\"a\"", "{\"a\":1", "{\"a\" 1}",
		"{\"a\":1}x", "{\"a\":\"\x80\"}", "{" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(str_is(get(bad[i], "a"), "(bad)"));
}

static void
walks_containers(void **state)
{
	struct str list = STR(" [ 1 ,\"a,]\", [2,3] ,{\"x\":[]},null ] "), name, value;
	static const char *const elements[] = { "1", "\"a,]\"", "[2,3]", "{\"x\":[]}", "null" };
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
		assert_int_equal(json_next(list, &at, &name, &value), 1);
		assert_null(name.p);
		assert_true(str_is(value, elements[i]));
	}
	assert_int_equal(json_next(list, &at, &name, &value), 0);
	at = 0;
	assert_int_equal(json_next(STR("{ }"), &at, &name, &value), 0);
	assert_int_equal(json_next(STR("{\"k\" : 7}"), &at, &name, &value), 1);
	assert_true(str_is(name, "\"k\""));
	assert_true(str_is(value, "7"));
	at = 0;
	assert_int_equal(json_next(STR("7"), &at, &name, &value), ERR_BAD);
}

static void
walking_nonsense_ends(void **state)
{
	static const char letters[] = "{}[]\",:\\ 1a";

	(void)state;
	for (int round = 0; round < 50000; round++) {
		uint64_t r = random_u64();
		char text[17];
		struct str s, name, value;
		size_t n = 1 + r % 16, at = 0, steps = 0;

		for (size_t i = 0; i < n; i++)
			text[i] = letters[(r >> (4 + 3 * i)) % (sizeof(letters) - 1)];
		text[0] = r & 1 ? '{' : '[';
		s = guard_tail(&guard, str_make(text, n));
		while (json_next(s, &at, &name, &value) == 1) {
			assert_true(value.p >= s.p && value.p + value.n <= s.p + s.n);
			assert_true(++steps <= n);
		}
	}
}

static void
unquotes(void **state)
{
	static const struct {
		struct str in, out;
	} cases[] = {
		{ STR_INIT("\"\""), STR_INIT("") },
		{ STR_INIT("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), STR_INIT("a\"\\/\b\f\n\r\tz") },
		{ STR_INIT("\"\\u0041\\u00e9\\u20AC\\u0000\""),
		    STR_INIT("A\xc3\xa9\xe2\x82\xac\0") },
		{ STR_INIT("\"\\ud83d\\ude00\""), STR_INIT("\xf0\x9f\x98\x80") },
		{ STR_INIT("\"\\udbff\\udfff\""), STR_INIT("\xf4\x8f\xbf\xbf") },
		{ STR_INIT("\"\\ud800\""), STR_INIT("\xef\xbf\xbd") },
		{ STR_INIT("\"\\ud800x\""), STR_INIT("\xef\xbf\xbdx") },
		{ STR_INIT("\"\\ude00\\ud83d\""), STR_INIT("\xef\xbf\xbd\xef\xbf\xbd") },
		{ STR_INIT("\"\\ud800\\u0041\""), STR_INIT("\xef\xbf\xbd"
							   "A") },
		{ STR_INIT("\"\xc3\xa9\""), STR_INIT("\xc3\xa9") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;

		buf_init(&b, 0);
		assert_int_equal(json_unquote(guard_tail(&guard, cases[i].in), &b), 0);
		assert_true(str_eq(buf_str(&b), cases[i].out));
		buf_fini(&b);
	}
}

static void
unquotes_nothing_bad(void **state)
{
	static const char *const bad[] = { "", "\"", "a", "\"a", "a\"", "\"\\\"", "\"\\x\"",
		"\"\\u12\"", "\"\\u123g\"", "\"a\nb\"", "\"\x80\"", "\"a\"b\"", "\"\\",
		"\"\\ud800\\u12\"" };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(json_unquote(guard_tail(&guard, str_of(bad[i])), &b), ERR_BAD);
	buf_fini(&b);
	buf_init(&b, 2);
	assert_int_equal(json_unquote(STR("\"abc\""), &b), ERR_TOO_LARGE);
	buf_fini(&b);
}

static int
group_setup(void **state)
{
	(void)state;
	guard_init(&guard, 4096);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	guard_fini(&guard);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found),
		cmocka_unit_test(members_of_what_is_no_object),
		cmocka_unit_test(walks_containers),
		cmocka_unit_test(walking_nonsense_ends),
		cmocka_unit_test(unquotes),
		cmocka_unit_test(unquotes_nothing_bad),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

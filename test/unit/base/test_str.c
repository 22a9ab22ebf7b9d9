/*
 * Borrowed strings at their edges: empty, absent, at the ends.
 */
#include "base/base.h"
#include "unit/unit.h"

static const struct str none = { NULL, 0 };

/* Each pair of bytes, at each place of texts of each length that takes another way. */
static void
test_case(void **state)
{
	char a[20], b[20];

	(void)state;
	for (size_t n = 1; n < sizeof(a); n++)
		for (size_t at = 0; at < n; at++)
			for (int x = 0; x < 256; x++)
				for (int y = x > 32 ? x - 32 : 0; y <= x; y++) {
					bool same = x == y || (x >= 'a' && x <= 'z' && y == x - 32);

					memset(a, 'q', n);
					memset(b, 'Q', n);
					a[at] = (char)x;
					b[at] = (char)y;
					assert_int_equal(
					    str_ieq(str_make(a, n), str_make(b, n)), same);
				}
}

static void
comparing(void **state)
{
	(void)state;
	assert_true(str_eq(none, STR("")));
	assert_true(str_is(STR("abc"), "abc"));
	assert_false(str_is(STR("abc"), "ab"));
	assert_true(str_ieq(STR("Content-Length"), STR("cONTENT-lENGTH")));
	/* '[' and '{' differ by the bit of case but are no letters; nor are bytes beyond ASCII. */
	assert_false(str_ieq(STR("["), STR("{")));
	assert_false(str_ieq(STR("\xc4"), STR("\xe4")));
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("ab"), STR("a")) > 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
	assert_int_equal(str_cmp(none, STR("")), 0);
}

static void
searching(void **state)
{
	(void)state;
	assert_true(str_starts(STR("/a/b"), STR("/a")));
	assert_true(str_starts(STR("x"), none));
	assert_false(str_starts(STR("x"), STR("xy")));
	assert_true(str_ends(STR("a.gz"), STR(".gz")));
	assert_false(str_ends(STR("gz"), STR(".gz")));
	assert_int_equal(str_find(STR("a=b=c"), '='), 1);
	assert_int_equal(str_rfind(STR("a=b=c"), '='), 3);
	assert_int_equal(str_find(STR("abc"), '='), -1);
	assert_int_equal(str_rfind(none, '='), -1);
	assert_int_equal(str_find(none, '='), -1);
}

static void
cutting(void **state)
{
	struct str s = STR("one,,three");

	(void)state;
	assert_true(str_is(str_from(STR("abc"), 1), "bc"));
	assert_true(str_is(str_from(STR("abc"), 9), ""));
	assert_true(str_is(str_sub(STR("abc"), 1, 1), "b"));
	assert_true(str_is(str_sub(STR("abc"), 2, SIZE_MAX), "c"));
	assert_true(str_is(str_trim(STR(" \t a b\t ")), "a b"));
	assert_true(str_is(str_trim(STR(" \t ")), ""));
	assert_true(str_is(str_split(&s, ','), "one"));
	assert_true(str_is(str_split(&s, ','), ""));
	assert_non_null(s.p);
	assert_true(str_is(str_split(&s, ','), "three"));
	assert_null(s.p);
	s = STR("x,");
	assert_true(str_is(str_split(&s, ','), "x"));
	assert_non_null(s.p);
	assert_int_equal(s.n, 0);
}

static void
numbers(void **state)
{
	static const char *const bad[] = { "", "+1", "-1", " 1", "1 ", "0x1", "1a",
		"18446744073709551616", "99999999999999999999" };
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(str_to_u64(str_of(bad[i]), &v), ERR_BAD);
		assert_int_equal(v, 7);
	}
	assert_int_equal(str_to_u64(STR("18446744073709551615"), &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_to_u64(STR("007"), &v), 0);
	assert_int_equal(v, 7);
}

static void
copies(void **state)
{
	char to[4] = "zzz";

	(void)state;
	assert_true(str_copyz(to, sizeof(to), STR("abc")));
	assert_string_equal(to, "abc");
	assert_false(str_copyz(to, sizeof(to), STR("abcd")));
	assert_string_equal(to, "abc");
	assert_false(str_copyz(to, sizeof(to), STR("a\0b")));
	assert_true(str_copyz(to, 1, none));
	assert_string_equal(to, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_case),
		cmocka_unit_test(comparing),
		cmocka_unit_test(searching),
		cmocka_unit_test(cutting),
		cmocka_unit_test(numbers),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The map against a plain array, through growth and deletion; percent-decoding and UTF-8, its
 * neighbours.
 */
#include <stdio.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/url.h"
#include "base/utf8.h"
#include "unit/guard.h"
#include "unit/unit.h"

enum { KEYS = 500 };

static char names[KEYS][16];
static int values[KEYS];
static bool present[KEYS];

static void
check_all(const struct map *m)
{
	size_t expected = 0, seen = 0, at = 0;
	struct str key;
	void *value;

	for (int i = 0; i < KEYS; i++) {
		void *found = map_get(m, str_of(names[i]));

		assert_ptr_equal(found, present[i] ? &values[i] : NULL);
		expected += present[i];
	}
	while (map_each(m, &at, &key, &value)) {
		int i = (int)((int *)value - values);

		assert_true(present[i] && str_is(key, names[i]));
		seen++;
	}
	assert_int_equal(seen, expected);
	assert_int_equal(m->n, expected);
}

static void
map_follows_a_random_history(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	for (int i = 0; i < KEYS; i++)
		snprintf(names[i], sizeof(names[i]), "key-%d", i);
	for (int step = 0; step < 20000; step++) {
		int i = (int)(random_u64() % KEYS);

		/* Mostly filling, then mostly emptying, in turn. */
		if (random_u64() % 4 < (step / 2000 % 2 ? 1u : 3u)) {
			assert_int_equal(map_put(&m, str_of(names[i]), &values[i]), 0);
			present[i] = true;
		} else {
			assert_ptr_equal(
			    map_del(&m, str_of(names[i])), present[i] ? &values[i] : NULL);
			present[i] = false;
		}
		if (step % 500 == 0)
			check_all(&m);
	}
	check_all(&m);
	map_fini(&m);
}

static void
map_edges(void **state)
{
	int one, two;
	struct map m;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, STR("x")));
	assert_null(map_del(&m, STR("x")));
	assert_int_equal(map_put(&m, STR(""), &one), 0);
	assert_ptr_equal(map_get(&m, str_make(NULL, 0)), &one);
	assert_int_equal(map_put(&m, STR(""), &two), 0);
	assert_ptr_equal(map_del(&m, STR("")), &two);
	assert_int_equal(m.n, 0);
	map_fini(&m);
}

static void
url_decodes(void **state)
{
	static const struct {
		struct str in, out;
		bool plus;
		int rc;
	} cases[] = {
		{ STR_INIT(""), STR_INIT(""), false, 0 },
		{ STR_INIT("a%20b+c"), STR_INIT("a b+c"), false, 0 },
		{ STR_INIT("a%20b+c"), STR_INIT("a b c"), true, 0 },
		{ STR_INIT("%2B%2f%00%fF"), STR_INIT("+/\0\xff"), true, 0 },
		{ STR_INIT("%"), STR_INIT(""), false, ERR_BAD },
		{ STR_INIT("%4"), STR_INIT(""), false, ERR_BAD },
		{ STR_INIT("a%4g"), STR_INIT("a"), false, ERR_BAD },
		{ STR_INIT("%%41"), STR_INIT(""), false, ERR_BAD },
		{ STR_INIT("%@1"), STR_INIT(""), false, ERR_BAD },
	};
	struct guard g;

	(void)state;
	guard_init(&g, 64);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;

		buf_init(&b, 0);
		assert_int_equal(
		    url_decode(guard_tail(&g, cases[i].in), &b, cases[i].plus), cases[i].rc);
		assert_true(str_eq(buf_str(&b), cases[i].out));
		buf_fini(&b);
	}
	guard_fini(&g);
}

static void
url_decode_undoes_percent_encoding(void **state)
{
	unsigned char bytes[256];
	struct buf there, back;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (unsigned char)i;
	buf_init(&there, 0);
	buf_init(&back, 0);
	buf_put_percent(&there, str_make(bytes, 256), false);
	assert_int_equal(url_decode(buf_str(&there), &back, true), 0);
	assert_true(str_eq(buf_str(&back), str_make(bytes, 256)));
	buf_fini(&there);
	buf_fini(&back);
	buf_init(&back, 3);
	assert_int_equal(url_decode(STR("abcd"), &back, false), ERR_TOO_LARGE);
	buf_fini(&back);
}

static void
utf8_of_every_code_point(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g, 8);
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		char bytes[4];
		size_t n;
		struct str s;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		n = utf8_encode(cp, bytes);
		s = guard_tail(&g, str_make(bytes, n));
		assert_int_equal(utf8_len(s.p, s.n), n);
		/* None of its beginnings is a sequence. */
		if (n > 1)
			assert_int_equal(
			    utf8_len(guard_tail(&g, str_make(bytes, n - 1)).p, n - 1), 0);
	}
	guard_fini(&g);
}

static void
utf8_that_is_none(void **state)
{
	/* RFC 3629, sections 3 and 10. */
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1", "\xe2\x82\x28", "\xf0\x90\x28\xbc" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(utf8_len(bad[i], strlen(bad[i])), 0);
		assert_false(utf8_valid(str_of(bad[i])));
	}
	assert_true(utf8_valid(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
	assert_true(utf8_valid(str_make(NULL, 0)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_follows_a_random_history),
		cmocka_unit_test(map_edges),
		cmocka_unit_test(url_decodes),
		cmocka_unit_test(url_decode_undoes_percent_encoding),
		cmocka_unit_test(utf8_of_every_code_point),
		cmocka_unit_test(utf8_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

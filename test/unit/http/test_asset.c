/*
 * The way from a page to its files.
 */
#include "http/asset.h"
#include "http/http_priv.h"
#include "unit/unit.h"

static void
finds_the_way_back(void **state)
{
	static const struct {
		const char *path;
		size_t n;
		const char *base;
	} cases[] = {
		{ "/status", 7, "./status/" },
		{ "/a/status", 9, "./status/" },
		{ "/a/b c\"<", 8, "./b%20c%22%3C/" },
		{ "/a:b", 4, "./a%3Ab/" },
		{ "/status/", 8, "./" },
		{ "/", 1, "./" },
		{ "/status/format/html", 7, "./../" },
		{ "/status/format/html", 8, "./../" },
		{ "/format/html", 1, "./../" },
		{ "/s/page", 2, "./" },
	};
	struct http_request r;

	(void)state;
	arena_init(&r.arena, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str base = http_asset_base(&r, str_of(cases[i].path), cases[i].n);

		assert_string_equal(base.p, cases[i].base);
	}
	arena_fini(&r.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Paths in normal form, queries, URLs.
 */
#include "http/client.h"
#include "http/path.h"
#include "unit/guard.h"
#include "unit/unit.h"

static const struct {
	const char *target, *path, *query; /* path NULL: refused */
} cases[] = {
	{ "/", "/", NULL },
	{ "/usage", "/usage", NULL },
	{ "/usage?", "/usage", "" },
	{ "/specimen?uri=a/../b%20c", "/specimen", "uri=a/../b%20c" },
	{ "/a%62c", "/abc", NULL },
	{ "/a%2Fb%2e", "/a/b.", NULL },
	{ "//a///b", "/a/b", NULL },
	{ "/a/./b/.", "/a/b/", NULL },
	{ "/a/../b", "/b", NULL },
	{ "/a/b/..", "/a/", NULL },
	{ "/a/b/../", "/a/", NULL },
	{ "/a/b/../..", "/", NULL },
	{ "/a/b/%2e%2E/c", "/a/c", NULL },
	{ "/a/b%2f..%2fc", "/a/c", NULL },
	{ "/...", "/...", NULL },
	{ "/.a/..b/.c.", "/.a/..b/.c.", NULL },
	{ "/%25", "/%", NULL },
	{ "/%3f?x", "/?", "x" },
	{ "/a+b", "/a+b", NULL },
	{ "/\xc3\xa9", "/\xc3\xa9", NULL },
	{ "http://h/x/../y?q", "/y", "q" },
	{ "http://h", "/", NULL },
	{ "HTTPS://h:1?q", "/", "q" },
	{ "/..", NULL, NULL },
	{ "/../a", NULL, NULL },
	{ "/a/../..", NULL, NULL },
	{ "/a/%2e%2e/%2e%2e/b", NULL, NULL },
	{ "/%", NULL, NULL },
	{ "/%4", NULL, NULL },
	{ "/%4g", NULL, NULL },
	{ "/%00", NULL, NULL },
	{ "/a%00b", NULL, NULL },
	{ "*", NULL, NULL },
	{ "h:80", NULL, NULL },
	{ "", NULL, NULL },
};

static void
one_form_for_each_path(void **state)
{
	struct str path, query, target;
	struct guard g, o;
	char *out;
	int err;

	(void)state;
	guard_init(&g, 256);
	guard_init(&o, 256);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		target = guard_tail(&g, str_of(cases[i].target));
		/* Just the room that the contract asks for. */
		out = (char *)(uintptr_t)guard_tail(&o, str_make(cases, target.n + 2)).p;
		err = http_normalise_path(target, out, &path, &query);
		if (!cases[i].path) {
			assert_int_equal(err, ERR_BAD);
			continue;
		}
		assert_int_equal(err, 0);
		if (!str_is(path, cases[i].path))
			fail_msg("%s became %.*s", cases[i].target, STR_ARG(path));
		assert_true(str_eq(query, str_of(cases[i].query)));
		assert_int_equal(query.p == NULL, cases[i].query == NULL);
	}
	guard_fini(&g);
	guard_fini(&o);
}

static void
slashes_kept_on_wish(void **state)
{
	struct str path, query;
	char out[64];

	(void)state;
	assert_int_equal(path_normalise(STR("//a//b/..//c"), false, out, &path, &query), 0);
	assert_true(str_is(path, "//a///c"));
}

static void
query_parameters(void **state)
{
	struct str q = STR("uri=a%20b&x&y=&uri=second&z=1=2");

	(void)state;
	assert_true(str_is(http_query_get(q, "uri"), "a%20b"));
	assert_true(str_is(http_query_get(q, "z"), "1=2"));
	assert_non_null(http_query_get(q, "x").p);
	assert_int_equal(http_query_get(q, "x").n, 0);
	assert_non_null(http_query_get(q, "y").p);
	assert_null(http_query_get(q, "ur").p);
	assert_null(http_query_get(str_make(NULL, 0), "x").p);
}

static void
urls(void **state)
{
	struct http_url u;

	(void)state;
	assert_int_equal(http_url_parse(STR("http://h.example/p?q"), &u), 0);
	assert_true(
	    !u.https && u.port == 80 && str_is(u.host, "h.example") && str_is(u.path, "/p?q"));
	assert_int_equal(http_url_parse(STR("HTTPS://127.0.0.1:9000"), &u), 0);
	assert_true(
	    u.https && u.port == 9000 && str_is(u.host, "127.0.0.1") && str_is(u.path, "/"));
	assert_int_equal(http_url_parse(STR("http://[::1]:81/"), &u), 0);
	assert_true(u.port == 81 && str_is(u.host, "::1"));
	assert_int_equal(http_url_parse(STR("ftp://h/"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://h:0/"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://h:99999/"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://h?x"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://u@h/"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://h/a b"), &u), ERR_BAD);
	assert_int_equal(http_url_parse(STR("http://h/a\r\nX: y"), &u), ERR_BAD);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_form_for_each_path),
		cmocka_unit_test(slashes_kept_on_wish),
		cmocka_unit_test(query_parameters),
		cmocka_unit_test(urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

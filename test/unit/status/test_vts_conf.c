/*
 * The vhost_traffic_status directives: defaults, what is inherited, what is refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unit/unit.h"

#include "http/conf_priv.h"
#include "status/vts_member.h"
#include "status/vts_priv.h"
#include "zone/conf.h"

#define V "vhost_traffic_status"

static struct conf *
load(const char *text)
{
	struct conf *c = conf_new();

	if (conf_parse_text(c, "t", str_of(text)) == 0 && conf_check(c) == 0)
		conf_apply(c);
	return c;
}

static struct conf *
load_good(const char *text)
{
	struct conf *c = load(text);

	if (conf_errors(c))
		fail_msg("%.*s", STR_ARG(conf_messages(c)));
	return c;
}

/* Of the first server's first location. */
static const struct vts_scope *
location(struct conf *c)
{
	struct http_scope *s = conf_of(conf_main(c), &http_module);

	return vts_scope_of(s->site->servers->locations.first->conf);
}

static void
defaults(void **state)
{
	struct conf *c = load_good("http { server { location / { } } }");
	const struct vts_scope *s = location(c);

	(void)state;
	assert_false(s->on);
	assert_true(s->filter && s->filter_check_duplicate && s->limit && s->limit_check_duplicate);
	assert_false(s->filter_by_host || s->bypass_limit || s->shows || s->codes);
	assert_true(s->stats_by_upstream && s->upstream_stats && s->cache_stats);
	assert_int_equal(s->bypass_stats, VTS_BYPASS_AUTO);
	assert_int_equal(s->format, VTS_JSON);
	assert_true(str_is(s->jsonp, "ngx_http_vhost_traffic_status_jsonp_callback"));
	assert_true(str_is(s->sum_key, "*"));
	assert_int_equal(s->method, VTS_AMM);
	assert_int_equal(s->period_ms, 60000);
	assert_null(s->filters);
	assert_null(s->limits);
	assert_int_equal(s->n_bounds | s->ignore, 0);
	assert_int_equal(s->max_node, 0);
	conf_free(c);
}

static void
is_on(const char *text, bool want)
{
	struct conf *c = load_good(text);

	assert_int_equal(location(c)->on, want);
	conf_free(c);
}

static void
on_with_a_zone(void **state)
{
	(void)state;
	is_on("http { vts_zone main 10m; server { location / { } } }", true);
	is_on("http { server { location / { } } " V "_zone; }", true);
	is_on("http { " V "_zone shared:a:2m; server { " V " off; location / { } } }", false);
	is_on("http { server { location / { " V " on; } } }", true);
	is_on("http { vts_zone main 1m; " V " off; server { location / { " V " on; } } }", true);
}

static void
values(void **state)
{
	struct conf *c = load_good(
	    "http { " V "_dump /tmp/x.db 5m; " V "_filter_max_node 16 uris:: hosts; server { "
	    "location / { " V "_average_method WMA 2m; " V "_histogram_buckets 0.001 .5 1 12.25; " V
	    "_measure_status_codes 200 404 499; " V "_ignore_status 1xx 3xx; " V
	    "_display_format html; " V "_display_jsonp a.b$c_1; " V "_display_sum_key all; " V
	    "_bypass_stats on; " V "_bypass_limit on; " V "_filter_by_host on; "
	    "vts_upstream_stats off; vts_cache_stats off; " V "_stats_by_upstream off; } } }");
	const struct vts_scope *s = location(c), *m = vts_scope_of(conf_main(c));
	static const int64_t bounds[] = { 1000, 500000, 1000000, 12250000 };

	(void)state;
	assert_true(str_is(m->dump, "/tmp/x.db"));
	assert_int_equal(m->dump_period, INT64_C(300000000000));
	assert_int_equal(s->max_node, 16);
	assert_int_equal(s->n_prefixes, 2);
	assert_true(str_is(s->prefixes[1], "hosts"));
	assert_int_equal(s->method, VTS_WMA);
	assert_int_equal(s->period_ms, 120000);
	assert_int_equal(s->n_bounds, 4);
	assert_memory_equal(s->bounds_us, bounds, sizeof(bounds));
	assert_true(s->codes);
	assert_true(vts_is_measured(s, 404) && !vts_is_measured(s, 405));
	assert_false(vts_is_measured(s, 600) || vts_is_measured(s, UINT32_MAX));
	assert_int_equal(s->ignore, 1 << 1 | 1 << 3);
	assert_int_equal(s->format, VTS_HTML);
	assert_true(str_is(s->jsonp, "a.b$c_1"));
	assert_true(str_is(s->sum_key, "all"));
	assert_int_equal(s->bypass_stats, VTS_BYPASS_ON);
	assert_true(s->bypass_limit && s->filter_by_host);
	assert_false(s->upstream_stats || s->cache_stats || s->stats_by_upstream);
	conf_free(c);
}

static void
all_codes(void **state)
{
	struct conf *c =
	    load_good("http { " V "_measure_status_codes all; server { location / { } } }");

	(void)state;
	for (unsigned code = 100; code < 600; code++)
		assert_true(vts_is_measured(location(c), code));
	conf_free(c);
}

static unsigned
length(const struct vts_filter *f)
{
	unsigned n = 0;

	for (; f != NULL; f = f->next)
		n++;
	return n;
}

/* Those of the http block hold everywhere; below, the innermost list. */
static void
filters(void **state)
{
	struct conf *c =
	    load_good("http { " V "_filter_by_set_key $uri uris; server { location / { " V
		      "_filter_by_set_key $host hosts; " V "_filter_by_set_key $uri uris; " V
		      "_filter_by_set_key $request_method; location /in { } } " V
		      "_filter_by_set_key never seen; } }");
	struct http_scope *h = conf_of(conf_main(c), &http_module);
	const struct http_server_conf *server = h->site->servers;
	const struct vts_filter *f = location(c)->filters;

	(void)state;
	assert_int_equal(length(f), 4);
	assert_true(str_is(f->node->args[1], "uris"));
	assert_true(str_is(f->next->node->args[1], "hosts"));
	assert_false(f->repeats || f->next->repeats);
	assert_true(f->next->next->repeats);
	assert_int_equal(f->next->next->next->group.n, 0);
	assert_int_equal(length(vts_scope_of(server->conf)->filters), 2);
	assert_ptr_equal(vts_scope_of(server->locations.first->inner.first->conf)->filters, f);
	conf_free(c);
}

static void
limits(void **state)
{
	struct conf *c = load_good("http { " V "_limit_traffic in:1k; server { location / { " V
				   "_limit_traffic 5xx:10 509; " V
				   "_limit_traffic_by_set_key FG@g::$host@$uri@2 out:1m; " V
				   "_limit_traffic_by_set_key NO@example.org request:7 429; } } }");
	const struct vts_limit *l = location(c)->limits;

	(void)state;
	assert_int_equal(l->counter, VTS_IN_BYTES);
	assert_int_equal(l->size, 1024);
	assert_int_equal(l->status, 503);
	assert_int_equal(l->what, VTS_LIMIT_ZONE);
	l = l->next;
	assert_int_equal(l->counter, VTS_5XX);
	assert_int_equal(l->status, 509);
	l = l->next;
	assert_int_equal(l->what, VTS_LIMIT_FILTER);
	assert_int_equal(l->group.n, 2);
	assert_int_equal(l->key.n, 2);
	assert_true(str_is(l->key.parts[1].literal, "@2"));
	l = l->next;
	assert_int_equal(l->what, VTS_LIMIT_SERVER);
	assert_int_equal(l->group.n, 0);
	assert_int_equal(l->status, 429);
	assert_null(l->next);
	conf_free(c);
}

static void
members(void **state)
{
	(void)state;
	assert_int_equal(vts_member_limit(STR("cache_scarce")), VTS_CACHE_SCARCE);
	assert_int_equal(vts_member_limit(STR("requestCounter")), -1);
	assert_int_equal(vts_member_limit(STR("")), -1);
	assert_int_equal(vts_member_filter(STR("cacheHit")), VTS_CACHE_HIT);
	assert_int_equal(vts_member_filter(STR("requestMsecCounter")), VTS_REQUEST_MSEC);
}

static const struct {
	const char *text, *message;
} refused[] = {
	{ "http { " V " maybe; }", "allowed: on, off" },
	{ V " on;", "not allowed here" },
	{ "http { " V "_display_format xml; }", "json, html, jsonp, prometheus" },
	{ "http { " V "_display_jsonp alert(1); }", "invalid function name \"alert(1)\"" },
	{ "http { " V "_average_method XMA; }", "AMM or WMA" },
	{ "http { " V "_average_method AMM soon; }", "AMM or WMA" },
	{ "http { " V "_histogram_buckets 0.0009; }", "invalid bucket \"0.0009\"" },
	{ "http { " V "_histogram_buckets 1 1; }", "is not above the one before it" },
	{ "http { " V "_histogram_buckets 1.0000001; }", "invalid bucket" },
	{ "http { " V "_histogram_buckets 1.; }", "invalid bucket" },
	{ "http { " V "_histogram_buckets -1; }", "invalid bucket" },
	{ "http { " V
	  "_histogram_buckets 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
	  "24 25 26 27 28 29 30 31 32 33; }",
	    "number of arguments" },
	{ "http { " V "_measure_status_codes 404 200; }", "invalid status code \"200\"" },
	{ "http { " V "_measure_status_codes 99; }", "from 100 to 599" },
	{ "http { " V "_measure_status_codes 600; }", "from 100 to 599" },
	{ "http { " V "_measure_status_codes all 200; }", "invalid status code \"all\"" },
	{ "http { " V "_ignore_status 6xx; }", "1xx to 5xx" },
	{ "http { " V "_ignore_status 2xx off; }", "1xx to 5xx" },
	{ "http { " V "_filter_max_node many; }", "invalid number" },
	{ "http { server { " V "_filter_max_node 3; } }", "not allowed here" },
	{ "http { " V "_filter_by_set_key $nobody_knows_it; }", "nobody_knows_it" },
	{ "http { " V "_limit_traffic request; }", "it is member:size" },
	{ "http { " V "_limit_traffic weight:3; }", "it is member:size" },
	{ "http { " V "_limit_traffic in:lots; }", "it is member:size" },
	{ "http { " V "_limit_traffic in:1 200; }", "400 to 599" },
	{ "http { " V "_limit_traffic_by_set_key XX@a in:1; }", "NO@zone and FG@group@key" },
	{ "http { " V "_limit_traffic_by_set_key FG@a in:1; }", "NO@zone and FG@group@key" },
	{ "http { " V "_limit_traffic_by_set_key NO@ in:1; }", "NO@zone and FG@group@key" },
	{ "http { " V "_dump vts.db; }", "absolute path" },
	{ "http { " V "_dump /tmp/; }", "absolute path" },
	{ "http { " V "_dump \"\"; }", "absolute path" },
	{ "http { " V "_dump /tmp/x 500ms; }", "from 1s on" },
	{ "http { server { " V "_dump /tmp/x; } }", "not allowed here" },
	{ "http { " V "_set_by_filter v server/a/requestCounter; }", "variable" },
	{ "http { " V "_set_by_filter $v server; }", "it is group/zone/name" },
	{ "http { " V "_set_by_filter $v server/requestCounter; }", "it is group/zone/name" },
	{ "http { " V "_set_by_filter $v server/a/b; }", "unknown name \"b\"" },
	{ "http { " V "_set_by_filter $v filter/a/1xx; }", "invalid node \"filter/a\"" },
	{ "http { " V "_set_by_filter $v host/a/1xx; }", "invalid node \"host/a\"" },
	{ "http { " V "_set_by_filter $host server/a/1xx; }", "host" },
};

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct conf *c = load(refused[i].text);
		struct str m = conf_messages(c);

		if (conf_errors(c) == 0 ||
		    !memmem(m.p, m.n, refused[i].message, strlen(refused[i].message)))
			fail_msg("%s: %.*s", refused[i].text, STR_ARG(m));
		conf_free(c);
	}
}

static void
warns(void **state)
{
	struct conf *c = load_good(
	    "http { " V "_limit_traffic_by_set_key UG@up@127.0.0.1:80 in:1; " V
	    "_set_by_filter $w upstream@group/up@127.0.0.1:80/weight; server { location / { } } }");
	struct str m = conf_messages(c);

	(void)state;
	assert_non_null(memmem(m.p, m.n, "this limit never holds", 22));
	assert_non_null(memmem(m.p, m.n, "this variable stays empty", 25));
	assert_null(location(c)->limits);
	conf_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(on_with_a_zone),
		cmocka_unit_test(values),
		cmocka_unit_test(all_codes),
		cmocka_unit_test(filters),
		cmocka_unit_test(limits),
		cmocka_unit_test(members),
		cmocka_unit_test(refuses),
		cmocka_unit_test(warns),
	};

	zone_conf_register();
	http_conf_register();
	vts_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The traffic statistics as JSON, byte for byte.
 */
#include "unit/unit.h"

#include <stdio.h>

#include "base/json.h"
#include "status/vts_json.h"
#include "unit/status/vts_test.h"

#define W ZONE_SLOT_WORKER

static struct vts_scope scope;
static struct buf text;

static int
keep(void *arg, const void *p, size_t n)
{
	(void)arg;
	buf_put(&text, p, n);
	return 0;
}

/* Renders with fn into text, which must be JSON. */
static struct str
render(void (*fn)(struct vts_json *j, const void *arg), const void *arg)
{
	struct pieces out;
	struct vts_json *j = vts_json_new(&out, &scope, 1000);
	uint64_t bad;

	assert_non_null(j);
	j->now_ms = 60500;
	buf_reset(&text);
	pieces_init(&out, keep, NULL);
	fn(j, arg);
	assert_int_equal(pieces_fini(&out), 0);
	vts_json_free(j);
	assert_int_equal(buf_failed(&text), 0);
	assert_int_equal(json_check_text(buf_str(&text), &bad), 0);
	return buf_str(&text);
}

static void
put_one(struct vts_json *j, const void *arg)
{
	vts_json_one(j, arg);
}

static void
put_section(struct vts_json *j, const void *arg)
{
	vts_json_section(j, arg);
}

static void
put_document(struct vts_json *j, const void *arg)
{
	(void)arg;
	vts_json_document(j);
}

/* n zeros, each with a comma behind. */
static const char *
zeros(unsigned n)
{
	static char out[2 * VTS_SAMPLES + 1];

	for (unsigned i = 0; i < n; i++)
		memcpy(out + (size_t)2 * i, "0,", 2);
	out[2 * n] = 0;
	return out;
}

static void
filter(const char *group, const char *name)
{
	struct vts_event e = { .status = 200, .now_ms = 60000 };
	struct str labels[] = { str_of(group), str_of(name) };

	vts_node_count(series_get_labels(vts_part_set(VTS_FILTER, VTS_NODE), labels), &e);
}

static int
set_scope(void **state)
{
	scope = (struct vts_scope){
		.on = true, .sum_key = STR("*"), .method = VTS_AMM, .period_ms = 60000
	};
	return make_zone(state);
}

/* ---- one node ---- */

#define NO_CACHE                                                                              \
	"\"miss\":0,\"bypass\":0,\"expired\":0,\"stale\":0,\"updating\":0,\"revalidated\":0," \
	"\"hit\":0,\"scarce\":0"
#define NO_OVER                                                                                    \
	"\"overCounts\":{\"maxIntegerSize\":18446744073709551615,\"requestCounter\":0,"            \
	"\"inBytes\":0,\"outBytes\":0,\"1xx\":0,\"2xx\":0,\"3xx\":0,\"4xx\":0,\"5xx\":0," NO_CACHE \
	",\"requestMsecCounter\":0}"

static void
a_node(void **state)
{
	struct vts_entry e;
	struct buf want;

	(void)state;
	be_slot(W);
	count("node\"1", 200, 5000, 1000);
	count("node\"1", 404, 20000, 60000);
	e = entry("node\"1");
	buf_init(&want, 0);
	buf_puts(&want,
	    "{\"node\\\"1\":{\"requestCounter\":2,\"inBytes\":20,\"outBytes\":200,"
	    "\"responses\":{\"1xx\":0,\"2xx\":1,\"3xx\":0,\"4xx\":1,\"5xx\":0," NO_CACHE
	    "},\"requestMsecCounter\":25,\"requestMsec\":12,\"requestMsecs\":{\"times\":[");
	buf_printf(&want, "%s1000,60000],\"msecs\":[%s5,20]},", zeros(61), zeros(61));
	buf_puts(&want, "\"requestBuckets\":{\"msecs\":[],\"counters\":[]}," NO_OVER "}}");
	assert_string_equal((render(put_one, &e), buf_cstr(&text)), buf_cstr(&want));
	buf_fini(&want);
}

static void
has(struct str json, const char *part)
{
	if (!memmem(json.p, json.n, part, strlen(part)))
		fail_msg("%s is not in %.*s", part, STR_ARG(json));
}

static void
buckets_and_codes(void **state)
{
	static const int64_t bounds[] = { 5000, 500000, 20000000 };
	struct vts_event e = { .status = 201, .now_ms = 1000 };
	struct vts_entry at;
	struct str json;

	(void)state;
	be_slot(W);
	for (e.us = 1; e.us <= 100000000; e.us *= 100) {
		vts_node_count(part("full", VTS_NODE), &e);
		vts_node_observe(part("full", VTS_DURATION), &e, bounds, 3);
	}
	vts_node_count_code(part("full", VTS_CODE), 404, true);
	vts_node_count_code(part("full", VTS_CODE), 201, true);
	vts_node_count_code(part("full", VTS_CODE), 418, false);
	at = entry("full");
	json = render(put_one, &at);
	/* 1 µs and 0.1 ms; 10 ms; 1 s; 100 s is beyond all */
	has(json, "\"requestBuckets\":{\"msecs\":[5,500,20000],\"counters\":[2,3,4]}");
	has(json, "\"outBytes\":0,\"statusCodes\":{\"other\":1,\"201\":1,\"404\":1},\"responses\"");
}

static void
status_codes_are_there_where_they_are_measured(void **state)
{
	struct vts_entry e;

	(void)state;
	be_slot(W);
	count("bare", 200, 1, 1000);
	e = entry("bare");
	assert_null(memmem(render(put_one, &e).p, text.n, "statusCodes", 11));
	scope.codes = true;
	has(render(put_one, &e), "\"statusCodes\":{\"other\":0},");
	scope.codes = false;
}

/* ---- counters that passed 2^64 ---- */

static void
nearly_full(vts_word *words, void *arg)
{
	struct vts_node_block *b = (struct vts_node_block *)words;

	(void)arg;
	vts_store(&b->counters[VTS_OUT_BYTES], UINT64_MAX - 50);
	vts_store(&b->over[VTS_OUT_BYTES], 6);
	vts_store(&b->counters[VTS_2XX], UINT64_MAX);
}

static void
over_counts(void **state)
{
	struct vts_entry e;
	struct str json;

	(void)state;
	be_slot(W);
	count("over", 200, 1, 1000);
	e = entry("over");
	assert_int_equal(
	    series_edit(vts_set(VTS_SERVER), &e.view, SERIES_RESTORED, nearly_full, NULL), 0);
	json = render(put_one, &e);
	has(json, "\"outBytes\":49,");
	has(json, "\"inBytes\":0,\"outBytes\":7,\"1xx\":0,\"2xx\":1,\"3xx\":0");
}

/* ---- sections ---- */

static void
the_sum(void **state)
{
	struct vts_entry e;
	uint32_t cursor = 0;
	struct str json, rest;

	(void)state;
	be_slot(W);
	while (vts_next(VTS_SERVER, &cursor, &e))
		vts_delete(&e);
	count("a", 200, 1000, 2000);
	count("b", 500, 3000, 1000);
	count("*", 200, 2000, 3000);
	json = render(put_section, &vts_json_sections[0]);
	has(json, "{\"serverZones\":{\"a\":{");
	rest = str_make(memmem(json.p, json.n, "\"*\":", 4), 0);
	rest.n = (size_t)(json.p + json.n - rest.p);
	assert_null(memmem(rest.p + 1, rest.n - 1, "\"*\":", 4));
	has(rest, "\"*\":{\"requestCounter\":3,\"inBytes\":30,\"outBytes\":300,");
	has(rest, "\"2xx\":2,");
	has(rest, "0,1000,2000,3000],");
	has(rest, "0,3,1,2]},\"requestBuckets\":{\"msecs\":[],\"counters\":[]}");
	assert_true(str_ends(json, STR("\"requestMsecCounter\":0}}}}")));
}

static void
filters_by_group(void **state)
{
	struct str json;
	static const char *const order[] = { "{\"filterZones\":{\"one\":{\"a\":{", "},\"b\":{",
		"}}},\"two\":{\"a\":{", "}}},\"th\\\"ree\":{\"a\":{" };

	(void)state;
	be_slot(W);
	assert_string_equal((render(put_section, &vts_json_sections[1]), buf_cstr(&text)), "{}");
	filter("one", "a");
	filter("two", "a");
	filter("th\"ree", "a");
	filter("one", "b");
	json = render(put_section, &vts_json_sections[1]);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const char *at = memmem(json.p, json.n, order[i], strlen(order[i]));

		assert_non_null(at);
		json = str_from(json, (size_t)(at - json.p) + 1);
	}
}

static void
the_document(void **state)
{
	struct str json, value, main;
	size_t at = 0;
	static const char *const names[] = { "\"hostName\"", "\"moduleVersion\"",
		"\"nginxVersion\"", "\"loadMsec\"", "\"nowMsec\"", "\"connections\"",
		"\"sharedZones\"", "\"serverZones\"", "\"filterZones\"" };

	(void)state;
	be_slot(W);
	filter("one", "a");
	json = render(put_document, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(json_next(json, &at, &main, &value), 1);
		assert_true(str_is(main, names[i]));
	}
	assert_int_equal(json_next(json, &at, &main, &value), 0);
	has(json, "\"loadMsec\":1000,\"nowMsec\":60500,\"connections\":{\"active\":0,");
}

/* More than a piece holds, in few groups and in many. */
static void
many(void **state)
{
	char group[32], name[32];

	(void)state;
	be_slot(W);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(group, sizeof(group), "group-%u", i % 7 ? i % 7 : i);
		snprintf(name, sizeof(name), "name-%u", i);
		filter(group, name);
		count(name, 200, 1, 1000);
	}
	assert_true(render(put_document, NULL).n > 6 * PIECES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node),
		cmocka_unit_test(buckets_and_codes),
		cmocka_unit_test(status_codes_are_there_where_they_are_measured),
		cmocka_unit_test(over_counts),
		cmocka_unit_test(the_sum),
		cmocka_unit_test(filters_by_group),
		cmocka_unit_test(the_document),
		cmocka_unit_test(many),
	};
	int failed = cmocka_run_group_tests(tests, set_scope, drop_zone);

	buf_fini(&text);
	return failed;
}

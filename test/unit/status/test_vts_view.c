/*
 * From paths to what they ask for.
 */
#include "status/vts_view_priv.h"
#include "unit/unit.h"

static void
paths_below_the_location(void **state)
{
	static const struct {
		const char *location, *path;
		int kind, format;
		size_t base;
	} cases[] = {
		{ "/status", "/status", VTS_BARE, -1, 7 },
		{ "/status", "/status/", VTS_BARE, -1, 8 },
		{ "/status", "/status/x", VTS_BARE, -1, 9 },
		{ "/status", "/status/format/json", VTS_FORMAT, VTS_JSON, 7 },
		{ "/status", "/status/format/JSON", VTS_FORMAT, VTS_JSON, 7 },
		{ "/status", "/status/format/JsonP", VTS_FORMAT, VTS_JSONP, 7 },
		{ "/status", "/status/format/html", VTS_FORMAT, VTS_HTML, 7 },
		{ "/status", "/status/format/prometheus", VTS_FORMAT, VTS_PROMETHEUS, 7 },
		{ "/status", "/status/format/xml", VTS_FORMAT, -1, 7 },
		{ "/status", "/status/format/", VTS_FORMAT, -1, 7 },
		{ "/status", "/status/control", VTS_CONTROL, -1, 7 },
		{ "/status", "/status/vts.js", VTS_FILE, -1, 7 },
		{ "/status", "/status/other.js", VTS_BARE, -1, 16 },
		{ "/status/", "/status/", VTS_BARE, -1, 8 },
		{ "/status/", "/status/control", VTS_CONTROL, -1, 8 },
		{ "/status/", "/status/format/html", VTS_FORMAT, VTS_HTML, 8 },
		{ "/status/", "/status/vts.css", VTS_FILE, -1, 8 },
		{ "/", "/format/json", VTS_FORMAT, VTS_JSON, 1 },
		{ "/", "/control", VTS_CONTROL, -1, 1 },
		/* a location's own name means nothing */
		{ "/control", "/control", VTS_BARE, -1, 8 },
		{ "/control", "/control/control", VTS_CONTROL, -1, 8 },
		{ "/a/format/json", "/a/format/json", VTS_BARE, -1, 14 },
		/* of a pattern nothing is known */
		{ "", "/s/format/json", VTS_FORMAT, VTS_JSON, 2 },
		{ "", "/s/vts.svg", VTS_FILE, -1, 2 },
		{ "", "/s", VTS_BARE, -1, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vts_target t;

		vts_target_parse(&t, str_of(cases[i].path), str_of(cases[i].location));
		assert_int_equal(t.kind, cases[i].kind);
		assert_int_equal(t.format, cases[i].format);
		assert_int_equal(t.base, cases[i].base);
		assert_true((t.kind == VTS_FILE) == (t.file != NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_below_the_location),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What a control request asks for, and from where.
 */
#include "base/arena.h"
#include "http/server.h"
#include "status/vts_control.h"
#include <stdio.h>

#include "unit/unit.h"

static struct arena arena;

static struct vts_control
parse(const char *query)
{
	struct vts_control c;

	vts_control_parse(&c, query ? str_of(query) : str_make(NULL, 0), &arena);
	return c;
}

static void
reads_commands_and_groups(void **state)
{
	static const struct {
		const char *query;
		enum vts_command command;
		enum vts_group group;
		const char *zone;
	} cases[] = {
		{ "cmd=status&group=server&zone=a.b", VTS_CMD_STATUS, VTS_GROUP_SERVER, "a.b" },
		{ "zone=*&group=filter&cmd=reset", VTS_CMD_RESET, VTS_GROUP_FILTER, "*" },
		{ "cmd=delete&group=cache&zone=%2A", VTS_CMD_DELETE, VTS_GROUP_CACHE, "*" },
		{ "cmd=DELETE&group=Upstream%40GROUP&zone=x", VTS_CMD_DELETE, VTS_GROUP_UPSTREAM,
		    "x" },
		{ "cmd=status&group=upstream@alone&zone=::nogroups", VTS_CMD_STATUS,
		    VTS_GROUP_ALONE, "::nogroups" },
		{ "cmd=status&group=*", VTS_CMD_STATUS, VTS_GROUP_ALL, "" },
		{ "cmd=status&group=%2a", VTS_CMD_STATUS, VTS_GROUP_ALL, "" },
		{ "cmd=status&group=filter&zone=country@KR%20%22", VTS_CMD_STATUS, VTS_GROUP_FILTER,
		    "country@KR \"" },
		{ "cmd=reboot&group=servers", VTS_CMD_NONE, VTS_GROUP_NONE, "" },
		{ "cmdx=reset&group", VTS_CMD_NONE, VTS_GROUP_NONE, "" },
		{ "", VTS_CMD_NONE, VTS_GROUP_NONE, "" },
		{ NULL, VTS_CMD_NONE, VTS_GROUP_NONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vts_control c = parse(cases[i].query);

		assert_int_equal(c.command, cases[i].command);
		assert_int_equal(c.group, cases[i].group);
		assert_true(str_is(c.zone, cases[i].zone));
		assert_true(c.expire_ms == -1);
	}
}

static void
expire_goes_with_delete(void **state)
{
	(void)state;
	assert_true(parse("cmd=delete&group=*&expire=10m").expire_ms == 600000);
	assert_true(parse("cmd=delete&group=*&expire=90").expire_ms == 90000);
	assert_true(parse("cmd=delete&group=*&expire=0").expire_ms == 0);
	assert_true(parse("cmd=reset&group=*&expire=10m").expire_ms == -1);
	assert_int_equal(parse("cmd=reset&group=*&expire=soon").command, VTS_CMD_RESET);
}

static void
what_cannot_be_read_does_nothing(void **state)
{
	static const char *const bad[] = { "cmd=delete&group=*&expire=",
		"cmd=delete&group=*&expire", "cmd=delete&group=*&expire=-1",
		"cmd=delete&group=*&expire=1x", "cmd=delete&group=server&zone=%",
		"cmd=delete&group=server&zone=%4", "cmd=reset&group=%zz&zone=*",
		"cmd=rese%74%&group=*" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i]).command, VTS_CMD_NONE);
	assert_true(str_is(parse("cmd=reset&group=server&zone=%zz").zone, "%zz"));
}

static bool
is_foreign(const char *headers)
{
	static struct http_head head;
	struct http_request r = { .head = &head };
	size_t scanned = 0;
	char text[512];
	int n = snprintf(text, sizeof(text),
	    "POST /status/control HTTP/1.1\r\nHost: Stats.test:8080\r\n%s\r\n", headers);

	http_head_init(&head);
	assert_int_equal(http_parse_request(&head, text, (size_t)n, &scanned), n);
	return vts_control_is_foreign(&r);
}

static void
knows_other_sites(void **state)
{
	static const char *const own[] = { "", "Origin: http://stats.test:8080\r\n",
		"Origin: https://STATS.test:8080\r\n", "Sec-Fetch-Site: same-origin\r\n",
		"Sec-Fetch-Site: none\r\n",
		"Sec-Fetch-Site: same-origin\r\nOrigin: http://stats.test:8080\r\n" };
	static const char *const foreign[] = { "Origin: http://evil.test\r\n", "Origin: null\r\n",
		"Origin:\r\n", "Origin: http://stats.test\r\n",
		"Origin: http://stats.test:80801\r\n", "Origin: ftp://stats.test:8080\r\n",
		"Origin: http://stats.test:8080.evil.test\r\n", "Sec-Fetch-Site: cross-site\r\n",
		"Sec-Fetch-Site: same-site\r\n",
		"Sec-Fetch-Site: cross-site\r\nOrigin: http://stats.test:8080\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		assert_false(is_foreign(own[i]));
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		assert_true(is_foreign(foreign[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_commands_and_groups),
		cmocka_unit_test(expire_goes_with_delete),
		cmocka_unit_test(what_cannot_be_read_does_nothing),
		cmocka_unit_test(knows_other_sites),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}

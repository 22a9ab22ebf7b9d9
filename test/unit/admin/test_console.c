/*
 * What paths below the console's location ask for, wherever it is mounted.
 */
#include "admin/console.h"

#include "unit/unit.h"

static struct console_target
target(const char *path, const char *location)
{
	struct console_target t;

	console_target_parse(&t, str_of(path), str_of(location));
	return t;
}

static void
check_kind(const char *path, const char *location, enum console_kind kind)
{
	assert_int_equal(target(path, location).kind, kind);
}

static void
test_page(void **state)
{
	(void)state;
	check_kind("/console/", "/console/", CONSOLE_PAGE);
	check_kind("/console", "/console", CONSOLE_PAGE);
	check_kind("/console/", "/console", CONSOLE_PAGE);
	check_kind("/dlq/dashboard", "/dlq/dashboard", CONSOLE_PAGE);
	check_kind("/", "/", CONSOLE_PAGE);
}

static void
test_files(void **state)
{
	(void)state;
	check_kind("/console/main.js", "/console/", CONSOLE_FILE);
	check_kind("/console/main.js", "/console", CONSOLE_FILE);
	check_kind("/console.css", "/", CONSOLE_FILE);
	assert_string_equal(target("/a/b/console.svg", "/a/b/").file->type, "image/svg+xml");
	/* The page as it stands in the program has marks in it. */
	check_kind("/console/console.html", "/console/", CONSOLE_NONE);
	check_kind("/console/no.js", "/console/", CONSOLE_NONE);
	check_kind("/console//main.js", "/console/", CONSOLE_NONE);
	check_kind("/console/sub/main.js", "/console/", CONSOLE_NONE);
	check_kind("/consolemain.js", "/console", CONSOLE_NONE);
	check_kind("/console-of-others", "/console", CONSOLE_NONE);
}

static void
test_api(void **state)
{
	(void)state;
	check_kind("/console/api", "/console/", CONSOLE_NONE);
	check_kind("/console/apis/status", "/console/", CONSOLE_NONE);
	assert_true(str_is(target("/console/api/", "/console/").api, "/api/"));
	assert_true(str_is(target("/console/api/status", "/console").api, "/api/status"));
	assert_true(str_is(target("/api/x/api/status", "/api/x/").api, "/api/status"));
	assert_true(str_is(target("/api/status", "/").api, "/api/status"));
	assert_true(str_is(
	    target("/console/api/dlq/messages/api", "/console/").api, "/api/dlq/messages/api"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_api),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

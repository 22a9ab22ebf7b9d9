/*
 * Cells and numbers of tables. The file under test belongs to a program, so it is taken in whole.
 */
#include "ctl/table.c"

#include "unit/unit.h"

static void
assert_visible(const char *text, size_t n, const char *expected)
{
	struct buf out;

	buf_init(&out, 0);
	table_put_visible(&out, str_make(text, n));
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void
no_control_reaches_the_terminal(void **state)
{
	(void)state;
	assert_visible("a\x1b[2J\n\0\x7f", 8, "a\\x1b[2J\\x0a\\x00\\x7f");
	assert_visible("\xc2\x9b"
		       "31m\xff\xc3\xa9",
	    8, "\\xc2\\x9b31m\\xff\xc3\xa9");
}

static void
numbers(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" }, { 1048575, "1.0 MiB" },
		{ UINT64_MAX, "16.0 EiB" } };
	static const struct {
		double seconds;
		const char *text;
	} ages[] = { { -1, "0.0s" }, { 0.25, "0.2s" }, { 59.9, "59s" }, { 190, "3m10s" },
		{ 7500, "2h05m" }, { 273600, "3d04h" }, { 1e300, "0d00h" } };
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		table_format_bytes(sizes[i].bytes, text);
		assert_string_equal(text, sizes[i].text);
	}
	for (size_t i = 0; i + 1 < ARRAY_LEN(ages); i++) {
		table_format_age(ages[i].seconds, text);
		assert_string_equal(text, ages[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_control_reaches_the_terminal),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

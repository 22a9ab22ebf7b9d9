/*
 * The error table: every row can be looked up, nothing outside it is an error of ours.
 */
#include <ctype.h>
#include <errno.h>

#include "base/base.h"
#include "unit/unit.h"

static const int values[] = {
#define VALUE(name, label, value, class, status, text) value,
	ERR_TABLE(VALUE)
#undef VALUE
};

static void
rows_are_distinct_and_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const char *name = err_name(values[i]);

		assert_int_equal(values[i], -(int)i - 1);
		assert_string_not_equal(name, "unknown");
		assert_true(strlen(err_text(values[i])) > 2);
		assert_in_range(err_http_status(values[i]), 400, 599);
		for (; *name; name++)
			assert_true(islower((unsigned char)*name) || *name == '_');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(err_name(values[i]), err_name(values[j]));
	}
}

static void
columns_come_from_their_row(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_NOSPACE), "no_space");
	assert_string_equal(err_text(ERR_TIMEOUT), "timed out");
	assert_int_equal(err_class(ERR_TIMEOUT), ERR_CLASS_TRANSIENT);
	assert_int_equal(err_class(ERR_DENIED), ERR_CLASS_HELD);
	assert_int_equal(err_class(ERR_BAD), ERR_CLASS_PERMANENT);
	assert_int_equal(err_class(ERR_IO), ERR_CLASS_LOCAL);
	assert_int_equal(err_http_status(ERR_TOO_LARGE), 413);
}

static void
values_outside_the_table(void **state)
{
	(void)state;
	assert_string_equal(err_name(0), "ok");
	assert_string_equal(err_name(17), "ok");
	assert_int_equal(err_http_status(0), 200);
	assert_string_equal(err_name(-(int)ARRAY_LEN(values) - 1), "unknown");
	assert_string_equal(err_name(INT32_MIN), "unknown");
	assert_int_equal(err_http_status(-1000), 500);
}

static void
errno_values(void **state)
{
	(void)state;
	assert_int_equal(err_from_errno(0), 0);
	assert_int_equal(err_from_errno(ENOSPC), ERR_NOSPACE);
	assert_int_equal(err_from_errno(EDQUOT), ERR_NOSPACE);
	assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
	assert_int_equal(err_from_errno(EWOULDBLOCK), ERR_AGAIN);
	assert_int_equal(err_from_errno(ECONNREFUSED), ERR_REFUSED);
	assert_int_equal(err_from_errno(EIO), ERR_IO);
	assert_int_equal(err_from_errno(99999), ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_distinct_and_complete),
		cmocka_unit_test(columns_come_from_their_row),
		cmocka_unit_test(values_outside_the_table),
		cmocka_unit_test(errno_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

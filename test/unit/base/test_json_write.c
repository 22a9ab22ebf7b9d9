/*
 * The JSON writer: what it writes is JSON, commas, escapes and nesting included.
 */
#include "base/json_write.h"

#include "base/json.h"
#include "unit/unit.h"

static void
writes_a_document(void **state)
{
	struct json_writer w;
	struct buf out;
	uint64_t bad;

	(void)state;
	buf_init(&out, 0);
	json_init(&w, &out);
	json_open(&w, NULL, '{');
	json_put_str(&w, "s", STR("a\"\\\n\xff"));
	json_put_cstr(&w, "none", NULL);
	json_put_u64(&w, "u", UINT64_MAX);
	json_put_i64(&w, "i", INT64_MIN);
	json_put_bool(&w, "b", false);
	json_open(&w, "empty", '[');
	json_close(&w);
	json_open(&w, "list", '[');
	json_put_seconds(&w, NULL, 1234567890);
	json_put_seconds(&w, NULL, -5 * 1000000);
	json_put_seconds(&w, NULL, -5);
	json_put_time(&w, NULL, 0);
	json_put_time(&w, NULL, 1000000000);
	json_open(&w, NULL, '{');
	json_put_raw(&w, "raw", STR("[1]"));
	json_close(&w);
	json_close(&w);
	json_put_null(&w, "last");
	json_close(&w);
	assert_int_equal(buf_failed(&out), 0);
	assert_int_equal(json_check_text(buf_str(&out), &bad), 0);
	assert_string_equal(buf_cstr(&out),
	    "{\"s\":\"a\\\"\\\\\\n\xef\xbf\xbd\",\"none\":null,\"u\":18446744073709551615,"
	    "\"i\":-9223372036854775808,\"b\":false,\"empty\":[],"
	    "\"list\":[1.234,-0.005,0.000,null,\"1970-01-01T00:00:01.000Z\",{\"raw\":[1]}],"
	    "\"last\":null}");
	buf_fini(&out);
}

static void
failure_sticks(void **state)
{
	char memory[8];
	struct json_writer w;
	struct buf out;

	(void)state;
	buf_init_fixed(&out, memory, sizeof(memory));
	json_init(&w, &out);
	json_open(&w, NULL, '[');
	json_put_cstr(&w, NULL, "longer than there is room");
	json_close(&w);
	assert_int_equal(buf_failed(&out), ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_a_document),
		cmocka_unit_test(failure_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Buffers: contents, limits, the failure that sticks, escapes. Arenas, their siblings, at the end.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "unit/unit.h"

static void
appends_everything(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "n=");
	buf_put_u64(&b, 0);
	buf_putc(&b, ' ');
	buf_put_u64(&b, UINT64_MAX);
	buf_put_str(&b, STR(" x"));
	buf_printf(&b, " %s-%d", "y", -3);
	buf_put(&b, NULL, 0);
	buf_put_hex(&b, "\x01\xfe", 2);
	assert_string_equal(buf_cstr(&b), "n=0 18446744073709551615 x y--301fe");
	assert_int_equal(buf_failed(&b), 0);
	buf_consume(&b, 27);
	assert_string_equal(buf_cstr(&b), "y--301fe");
	buf_consume(&b, b.n);
	assert_int_equal(b.n, 0);
	buf_fini(&b);
	assert_null(b.p);
}

/* RFC 4648, 10. */
static void
base64(void **state)
{
	static const char *const cases[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb", "//77" } };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&b);
		buf_put_base64(&b, cases[i][0], strlen(cases[i][0]));
		assert_string_equal(buf_cstr(&b), cases[i][1]);
	}
	buf_fini(&b);
}

static void
grows_with_printf_of_any_length(void **state)
{
	(void)state;
	for (int width = 250; width < 262; width++) {
		struct buf b;

		buf_init(&b, 0);
		buf_printf(&b, "%*d", width, 7);
		buf_printf(&b, "%*d", width, 8);
		assert_int_equal(b.n, 2 * width);
		assert_int_equal(b.p[width - 1], '7');
		assert_int_equal(b.p[2 * width - 1], '8');
		buf_fini(&b);
	}
}

static void
failure_sticks_at_the_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_puts(&b, "abc");
	buf_puts(&b, "de");
	assert_int_equal(buf_failed(&b), ERR_TOO_LARGE);
	buf_puts(&b, "f");
	assert_true(str_is(buf_str(&b), "abc"));
	assert_null(buf_reserve(&b, 1));
	assert_string_equal(buf_cstr(&b), "");
	buf_reset(&b);
	buf_puts(&b, "abcd");
	assert_int_equal(buf_failed(&b), 0);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(buf_failed(&b), ERR_TOO_LARGE);
	buf_fini(&b);
}

static void
fixed_memory_is_never_left(void **state)
{
	char mem[8];
	struct buf b;

	(void)state;
	memset(mem, '#', sizeof(mem));
	buf_init_fixed(&b, mem, 7);
	buf_puts(&b, "1234567");
	assert_int_equal(buf_failed(&b), 0);
	buf_putc(&b, '8');
	assert_int_equal(buf_failed(&b), ERR_TOO_LARGE);
	assert_int_equal(mem[7], '#');
	buf_reset(&b);
	buf_printf(&b, "%s", "123456");
	assert_true(str_is(buf_str(&b), "123456"));
	assert_ptr_equal(b.p, mem);
	buf_fini(&b);
}

static void
json_strings(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{ STR_INIT(""), "\"\"" },
		{ STR_INIT("a\"b\\c/"), "\"a\\\"b\\\\c/\"" },
		{ STR_INIT("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
		{ STR_INIT("a\0b"), "\"a\\u0000b\"" },
		{ STR_INIT("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
		/* a lone continuation, a cut sequence, an overlong slash, a surrogate: one U+FFFD a
		 * byte */
		{ STR_INIT("\x80"), "\"\xef\xbf\xbd\"" },
		{ STR_INIT("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ STR_INIT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ STR_INIT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	uint64_t bad_at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;

		buf_init(&b, 0);
		buf_put_json(&b, cases[i].in);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		assert_int_equal(json_check_text(buf_str(&b), &bad_at), 0);
		buf_fini(&b);
	}
}

static void
percent_encoding(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_put_percent(&b, STR("a/b c~-._\xc3\xa9%"), true);
	assert_string_equal(buf_cstr(&b), "a/b%20c~-._%C3%A9%25");
	buf_reset(&b);
	buf_put_percent(&b, STR("a/b"), false);
	assert_string_equal(buf_cstr(&b), "a%2Fb");
	buf_fini(&b);
}

static void
arena_gives_zeroed_aligned_memory(void **state)
{
	struct arena a;
	char *seen[200];

	(void)state;
	arena_init(&a, 0);
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		size_t n = i * 37 % 5000;

		seen[i] = arena_alloc(&a, n);
		assert_non_null(seen[i]);
		assert_int_equal((uintptr_t)seen[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(seen[i][k], 0);
		memset(seen[i], (int)i, n);
	}
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		for (size_t k = 0; k < i * 37 % 5000; k++)
			assert_int_equal((unsigned char)seen[i][k], i);
	}
	assert_string_equal(arena_strz(&a, STR("abc")), "abc");
	assert_true(str_is(arena_str(&a, str_make(NULL, 0)), ""));
	assert_string_equal(arena_printf(&a, "%s:%d", "x", 7), "x:7");
	arena_fini(&a);
}

static void
arena_keeps_its_limit(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 256);
	assert_non_null(arena_alloc(&a, 240));
	assert_null(arena_alloc(&a, 17));
	assert_true(a.failed);
	/* Once it failed it stays failed, so that a builder may ask at the end. */
	assert_null(arena_alloc(&a, 1));
	assert_null(arena_printf(&a, "x"));
	assert_null(arena_strz(&a, STR("x")));
	arena_fini(&a);
	assert_false(a.failed);
	assert_non_null(arena_alloc(&a, 256));
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_everything),
		cmocka_unit_test(base64),
		cmocka_unit_test(grows_with_printf_of_any_length),
		cmocka_unit_test(failure_sticks_at_the_limit),
		cmocka_unit_test(fixed_memory_is_never_left),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(percent_encoding),
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(arena_keeps_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

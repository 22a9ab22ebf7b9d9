/*
 * Texts in pieces, and names as JSON strings.
 */
#include "base/buf.h"
#include "base/json.h"
#include "status/pieces.h"
#include "unit/unit.h"

/* What was handed on. */
struct sink {
	struct buf text;
	unsigned pieces, fail_at;
};

static int
take(void *arg, const void *p, size_t n)
{
	struct sink *s = arg;

	if (++s->pieces == s->fail_at)
		return ERR_CLOSED;
	buf_put(&s->text, p, n);
	return 0;
}

static void
long_texts_arrive_whole(void **state)
{
	struct sink s = { .fail_at = 0 };
	struct pieces o;
	static char text[3 * PIECES_MAX + 7];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	pieces_init(&o, take, &s);
	pieces_put(&o, str_make(text, 5));
	pieces_put(&o, str_make(text + 5, sizeof(text) - 5));
	assert_int_equal(pieces_fini(&o), 0);
	assert_true(str_eq(buf_str(&s.text), str_make(text, sizeof(text))));
	assert_true(s.pieces >= 4);
	buf_fini(&s.text);
}

static void
room_is_what_was_asked_for(void **state)
{
	struct sink s = { .fail_at = 0 };
	struct pieces o;

	(void)state;
	pieces_init(&o, take, &s);
	for (unsigned i = 0; i < 100; i++) {
		char *to = pieces_room(&o, PIECES_MAX - 1);

		assert_non_null(to);
		memset(to, 'x', PIECES_MAX - 1); /* the sanitizer looks */
		pieces_took(&o, to + 10);
	}
	assert_int_equal(pieces_fini(&o), 0);
	assert_int_equal(s.text.n, 1000);
	buf_fini(&s.text);
}

static void
the_first_error_sticks(void **state)
{
	struct sink s = { .fail_at = 2 };
	struct pieces o;
	static char text[5 * PIECES_MAX];

	(void)state;
	memset(text, 'a', sizeof(text));
	pieces_init(&o, take, &s);
	pieces_put(&o, str_make(text, sizeof(text)));
	assert_null(pieces_room(&o, 1));
	assert_int_equal(pieces_fini(&o), ERR_CLOSED);
	assert_int_equal(s.pieces, 2);
	buf_fini(&s.text);
}

static void
names_are_json_strings(void **state)
{
	static const struct {
		struct str name;
		const char *json;
	} cases[] = {
		{ STR_INIT(""), "\"\"" },
		{ STR_INIT("example.com"), "\"example.com\"" },
		{ STR_INIT("<img onerror=\"x\">"), "\"<img onerror=\\\"x\\\">\"" },
		{ STR_INIT("a\\b"), "\"a\\\\b\"" },
		{ STR_INIT("a\nb\tc\x1f\x7f"), "\"a\\u000ab\\u0009c\\u001f\\u007f\"" },
		{ STR_INIT("a\0b"), "\"a\\u0000b\"" },
		{ STR_INIT("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
		{ STR_INIT("\xff"), "\"\\\\xff\"" },
		{ STR_INIT("\xc3"), "\"\\\\xc3\"" },
		{ STR_INIT("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\"" },
		{ STR_INIT("\\xff"), "\"\\\\xff\"" },
	};
	char out[256];
	uint64_t bad;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *end = pieces_name(out, cases[i].name);
		struct str json = str_make(out, (size_t)(end - out));

		assert_true(str_is(json, cases[i].json));
		assert_int_equal(json_check_text(json, &bad), 0);
		assert_true(json.n <= PIECES_NAME(cases[i].name.n));
	}
}

static void
every_byte_has_room_and_a_text_of_its_own(void **state)
{
	static char seen[256][16];
	char out[16];
	uint64_t bad;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;
		char *end = pieces_name(out, str_make(&byte, 1));

		assert_true((size_t)(end - out) <= PIECES_NAME(1));
		assert_int_equal(json_check_text(str_make(out, (size_t)(end - out)), &bad), 0);
		memcpy(seen[c], out, (size_t)(end - out));
		for (unsigned o = 0; o < c; o++)
			assert_string_not_equal(seen[o], seen[c]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_texts_arrive_whole),
		cmocka_unit_test(room_is_what_was_asked_for),
		cmocka_unit_test(the_first_error_sticks),
		cmocka_unit_test(names_are_json_strings),
		cmocka_unit_test(every_byte_has_room_and_a_text_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Input held against a table: what is taken, and by what text everything else is refused.
 */
#include "admin/fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "unit/unit.h"

struct inner {
	struct str name;
};

struct thing {
	struct str text;
	bool flag, has_inner;
	uint64_t n;
	int64_t wait, at;
	int colour;
	struct id id;
	struct field_ids ids;
	struct inner inner;
};

static int
colour_of(struct str s)
{
	return str_is(s, "red") ? 0 : str_is(s, "blue") ? 1 : -1;
}

#define AT(member) .offset = offsetof(struct thing, member)

static const struct field inner_fields[] = {
	{ "name", FIELD_STRING, .offset = offsetof(struct inner, name), .max = 4 },
	{ .name = NULL },
};

static const struct field table[] = {
	{ "text", FIELD_STRING, AT(text), .max = 10 },
	{ "flag", FIELD_BOOL, AT(flag) },
	{ "n", FIELD_NUMBER, AT(n), .min = 2, .max = 100 },
	{ "wait", FIELD_DURATION, AT(wait) },
	{ "at", FIELD_TIME, AT(at) },
	{ "colour", FIELD_WORD, AT(colour), .word = colour_of, .words = "red or blue" },
	{ "id", FIELD_ID, AT(id) },
	{ "ids", FIELD_IDS, AT(ids), .max = 3 },
	{ "inner", FIELD_OBJECT, AT(has_inner), .object = inner_fields,
	    .object_at = offsetof(struct thing, inner) },
	{ .name = NULL },
};

#define ID "0123456789abcdef0123456789abcdef"

static struct arena arena;
static struct fields fields = { .arena = &arena };
static struct thing got;

static int
read_json(const char *text)
{
	free(got.ids.v);
	got = (struct thing){ .colour = -1, .n = 7 };
	return fields_read_json(&fields, table, str_of(text), &got);
}

static int
read_query(const char *text)
{
	free(got.ids.v);
	got = (struct thing){ .colour = -1, .n = 7 };
	return fields_read_query(&fields, table, str_of(text), &got);
}

static void
reads_everything(void **state)
{
	static const struct id id = { { 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 0x23, 0x45,
	    0x67, 0x89, 0xab, 0xcd, 0xef } };

	(void)state;
	assert_int_equal(
	    read_json(
		" \n{\"text\":\"a\\u00e9\\\"\",\"flag\":true,\"n\":100,\"wait\":\"1m30s\",\"at\":"
		"\"1970-01-01T00:00:01Z\",\"colour\":\"blue\",\"id\":\"" ID "\",\"ids\":[\"" ID
		"\", \"" ID "\"],\"inner\":{\"n\\u0061me\":\"x\"}}"),
	    0);
	assert_true(str_is(got.text, "a\xc3\xa9\""));
	assert_true(got.flag && got.has_inner && got.n == 100 && got.colour == 1);
	assert_true(got.wait == 90 * NS_PER_S && got.at == NS_PER_S);
	assert_true(id_eq(got.id, id) && got.ids.given && got.ids.n == 2);
	assert_true(id_eq(got.ids.v[0], id) && id_eq(got.ids.v[1], id));
	assert_true(str_is(got.inner.name, "x"));
	assert_int_equal(read_json("{\"wait\":1500,\"at\":60,\"ids\":[]}"), 0);
	assert_true(got.wait == 1500 && got.at == 60 * NS_PER_S);
	assert_true(got.ids.given && got.ids.n == 0);
	assert_int_equal(read_json("{\"at\":\"60\"}"), 0);
	assert_true(got.at == 60 * NS_PER_S);
}

static void
leaves_what_is_not_given(void **state)
{
	static const char *const texts[] = { "{}",
		"{\"text\":null,\"flag\":null,\"n\":null,\"wait\":null,\"at\":null,\"colour\":null,"
		"\"id\":null,\"ids\":null,\"inner\":null}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(read_json(texts[i]), 0);
		assert_true(got.text.p == NULL && !got.flag && got.n == 7 && got.colour == -1);
		assert_true(!got.ids.given && !got.has_inner);
	}
}

static void
refuses_by_name(void **state)
{
	static const char *const cases[][2] = {
		{ "[]", "the body: an object is needed" },
		{ "\"x\"", "the body: an object is needed" },
		{ "7", "the body: an object is needed" },
		{ "{\"txt\":1}", "txt: there is no such member" },
		{ "{\"Text\":\"a\"}", "Text: there is no such member" },
		{ "{\"flag\":true,\"fl\\u0061g\":true}", "flag: is there twice" },
		{ "{\"text\":\"12345678901\"}", "text: at most 10 bytes are allowed" },
		{ "{\"text\":1}", "text: a string is needed" },
		{ "{\"text\":[\"a\"]}", "text: a string is needed" },
		{ "{\"text\":true}", "text: a string is needed" },
		{ "{\"flag\":1}", "flag: true or false is allowed" },
		{ "{\"flag\":\"true\"}", "flag: true or false is allowed" },
		{ "{\"n\":1}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":101}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":-3}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":2.5}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":1e1}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":99999999999999999999}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":\"5\"}", "n: a whole number from 2 to 100 is allowed" },
		{ "{\"n\":{}}", "n: a number is needed" },
		{ "{\"wait\":\"5\"}",
		    "wait: nanoseconds, or a duration such as \"30s\", of at most a "
		    "year are allowed" },
		{ "{\"wait\":-5}", "wait: nanoseconds, or a duration such as \"30s\", of at most a "
				   "year are allowed" },
		{ "{\"wait\":\"9000h\"}", "wait: nanoseconds, or a duration such as \"30s\", of at "
					  "most a year are allowed" },
		{ "{\"wait\":true}", "wait: a number is needed" },
		{ "{\"at\":\"yesterday\"}",
		    "at: a time such as 2026-11-22T01:02:03Z, or seconds since "
		    "1970, is needed" },
		{ "{\"at\":99999999999}",
		    "at: a time such as 2026-11-22T01:02:03Z, or seconds since "
		    "1970, is needed" },
		{ "{\"colour\":\"green\"}", "colour: red or blue is allowed" },
		{ "{\"id\":\"12\"}", "id: an id of 32 hexadecimal digits is needed" },
		{ "{\"ids\":\"" ID "\"}", "ids: a list of ids is needed" },
		{ "{\"ids\":[\"" ID "\",7]}", "ids[1]: an id of 32 hexadecimal digits is needed" },
		{ "{\"ids\":[\"x123456789abcdef0123456789abcdef\"]}",
		    "ids[0]: an id of 32 hexadecimal digits is needed" },
		{ "{\"ids\":[[\"" ID "\"]]}", "ids[0]: an id of 32 hexadecimal digits is needed" },
		{ "{\"ids\":[\"" ID "\",\"" ID "\",\"" ID "\",\"" ID "\"]}",
		    "ids: at most 3 ids are allowed" },
		{ "{\"inner\":[]}", "inner: an object is needed" },
		{ "{\"inner\":{\"x\":1}}", "inner.x: there is no such member" },
		{ "{\"inner\":{\"name\":\"12345\"}}", "inner.name: at most 4 bytes are allowed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(read_json(cases[i][0]), ERR_BAD);
		assert_string_equal(fields.why, cases[i][1]);
	}
}

/* However long a name is, the text is bounded. */
static void
long_names_are_cut(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"", 2);
	memcpy(text + sizeof(text) - 6, "\":1}", 5);
	assert_int_equal(read_json(text), ERR_BAD);
	assert_int_equal(strlen(fields.why), 40 + strlen(": there is no such member"));
}

static void
reads_queries(void **state)
{
	(void)state;
	assert_int_equal(
	    read_query("n=9&text=a%20b+c&at=1970-01-01T09:00:01%2B09:00&colour=red&other=1"), 0);
	assert_true(
	    got.n == 9 && str_is(got.text, "a b c") && got.at == NS_PER_S && got.colour == 0);
	assert_int_equal(read_query("n=&text="), 0);
	assert_true(got.n == 7 && got.text.p == NULL);
	assert_int_equal(read_query(""), 0);
	assert_int_equal(read_query("n=x"), ERR_BAD);
	assert_string_equal(fields.why, "n: a whole number from 2 to 100 is allowed");
	assert_int_equal(read_query("text=%zz"), ERR_BAD);
	assert_string_equal(fields.why, "text: a % is not followed by two hexadecimal digits");
	assert_int_equal(read_query("text=%ff"), ERR_BAD);
	assert_string_equal(fields.why, "text: UTF-8 is needed");
	assert_int_equal(read_query("flag=true"), ERR_BAD);
	assert_string_equal(fields.why, "flag: cannot be given here");
}

static int
end(void **state)
{
	(void)state;
	free(got.ids.v);
	arena_fini(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(leaves_what_is_not_given),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(reads_queries),
	};

	arena_init(&arena, 0);
	return cmocka_run_group_tests(tests, NULL, end);
}

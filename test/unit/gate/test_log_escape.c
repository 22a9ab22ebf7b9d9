/*
 * Values in lines of an access log: the forms, and what they promise of any bytes.
 */
#include "gate/log_escape.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "unit/guard.h"
#include "unit/unit.h"

static const struct {
	struct str value;
	const char *plain, *json, *logfmt; /* default, json, logfmt */
} cases[] = {
	{ STR_INIT(""), "", "", "\"\"" },
	{ STR_INIT("plain"), "plain", "plain", "plain" },
	{ STR_INIT("two words"), "two words", "two words", "\"two words\"" },
	{ STR_INIT("a=b"), "a=b", "a=b", "\"a=b\"" },
	{ STR_INIT("say \"x\""), "say \\x22x\\x22", "say \\\"x\\\"", "\"say \\\"x\\\"\"" },
	{ STR_INIT("back\\slash"), "back\\x5Cslash", "back\\\\slash", "\"back\\\\slash\"" },
	{ STR_INIT("a\nb\r\t"), "a\\x0Ab\\x0D\\x09", "a\\nb\\r\\t", "\"a\\nb\\r\\t\"" },
	{ STR_INIT("\b\f\x01\x1f"), "\\x08\\x0C\\x01\\x1F", "\\b\\f\\u0001\\u001F",
	    "\"\\x08\\x0c\\x01\\x1f\"" },
	{ STR_INIT("\x7f"), "\\x7F", "\x7f", "\"\\x7f\"" },
	{ STR_INIT("caf\xc3\xa9"), "caf\\xC3\\xA9", "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
	{ STR_INIT("\xc2\x85"), "\\xC2\\x85", "\xc2\x85", "\"\\x85\"" },
	{ STR_INIT("\xff."), "\\xFF.", "\xef\xbf\xbd.", "\"\xef\xbf\xbd.\"" },
	{ STR_INIT("cut \xe2\x82"), "cut \\xE2\\x82", "cut \xef\xbf\xbd\xef\xbf\xbd",
	    "\"cut \xef\xbf\xbd\xef\xbf\xbd\"" },
	{ STR_INIT("long and plain until the \" and on"), "long and plain until the \\x22 and on",
	    "long and plain until the \\\" and on", "\"long and plain until the \\\" and on\"" },
	{ STR_INIT("a\0b"), "a\\x00b", "a\\u0000b", "\"a\\x00b\"" },
};

static void
expect(enum log_escape how, struct str value, struct str expected)
{
	char out[256];
	size_t n = log_escape(how, value, out);

	if (!str_eq(str_make(out, n), expected))
		fail_msg("%d: %.*s, not %.*s", how, (int)n, out, STR_ARG(expected));
}

static void
forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		expect(LOG_ESCAPE_DEFAULT, cases[i].value, str_of(cases[i].plain));
		expect(LOG_ESCAPE_JSON, cases[i].value, str_of(cases[i].json));
		expect(LOG_ESCAPE_LOGFMT, cases[i].value, str_of(cases[i].logfmt));
		expect(LOG_ESCAPE_NONE, cases[i].value, cases[i].value);
	}
	assert_true(str_is(log_escape_absent(LOG_ESCAPE_DEFAULT), "-"));
	assert_true(str_is(log_escape_absent(LOG_ESCAPE_LOGFMT), "-"));
	assert_true(str_is(log_escape_absent(LOG_ESCAPE_JSON), ""));
	assert_true(str_is(log_escape_absent(LOG_ESCAPE_NONE), ""));
}

static void
check_line(enum log_escape how, struct str out)
{
	char text[512];
	uint64_t bad;

	for (size_t i = 0; i < out.n; i++)
		assert_true((unsigned char)out.p[i] >= ' ');
	if (how == LOG_ESCAPE_DEFAULT) {
		assert_true(str_find(out, '"') < 0);
		for (size_t i = 0; i < out.n; i++)
			assert_true((unsigned char)out.p[i] < 0x7f);
		return;
	}
	assert_true(utf8_valid(out));
	if (how != LOG_ESCAPE_JSON)
		return;
	text[0] = '"';
	memcpy(text + 1, out.p, out.n);
	text[out.n + 1] = '"';
	assert_int_equal(json_check_text(str_make(text, out.n + 2), &bad), 0);
}

/* Of any bytes: no more room than promised, no control characters, one JSON string. Reads nothing
 * behind the value. */
static void
any_bytes(void **state)
{
	struct guard g;
	char out[LOG_ESCAPE_ROOM(40)];

	(void)state;
	guard_init(&g, 4096);
	srand(1);
	for (unsigned i = 0; i < 60000; i++) {
		char bytes[40];
		size_t n = (size_t)rand() % sizeof(bytes);
		enum log_escape how = (enum log_escape)(i % 3);
		struct str value;
		size_t written;

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)(rand() % 3 ? 'a' + rand() % 26 : rand());
		value = guard_tail(&g, str_make(bytes, n));
		written = log_escape(how, value, out);
		assert_true(written <= LOG_ESCAPE_ROOM(n));
		check_line(how, str_make(out, written));
	}
	guard_fini(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

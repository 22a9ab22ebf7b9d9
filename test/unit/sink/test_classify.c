/* sink/classify: what each status means, the operator's rules before the built-in ones, and the text that goes with it. */
#include "http/conf.h"
#include "sink/classify.h"
#include "sink/stream.h"
#include "unit/unit.h"

static const struct {
	int from, to;
	enum sink_outcome http, smtp;
} table[] = {
	{ 0, 199, SINK_AGAIN, SINK_AGAIN },
	{ 200, 299, SINK_CONFIRMED, SINK_CONFIRMED },
	{ 300, 399, SINK_HELD, SINK_AGAIN },
	{ 400, 400, SINK_PERMANENT, SINK_AGAIN },
	{ 401, 401, SINK_HELD, SINK_AGAIN },
	{ 402, 402, SINK_PERMANENT, SINK_AGAIN },
	{ 403, 404, SINK_HELD, SINK_AGAIN },
	{ 405, 406, SINK_PERMANENT, SINK_AGAIN },
	{ 407, 407, SINK_HELD, SINK_AGAIN },
	{ 408, 409, SINK_AGAIN, SINK_AGAIN },
	{ 410, 424, SINK_PERMANENT, SINK_AGAIN },
	{ 425, 425, SINK_AGAIN, SINK_AGAIN },
	{ 426, 428, SINK_PERMANENT, SINK_AGAIN },
	{ 429, 429, SINK_AGAIN, SINK_AGAIN },
	{ 430, 499, SINK_PERMANENT, SINK_AGAIN },
	{ 500, 529, SINK_AGAIN, SINK_PERMANENT },
	{ 530, 530, SINK_AGAIN, SINK_HELD },
	{ 531, 533, SINK_AGAIN, SINK_PERMANENT },
	{ 534, 535, SINK_AGAIN, SINK_HELD },
	{ 536, 537, SINK_AGAIN, SINK_PERMANENT },
	{ 538, 538, SINK_AGAIN, SINK_HELD },
	{ 539, 599, SINK_AGAIN, SINK_PERMANENT },
	{ 600, 1000, SINK_AGAIN, SINK_AGAIN },
};

static void
test_each_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		for (int s = table[i].from; s <= table[i].to; s++) {
			if (classify_status(CLASSIFY_HTTP, NULL, s) != table[i].http)
				fail_msg("http %d", s);
			if (classify_status(CLASSIFY_SMTP, NULL, s) != table[i].smtp)
				fail_msg("smtp %d", s);
		}
}

static void
test_own_rules_first(void **state)
{
	struct classify_rule last = { .from = 400, .to = 599, .outcome = SINK_POISON };
	struct classify_rule first = {
		.next = &last, .from = 404, .to = 404, .outcome = SINK_PERMANENT
	};

	(void)state;
	assert_int_equal(classify_status(CLASSIFY_HTTP, &first, 404), SINK_PERMANENT);
	assert_int_equal(classify_status(CLASSIFY_HTTP, &first, 403), SINK_POISON);
	assert_int_equal(classify_status(CLASSIFY_HTTP, &first, 599), SINK_POISON);
	assert_int_equal(classify_status(CLASSIFY_HTTP, &first, 200), SINK_CONFIRMED);
	assert_int_equal(classify_status(CLASSIFY_SMTP, &first, 451), SINK_POISON);
}

static void
test_errors(void **state)
{
	static const int transient[] = { ERR_TIMEOUT, ERR_REFUSED, ERR_CLOSED, ERR_UNREACHABLE,
		ERR_DNS, ERR_PROTOCOL, ERR_CANCELLED, ERR_NOMEM, ERR_BUSY, ERR_IO };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(transient); i++)
		assert_int_equal(classify_error(transient[i]), SINK_AGAIN);
	assert_int_equal(classify_error(ERR_TLS), SINK_HELD);
}

/* ---- the text */

static void
says(int status, const char *reason, struct str text, const char *expected)
{
	char why[240];

	memset(why, 'x', sizeof(why));
	classify_why(why, sizeof(why), status, str_of(reason), text);
	assert_string_equal(why, expected);
}

static void
test_text(void **state)
{
	(void)state;
	says(503, "Service Unavailable", STR(""), "503 Service Unavailable");
	says(503, "", STR(""), "503");
	says(503, "", STR("\n"), "503");
	says(503, "Busy", STR("disk full\nmore of it"), "503 Busy: disk full");
	says(
	    400, "Bad Request", STR("\r\n\r\n \t why not \r\nbecause"), "400 Bad Request: why not");
	says(550, "5.1.1 no such user", STR(""), "550 5.1.1 no such user");
	says(500, "a\x1b[31mb", STR("x\0y\x7f\xff\xc3\xa9\tz"),
	    "500 a\\x1b[31mb: x\\x00y\\x7f\\xff\xc3\xa9\\x09z");
}

/* However short the room, it ends in a zero byte and holds no piece of a character. */
static void
test_cut(void **state)
{
	static const char whole[] = "503 \xc3\xa9\\x01: \xe2\x82\xac!";
	char why[32];
	size_t n;

	(void)state;
	for (size_t cap = 8; cap <= sizeof(why); cap++) {
		memset(why, 'x', sizeof(why));
		classify_why(why, cap, 503, STR("\xc3\xa9\x01"), STR("\xe2\x82\xac!"));
		n = strnlen(why, cap);
		assert_true(n < cap);
		assert_memory_equal(why, whole, n);
		assert_true(n == strlen(whole) || ((unsigned char)whole[n] & 0xc0) != 0x80);
		for (size_t i = cap; i < sizeof(why); i++)
			assert_int_equal(why[i], 'x');
	}
	assert_string_equal(why, whole);
}

/* ---- the directive */

static struct conf *
load(const char *inside, bool good)
{
	struct conf *c = conf_new();
	struct buf text;
	int err;

	buf_init(&text, 0);
	buf_printf(&text, "http { stream s { %s } stream other { sink dir /tmp/x; } }", inside);
	err = conf_parse_text(c, "test.conf", buf_str(&text));
	if (!err)
		err = conf_check(c);
	if (!err)
		err = conf_apply(c);
	buf_fini(&text);
	if (good != (err == 0))
		fail_msg("%s: %.*s", inside, STR_ARG(conf_messages(c)));
	return c;
}

static void
refused(const char *inside, const char *message)
{
	struct conf *c = load(inside, false);
	struct buf said;

	buf_init(&said, 0);
	buf_put_str(&said, conf_messages(c));
	if (!strstr(buf_cstr(&said), message))
		fail_msg("\"%s\" is not in: %s", message, buf_cstr(&said));
	buf_fini(&said);
	conf_free(c);
}

static void
test_mistakes(void **state)
{
	(void)state;
	refused("sink dir /tmp/x; classify 404 permanent;", "needs a sink of messages: http or");
	refused("classify 4xx permanent;", "invalid status \"4xx\", allowed: 100 to 599");
	refused("classify 99 permanent;", "invalid status \"99\"");
	refused("classify 600 permanent;", "invalid status \"600\"");
	refused("classify 500-499 permanent;", "invalid status \"500-499\"");
	refused("classify 500- permanent;", "invalid status \"500-\"");
	refused("classify 404 maybe;", "unknown class \"maybe\", allowed: done, transient, held,");
	refused("classify 404;", "classify");
}

static void
register_modules(void)
{
	http_conf_register();
	stream_conf_register();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_status),
		cmocka_unit_test(test_own_rules_first),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_mistakes),
	};

	register_modules();
	return cmocka_run_group_tests_name("sink/classify", tests, NULL, NULL);
}

/* sink/stream and s3/store: the blocks as configured, defaults, and what each mistake is told. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/expr.h"
#include "http/conf.h"
#include "s3/store.h"
#include "sink/stream.h"
#include "unit/unit.h"

static struct conf *c;

static int
load(const char *inside)
{
	struct buf text;
	int err;

	conf_free(c);
	c = conf_new();
	buf_init(&text, 0);
	buf_printf(&text, "http { %s }", inside);
	err = conf_parse_text(c, "test.conf", buf_str(&text));
	if (!err)
		err = conf_check(c);
	if (!err)
		err = conf_apply(c);
	buf_fini(&text);
	return err;
}

static void
refused(const char *inside, const char *message)
{
	struct str said;

	if (load(inside) == 0)
		fail_msg("accepted: %s", inside);
	said = conf_messages(c);
	for (size_t i = 0; i + strlen(message) <= said.n; i++)
		if (memcmp(said.p + i, message, strlen(message)) == 0)
			return;
	fail_msg("\"%s\" is not in: %.*s", message, STR_ARG(said));
}

static void
accepted(const char *inside)
{
	if (load(inside))
		fail_msg("refused: %.*s", STR_ARG(conf_messages(c)));
}

#define STORE "store s { endpoint http://127.0.0.1:9000; credentials keys ID SECRET; } "

static void
test_defaults(void **state)
{
	const struct stream_conf *s;

	(void)state;
	accepted("stream usage { sink dir /tmp/x/; }");
	s = stream_first(c);
	assert_non_null(s);
	assert_null(s->next);
	assert_true(str_is(s->name, "usage"));
	assert_int_equal(s->index, 0);
	assert_int_equal(s->mode, STREAM_BUNDLE);
	assert_int_equal(s->validate, VALIDATE_NONE);
	assert_true(s->sync);
	assert_false(s->verify);
	assert_int_equal(s->gzip_level, 0);
	assert_int_equal(s->bundle_size, 64 << 20);
	assert_int_equal(s->bundle_interval, 600 * NS_PER_S);
	assert_int_equal(s->spool_size, UINT64_C(10) << 30);
	assert_int_equal(s->min_free, 256 << 20);
	assert_int_equal(s->deliver_timeout, 30 * NS_PER_S);
	assert_int_equal(s->concurrency, 4);
	assert_true(s->retry.max == UINT64_MAX);
	assert_int_equal(s->retry.initial, NS_PER_S);
	assert_int_equal(s->retry.max_interval, 30 * NS_PER_S);
	assert_true(s->retry.multiplier == 2.0);
	assert_true(s->retry.jitter);
	assert_int_equal(s->breaker_failures, 5);
	assert_int_equal(s->breaker_open, 10 * NS_PER_S);
	assert_string_equal(s->sink->ops->kind, "dir");
	assert_true(str_is(s->sink->destination, "dir:/tmp/x"));
	assert_string_equal(s->sink->arg, "/tmp/x");
}

static void
test_everything_set(void **state)
{
	const struct stream_conf *s;

	(void)state;
	accepted(STORE
	    "stream a { sink dir /a; } stream b-2_c { sink s3 s bucket=bkt prefix=p/; mode object; "
	    "bundle_interval 2s; bundle_size 1m; gzip_level 9; verify on; validate json; sync off; "
	    "spool_size 2g; min_free 0; concurrency 8; deliver_timeout 5s; "
	    "retry max=3 initial=200ms max_interval=1m multiplier=1.5 jitter=off; "
	    "breaker failures=2 open=1s; }");
	assert_null(stream_find(c, STR("b")));
	s = stream_find(c, STR("b-2_c"));
	assert_non_null(s);
	assert_int_equal(s->index, 1);
	assert_int_equal(s->mode, STREAM_OBJECT);
	assert_int_equal(s->validate, VALIDATE_JSON);
	assert_false(s->sync);
	assert_true(s->verify);
	assert_int_equal(s->gzip_level, 9);
	assert_int_equal(s->min_free, 0);
	assert_int_equal(s->concurrency, 8);
	assert_int_equal(s->retry.max, 3);
	assert_int_equal(s->retry.initial, 200 * NS_PER_MS);
	assert_int_equal(s->retry.max_interval, 60 * NS_PER_S);
	assert_true(s->retry.multiplier == 1.5);
	assert_false(s->retry.jitter);
	assert_int_equal(s->breaker_failures, 2);
	assert_string_equal(s->sink->ops->kind, "s3");
	assert_true(str_is(s->sink->prefix, "p/"));
	assert_true(str_is(s->sink->destination, "s3:s/bkt"));
	assert_non_null(store_find(c, STR("s")));
	assert_null(store_find(c, STR("t")));
}

static void
test_validate(void **state)
{
	const struct stream_conf *s;

	(void)state;
	accepted("stream a { sink dir /a; validate match '^[0-9]+$'; } "
		 "stream b { sink http http://x/; validate json match '\"n\"'; delivery_log 1m; } "
		 "stream c { sink http http://x/; validate json; }");
	s = stream_find(c, STR("a"));
	assert_int_equal(s->validate, VALIDATE_NONE);
	assert_true(expr_match(s->match, STR("17")));
	assert_false(expr_match(s->match, STR("17x")));
	s = stream_find(c, STR("b"));
	assert_int_equal(s->validate, VALIDATE_JSON);
	assert_true(expr_match(s->match, STR("{\"n\":1}")));
	assert_int_equal(s->delivery_log, 1 << 20);
	s = stream_find(c, STR("c"));
	assert_null(s->match);
	assert_int_equal(s->delivery_log, 64 << 20);
}

static void
test_names(void **state)
{
	(void)state;
	refused("stream Usage { sink dir /a; }", "invalid stream name \"Usage\"");
	refused("stream ../x { sink dir /a; }", "invalid stream name");
	refused("stream \"\" { sink dir /a; }", "invalid stream name");
	refused("stream aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa { sink "
		"dir /a; }",
	    "invalid stream name");
	accepted("stream aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa { sink "
		 "dir /a; }");
	refused("stream dlq { sink dir /a; }", "reserved");
	refused("stream uploading { sink dir /a; }", "reserved");
	refused("stream a { sink dir /a; } stream a { sink dir /b; }", "duplicate");
}

static void
test_refused(void **state)
{
	(void)state;
	refused("stream a { }", "has no sink");
	refused("stream a { sink dir; }", "takes one folder");
	refused("stream a { sink dir a/b; }", "absolute path");
	refused("stream a { sink ftp x; }", "unknown kind of sink \"ftp\"");
	refused("stream a { sink dir /a; mode message; }", "no \"mode message\"");
	refused("stream a { sink dir /a; mode x; }", "bundle, object, message");
	refused("stream a { sink dir /a; order_by k; }", "invalid order_by \"k\"");
	refused("stream a { sink dir /a; order_by json:; }", "invalid order_by");
	refused("stream a { sink dir /a; order_by json:a..b; }", "invalid order_by");
	refused("stream a { sink dir /a; order_by json:1.2.3.4.5.6.7.8.9; }", "at most 8 names");
	refused("stream a { sink dir /a; order_by user; }", "is for \"mode message\"");
	refused("stream a { sink dir /a; max_age 24h; }", "is for \"mode message\"");
	refused("stream a { sink dir /a; max_messages 5; }", "is for \"mode message\"");
	refused("stream a { sink dir /a; gzip_level 10; }", "allowed: auto, 1 to 9");
	refused("stream a { sink dir /a; gzip_level 0; }", "allowed: auto, 1 to 9");
	refused("stream a { sink dir /a; validate xml; }", "none, json");
	refused("stream a { sink dir /a; validate none x; }", "match ERE");
	refused("stream a { sink dir /a; validate json x; }", "match ERE");
	refused("stream a { sink dir /a; validate match; }", "match ERE");
	refused("stream a { sink dir /a; validate match a b; }", "match ERE");
	refused("stream a { sink dir /a; validate match '(a'; }", "bad expression \"(a\"");
	refused("stream a { sink dir /a; validate match '\\d'; }", "is Perl's");
	refused("stream a { sink dir /a; validate match '(a{255}){255}'; }", "bad expression");
	refused(
	    "stream a { sink dir /a; mode object; validate match a; }", "not for \"mode object\"");
	refused("stream a { sink dir /a; delivery_log 64m; }", "is for \"mode message\"");
	refused("stream a { sink http http://x/; delivery_log 1k; }", "out of range");
	refused("stream a { sink dir /a; concurrency 0; }", "out of range");
	refused("stream a { sink dir /a; bundle_size 5g; }", "out of range");
	refused("stream a { sink dir /a; retry max=x; }", "invalid argument \"max=x\"");
	refused("stream a { sink dir /a; retry multiplier=0.5; }", "invalid argument");
	refused("stream a { sink dir /a; retry multiplier=1.x; }", "invalid argument");
	refused("stream a { sink dir /a; retry jitter=maybe; }", "invalid argument");
	refused("stream a { sink dir /a; retry initial=0; }", "invalid argument");
	refused("stream a { sink dir /a; breaker failures=0; }", "invalid argument");
	refused("stream a { sink dir /a; breaker shut=1s; }", "invalid argument");
}

static void
test_s3_refused(void **state)
{
	(void)state;
	refused(STORE "stream a { sink s3; }", "names no store");
	refused(STORE "stream a { sink s3 s; }", "has no bucket");
	refused(STORE "stream a { sink s3 s bucket=; }", "has no bucket");
	refused(STORE "stream a { sink s3 s bucket=a/b; }", "invalid bucket name \"a/b\"");
	refused(STORE "stream a { sink s3 s bucket=b folder=x; }", "invalid argument \"folder=x\"");
	refused(STORE "stream a { sink s3 t bucket=b; }", "unknown store \"t\"");
	refused(STORE STORE, "store \"s\" is duplicate");
	refused("store s { endpoint ftp://x; }", "invalid endpoint \"ftp://x\"");
	refused("store s { endpoint http://x/base; }", "invalid endpoint");
	refused("store s { region \"a b\"; }", "invalid region");
	refused("store s { bucket_style vhost; }", "path, host");
	refused("store s { credentials keys ID; }", "invalid \"credentials\"");
	refused("store s { credentials file; }", "invalid \"credentials\"");
	refused("store s { timeout 1ms; }", "out of range");
}

/* I-50: needed where a stream uses the store, and the message names what is missing. */
static void
test_credentials(void **state)
{
	(void)state;
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	accepted("store s { }");
	refused("store s { } stream a { sink s3 s bucket=b; }",
	    "environment variable AWS_ACCESS_KEY_ID is missing");
	refused("store s { credentials keys ID \"\"; } stream a { sink s3 s bucket=b; }",
	    "secret access key is missing");
	refused("store s { credentials file /nonexistent/x; } stream a { sink s3 s bucket=b; }",
	    "/nonexistent/x");
	setenv("AWS_ACCESS_KEY_ID", "ID", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
	accepted("store s { } stream a { sink s3 s bucket=b; }");
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
}

static void
test_same_place_is_warned_of(void **state)
{
	struct str said;

	(void)state;
	accepted("stream a { sink dir /a; } stream b { sink dir /a; }");
	said = conf_messages(c);
	assert_true(said.n > 0);
	accepted(STORE "stream a { sink s3 s bucket=b prefix=x/; } "
		       "stream b { sink s3 s bucket=b prefix=y/; }");
	assert_int_equal(conf_messages(c).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything_set),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_s3_refused),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_same_place_is_warned_of),
	};
	int failed;

	http_conf_register();
	stream_conf_register();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	conf_free(c);
	return failed;
}

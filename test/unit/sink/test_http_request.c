/* sink/http_request: the fields a message becomes, whatever bytes it holds; sink/http_conf: the line. */
#include "http/conf.h"
#include "sink/http.h"
#include "sink/http_priv.h"
#include "sink/stream.h"
#include "unit/unit.h"

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct http_fields fields;
static struct str method;

static struct sink_message
message(void)
{
	return (struct sink_message){
		.id = "00112233445566778899aabbccddeeff",
		.stream = STR("checks"),
		.method = STR("PUT"),
		.user = STR("u1"),
		.content_type = STR("application/json"),
		.traceparent = STR(TRACE),
		.received = INT64_C(1795482123456) * NS_PER_MS,
		.attempt = 3,
		.body = STR("{}"),
	};
}

static struct http_sink_conf
plain_line(void)
{
	return (struct http_sink_conf){ .user_header = STR("X-Sluice-User") };
}

static void
make(const struct http_sink_conf *conf, const struct sink_message *m)
{
	assert_int_equal(
	    http_fields_make(conf, m, UINT64_C(0x0123456789abcdef), &method, &fields), 0);
}

static struct str
field(const char *name)
{
	struct str value = { NULL, 0 };

	for (unsigned i = 0; i < fields.n; i++)
		if (str_is(fields.headers[i].name, name)) {
			assert_null(value.p);
			value = fields.headers[i].value;
		}
	return value;
}

static void
has(const char *name, const char *value)
{
	struct str s = field(name);

	if (!str_is(s, value))
		fail_msg("%s: \"%.*s\", not \"%s\"", name, STR_ARG(s), value);
}

static void
test_as_received(void **state)
{
	struct http_sink_conf conf = plain_line();
	struct sink_message m = message();

	(void)state;
	make(&conf, &m);
	assert_true(str_is(method, "PUT"));
	has("Content-Type", "application/json");
	has("Idempotency-Key", "00112233445566778899aabbccddeeff");
	has("traceparent", "00-0af7651916cd43dd8448eb211c80319c-0123456789abcdef-01");
	has("X-Sluice-Stream", "checks");
	has("X-Sluice-User", "u1");
	has("X-Sluice-Attempt", "3");
	has("X-Sluice-Received", "2026-11-24T01:02:03.456Z");
	assert_int_equal(fields.n, 7);
}

static void
test_what_is_not_there_is_not_sent(void **state)
{
	struct http_sink_conf conf = plain_line();
	struct sink_message m = message();

	(void)state;
	m.user = m.content_type = m.traceparent = m.method = STR("");
	make(&conf, &m);
	assert_true(str_is(method, "POST"));
	assert_null(field("Content-Type").p);
	assert_null(field("X-Sluice-User").p);
	assert_null(field("traceparent").p);
	assert_int_equal(fields.n, 4);
}

static void
test_options(void **state)
{
	struct http_sink_conf conf = plain_line();
	struct sink_message m = message();

	(void)state;
	conf.method = STR("POST");
	conf.user_header = STR("USER_TOKEN");
	conf.extra[0] = (struct http_header){ STR("Authorization"), STR("Bearer x") };
	conf.n_extra = 1;
	m.content_encoding = STR("gzip");
	make(&conf, &m);
	assert_true(str_is(method, "POST"));
	has("USER_TOKEN", "u1");
	has("Authorization", "Bearer x");
	has("Content-Encoding", "gzip");
	assert_null(field("X-Sluice-User").p);
}

static void
test_no_byte_ends_a_field(void **state)
{
	struct http_sink_conf conf = plain_line();
	struct sink_message m = message();
	char every[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(every); i++)
		every[i] = (char)i;
	m.user = m.content_type = m.content_encoding = str_make(every, sizeof(every));
	m.method = STR("GET / HTTP/1.1\r\nX: y");
	m.traceparent = STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\r\n");
	make(&conf, &m);
	assert_true(str_is(method, "POST"));
	assert_null(field("traceparent").p);
	for (unsigned i = 0; i < fields.n; i++)
		assert_true(http_is_value(fields.headers[i].value));
	/* The first was encoded before the buffer held the others. */
	assert_true(str_starts(field("Content-Type"), STR("%00%01")));
	assert_true(str_eq(field("Content-Type"), field("X-Sluice-User")));
	assert_true(str_eq(field("Content-Encoding"), field("X-Sluice-User")));
	m = message();
	m.user = STR("Jos\xc3\xa9 50%\r\nEvil: 1");
	m.content_type = STR("text/plain; charset=\"caf\xc3\xa9\"");
	make(&conf, &m);
	has("X-Sluice-User", "Jos%C3%A9%2050%25%0D%0AEvil:%201");
	has("Content-Type", "text/plain; charset=\"caf\xc3\xa9\"");
}

static void
test_odd_traces(void **state)
{
	static const char *const odd[] = { "", "00", "00-0af7651916cd43dd8448eb211c80319c",
		"00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01" };
	struct http_sink_conf conf = plain_line();
	struct sink_message m = message();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		m.traceparent = str_of(odd[i]);
		make(&conf, &m);
		assert_null(field("traceparent").p);
	}
	/* A later version's may go on: we speak ours. */
	m.traceparent = STR("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more");
	make(&conf, &m);
	has("traceparent", "00-0af7651916cd43dd8448eb211c80319c-0123456789abcdef-01");
}

/* ---- the line */

static struct conf *conf;

static int
load(const char *line)
{
	struct buf text;
	int err;

	conf_free(conf);
	conf = conf_new();
	buf_init(&text, 0);
	buf_printf(&text, "http { stream a { sink http %s; } }", line);
	err = conf_parse_text(conf, "test.conf", buf_str(&text));
	if (!err)
		err = conf_check(conf);
	if (!err)
		err = conf_apply(conf);
	buf_fini(&text);
	return err;
}

static const struct http_sink_conf *
accepted(const char *line)
{
	if (load(line))
		fail_msg("%s: %.*s", line, STR_ARG(conf_messages(conf)));
	return stream_first(conf)->sink->arg;
}

static void
refused(const char *line, const char *message)
{
	struct buf said;

	if (load(line) == 0)
		fail_msg("accepted: %s", line);
	buf_init(&said, 0);
	buf_put_str(&said, conf_messages(conf));
	if (!strstr(buf_cstr(&said), message))
		fail_msg("\"%s\" is not in: %s", message, buf_cstr(&said));
	buf_fini(&said);
}

static void
goes_to(const char *line, const char *host, unsigned port, const char *target, const char *name)
{
	const struct http_sink_conf *h = accepted(line);

	assert_true(str_is(h->host, host));
	assert_int_equal(h->port, port);
	assert_true(str_is(h->target, target));
	assert_true(str_is(h->field, name));
}

static void
test_urls(void **state)
{
	(void)state;
	goes_to("http://worker", "worker", 80, "/", "worker");
	goes_to("http://worker:8081/check?a=b&c", "worker", 8081, "/check?a=b&c", "worker:8081");
	assert_true(str_is(stream_first(conf)->sink->destination, "http://worker:8081/check"));
	goes_to("http://[::1]:99/x", "::1", 99, "/x", "[::1]:99");
	goes_to("http://unix:/run/w.sock", "unix:/run/w.sock", 0, "/", "localhost");
	goes_to("http://unix:/run/w.sock:/a/b?c:d", "unix:/run/w.sock", 0, "/a/b?c:d", "localhost");
	assert_true(stream_first(conf)->sink->ops == &http_ops);
}

static void
test_line(void **state)
{
	const struct http_sink_conf *h = accepted("http://w");

	(void)state;
	assert_int_equal(h->method.n, 0);
	assert_true(str_is(h->user_header, "X-Sluice-User"));
	assert_int_equal(h->keepalive, 60 * NS_PER_S);
	assert_int_equal(h->n_extra, 0);
	h = accepted("http://w method=POST user_header=USER_TOKEN keepalive_timeout=0 "
		     "\"header=Authorization: Bearer x:y\" header=X-A:b");
	assert_true(str_is(h->method, "POST"));
	assert_true(str_is(h->user_header, "USER_TOKEN"));
	assert_int_equal(h->keepalive, 0);
	assert_int_equal(h->n_extra, 2);
	assert_true(str_is(h->extra[0].name, "Authorization"));
	assert_true(str_is(h->extra[0].value, "Bearer x:y"));
	assert_true(str_is(h->extra[1].value, "b"));
	assert_int_equal(accepted("http://w method=as_received")->method.n, 0);
}

static void
test_mistakes(void **state)
{
	(void)state;
	refused("", "\"sink http\" names no URL: sink http URL");
	refused("worker:80", "invalid URL \"worker:80\" of \"sink http\", allowed: http://HOST");
	refused("ftp://worker/", "invalid URL");
	refused("http:///x", "invalid URL");
	refused("http://w:0/", "invalid URL");
	refused("http://unix:", "invalid URL");
	refused("http://unix:run/w.sock", "invalid URL");
	refused("http://unix:/run/w.sock:x", "invalid URL");
	refused("\"http://w/a b\"", "invalid URL");
	refused("http://w retries=3", "invalid argument \"retries=3\" of \"sink http\", allowed:");
	refused("http://w method=\"GET /\"", "invalid argument");
	refused("http://w method=CONNECT", "invalid argument");
	refused("http://w user_header=", "invalid argument");
	refused("http://w user_header=content-length", "invalid argument");
	refused("http://w header=Host:x", "invalid argument");
	refused("http://w header=X:", "invalid argument");
	refused("http://w header=X", "invalid argument");
	refused("http://w keepalive_timeout=soon", "invalid argument");
	refused("https://w ca_file=/nonexistent/ca.pem", "/nonexistent/ca.pem");
	refused("http://w header=A:1 header=A:2 header=A:3 header=A:4 header=A:5 header=A:6 "
		"header=A:7 header=A:8 header=A:9",
	    "invalid argument \"header=A:9\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_received),
		cmocka_unit_test(test_what_is_not_there_is_not_sent),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_no_byte_ends_a_field),
		cmocka_unit_test(test_odd_traces),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_mistakes),
	};
	int failed;

	http_conf_register();
	stream_conf_register();
	failed = cmocka_run_group_tests_name("sink/http_request", tests, NULL, NULL);
	buf_fini(&fields.safe);
	conf_free(conf);
	return failed;
}

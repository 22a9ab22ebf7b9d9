/*
 * Endpoints that work in the shipper: what a worker passes on and what it passes back, against a shipper that does as the test says; and what
 * the shipper itself makes of such requests.
 */
#include "admin/forward.h"

#include "admin/api.h"
#include "status/figures.h"
#include "unit/http/http_test.h"
#include "unit/tmp.h"

#define LARGE 3000000

static struct tmp tmp;
static struct http_listen *shipper_listen;

/* ---- endpoints ---- */

static int
show(struct api_call *call)
{
	json_open(call->json, NULL, '{');
	json_put_str(call->json, "id", call->id);
	json_put_str(call->json, "operator", api_operator(call, api_query(call, "operator")));
	json_put_str(call->json, "request", call->request->id);
	json_close(call->json);
	return 200;
}

static int
stream(struct api_call *call)
{
	int err = http_reply_start(call->request, 200, "text/plain", 4);

	err = err ? err : http_reply_write(call->request, "text", 4);
	return err ? err : http_reply_end(call->request);
}

static const struct api_endpoint shippers[] = {
	{ "GET", "/api/s/things/{id}", ROLE_ADMIN, show, "one thing" },
	{ "POST", "/api/s/things/{id}", ROLE_ADMIN, show, "one thing" },
	{ "GET", "/api/s/stream", ROLE_ADMIN, stream, "in pieces" },
	{ .path = NULL },
};

static const struct api_endpoint workers[] = {
	{ "GET", "/api/w", ROLE_ADMIN, show, "a worker's" },
	{ .path = NULL },
};

/* ---- a shipper that plays ---- */

static int
put_header(struct buf *out, const struct http_head *head, const char *name)
{
	struct str value = http_header_get(head, name);

	buf_printf(out, "%s=%.*s ", name, STR_ARG(value));
	return 0;
}

static int
play_echo(struct http_request *r)
{
	struct buf out;
	struct str body;
	uint64_t until = 0;

	buf_init(&out, 0);
	buf_printf(&out, "%.*s %.*s ", STR_ARG(r->head->method), STR_ARG(r->head->target));
	put_header(&out, r->head, "X-Request-Id");
	put_header(&out, r->head, "traceparent");
	put_header(&out, r->head, FORWARD_OPERATOR);
	assert_int_equal(str_to_u64(http_header_get(r->head, FORWARD_UNTIL), &until), 0);
	assert_true((int64_t)until > clock_mono());
	assert_int_equal(http_body_gather(r, FORWARD_BODY_MAX, &body), 0);
	buf_put_str(&out, body);
	http_add_header(r, "Content-Disposition", STR("attachment; filename=\"x\""));
	return http_reply_buf(r, 202, "application/json", &out);
}

static int
play_large(struct http_request *r, int64_t length, size_t n)
{
	char *text = pattern(LARGE);

	http_reply_start(r, 200, "application/octet-stream", length);
	for (size_t at = 0; at < n; at += 50000)
		http_reply_write(r, text + at, 50000);
	free(text);
	return n == LARGE ? http_reply_end(r) : ERR_IO;
}

static int
play(struct http_request *r, void *arg)
{
	(void)arg;
	if (str_ends(r->path, STR("/large")))
		return play_large(r, LARGE, LARGE);
	if (str_ends(r->path, STR("/chunked")))
		return play_large(r, -1, LARGE);
	if (str_ends(r->path, STR("/cut")))
		return play_large(r, LARGE, LARGE / 2);
	if (str_ends(r->path, STR("/none")))
		return http_reply(r, 404, NULL, STR(""));
	return play_echo(r);
}

static int
set_play(struct conf *c, const struct conf_node *n, struct conf_scope *s, void *into)
{
	(void)into;
	return http_set_handler(c, n, s, play, NULL, NULL);
}

static const struct conf_row rows[] = {
	{ .name = "play", .contexts = CONF_LOCATION, .set = set_play, .help = "plays" },
	{ .name = NULL }
};
static struct conf_module module = { .name = "play", .rows = rows };

/* ---- asking ---- */

static struct reply answer;

static int
call_with(const char *host, uint16_t port, const char *method, const char *path, const char *rest)
{
	struct dial_target t = { .host = str_of(host), .port = port };
	struct peer p;
	char text[1024], why[160];

	reply_fini(&answer);
	buf_init(&p.in, 0);
	if (dial(&p.c, &t, LATE, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: t\r\n%s", method, path, rest);
	peer_say(&p, text);
	peer_hear(&p, &answer, strcmp(method, "HEAD") == 0);
	peer_close(&p);
	return answer.head.status;
}

static const char *
socket_address(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "unix:%s/", tmp.dir);
	return text;
}

/* Of the worker. */
static int
call(const char *method, const char *path, const char *rest)
{
	static char address[160];

	snprintf(address, sizeof(address), "%sadmin.sock", socket_address());
	return call_with(address, 0, method, path, rest);
}

static void
assert_text(const char *text)
{
	assert_string_equal(buf_cstr(&answer.body), text);
}

/* ---- a worker ---- */

static void
passes_on(void)
{
	assert_int_equal(
	    call("GET", "/api/s/things/a%20b?q=%22x", "X-Request-Id: r1\r\n\r\n"), 202);
	assert_text("GET /api/s/things/a%20b?q=%22x X-Request-Id=r1 traceparent= "
		    "X-Sluice-Operator= ");
	assert_true(str_is(http_header_get(&answer.head, "Content-Type"), "application/json"));
	assert_true(str_is(http_header_get(&answer.head, "X-Request-Id"), "r1"));
	assert_true(str_is(http_header_get(&answer.head, "Cache-Control"), "no-store"));
	assert_true(str_is(
	    http_header_get(&answer.head, "Content-Disposition"), "attachment; filename=\"x\""));
	/* Nobody outside says who he is. */
	assert_int_equal(
	    call("POST", "/api/s/things/1",
		"X-Request-Id: r2\r\nX-Sluice-Operator: root\r\n"
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
		"Content-Length: 8\r\n\r\n{\"a\": 1}"),
	    202);
	assert_text("POST /api/s/things/1 X-Request-Id=r2 "
		    "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "
		    "X-Sluice-Operator= {\"a\": 1}");
	assert_int_equal(call("POST", "/api/s/things/1", "Content-Length: 600000\r\n\r\n"), 413);
	assert_text("{\"error\":\"too large\"}\n");
	assert_int_equal(call("GET", "/api/s/things/none", "\r\n"), 404);
	assert_text("");
}

static void
passes_back(void)
{
	char *text = pattern(LARGE);

	assert_int_equal(call("GET", "/api/s/things/large", "\r\n"), 200);
	assert_int_equal(answer.head.content_length, LARGE);
	assert_true(str_eq(buf_str(&answer.body), str_make(text, LARGE)));
	assert_int_equal(call("GET", "/api/s/things/chunked", "\r\n"), 200);
	assert_true(answer.head.chunked);
	assert_true(str_eq(buf_str(&answer.body), str_make(text, LARGE)));
	/* What is cut arrives cut. */
	assert_int_equal(call("GET", "/api/s/things/cut", "\r\n"), 200);
	assert_int_equal(answer.head.content_length, LARGE);
	assert_true(answer.body.n <= LARGE / 2);
	assert_true(str_eq(buf_str(&answer.body), str_make(text, answer.body.n)));
	assert_int_equal(call("HEAD", "/api/s/things/large", "\r\n"), 200);
	assert_int_equal(answer.head.content_length, LARGE);
	assert_text("");
	free(text);
}

static void
routes(void)
{
	assert_int_equal(call("PUT", "/api/s/things/1", "\r\n"), 405);
	assert_true(str_is(http_header_get(&answer.head, "Allow"), "GET, HEAD, POST"));
	assert_int_equal(call("GET", "/api/s/nothing", "\r\n"), 404);
	assert_int_equal(call("GET", "/api/w", "\r\n"), 200);
	assert_int_equal(call("GET", "/api/", "\r\n"), 200);
	assert_non_null(strstr(buf_cstr(&answer.body), "\"/api/s/things/{id}\""));
}

static void
in_a_worker(void)
{
	int fd = listen_open(&shipper_listen->addr, &shipper_listen->opt);

	assert_true(fd >= 0);
	assert_int_equal(http_serve(fd, shipper_listen), 0);
	passes_on();
	passes_back();
	routes();
	reply_fini(&answer);
}

static void
without_a_shipper(void)
{
	int fd = listen_open(&shipper_listen->addr, &shipper_listen->opt);

	for (int round = 0; round < 2; round++) {
		if (round == 0)
			close(fd);
		else
			unlink(tmp_path(&tmp, FORWARD_SOCKET));
		assert_int_equal(call("GET", "/api/s/things/1", "\r\n"), 503);
		assert_text("{\"error\":\"the shipper does not answer\"}\n");
		assert_non_null(http_header_get(&answer.head, "Retry-After").p);
		assert_int_equal(call("GET", "/api/w", "\r\n"), 200);
	}
	reply_fini(&answer);
}

/* A worker on admin.sock, a shipper on shipper.sock. */
static void
worker_and_shipper(void (*fn)(void))
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "http { server { listen %sadmin.sock; location /api/ { admin_api trusted; } } server { "
	    "listen %sshipper.sock; location / { play; } } }",
	    socket_address(), socket_address());
	site_start(text);
	shipper_listen = site.listen->next;
	site_run(fn);
}

static void
forwards(void **state)
{
	(void)state;
	log_threshold = LOG_ERROR + 1;
	worker_and_shipper(in_a_worker);
}

static void
shipper_is_away(void **state)
{
	(void)state;
	worker_and_shipper(without_a_shipper);
}

/* ---- the shipper ---- */

static void
in_the_shipper(void)
{
	char until[96];

	assert_int_equal(call("GET", "/api/s/things/1", "X-Request-Id: r\r\n\r\n"), 200);
	assert_text("{\"id\":\"1\",\"operator\":\"local\",\"request\":\"r\"}\n");
	call("GET", "/api/s/things/1?operator=bob", "X-Request-Id: r\r\n\r\n");
	assert_text("{\"id\":\"1\",\"operator\":\"bob\",\"request\":\"r\"}\n");
	call("GET", "/api/s/things/1", "X-Request-Id: r\r\nX-Sluice-Operator: key\r\n\r\n");
	assert_text("{\"id\":\"1\",\"operator\":\"key\",\"request\":\"r\"}\n");
	call("GET", "/api/s/things/1?operator=bob",
	    "X-Request-Id: r\r\nX-Sluice-Operator: key\r\n\r\n");
	assert_text("{\"id\":\"1\",\"operator\":\"key (bob)\",\"request\":\"r\"}\n");
	call("GET", "/api/s/things/1?operator=key",
	    "X-Request-Id: r\r\nX-Sluice-Operator: key\r\n\r\n");
	assert_text("{\"id\":\"1\",\"operator\":\"key\",\"request\":\"r\"}\n");
	assert_int_equal(call("GET", "/api/s/stream", "\r\n"), 200);
	assert_text("text");
	/* What a worker has given up is not done. */
	snprintf(until, sizeof(until), FORWARD_UNTIL ": %llu\r\n\r\n",
	    (unsigned long long)(clock_mono() - 1));
	assert_int_equal(call("GET", "/api/s/things/1", until), 503);
	snprintf(until, sizeof(until), FORWARD_UNTIL ": %llu\r\n\r\n", (unsigned long long)LATE);
	assert_int_equal(call("GET", "/api/s/things/1", until), 200);
	assert_int_equal(call("GET", "/api/w", "\r\n"), 404);
	assert_int_equal(call("GET", "/api/", "\r\n"), 404);
	reply_fini(&answer);
}

static void
answers_what_is_its_own(void **state)
{
	(void)state;
	api_be_shipper();
	worker_and_shipper(in_the_shipper);
}

int
main(void)
{
	static struct figures_server server;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards), cmocka_unit_test(shipper_is_away),
		cmocka_unit_test(answers_what_is_its_own), /* from here on there is no worker */
	};
	int failed;

	http_conf_register();
	api_conf_register();
	api_add_shippers(shippers);
	api_add(workers);
	site.module = &module;
	buf_init(&answer.all, 0);
	buf_init(&answer.body, 0);
	tmp_init(&tmp);
	server.state_dir = str_of(tmp.dir);
	figures_open(&server);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tmp_fini(&tmp);
	return failed;
}

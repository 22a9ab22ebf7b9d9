/* sink/http against a scripted peer: what one attempt sends, what it makes of each answer, and what it costs. */
#include <stdlib.h>
#include <sys/stat.h>

#include "http/conf.h"
#include "sink/http.h"
#include "sink/stream.h"
#include "task/loop.h"
#include "unit/sink/peer.h"
#include "unit/tmp.h"
#include "unit/unit.h"

static struct tmp tmp;
static struct peer peer;
static struct conf *conf;
static struct sink *sink;

/* ---- attempts */

struct attempts {
	struct sink_message m;
	struct sink_result result[PEER_MAX];
	int64_t wait; /* ns until the deadline */
	unsigned n;   /* one after the other */
	bool cancel;  /* by another task, at once */
	struct task_handle self;
};
static struct attempts a;

static void
run_task(void *arg)
{
	struct attempts *x = arg;

	for (unsigned i = 0; i < x->n; i++) {
		x->m.attempt = i + 1;
		sink->ops->send(sink, &x->m, clock_mono() + x->wait, &x->result[i]);
	}
	sink->ops->close(sink);
}

static void
cancel_task(void *arg)
{
	struct attempts *x = arg;

	task_sleep_until(clock_mono() + 20 * NS_PER_MS);
	task_cancel(x->self);
}

static void
configure(const char *sink_options, const char *others)
{
	struct sink_conf *s;
	struct buf text;
	char why[200] = "";

	conf_free(conf);
	conf = conf_new();
	buf_init(&text, 0);
	buf_printf(&text, "http { stream a { sink http http://127.0.0.1:%u/in?q=1 %s; %s } }",
	    peer.port, sink_options, others);
	if (conf_parse_text(conf, "test.conf", buf_str(&text)) || conf_check(conf) ||
	    conf_apply(conf))
		fail_msg("%.*s", STR_ARG(conf_messages(conf)));
	buf_fini(&text);
	s = stream_first(conf)->sink;
	if (s->ops->open(s, &sink, why, sizeof(why)))
		fail_msg("%s", why);
}

static enum sink_outcome
run(unsigned n)
{
	a.n = n;
	peer_start(&peer);
	assert_int_equal(loop_init(NULL), 0);
	if (!sink)
		configure("", "");
	assert_int_equal(task_go("send", run_task, &a, &a.self), 0);
	if (a.cancel)
		assert_int_equal(task_go("cancel", cancel_task, &a, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
	peer_stop(&peer);
	sink = NULL;
	return a.result[n - 1].outcome;
}

static void
script(const char *answer)
{
	peer.steps[peer.n_steps++].answer = answer;
}

static void
script_act(enum peer_act act, const char *answer)
{
	peer.steps[peer.n_steps].act = act;
	script(answer);
}

static int
setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	peer_init(&peer);
	a = (struct attempts){ .m = { .id = "00112233445566778899aabbccddeeff",
				   .stream = STR("a"),
				   .method = STR("PUT"),
				   .user = STR("u1"),
				   .content_type = STR("application/json"),
				   .received = INT64_C(1795482123456) * NS_PER_MS,
				   .body = STR("{\"n\":17}") },
		.wait = 10 * NS_PER_S };
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peer_fini(&peer);
	tmp_fini(&tmp);
	return 0;
}

static void
says(unsigned i, enum sink_outcome outcome, int status, const char *why)
{
	const struct sink_result *r = &a.result[i];

	if (r->outcome != outcome || r->status != status || strcmp(r->why, why))
		fail_msg("attempt %u: outcome %d, status %d, \"%s\"", i + 1, (int)r->outcome,
		    r->status, r->why);
}

/* ---- what goes over the wire */

static void
test_request(void **state)
{
	char host[64];

	(void)state;
	script("HTTP/1.1 204 No Content\n");
	assert_int_equal(run(1), SINK_CONFIRMED);
	says(0, SINK_CONFIRMED, 204, "");
	assert_int_equal(peer.n_requests, 1);
	snprintf(host, sizeof(host), "PUT /in?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", peer.port);
	assert_memory_equal(peer.requests[0], host, strlen(host));
	assert_non_null(strstr(peer.requests[0], "\r\nContent-Length: 8\r\n"));
	assert_non_null(strstr(peer.requests[0], "\r\nX-Sluice-Attempt: 1\r\n"));
	assert_non_null(strstr(peer.requests[0], "\r\n\r\n{\"n\":17}"));
}

static void
test_spans_differ(void **state)
{
	char *first, *second;

	(void)state;
	a.m.traceparent = STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	script("HTTP/1.1 503 Busy\n");
	script("HTTP/1.1 200 OK\n");
	run(2);
	first = strstr(peer.requests[0], "traceparent: 00-0af7651916cd43dd8448eb211c80319c-");
	second = strstr(peer.requests[1], "traceparent: 00-0af7651916cd43dd8448eb211c80319c-");
	assert_true(first && second && strncmp(first, second, 72) != 0);
	assert_non_null(strstr(peer.requests[1], "\r\nX-Sluice-Attempt: 2\r\n"));
}

static void
test_bodies(void **state)
{
	size_t sizes[] = { 0, 1, 16 * 1024, 16 * 1024 + 1, 60 * 1024, 3 << 20 };
	char *body = calloc(1, 3 << 20), name[300];
	FILE *f;

	(void)state;
	snprintf(name, sizeof(name), "%s/body", tmp.dir);
	for (size_t i = 0; i < 3 << 20; i++)
		body[i] = (char)(i % 251);
	assert_non_null(f = fopen(name, "w"));
	fputs("skip", f);
	assert_int_equal(fwrite(body, 1, 3 << 20, f), 3 << 20);
	fclose(f);
	for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i / 2], head;
		const char *got;

		if (i > 0) {
			peer_fini(&peer);
			peer_init(&peer);
		}
		a.m.body = i % 2 ? str_make(NULL, 0) : str_make(body, n);
		a.m.path = i % 2 ? name : NULL;
		a.m.offset = 4;
		a.m.length = n;
		script("HTTP/1.1 200 OK\n\nfine");
		assert_int_equal(run(1), SINK_CONFIRMED);
		assert_int_equal(peer.bodies[0], n);
		got = strstr(peer.requests[0], "\r\n\r\n") + 4;
		head = (size_t)(got - peer.requests[0]);
		assert_memory_equal(got, body, MIN(n, PEER_ROOM - head));
	}
	free(body);
}

static void
test_body_that_cannot_be_read(void **state)
{
	(void)state;
	a.m.body = str_make(NULL, 0);
	a.m.path = "/nonexistent/body";
	a.m.length = 5;
	run(1);
	says(0, SINK_AGAIN, 0, "read /nonexistent/body: No such file or directory");
	assert_int_equal(peer.n_requests, 0);
}

/* ---- what answers mean */

static void
test_answers(void **state)
{
	(void)state;
	script("HTTP/1.1 200 OK\n\nfine");
	script("HTTP/1.1 503 Service Unavailable\nRetry-After: 7\n\ndisk full\nmore");
	script("HTTP/1.1 400 \n\n\x1b[31mred");
	script("HTTP/1.1 404 Not Found\n");
	script("HTTP/1.1 302 Found\nLocation: http://elsewhere/\n");
	script("HTTP/1.1 429 Slow Down\nDate: Tue, 24 Nov 2026 01:02:03 GMT\nRetry-After: Tue, 24 "
	       "Nov 2026 01:02:13 GMT\n");
	script("HTTP/1.1 503 Busy\nRetry-After: 86400\n");
	script("HTTP/1.1 503 Busy\nRetry-After: soon\n");
	run(8);
	says(0, SINK_CONFIRMED, 200, "");
	says(1, SINK_AGAIN, 503, "503 Service Unavailable: disk full");
	says(2, SINK_PERMANENT, 400, "400 Bad Request: \\x1b[31mred");
	says(3, SINK_HELD, 404, "404 Not Found");
	says(4, SINK_HELD, 302, "302 Found");
	says(5, SINK_AGAIN, 429, "429 Slow Down");
	assert_int_equal(a.result[0].retry_after, 0);
	assert_int_equal(a.result[1].retry_after, 7 * NS_PER_S);
	assert_int_equal(a.result[5].retry_after, 10 * NS_PER_S);
	assert_int_equal(a.result[6].retry_after, 3600 * NS_PER_S);
	assert_int_equal(a.result[7].retry_after, 0);
	assert_int_equal(peer.n_connections, 1);
}

static void
test_operators_rules(void **state)
{
	(void)state;
	configure("", "classify 404 permanent; classify 200-599 transient;");
	script("HTTP/1.1 404 Not Found\n");
	script("HTTP/1.1 200 OK\n");
	run(2);
	says(0, SINK_PERMANENT, 404, "404 Not Found");
	says(1, SINK_AGAIN, 200, "200 OK");
}

static void
test_no_answer(void **state)
{
	(void)state;
	script_act(PEER_RESET, "");
	script_act(PEER_CUT, "HTTP/1.1 200 OK\n\nall but the last byte");
	script("SSH-2.0-OpenSSH_9\n");
	run(3);
	says(0, SINK_AGAIN, 0, "receive the answer: closed by peer");
	says(1, SINK_AGAIN, 0, "receive the answer's body: closed by peer");
	says(2, SINK_AGAIN, 0, "answer: protocol error");
}

static void
test_deadline(void **state)
{
	(void)state;
	a.wait = 100 * NS_PER_MS;
	script_act(PEER_HANG, "");
	run(1);
	says(0, SINK_AGAIN, 0, "receive the answer: timed out");
}

static void
test_cancel(void **state)
{
	(void)state;
	a.wait = 3600 * NS_PER_S;
	a.cancel = true;
	script_act(PEER_HANG, "");
	run(1);
	says(0, SINK_AGAIN, 0, "receive the answer: cancelled");
}

static void
test_refused(void **state)
{
	char why[100];
	uint16_t port = peer.port;

	(void)state;
	loop_init(NULL);
	configure("", "");
	loop_fini();
	peer_fini(&peer);
	peer_init(&peer); /* another port: nobody listens on the first */
	run(1);
	snprintf(why, sizeof(why), "connect to 127.0.0.1:%u: connection refused", port);
	says(0, SINK_AGAIN, 0, why);
}

/* ---- connections */

static void
test_a_kept_connection_that_closed_is_replaced(void **state)
{
	(void)state;
	script("HTTP/1.1 200 OK\n\none");
	script_act(PEER_RESET, "");
	script("HTTP/1.1 200 OK\n\ntwo");
	assert_int_equal(run(2), SINK_CONFIRMED);
	assert_int_equal(peer.n_requests, 3);
	assert_int_equal(peer.n_connections, 2);
}

static void
test_long_answers_keep_the_connection(void **state)
{
	static char answer[7000];

	(void)state;
	strcpy(answer, "HTTP/1.1 200 OK\n\n");
	memset(answer + strlen(answer), 'x', sizeof(answer) - strlen(answer) - 1);
	for (unsigned i = 0; i < 3; i++)
		script(answer);
	assert_int_equal(run(3), SINK_CONFIRMED);
	assert_int_equal(peer.n_connections, 1);
}

static void
test_endless_answers_are_not_read(void **state)
{
	(void)state;
	script("HTTP/1.1 200 OK\nContent-Length: 99999999999\n\nit never ends");
	a.wait = 200 * NS_PER_MS;
	run(1);
	says(0, SINK_AGAIN, 0, "receive the answer's body: timed out");
}

static void
test_without_keepalive(void **state)
{
	(void)state;
	configure("keepalive_timeout=0", "");
	for (unsigned i = 0; i < 3; i++)
		script("HTTP/1.1 200 OK\n");
	assert_int_equal(run(3), SINK_CONFIRMED);
	assert_int_equal(peer.n_connections, 3);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_request),
		TEST(test_spans_differ),
		TEST(test_bodies),
		TEST(test_body_that_cannot_be_read),
		TEST(test_answers),
		TEST(test_operators_rules),
		TEST(test_no_answer),
		TEST(test_deadline),
		TEST(test_cancel),
		TEST(test_refused),
		TEST(test_a_kept_connection_that_closed_is_replaced),
		TEST(test_long_answers_keep_the_connection),
		TEST(test_endless_answers_are_not_read),
		TEST(test_without_keepalive),
	};
	int failed;

	http_conf_register();
	stream_conf_register();
	failed = cmocka_run_group_tests_name("sink/http", tests, NULL, NULL);
	conf_free(conf);
	return failed;
}

/*
 * The server against a client that says exactly what it is told: framing, limits, time-outs,
 * leaving clients, stopping.
 */
#include "unit/http/http_test.h"

/* ---- handlers ---- */

static unsigned calls, cancelled, logged;
static int last_status;
static struct waitq gate = { { &gate.waiters, &gate.waiters } };

/* Answers with the body. */
static int
echo(struct http_request *r, void *arg)
{
	struct str body;
	int err;

	(void)arg;
	calls++;
	err = http_body_gather(r, 64 * 1024, &body);
	return err < 0 ? http_reply_error(r, err) : http_reply(r, 200, "text/plain", body);
}

/* Reads the body in slices; answers with its length and sum. Tries to gather it before. */
static int
sum(struct http_request *r, void *arg)
{
	struct str body;
	char text[64], *slice = malloc(65536);
	uint64_t n = 0, total = 0;
	ssize_t got = http_body_gather(r, 64 * 1024, &body);

	(void)arg;
	calls++;
	if (got == 0) {
		for (size_t i = 0; i < body.n; i++)
			total += (unsigned char)body.p[i] * (i % 1009 + 1);
		n = body.n;
	}
	while (got == ERR_TOO_LARGE || got > 0) {
		got = http_body_read(r, slice, 65536);
		for (ssize_t i = 0; i < got; i++, n++)
			total += (unsigned char)slice[i] * (n % 1009 + 1);
		if (got == ERR_TOO_LARGE)
			break;
	}
	free(slice);
	if (got < 0)
		return http_reply_error(r, (int)got);
	snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)n, (unsigned long long)total);
	return http_reply(r, 200, "text/plain", str_of(text));
}

/* Parks until the gate opens; arg: watches the client. */
static int
park(struct http_request *r, void *arg)
{
	int err;

	calls++;
	http_watch_client(r, arg != NULL);
	err = waitq_park(&gate, LATE);
	cancelled += err == ERR_CANCELLED;
	return err < 0 ? http_reply_error(r, err) : http_reply(r, 200, "text/plain", STR("open"));
}

static int
ignore(struct http_request *r, void *arg)
{
	(void)arg;
	calls++;
	return http_reply(r, 200, "text/plain", STR("ignored"));
}

static int
silent(struct http_request *r, void *arg)
{
	(void)r;
	(void)arg;
	return 0;
}

/* A streamed answer of a length in the query; "n=" chunked, "l=" with its length, "short" cut. */
static int
stream(struct http_request *r, void *arg)
{
	struct str known = http_query_get(r->query, "l"), n = http_query_get(r->query, "n");
	uint64_t total = 0;
	char *text;

	(void)arg;
	str_to_u64(known.p ? known : n, &total);
	text = pattern(total);
	http_add_header(r, "X-Bad", STR("a\r\nInjected: yes"));
	http_add_header(r, "X-Good", STR("yes"));
	http_reply_start(r, 200, "text/plain", known.p ? (int64_t)total : -1);
	if (http_query_get(r->query, "short").p)
		total /= 2;
	for (uint64_t at = 0; at < total; at += 5000)
		http_reply_write(r, text + at, MIN((uint64_t)5000, total - at));
	free(text);
	return http_reply_end(r);
}

static void
log_request(struct http_request *r, int64_t duration)
{
	assert_true(duration >= 0);
	assert_true(r->id.n > 0);
	logged++;
	last_status = r->status;
}

#define HANDLER(name, arg, methods)                                                      \
	static int set_##name(                                                           \
	    struct conf *c, const struct conf_node *n, struct conf_scope *s, void *into) \
	{                                                                                \
		(void)into;                                                              \
		return http_set_handler(c, n, s, name, arg, methods);                    \
	}
HANDLER(echo, NULL, "PUT POST")
HANDLER(sum, NULL, "PUT")
HANDLER(park, n->n_args ? &calls : NULL, NULL)
HANDLER(ignore, NULL, NULL)
HANDLER(silent, NULL, NULL)
HANDLER(stream, NULL, "GET")
#define ROW(name)                                                                \
	{                                                                        \
#name, CONF_LOCATION, 0, 1, 0, set_##name, 0, NULL, "", "", NULL \
	}
static const struct conf_row rows[] = { ROW(echo), ROW(sum), ROW(park), ROW(ignore), ROW(silent),
	ROW(stream), { .name = NULL } };
static struct conf_module module = { .name = "test", .rows = rows };

#define PLACES                                                                      \
	"location /echo { echo; } location /sum { sum; } location /park { park; } " \
	"location /watch { park on; } location /ignore { ignore; } "                \
	"location /silent { silent; } location /stream { stream; } "                \
	"location = /gone { return 410 \"it is gone\"; } "                          \
	"location = /moved { return 301 http://$host$request_uri/x; } "             \
	"location = /away { return http://other.example/; } "                       \
	"location = /hang-up { return 444; } location = /no { return 204; } "

/* ---- the tests ---- */

static void
answers(void)
{
	static struct reply a;

	assert_int_equal(ask("PUT /echo HTTP/1.1\r\nHost: t\r\nX-Request-Id: "
			     "a.B-1~:/+=_\r\nContent-Length: 5\r\n\r\nhello",
			     &a),
	    200);
	assert_string_equal(buf_cstr(&a.body), "hello");
	assert_true(str_is(http_header_get(&a.head, "X-Request-Id"), "a.B-1~:/+=_"));
	assert_true(str_is(http_header_get(&a.head, "Content-Type"), "text/plain"));
	assert_true(str_starts(http_header_get(&a.head, "Server"), STR("sluice/")));
	assert_int_equal(http_header_get(&a.head, "Date").n, CLOCK_HTTP_LEN);
	assert_null(http_header_get(&a.head, "Connection").p);
	reply_fini(&a);
	/* An id that could do harm in a log is replaced. */
	assert_int_equal(ask("GET /no HTTP/1.1\r\nHost: t\r\nX-Request-Id: a b\r\n\r\n", &a), 204);
	assert_int_equal(http_header_get(&a.head, "X-Request-Id").n, 32);
	assert_null(http_header_get(&a.head, "Content-Length").p);
	reply_fini(&a);
	assert_int_equal(ask("GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n", &a), 404);
	assert_string_equal(buf_cstr(&a.body), "{\"message\":\"Not Found\"}\n");
	assert_true(str_is(http_header_get(&a.head, "Content-Type"), "application/json"));
	reply_fini(&a);
	assert_int_equal(
	    ask("GET /nowhere HTTP/1.1\r\nHost: t\r\nAccept: text/html,*/*;q=0.8\r\n\r\n", &a),
	    404);
	assert_true(str_starts(buf_str(&a.body), STR("<!DOCTYPE html>")));
	reply_fini(&a);
	assert_int_equal(ask("GET /echo HTTP/1.1\r\nHost: t\r\n\r\n", &a), 405);
	assert_true(str_is(http_header_get(&a.head, "Allow"), "PUT, POST"));
	reply_fini(&a);
	assert_int_equal(ask("GET /silent HTTP/1.1\r\nHost: t\r\n\r\n", &a), 500);
	reply_fini(&a);
}

static void
returns(void)
{
	static struct reply a;

	assert_int_equal(ask("GET /gone HTTP/1.1\r\nHost: t\r\n\r\n", &a), 410);
	assert_string_equal(buf_cstr(&a.body), "it is gone");
	reply_fini(&a);
	assert_int_equal(ask("GET /moved?q HTTP/1.1\r\nHost: h.example:80\r\n\r\n", &a), 301);
	assert_true(str_is(http_header_get(&a.head, "Location"), "http://h.example/moved?q/x"));
	reply_fini(&a);
	assert_int_equal(ask("GET /away HTTP/1.1\r\nHost: t\r\n\r\n", &a), 302);
	assert_true(str_is(http_header_get(&a.head, "Location"), "http://other.example/"));
	reply_fini(&a);
	assert_int_equal(status_of("GET /hang-up HTTP/1.1\r\nHost: t\r\n\r\n"), 0);
	assert_int_equal(last_status, 444);
}

static void
head_and_old_versions(void)
{
	static struct reply a;
	struct peer p;

	peer_open(&p);
	peer_say(&p,
	    "HEAD /stream?l=10 HTTP/1.1\r\nHost: t\r\n\r\n"
	    "HEAD /stream?n=10 HTTP/1.1\r\nHost: t\r\n\r\n"
	    "HEAD /ignore HTTP/1.1\r\nHost: t\r\n\r\nPUT /echo HTTP/1.0\r\nContent-Length: 1\r\n"
	    "Connection: keep-alive\r\n\r\nxGET /stream?n=10000 HTTP/1.0\r\n\r\n");
	assert_int_equal(peer_hear(&p, &a, true), 200);
	assert_int_equal(a.head.content_length, 10);
	reply_fini(&a);
	assert_int_equal(peer_hear(&p, &a, true), 200);
	assert_true(a.head.chunked);
	reply_fini(&a);
	assert_int_equal(peer_hear(&p, &a, true), 200);
	assert_int_equal(a.head.content_length, 7);
	reply_fini(&a);
	assert_int_equal(peer_hear(&p, &a, false), 200);
	assert_true(str_is(http_header_get(&a.head, "Connection"), "keep-alive"));
	assert_string_equal(buf_cstr(&a.body), "x");
	reply_fini(&a);
	/* To an old client a body of unknown length ends with the connection. */
	assert_int_equal(peer_hear(&p, &a, false), 200);
	assert_false(a.head.chunked);
	assert_int_equal(a.body.n, 10000);
	reply_fini(&a);
	expect_end(&p);
	peer_close(&p);
	assert_int_equal(status_of("GET /no HTTP/1.0\r\n\r\n"), 204);
}

static void
streams(void)
{
	static struct reply a;
	struct peer p;
	char *text = pattern(100000);

	peer_open(&p);
	peer_say(&p, "GET /stream?n=100000 HTTP/1.1\r\nHost: t\r\n\r\n"
		     "GET /stream?l=12000 HTTP/1.1\r\nHost: t\r\n\r\n"
		     "GET /stream?n=0 HTTP/1.1\r\nHost: t\r\n\r\n"
		     "GET /stream?l=100&short HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_int_equal(peer_hear(&p, &a, false), 200);
	assert_true(a.head.chunked);
	assert_true(str_eq(buf_str(&a.body), str_make(text, 100000)));
	assert_null(http_header_get(&a.head, "Injected").p);
	assert_null(http_header_get(&a.head, "X-Bad").p);
	assert_true(str_is(http_header_get(&a.head, "X-Good"), "yes"));
	reply_fini(&a);
	assert_int_equal(peer_hear(&p, &a, false), 200);
	assert_true(str_eq(buf_str(&a.body), str_make(text, 12000)));
	reply_fini(&a);
	assert_int_equal(peer_hear(&p, &a, false), 200);
	assert_int_equal(a.body.n, 0);
	reply_fini(&a);
	/* Cut short is seen as cut short. */
	assert_int_equal(peer_hear(&p, &a, false), 200);
	assert_int_equal(a.body.n, 50);
	reply_fini(&a);
	expect_end(&p);
	peer_close(&p);
	free(text);
}

/* Far more requests in a row than one turn takes, answered in order. */
static void
pipelining(void)
{
	struct peer p;
	struct buf all;
	char text[32];

	peer_open(&p);
	buf_init(&all, 0);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "body %d", i);
		if (i % 3)
			put_request(&all, "/echo", "", str_of(text));
		else
			put_chunked(&all, "/echo", "", str_of(text), 3);
	}
	assert_int_equal(peer_write(&p, all.p, all.n), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "body %d", i);
		expect(&p, 200, text);
	}
	buf_fini(&all);
	peer_close(&p);
}

/* Every split of three requests into two writes, and one byte at a time. */
static void
splits(void)
{
	struct peer p;
	struct buf all;

	buf_init(&all, 0);
	put_chunked(&all, "/echo", "", STR("in chunks"), 4);
	put_request(&all, "/echo", "", STR("with a length"));
	put_request(&all, "/echo", "", STR(""));
	peer_open(&p);
	for (size_t cut = 0; cut <= all.n; cut++) {
		assert_int_equal(peer_write(&p, all.p, cut), 0);
		task_sleep_until(clock_mono() + MS / 5);
		assert_int_equal(peer_write(&p, all.p + cut, all.n - cut), 0);
		expect(&p, 200, "in chunks");
		expect(&p, 200, "with a length");
		expect(&p, 200, "");
	}
	for (size_t i = 0; i < all.n; i++) {
		assert_int_equal(peer_write(&p, all.p + i, 1), 0);
		task_yield();
	}
	expect(&p, 200, "in chunks");
	expect(&p, 200, "with a length");
	expect(&p, 200, "");
	buf_fini(&all);
	peer_close(&p);
}

/* What a smuggler sends: answered 400, and what follows is never taken for a request. */
static void
smuggling(void)
{
	static const char *const heads[] = {
		"PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: "
		"chunked\r\n\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: "
		"5\r\n\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: "
		"6\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: "
		"5\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: +5\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length : 5\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, "
		"chunked\r\n\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nX: y\rTransfer-Encoding: "
		"chunked\r\n\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\nHost: t\nContent-Length: 5\n\nhello",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nHost: u\r\nContent-Length: 5\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
		"chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5 "
		"\r\nhello\r\n0\r\n\r\n",
		"PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
		"chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
		"PUT /../etc HTTP/1.1\r\nHost: t\r\n\r\n",
		"PUT /%00 HTTP/1.1\r\nHost: t\r\n\r\n",
		"PUT * HTTP/1.1\r\nHost: t\r\n\r\n",
	};
	struct peer p;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		unsigned before = calls, known = i >= 13 && i < 16;

		peer_open(&p);
		peer_say(&p, heads[i]);
		peer_write(&p, "GET /ignore HTTP/1.1\r\nHost: t\r\n\r\n", 34);
		expect(&p, 400, NULL);
		expect_end(&p);
		assert_int_equal(calls, before + known);
		peer_close(&p);
	}
}

static void
refusals(void)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "GET / HTTP/2.0\r\n\r\n", 505 },
		{ "PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		    501 },
		{ "PUT /echo HTTP/1.1\r\nHost: t\r\nExpect: magic\r\nContent-Length: 0\r\n\r\n",
		    417 },
		{ "PUT /sum HTTP/1.1\r\nHost: t\r\nContent-Length: 2097153\r\n\r\n", 413 },
		{ "PUT /sum HTTP/1.1\r\nHost: t\r\nContent-Length: 2097153\r\nExpect: "
		  "100-continue\r\n\r\n",
		    413 },
		{ "GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n", 400 },
		{ "\x16\x03\x01", 400 },
	};
	struct reply *a = calloc(1, sizeof(*a));
	char *big = malloc(70000);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(ask(cases[i].text, a), cases[i].status);
		assert_non_null(http_header_get(&a->head, "X-Request-Id").p);
		assert_int_equal(last_status, cases[i].status);
		reply_fini(a);
	}
	memset(big, 'a', 70000);
	memcpy(big, "GET /", 5);
	strcpy(big + 9000, " HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_int_equal(status_of(big), 414);
	memcpy(big, "GET / HTTP/1.1\r\nHost: t\r\nLong: ", 31);
	big[9000] = 'a';
	strcpy(big + 9001, "\r\n\r\n");
	assert_int_equal(status_of(big), 431);
	/* Longer than the pooled buffer, within the limits: taken. */
	strcpy(big, "GET /no HTTP/1.1\r\nHost: t\r\n");
	for (int i = 0; i < 4; i++) {
		size_t n = strlen(big);

		memset(big + n, 'b', 6000);
		memcpy(big + n, "A: ", 3);
		strcpy(big + n + 6000, "\r\n");
	}
	strcat(big, "\r\n");
	assert_int_equal(status_of(big), 204);
	/* An endless head. */
	memset(big, 'a', 70000);
	memcpy(big, "GET / HTTP/1.1\r\n", 16);
	for (size_t i = 100; i < 69990; i += 100)
		memcpy(big + i, "\r\nA: ", 5);
	big[21] = ':';
	big[69999] = 0;
	assert_int_equal(status_of(big), 431);
	free(big);
	free(a);
}

/* The answer arrives although the client goes on sending; the connection ends when it stops. */
static void
too_large_lingers(void)
{
	char *junk = pattern(1 << 20);
	struct peer p;

	peer_open(&p);
	peer_say(&p, "PUT /sum HTTP/1.1\r\nHost: t\r\nContent-Length: 8388608\r\n\r\n");
	for (int i = 0; i < 8; i++)
		if (peer_write(&p, junk, 1 << 20) < 0)
			break;
	expect(&p, 413, "{\"message\":\"Content Too Large\"}\n");
	expect_end(&p);
	peer_close(&p);
	/* Of unknown length: found out on the way. */
	peer_open(&p);
	peer_say(&p, "PUT /sum HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 4; i++)
		if (peer_write(&p, "100000\r\n", 8) < 0 || peer_write(&p, junk, 1 << 20) < 0 ||
		    peer_write(&p, "\r\n", 2) < 0)
			break;
	expect(&p, 413, NULL);
	expect_end(&p);
	peer_close(&p);
	free(junk);
}

static void
check_body(struct peer *p, struct str body, struct buf *request)
{
	uint64_t total = 0;
	char text[64];

	for (size_t i = 0; i < body.n; i++)
		total += (unsigned char)body.p[i] * (i % 1009 + 1);
	snprintf(text, sizeof(text), "%zu %llu", body.n, (unsigned long long)total);
	assert_int_equal(peer_write(p, request->p, request->n), 0);
	expect(p, 200, text);
	buf_reset(request);
}

/* All sizes around all limits, with a length, chunked, and packed, one after another on one
 * connection. */
static void
bodies(void)
{
	static const size_t sizes[] = { 0, 1, 1024, 4000, 15000, 16384, 16400, 40000, 65535, 65536,
		65537, 100000, 1000000 };
	char *text = pattern(1000000);
	struct buf request, packed;
	struct peer p;

	peer_open(&p);
	buf_init(&request, 0);
	buf_init(&packed, 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct str body = str_make(text, sizes[i]);

		put_request(&request, "/sum", "", body);
		check_body(&p, body, &request);
		put_chunked(&request, "/sum", "", body, 1000);
		check_body(&p, body, &request);
		put_chunked(&request, "/sum", "", body, 100000);
		check_body(&p, body, &request);
		gzip(body, &packed);
		put_request(&request, "/sum", "Content-Encoding: gzip\r\n", buf_str(&packed));
		check_body(&p, body, &request);
		put_chunked(&request, "/sum", "Content-Encoding: x-gzip\r\n", buf_str(&packed), 77);
		check_body(&p, body, &request);
		buf_reset(&packed);
	}
	/* Two members make one content. */
	gzip(STR("first, "), &packed);
	gzip(STR("second"), &packed);
	put_request(&request, "/echo", "Content-Encoding: gzip\r\n", buf_str(&packed));
	assert_int_equal(peer_write(&p, request.p, request.n), 0);
	expect(&p, 200, "first, second");
	buf_fini(&request);
	buf_fini(&packed);
	peer_close(&p);
	free(text);
}

static void
bad_gzip(void)
{
	struct buf packed, request;
	char *zeros = calloc(1, 8 << 20);
	struct peer p;

	buf_init(&packed, 0);
	buf_init(&request, 0);
	/* 8 MiB in 8 KiB: a bomb for a limit of 2 MiB. */
	gzip(str_make(zeros, 8 << 20), &packed);
	put_request(&request, "/sum", "Content-Encoding: gzip\r\n", buf_str(&packed));
	peer_open(&p);
	assert_int_equal(peer_write(&p, request.p, request.n), 0);
	expect(&p, 413, NULL);
	expect_end(&p);
	peer_close(&p);
	buf_reset(&packed);
	buf_reset(&request);
	gzip(STR("some text that is long enough to be cut"), &packed);
	for (int i = 0; i < 3; i++) {
		struct str body = buf_str(&packed);

		buf_reset(&request);
		if (i == 0)
			body.n -= 3; /* its end is missing */
		else if (i == 1)
			packed.p[15] ^= 0x55; /* damaged */
		else
			body = STR("not gzip at all");
		put_request(&request, "/echo", "Content-Encoding: gzip\r\n", body);
		peer_open(&p);
		assert_int_equal(peer_write(&p, request.p, request.n), 0);
		expect(&p, 400, NULL);
		peer_close(&p);
	}
	buf_fini(&packed);
	buf_fini(&request);
	free(zeros);
}

static void
continues(void)
{
	struct peer p;

	peer_open(&p);
	peer_say(&p,
	    "PUT /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	expect(&p, 100, NULL);
	peer_say(&p, "hello");
	expect(&p, 200, "hello");
	/* Not asked for its body: the final answer comes at once, and the connection ends, for
	 * nobody knows what comes next. */
	peer_say(&p,
	    "PUT /ignore HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	expect(&p, 200, "ignored");
	expect_end(&p);
	peer_close(&p);
	/* Its body came along: no 100. */
	peer_open(&p);
	peer_say(&p,
	    "PUT /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
	expect(&p, 200, "hi");
	peer_close(&p);
}

static void
unread_bodies(void)
{
	struct buf request;
	struct peer p;
	char *text = pattern(200000);

	buf_init(&request, 0);
	peer_open(&p);
	put_request(&request, "/ignore", "", str_make(text, 10));
	put_request(&request, "/ignore", "", str_make(text, 60000));
	put_chunked(&request, "/ignore", "", str_make(text, 1000), 100);
	put_request(&request, "/echo", "", STR("still here"));
	assert_int_equal(peer_write(&p, request.p, request.n), 0);
	for (int i = 0; i < 3; i++)
		expect(&p, 200, "ignored");
	expect(&p, 200, "still here");
	buf_reset(&request);
	/* Too much to take in for nothing. */
	put_request(&request, "/ignore", "", str_make(text, 200000));
	peer_write(&p, request.p, request.n);
	expect(&p, 200, "ignored");
	expect_end(&p);
	peer_close(&p);
	buf_fini(&request);
	free(text);
}

static void
timeouts(void)
{
	struct peer p;
	int64_t start = clock_mono();

	/* A head that never ends. */
	peer_open(&p);
	peer_say(&p, "GET / HT");
	expect(&p, 408, NULL);
	expect_end(&p);
	peer_close(&p);
	/* A body that stops. */
	peer_open(&p);
	peer_say(&p, "PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe");
	expect(&p, 408, NULL);
	expect_end(&p);
	peer_close(&p);
	/* Nothing at all, and nothing more: closed without a word. */
	peer_open(&p);
	expect_end(&p);
	peer_close(&p);
	peer_open(&p);
	peer_say(&p, "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(&p, 204, NULL);
	expect_end(&p);
	peer_close(&p);
	assert_true(clock_mono() - start >= 4 * 50 * MS);
	assert_true(clock_mono() - start < 10 * NS_PER_S);
}

/* One byte now and then does not help against the time for a whole head. */
static void
slow_head(void)
{
	struct peer p;

	peer_open(&p);
	for (int i = 0; i < 100; i++) {
		if (peer_write(&p, i ? "a" : "G", 1) < 0)
			break;
		task_sleep_until(clock_mono() + 5 * MS);
		if (p.c.io.ready & IO_READ)
			break;
	}
	expect(&p, 408, NULL);
	peer_close(&p);
}

static void
wait_for(unsigned *value, unsigned target)
{
	int64_t end = LATE;

	while (*value != target && clock_mono() < end)
		task_sleep_until(clock_mono() + MS / 2);
	assert_int_equal(*value, target);
}

static void
leaving(void)
{
	struct peer p;
	unsigned c = calls, gone = cancelled;

	/* Reset: the parked handler is told. */
	peer_open(&p);
	peer_say(&p, "GET /park HTTP/1.1\r\nHost: t\r\n\r\n");
	wait_for(&calls, ++c);
	peer_reset(&p);
	wait_for(&cancelled, ++gone);
	assert_int_equal(last_status, 499);
	/* Half-closed: it may still read. */
	peer_open(&p);
	peer_say(&p, "GET /park HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_int_equal(conn_shutdown_write(&p.c, LATE), 0);
	wait_for(&calls, ++c);
	task_sleep_until(clock_mono() + 20 * MS);
	waitq_wake_all(&gate);
	expect(&p, 200, "open");
	expect_end(&p);
	peer_close(&p);
	assert_int_equal(cancelled, gone);
	/* Unless the handler watches. */
	peer_open(&p);
	peer_say(&p, "GET /watch HTTP/1.1\r\nHost: t\r\n\r\n");
	wait_for(&calls, ++c);
	assert_int_equal(conn_shutdown_write(&p.c, LATE), 0);
	wait_for(&cancelled, ++gone);
	expect_end(&p);
	peer_close(&p);
	/* In the middle of a body. */
	peer_open(&p);
	peer_say(&p, "PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe");
	wait_for(&calls, ++c);
	peer_close(&p);
	c = logged;
	wait_for(&logged, c + 1);
	assert_int_equal(last_status, 499);
}

/* An idle connection holds no task; all are back to nothing after the burst. */
static void
idle_costs_nothing(void)
{
	struct peer *p = calloc(200, sizeof(*p));

	for (int i = 0; i < 200; i++)
		peer_open(&p[i]);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++)
			peer_say(
			    &p[i], "PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi");
		for (int i = 0; i < 200; i++)
			expect(&p[i], 200, "hi");
	}
	task_sleep_until(clock_mono() + 5 * MS);
	assert_int_equal(http_connections(), 200);
	assert_int_equal(http_active(), 0);
	assert_int_equal(loop_tasks(), 2); /* accepting, and this one */
	for (int i = 0; i < 200; i++)
		peer_close(&p[i]);
	free(p);
}

static void
keepalive_requests(void)
{
	static struct reply a;
	struct peer p;

	peer_open(&p);
	for (int i = 0; i < 3; i++) {
		peer_say(&p, "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
		assert_int_equal(peer_hear(&p, &a, false), 204);
		assert_int_equal(str_is(http_header_get(&a.head, "Connection"), "close"), i == 2);
		reply_fini(&a);
	}
	expect_end(&p);
	peer_close(&p);
}

/* The longest idle connection makes room. */
static void
connection_limit(void)
{
	struct peer p[4];

	http_limit_connections(3);
	for (int i = 0; i < 3; i++) {
		peer_open(&p[i]);
		peer_say(&p[i], "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
		expect(&p[i], 204, NULL);
	}
	peer_open(&p[3]);
	peer_say(&p[3], "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(&p[3], 204, NULL);
	expect_end(&p[0]);
	peer_say(&p[1], "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(&p[1], 204, NULL);
	assert_int_equal(http_connections(), 3);
	for (int i = 0; i < 4; i++)
		peer_close(&p[i]);
	http_limit_connections(0);
}

/* Idle ones end in a moment; one in flight, or that comes until then, gets its answer and is told to go. */
static void
draining(void)
{
	static struct reply a;
	struct peer idle, used, next, parked, begun;
	unsigned c = calls;

	peer_open(&idle);
	peer_open(&used);
	peer_say(&used, "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(&used, 204, NULL);
	peer_open(&next);
	peer_say(&next, "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(&next, 204, NULL);
	peer_open(&begun);
	peer_say(&begun, "GET /no HTTP/1.1\r\nHo");
	peer_open(&parked);
	peer_say(&parked, "GET /park HTTP/1.1\r\nHost: t\r\n\r\n");
	wait_for(&calls, c + 1);
	http_drain();
	peer_say(&next, "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_int_equal(peer_hear(&next, &a, false), 204);
	assert_true(str_is(http_header_get(&a.head, "Connection"), "close"));
	reply_fini(&a);
	expect_end(&next);
	expect_end(&used);
	/* No new ones: the listener's backlog takes it, nobody answers. */
	assert_int_equal(http_connections(), 3);
	peer_say(&begun, "st: t\r\n\r\n");
	assert_int_equal(peer_hear(&begun, &a, false), 204);
	assert_true(str_is(http_header_get(&a.head, "Connection"), "close"));
	reply_fini(&a);
	expect_end(&begun);
	waitq_wake_all(&gate);
	assert_int_equal(peer_hear(&parked, &a, false), 200);
	assert_true(str_is(http_header_get(&a.head, "Connection"), "close"));
	assert_string_equal(buf_cstr(&a.body), "open");
	reply_fini(&a);
	expect_end(&parked);
	/* One without a request yet has a moment to send it. */
	peer_say(&idle, "GET /no HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(&idle, 204, NULL);
	expect_end(&idle);
	peer_close(&idle);
	peer_close(&used);
	peer_close(&next);
	peer_close(&parked);
	peer_close(&begun);
}

static void
no_underscores(void)
{
	static struct reply a;

	assert_int_equal(
	    ask("GET /no HTTP/1.1\r\nHost: t\r\nX_Request-Id: x\r\nX-Request-Id: a\r\n\r\n", &a),
	    204);
	assert_true(str_is(http_header_get(&a.head, "X-Request-Id"), "a"));
	reply_fini(&a);
}

#define SITE_TEST(fn, text)                 \
	static void test_##fn(void **state) \
	{                                   \
		(void)state;                \
		with_site(PLACES text, fn); \
	}
SITE_TEST(answers, "")
SITE_TEST(returns, "")
SITE_TEST(head_and_old_versions, "")
SITE_TEST(streams, "")
SITE_TEST(pipelining, "")
SITE_TEST(splits, "")
SITE_TEST(smuggling, "lingering_timeout 100ms;")
SITE_TEST(refusals, "client_max_body_size 2m;")
SITE_TEST(too_large_lingers, "client_max_body_size 2m; lingering_timeout 200ms;")
SITE_TEST(bodies, "")
SITE_TEST(bad_gzip, "client_max_body_size 2m; lingering_timeout 100ms;")
SITE_TEST(continues, "lingering_timeout 100ms;")
SITE_TEST(unread_bodies, "lingering_timeout 100ms;")
SITE_TEST(timeouts, "client_header_timeout 50ms; client_body_timeout 50ms; keepalive_timeout 50ms; "
		    "lingering_timeout 10ms;")
SITE_TEST(slow_head, "client_header_timeout 50ms; lingering_timeout 10ms;")
SITE_TEST(leaving, "")
SITE_TEST(idle_costs_nothing, "")
SITE_TEST(keepalive_requests, "keepalive_requests 3;")
SITE_TEST(connection_limit, "")
SITE_TEST(draining, "")
SITE_TEST(no_underscores, "underscores_in_headers off;")

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_head_and_old_versions),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_large_lingers),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_bad_gzip),
		cmocka_unit_test(test_continues),
		cmocka_unit_test(test_unread_bodies),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_slow_head),
		cmocka_unit_test(test_leaving),
		cmocka_unit_test(test_idle_costs_nothing),
		cmocka_unit_test(test_keepalive_requests),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_draining),
		cmocka_unit_test(test_no_underscores),
	};

	site.module = &module;
	http_add_log(log_request);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

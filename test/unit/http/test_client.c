/*
 * The client: against the server of this layer, and against a peer that follows a script.
 */
#include <fcntl.h>

#include "unit/http/http_test.h"
#include "unit/tmp.h"

/* ---- the server's handlers ---- */

static unsigned calls, connections_used;

static int
echo(struct http_request *r, void *arg)
{
	struct str body;
	int err;

	(void)arg;
	calls++;
	connections_used += r->conn->requests == 1;
	http_add_header(r, "X-Method", r->head->method);
	http_add_header(r, "X-Asked", http_header_get(r->head, "X-Asked"));
	err = http_body_gather(r, 4 << 20, &body);
	return err < 0 ? http_reply_error(r, err) : http_reply(r, 200, "text/plain", body);
}

static int
refuse(struct http_request *r, void *arg)
{
	(void)arg;
	calls++;
	return http_reply_message(r, 403, "no");
}

static int
pieces(struct http_request *r, void *arg)
{
	char *text = pattern(50000);

	(void)arg;
	http_reply_start(r, 200, "text/plain", -1);
	for (size_t at = 0; at < 50000; at += 1000)
		http_reply_write(r, text + at, 1000);
	free(text);
	return http_reply_end(r);
}

static int
slow(struct http_request *r, void *arg)
{
	(void)arg;
	task_sleep_until(clock_mono() + 300 * MS);
	return http_reply(r, 200, NULL, STR("late"));
}

#define HANDLER(name)                                                                    \
	static int set_##name(                                                           \
	    struct conf *c, const struct conf_node *n, struct conf_scope *s, void *into) \
	{                                                                                \
		(void)into;                                                              \
		return http_set_handler(c, n, s, name, NULL, NULL);                      \
	}
HANDLER(echo)
HANDLER(refuse)
HANDLER(pieces)
HANDLER(slow)
#define ROW(name)                                                                \
	{                                                                        \
#name, CONF_LOCATION, 0, 0, 0, set_##name, 0, NULL, "", "", NULL \
	}
static const struct conf_row rows[] = { ROW(echo), ROW(refuse), ROW(pieces), ROW(slow),
	{ .name = NULL } };
static struct conf_module module = { .name = "test", .rows = rows };

#define PLACES                                                                            \
	"client_max_body_size 8m; location /echo { echo; } location /refuse { refuse; } " \
	"location /pieces { pieces; } location /slow { slow; } "

/* ---- the tests' client ---- */

static struct http_client *
client_to(uint16_t port)
{
	struct dial_target t = { .host = STR("127.0.0.1"), .port = port };
	struct http_client *c = http_client_new(&t, 2, 10 * NS_PER_S);

	assert_non_null(c);
	return c;
}

static struct http_exchange *
exchange(const char *method, const char *target)
{
	struct http_exchange *x = calloc(1, sizeof(*x));

	x->method = str_of(method);
	x->target = str_of(target);
	x->host = STR("t");
	x->body_fd = -1;
	x->reply_max = 1 << 20;
	x->deadline = LATE;
	return x;
}

static void
done(struct http_exchange *x)
{
	http_exchange_fini(x);
	free(x);
}

static void
expect_reply(struct http_client *c, struct http_exchange *x, int status, const char *body)
{
	int err = http_exchange(c, x);

	if (err < 0)
		fail_msg("%s", x->why);
	assert_int_equal(x->head.status, status);
	if (body)
		assert_string_equal(buf_cstr(&x->reply), body);
	done(x);
}

static void
methods_and_reuse(void)
{
	struct http_client *c = client_to(site.port);
	struct http_header asked = { STR("X-Asked"), STR("this") };
	struct http_exchange *x;

	connections_used = 0;
	for (int i = 0; i < 5; i++) {
		x = exchange("PUT", "/echo?q");
		x->body = STR("some text");
		x->headers = &asked;
		x->n_headers = 1;
		assert_int_equal(http_exchange(c, x), 0);
		assert_string_equal(buf_cstr(&x->reply), "some text");
		assert_true(str_is(http_header_get(&x->head, "X-Asked"), "this"));
		assert_true(x->sent);
		done(x);
	}
	expect_reply(c, exchange("GET", "/echo"), 200, "");
	expect_reply(c, exchange("POST", "/echo"), 200, "");
	x = exchange("HEAD", "/pieces");
	expect_reply(c, x, 200, "");
	expect_reply(c, exchange("DELETE", "/nowhere"), 404, "{\"message\":\"Not Found\"}\n");
	assert_int_equal(connections_used, 1);
	x = exchange("GET", "/pieces");
	assert_int_equal(http_exchange(c, x), 0);
	assert_int_equal(x->reply.n, 50000);
	done(x);
	http_client_free(c);
}

static void
long_replies_are_cut(void)
{
	struct http_client *c = client_to(site.port);
	struct http_exchange *x;
	char *text = pattern(50000);
	static const char *const places[] = { "/echo", "/pieces" };

	for (int i = 0; i < 2; i++) {
		x = exchange("PUT", places[i]);
		x->body = str_make(text, 50000);
		x->reply_max = 100;
		assert_int_equal(http_exchange(c, x), 0);
		assert_int_equal(x->head.status, 200);
		assert_true(str_eq(buf_str(&x->reply), str_make(text, 100)));
		done(x);
	}
	/* And one that fits to the byte is not. */
	x = exchange("PUT", "/echo");
	x->body = str_make(text, 100);
	x->reply_max = 100;
	expect_reply(c, x, 200, NULL);
	connections_used = 0;
	expect_reply(c, exchange("PUT", "/echo"), 200, "");
	assert_int_equal(connections_used, 0);
	free(text);
	http_client_free(c);
}

/* The same struct again and again, without memory of its own for each; the rest of a long answer is read and dropped, so that its connection is kept. */
static void
one_exchange_serves_many(void)
{
	static const struct {
		const char *place;
		size_t body, skip;
		unsigned connections; /* made for it: /echo counts them */
	} steps[] = { { "/echo", 30000, 50000, 1 }, { "/echo", 50000, 49900, 0 },
		{ "/pieces", 0, 49900, 0 }, { "/echo", 100, 0, 0 }, { "/echo", 50000, 49899, 0 },
		{ "/pieces", 0, 49899, 0 }, { "/echo", 0, 0, 1 } };
	struct http_client *c = client_to(site.port);
	struct http_exchange *x = exchange("PUT", "/echo");
	char *text = pattern(50000), *raw = NULL;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		connections_used = 0;
		x->target = str_of(steps[i].place);
		x->body = str_make(text, steps[i].body);
		x->reply_max = 100;
		x->reply_skip = steps[i].skip;
		assert_int_equal(http_exchange(c, x), 0);
		assert_int_equal(x->head.status, 200);
		if (i + 1 < ARRAY_LEN(steps))
			assert_true(str_eq(buf_str(&x->reply), str_make(text, 100)));
		else
			assert_int_equal(x->reply.n, 0);
		if (str_is(x->target, "/echo"))
			assert_int_equal(connections_used, steps[i].connections);
		assert_true(!raw || raw == x->raw.p);
		raw = x->raw.p;
	}
	done(x);
	free(text);
	http_client_free(c);
}

struct taken {
	struct http_exchange *x;
	struct buf all;
	size_t enough; /* beyond it: no more */
};

static int
take_piece(void *arg, struct str piece)
{
	struct taken *t = arg;

	assert_int_equal(t->x->head.status, 200);
	assert_true(piece.n > 0);
	buf_put_str(&t->all, piece);
	task_yield();
	return t->all.n > t->enough ? ERR_NOSPACE : 0;
}

static void
replies_are_handed_on_in_pieces(void)
{
	static const char *const places[] = { "/echo", "/pieces" };
	struct http_client *c = client_to(site.port);
	char *text = pattern(50000);
	struct taken t;

	for (size_t i = 0; i < 4; i++) {
		t = (struct taken){ exchange("PUT", places[i % 2]), { 0 }, i < 2 ? 50000 : 20000 };
		t.x->body = str_make(text, 50000);
		t.x->reply_max = 0;
		t.x->take = take_piece;
		t.x->take_arg = &t;
		assert_int_equal(http_exchange(c, t.x), i < 2 ? 0 : ERR_NOSPACE);
		assert_int_equal(t.x->reply.n, 0);
		assert_true(str_eq(buf_str(&t.all), str_make(text, t.all.n)));
		assert_true(i < 2 ? t.all.n == 50000 : t.all.n > 20000);
		done(t.x);
		buf_fini(&t.all);
	}
	free(text);
	http_client_free(c);
}

static void
bodies_from_files(void)
{
	struct http_client *c = client_to(site.port);
	struct http_exchange *x;
	char *text = pattern(1000000);
	struct tmp tmp;
	int fd;

	tmp_init(&tmp);
	fd = open(tmp_path(&tmp, "body"), O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, text, 1000000), 1000000);
	connections_used = 0;
	for (int i = 0; i < 4; i++) {
		x = exchange("PUT", "/echo");
		x->body_fd = fd;
		x->body_offset = 17;
		x->body_length = i == 3 ? 0 : 700000 + (uint64_t)i;
		x->expect_continue = i & 1;
		assert_int_equal(http_exchange(c, x), 0);
		assert_int_equal(x->head.status, 200);
		assert_true(str_eq(buf_str(&x->reply), str_make(text + 17, x->body_length)));
		done(x);
	}
	assert_int_equal(connections_used, 1);
	/* Refused before it is sent. */
	x = exchange("PUT", "/refuse");
	x->body_fd = fd;
	x->body_length = 1000000;
	x->expect_continue = true;
	expect_reply(c, x, 403, "{\"message\":\"no\"}\n");
	/* And while it is. */
	x = exchange("PUT", "/refuse");
	x->body_fd = fd;
	x->body_length = 1000000;
	expect_reply(c, x, 403, "{\"message\":\"no\"}\n");
	/* Shorter than promised: the file is at fault, not the peer. */
	x = exchange("PUT", "/echo");
	x->body_fd = fd;
	x->body_length = 1000001;
	assert_int_equal(http_exchange(c, x), ERR_EOF);
	assert_non_null(strstr(x->why, "read the body"));
	done(x);
	close(fd);
	tmp_fini(&tmp);
	free(text);
	http_client_free(c);
}

static void
deadlines(void)
{
	struct http_client *c = client_to(site.port);
	struct http_exchange *x = exchange("GET", "/slow");

	x->deadline = clock_mono() + 50 * MS;
	assert_int_equal(http_exchange(c, x), ERR_TIMEOUT);
	assert_true(x->sent);
	done(x);
	x = exchange("GET", "/slow");
	x->stall = 50 * MS;
	assert_int_equal(http_exchange(c, x), ERR_TIMEOUT);
	done(x);
	x = exchange("GET", "/slow");
	x->stall = 5 * NS_PER_S;
	expect_reply(c, x, 200, "late");
	http_client_free(c);
}

static void
nobody_there(void)
{
	struct http_client *c = client_to(free_port());
	struct http_exchange *x = exchange("GET", "/");

	assert_int_equal(http_exchange(c, x), ERR_REFUSED);
	assert_false(x->sent);
	assert_non_null(strstr(x->why, "refused"));
	done(x);
	http_client_free(c);
}

/* ---- a scripted peer: for each connection, what it says once a request's head is there ---- */

struct script {
	const char *const *answers; /* NULL ends; "" closes at once */
	uint16_t port;
	int fd;
	unsigned accepted, requests;
	bool stay; /* several answers on one connection */
};

static void
play(void *arg)
{
	struct script *s = arg;
	struct conn c;
	char *in = malloc(65536);
	size_t n;
	ssize_t got;
	bool open = false;
	int fd;

	for (const char *const *a = s->answers; *a; a++) {
		if (!open) {
			while ((fd = listen_accept(s->fd, NULL)) == ERR_AGAIN)
				if (task_wait_fd(s->fd, IO_READ, LATE) < 0)
					goto out;
			assert_int_equal(conn_init(&c, fd, NULL), 0);
			s->accepted++;
		}
		for (n = 0; n < 4 || !memmem(in, n, "\r\n\r\n", 4); n += (size_t)got)
			if ((got = conn_read(&c, in + n, 65536 - n, LATE)) <= 0)
				break;
		s->requests += n > 0;
		/* Byte by byte, so that every piece is met split. */
		for (const char *p = *a; *p; p++)
			if (conn_write(&c, p, 1, 0, LATE) < 0)
				break;
		open = s->stay;
		if (!open)
			conn_close(&c);
	}
	if (open)
		conn_close(&c);
out:
	free(in);
}

static struct script *
script(const char *const *answers, bool stay)
{
	struct script *s = calloc(1, sizeof(*s));
	struct listen_options opt = { 0 };
	struct addr a;
	char text[32];

	s->port = free_port();
	s->answers = answers;
	s->stay = stay;
	snprintf(text, sizeof(text), "127.0.0.1:%u", s->port);
	assert_int_equal(addr_parse(str_of(text), 0, &a), 0);
	s->fd = listen_open(&a, &opt);
	assert_true(s->fd >= 0);
	assert_int_equal(task_go("script", play, s, NULL), 0);
	return s;
}

static void
script_end(struct script *s)
{
	close(s->fd);
	free(s);
}

static void
answers_of_all_kinds(void)
{
	static const struct {
		const char *answer;
		int err, status;
		const char *body;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 0, 200, "abc" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 201 "
		  "Made\r\nContent-Length: 1\r\n\r\nx",
		    0, 201, "x" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: r\r\n\r\n",
		    0, 200, "abcde" },
		{ "HTTP/1.0 200 OK\r\n\r\nto the end", 0, 200, "to the end" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", 0, 204, "" },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 0, 304, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", ERR_CLOSED, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", ERR_CLOSED, 0,
		    NULL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", ERR_PROTOCOL, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nConten", ERR_PROTOCOL, 0, NULL },
		{ "HTTP/1.1 101 Switching\r\n\r\n", ERR_PROTOCOL, 0, NULL },
		{ "SSH-2.0-x\r\n\r\n", ERR_PROTOCOL, 0, NULL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		    ERR_PROTOCOL, 0, NULL },
		{ "", ERR_CLOSED, 0, NULL },
	};
	struct http_exchange *x;
	struct http_client *c;
	struct script *s;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const answers[] = { cases[i].answer, NULL };

		s = script(answers, false);
		c = client_to(s->port);
		x = exchange("PUT", "/");
		x->body = STR("body");
		assert_int_equal(http_exchange(c, x), cases[i].err);
		if (cases[i].err == 0) {
			assert_int_equal(x->head.status, cases[i].status);
			assert_string_equal(buf_cstr(&x->reply), cases[i].body);
		} else {
			assert_true(x->why[0] != 0);
		}
		done(x);
		http_client_free(c);
		script_end(s);
	}
}

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* The second request goes on a kept connection that the peer then closes without a word: it is sent
 * again on a fresh one. */
static void
stale_connection_is_replaced(void)
{
	static const char *const answers[] = { good, "", good, NULL };
	struct script *s = script(answers, true);
	struct http_client *c = client_to(s->port);

	/* The peer closes after each "" answer: emulate by a script that does not stay. */
	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	s->stay = false;
	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	assert_int_equal(s->accepted, 2);
	assert_int_equal(s->requests, 3);
	http_client_free(c);
	script_end(s);
}

/* But only once, and never a fresh one. */
static void
fresh_connection_is_not_replaced(void)
{
	static const char *const answers[] = { "", good, NULL };
	struct script *s = script(answers, false);
	struct http_client *c = client_to(s->port);
	struct http_exchange *x = exchange("PUT", "/");

	assert_int_equal(http_exchange(c, x), ERR_CLOSED);
	assert_true(x->sent);
	assert_int_equal(s->accepted, 1);
	done(x);
	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	http_client_free(c);
	script_end(s);
}

/* A kept connection that ends while idle is noticed there: no request is wasted on it. */
static void
idle_end_is_noticed(void)
{
	static const char *const answers[] = { good, good, NULL };
	struct script *s = script(answers, false);
	struct http_client *c = client_to(s->port);

	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	task_sleep_until(clock_mono() + 20 * MS);
	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	assert_int_equal(s->accepted, 2);
	assert_int_equal(s->requests, 2);
	http_client_free(c);
	script_end(s);
}

/* Bytes that nobody asked for make a connection useless. */
static void
surplus_is_not_trusted(void)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: "
		"4\r\n\r\nevil",
		good, NULL
	};
	struct script *s = script(answers, false);
	struct http_client *c = client_to(s->port);

	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	task_sleep_until(clock_mono() + 20 * MS);
	expect_reply(c, exchange("PUT", "/"), 200, "ok");
	assert_int_equal(s->accepted, 2);
	http_client_free(c);
	script_end(s);
}

/* A server that knows nothing of Expect gets the body after a while. */
static void
continue_is_not_waited_for_long(void)
{
	struct http_client *c = client_to(site.port);
	static const char *const answers[] = { "", NULL };
	struct script *s = script(answers, true);
	struct http_client *mute = client_to(s->port);
	struct http_exchange *x = exchange("PUT", "/");
	int64_t start = clock_mono();

	x->body = STR("body");
	x->expect_continue = true;
	x->deadline = start + 3 * NS_PER_S;
	assert_int_equal(http_exchange(mute, x), ERR_CLOSED);
	assert_true(clock_mono() - start < 2 * NS_PER_S);
	done(x);
	http_client_free(mute);
	script_end(s);
	http_client_free(c);
}

static void
idle_ones_expire(void)
{
	struct dial_target t = { .host = STR("127.0.0.1"), .port = site.port };
	struct http_client *c = http_client_new(&t, 2, 20 * MS);
	int64_t end = LATE;

	expect_reply(c, exchange("PUT", "/echo"), 200, "");
	assert_int_equal(http_connections(), 1);
	while (http_connections() && clock_mono() < end)
		task_sleep_until(clock_mono() + MS);
	assert_int_equal(http_connections(), 0);
	http_client_free(c);
}

#define SITE_TEST(fn)                       \
	static void test_##fn(void **state) \
	{                                   \
		(void)state;                \
		with_site(PLACES, fn);      \
	}
SITE_TEST(methods_and_reuse)
SITE_TEST(long_replies_are_cut)
SITE_TEST(one_exchange_serves_many)
SITE_TEST(replies_are_handed_on_in_pieces)
SITE_TEST(bodies_from_files)
SITE_TEST(deadlines)
SITE_TEST(nobody_there)
SITE_TEST(answers_of_all_kinds)
SITE_TEST(stale_connection_is_replaced)
SITE_TEST(fresh_connection_is_not_replaced)
SITE_TEST(idle_end_is_noticed)
SITE_TEST(surplus_is_not_trusted)
SITE_TEST(continue_is_not_waited_for_long)
SITE_TEST(idle_ones_expire)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods_and_reuse),
		cmocka_unit_test(test_long_replies_are_cut),
		cmocka_unit_test(test_one_exchange_serves_many),
		cmocka_unit_test(test_replies_are_handed_on_in_pieces),
		cmocka_unit_test(test_bodies_from_files),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_answers_of_all_kinds),
		cmocka_unit_test(test_stale_connection_is_replaced),
		cmocka_unit_test(test_fresh_connection_is_not_replaced),
		cmocka_unit_test(test_idle_end_is_noticed),
		cmocka_unit_test(test_surplus_is_not_trusted),
		cmocka_unit_test(test_continue_is_not_waited_for_long),
		cmocka_unit_test(test_idle_ones_expire),
	};

	site.module = &module;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

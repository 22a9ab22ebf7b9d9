/*
 * TLS, our client against our server: whom the client trusts, which certificate the server shows, sessions resumed, data both ways, how
 * streams end, what an idle connection holds and what a request costs.
 */
#include "net/sock.h"
#include "unit/net/net_test.h"

#include <sys/syscall.h>

#include "net/tls_priv.h"
#include "unit/net/test_certs.h"

static struct tmp tmp;
static struct tls_server *good, *rsa, *names, *expired, *stranger, *no_cache;
static struct tls_client *client;
static unsigned recvs, sends;

/* Stand-ins for libc's recvmsg and net/sock.c, to count. */
ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	recvs++;
	return syscall(SYS_recvmsg, fd, m, flags);
}

ssize_t
sock_recv(int fd, void *p, size_t n)
{
	recvs++;
	return recv(fd, p, n, MSG_DONTWAIT);
}

ssize_t
sock_send(int fd, const void *p, size_t n)
{
	sends++;
	return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static struct tls_server *
server_of(const char *cert, const char *key, size_t cache)
{
	struct tls_server *s = NULL;
	char error[256] = "";

	if (tls_server_new(
		tmp_path(&tmp, cert), tmp_path(&tmp, key), cache, &s, error, sizeof(error)) != 0)
		fprintf(stderr, "%s\n", error);
	return s;
}

static int
setup(void **state)
{
	char error[256];

	(void)state;
	certs_make(&tmp);
	good = server_of("good.pem", "good.key", 8192);
	rsa = server_of("rsa.pem", "rsa.key", 8192);
	names = server_of("names.pem", "good8.key", 8192);
	expired = server_of("expired.pem", "good.key", 8192);
	stranger = server_of("stranger.pem", "good.key", 8192);
	no_cache = server_of("good.pem", "good.key", 0);
	if (!good || !rsa || !names || !expired || !stranger || !no_cache)
		return -1;
	return tls_client_new(tmp_path(&tmp, "ca.pem"), &client, error, sizeof(error));
}

static int
teardown(void **state)
{
	(void)state;
	tls_server_free(good);
	tls_server_free(rsa);
	tls_server_free(names);
	tls_server_free(expired);
	tls_server_free(stranger);
	tls_server_free(no_cache);
	tls_client_free(client);
	tmp_fini(&tmp);
	return 0;
}

/* One connection: both handshakes, then what each side does. */
struct session {
	struct pair pair; /* a: client, b: server */
	struct tls_server *server;
	tls_choose_fn *choose;
	const char *host;
	void (*client_does)(struct conn *c);
	void (*server_does)(struct conn *c);
	int client_result, server_result;
	bool client_resumed, server_resumed;
	char text[128]; /* tls_error_text of the client */
};

static void
client_task(void *arg)
{
	struct session *s = arg;

	s->client_result = tls_connect(&s->pair.a, client, str_of(s->host), LATE);
	s->client_resumed = s->client_result == 0 && tls_resumed(&s->pair.a);
	snprintf(s->text, sizeof(s->text), "%s", tls_error_text(&s->pair.a));
	if (s->client_result == 0 && s->client_does != NULL)
		s->client_does(&s->pair.a);
	conn_close(&s->pair.a);
}

static void
server_task(void *arg)
{
	struct session *s = arg;

	s->server_result = tls_accept(&s->pair.b, s->server, s->choose, s, LATE);
	s->server_resumed = s->server_result == 0 && tls_resumed(&s->pair.b);
	if (s->server_result == 0 && s->server_does != NULL)
		s->server_does(&s->pair.b);
	conn_close(&s->pair.b);
}

static void
hold(struct session *s)
{
	pair_open(&s->pair);
	start(server_task, s);
	start(client_task, s);
	run_all();
}

static void
say_hello(struct conn *c)
{
	char buf[64];

	assert_int_equal(conn_write(c, "hello", 5, 0, LATE), 0);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 6);
	assert_memory_equal(buf, "hello!", 6);
}

static void
answer_hello(struct conn *c)
{
	char buf[64];

	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 5);
	buf[5] = '!';
	assert_int_equal(conn_write(c, buf, 6, 0, LATE), 0);
	/* The client closes with close_notify. */
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 0);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 0);
}

static struct session
hello(struct tls_server *server, const char *host)
{
	struct session s = { .server = server,
		.host = host,
		.client_does = say_hello,
		.server_does = answer_hello,
		.client_result = 1,
		.server_result = 1 };

	hold(&s);
	return s;
}

/* ---- whom the client trusts ---- */

static const struct {
	struct tls_server **server;
	const char *host;
	const char *text; /* NULL: taken */
} trust_cases[] = {
	{ &good, "good.example", NULL },
	{ &good, "GOOD.example", NULL },
	{ &good, "good.example.", NULL },
	{ &good, "a.wild.example", NULL },
	{ &good, "127.0.0.1", NULL },
	{ &good, "::1", NULL },
	{ &good, "0:0:0:0:0:0:0:1", NULL },
	{ &names, "names.example", NULL },
	{ &rsa, "rsa.example", NULL },
	{ &good, "other.example", "certificate is for another host" },
	{ &good, "wild.example", "certificate is for another host" },
	{ &good, "a.b.wild.example", "certificate is for another host" },
	{ &good, "good", "certificate is for another host" }, /* its common name */
	{ &good, "127.0.0.2", "certificate is for another host" },
	{ &good, "::2", "certificate is for another host" },
	{ &names, "127.0.0.1", "certificate is for another host" },
	{ &expired, "good.example", "certificate expired or not yet valid" },
	{ &expired, "127.0.0.1", "certificate expired or not yet valid" },
	{ &stranger, "good.example", "certificate of an unknown issuer" },
	{ &stranger, "127.0.0.1", "certificate of an unknown issuer" },
};

static void
test_trust(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(trust_cases); i++) {
		struct session s = hello(*trust_cases[i].server, trust_cases[i].host);
		const char *want = trust_cases[i].text != NULL ? trust_cases[i].text : "no error";

		if (s.client_result != (trust_cases[i].text != NULL ? ERR_TLS : 0) ||
		    strcmp(s.text, want) != 0)
			fail_msg("%s: %d, %s", trust_cases[i].host, s.client_result, s.text);
		/* The server hears of a client that turned away. */
		assert_int_equal(s.server_result, trust_cases[i].text != NULL ? ERR_CLOSED : 0);
	}
}

static void
test_hosts_refused(void **state)
{
	char long_name[300];
	struct session s = { .server = good, .server_result = 1 };

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	s.host = long_name;
	hold(&s);
	assert_int_equal(s.client_result, ERR_BAD);
	s.host = "";
	hold(&s);
	assert_int_equal(s.client_result, ERR_BAD);
}

/* ---- which certificate the server shows ---- */

static char asked_for[256];

static struct tls_server *
choose_by_name(void *arg, struct str name)
{
	(void)arg;
	(void)str_copyz(asked_for, sizeof(asked_for), name);
	if (str_is(name, "names.example"))
		return names;
	if (str_is(name, "rsa.example"))
		return rsa;
	return NULL;
}

static void
test_server_name(void **state)
{
	static const char *const hosts[] = { "names.example", "rsa.example", "good.example",
		"127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct session s = { .server = no_cache,
			.choose = choose_by_name,
			.host = hosts[i],
			.client_does = say_hello,
			.server_does = answer_hello };

		strcpy(asked_for, "nothing");
		hold(&s);
		assert_int_equal(s.client_result, 0);
		assert_int_equal(s.server_result, 0);
		/* No server name is sent for an address. */
		assert_string_equal(asked_for, i == 3 ? "" : hosts[i]);
	}
}

/* ---- sessions ---- */

static void
test_resumption(void **state)
{
	struct tls_server *s = server_of("good.pem", "good.key", 8192);
	struct session first = hello(s, "c.wild.example"), second = hello(s, "c.wild.example"),
		       other = hello(s, "d.wild.example");

	(void)state;
	assert_false(first.client_resumed || first.server_resumed);
	assert_true(second.client_resumed && second.server_resumed);
	/* Sessions belong to the host they were made with. */
	assert_false(other.client_resumed || other.server_resumed);
	tls_server_free(s);
	/* A server that does not know the session any more makes a new one. */
	s = server_of("good.pem", "good.key", 8192);
	second = hello(s, "c.wild.example");
	assert_int_equal(second.client_result, 0);
	assert_false(second.client_resumed || second.server_resumed);
	second = hello(s, "c.wild.example");
	assert_true(second.client_resumed && second.server_resumed);
	tls_server_free(s);
	first = hello(no_cache, "c.wild.example");
	second = hello(no_cache, "c.wild.example");
	assert_int_equal(second.client_result, 0);
	assert_false(second.client_resumed || second.server_resumed);
}

/* More hosts than are remembered. */
static void
test_many_hosts(void **state)
{
	char host[64];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(host, sizeof(host), "h%d.wild.example", i);
		assert_false(hello(good, host).client_resumed);
	}
	assert_true(hello(good, "h19.wild.example").client_resumed);
	assert_false(hello(good, "h0.wild.example").client_resumed);
	assert_true(hello(good, "h18.wild.example").client_resumed);
}

/* ---- data ---- */

#define LARGE (1024 * 1024 + 17)

static void
send_large(struct conn *c)
{
	char more;

	assert_int_equal(write_pattern(c, LARGE), 0);
	assert_int_equal(conn_shutdown_write(c, LATE), 0);
	assert_int_equal(conn_read(c, &more, 1, LATE), 0);
}

static void
receive_in_tiny_reads(struct conn *c)
{
	char more;

	read_pattern(c, LARGE, 7);
	assert_int_equal(conn_read(c, &more, 1, LATE), 0);
}

static void
receive_in_large_reads(struct conn *c)
{
	char more;

	read_pattern(c, LARGE, 65536);
	assert_int_equal(conn_read(c, &more, 1, LATE), 0);
}

static void
test_large(void **state)
{
	struct session s = { .server = good, .host = "good.example" };

	(void)state;
	s.client_does = send_large;
	s.server_does = receive_in_tiny_reads;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
	s.client_does = receive_in_large_reads;
	s.server_does = send_large;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
}

struct writer {
	struct conn *c;
	bool done;
};

static void
writer_task(void *arg)
{
	struct writer *w = arg;

	assert_int_equal(write_pattern(w->c, LARGE), 0);
	w->done = true;
}

/* One task writes while this one reads. */
static void
both_ways(struct conn *c)
{
	struct writer w = { .c = c };

	start(writer_task, &w);
	read_pattern(c, LARGE, 9973);
	while (!w.done)
		assert_int_equal(task_sleep_until(clock_mono() + MS), 0);
}

static void
test_both_ways(void **state)
{
	struct session s = { .server = good,
		.host = "good.example",
		.client_does = both_ways,
		.server_does = both_ways };

	(void)state;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
}

static void
write_pieces(struct conn *c)
{
	struct iovec iov[] = { { "GET / ", 6 }, { "", 0 }, { "HTTP/1.1\r\n\r\n", 12 } };
	char buf[8];

	assert_int_equal(task_sleep_until(SOON), 0);
	recvs = sends = 0;
	assert_int_equal(conn_writev(c, iov, 3, 0, LATE), 0);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 2);
	/* A request and its answer: one record, one send and one recv each. */
	assert_int_equal(sends, 2);
	assert_int_equal(recvs, 2);
}

static void
read_pieces(struct conn *c)
{
	char buf[64];

	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 18);
	assert_memory_equal(buf, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(conn_write(c, "ok", 2, 0, LATE), 0);
	assert_int_equal(task_sleep_until(SOON), 0);
}

static void
test_one_recv_and_one_send(void **state)
{
	struct session s = { .server = good,
		.host = "good.example",
		.client_does = write_pieces,
		.server_does = read_pieces };

	(void)state;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
}

/* ---- how streams end ---- */

static void
cut_off(struct conn *c)
{
	assert_int_equal(conn_write(c, "half", 4, 0, LATE), 0);
	/* The socket ends without close_notify. */
	assert_int_equal(shutdown(c->io.fd, SHUT_RDWR), 0);
}

static void
hear_cut_off(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 4);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), ERR_CLOSED);
	assert_int_equal(conn_read_now(c, buf, sizeof(buf)), ERR_CLOSED);
}

static void
send_garbage(struct conn *c)
{
	static const char garbage[] = "\x17\3\3\0\x20these bytes were never encrypted";

	assert_int_equal(write(c->io.fd, garbage, sizeof(garbage)), sizeof(garbage));
	assert_int_equal(task_sleep_until(SOON), 0);
}

static void
hear_garbage(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), ERR_TLS);
	assert_string_equal(tls_error_text(c), "record damaged (bad MAC)");
	assert_int_equal(conn_write(c, "x", 1, 0, LATE), ERR_TLS);
}

/* Bytes of ours that the peer has not read do not keep its end from us, nor the other way round. */
static void
close_with_unread(struct conn *c)
{
	assert_int_equal(task_sleep_until(SOON), 0);
	conn_close(c);
}

static void
write_to_closed(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_write(c, "unread", 6, 0, LATE), 0);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 0);
	assert_int_equal(conn_write(c, "x", 1, 0, LATE), ERR_CLOSED);
}

/* The answer is out, the client still sends: it is dropped, and the end is heard. */
static void
linger(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_write(c, "413", 3, 0, LATE), 0);
	assert_int_equal(conn_shutdown_write(c, LATE), 0);
	assert_true(conn_read(c, buf, sizeof(buf), LATE) <= 0);
}

static void
send_to_linger(struct conn *c)
{
	char buf[8];

	assert_int_equal(write_pattern(c, 40000), 0);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 3);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 0);
}

static void
test_ends(void **state)
{
	static void (*const does[][2])(struct conn *) = {
		{ cut_off, hear_cut_off },
		{ send_garbage, hear_garbage },
		{ close_with_unread, write_to_closed },
		{ send_to_linger, linger },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(does); i++) {
		struct session s = { .server = good, .host = "good.example" };

		s.client_does = does[i / 2][i % 2];
		s.server_does = does[i / 2][1 - i % 2];
		hold(&s);
		assert_int_equal(s.client_result | s.server_result, 0);
	}
}

/* ---- idle connections ---- */

static unsigned idles;

static void
go_idle(struct conn *c)
{
	if (!conn_idle(c))
		return; /* bytes are there already, or may be */
	assert_null(c->tls->buffers);
	idles++;
}

static void
idle_between(struct conn *c)
{
	char buf[32];

	idles = 0;
	for (int i = 0; i < 50; i++) {
		int n = snprintf(buf, sizeof(buf), "message %d", i);

		go_idle(c);
		assert_int_equal(conn_write(c, buf, (size_t)n, 0, LATE), 0);
		assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), n);
	}
}

static void
echo_idle_between(struct conn *c)
{
	char buf[32];
	ssize_t n;

	for (;;) {
		go_idle(c);
		n = conn_read(c, buf, sizeof(buf), LATE);
		if (n <= 0)
			break;
		assert_int_equal(conn_write(c, buf, (size_t)n, 0, LATE), 0);
	}
	assert_int_equal(n, 0);
	assert_false(conn_idle(c));
	assert_true(idles >= 50); /* each side, most of the time */
}

static void
stay(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_write(c, "abc", 3, 0, LATE), 0);
	assert_int_equal(conn_read(c, buf, sizeof(buf), LATE), 0);
}

/* Bytes that were taken from the socket already will not wake anybody. */
static void
not_idle_with_bytes(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_read(c, buf, 1, LATE), 1);
	assert_false(conn_idle(c));
	assert_non_null(c->tls->buffers);
	assert_int_equal(conn_read_now(c, buf, 8), 2);
	assert_memory_equal(buf, "bc", 2);
	assert_int_equal(conn_read_now(c, buf, 8), ERR_AGAIN);
	assert_true(conn_idle(c));
	assert_null(c->tls->buffers);
}

static void
test_idle(void **state)
{
	struct session s = { .server = good,
		.host = "good.example",
		.client_does = idle_between,
		.server_does = echo_idle_between };

	(void)state;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
	s.client_does = not_idle_with_bytes;
	s.server_does = stay;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
	assert_true(sizeof(struct tls) < 4608);
}

/* Half a record's header has arrived: the buffer that holds it stays. */
static void
send_half_header(struct conn *c)
{
	assert_int_equal(write(c->io.fd, "\x17\3\3", 3), 3);
	assert_int_equal(task_sleep_until(clock_mono() + 60 * MS), 0);
}

static void
keep_half_header(struct conn *c)
{
	char buf[8];

	assert_int_equal(conn_read(c, buf, sizeof(buf), SOON), ERR_TIMEOUT);
	(void)conn_idle(c);
	assert_non_null(c->tls->buffers);
}

static void
test_half_a_record(void **state)
{
	struct session s = { .server = good,
		.host = "good.example",
		.client_does = send_half_header,
		.server_does = keep_half_header };

	(void)state;
	hold(&s);
	assert_int_equal(s.client_result | s.server_result, 0);
}

/* ---- handshakes that fail otherwise ---- */

static void
speak_http(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(conn_write(&p->a, "GET / HTTP/1.1\r\n\r\n", 18, 0, LATE), 0);
}

static void
hear_http(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(tls_accept(&p->b, good, NULL, NULL, LATE), ERR_TLS);
	assert_string_equal(tls_error_text(&p->b), "not TLS, or an unsupported version");
	conn_close(&p->b);
}

static void
hear_nothing(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(tls_accept(&p->b, good, NULL, NULL, SOON), ERR_TIMEOUT);
	assert_string_equal(tls_error_text(&p->b), "timed out");
	conn_close(&p->b);
	assert_int_equal(tls_connect(&p->a, client, STR("good.example"), LATE), ERR_CLOSED);
	assert_string_equal(tls_error_text(&p->a), "closed by peer");
	conn_close(&p->a);
	assert_string_equal(tls_error_text(&p->a), "not a TLS connection");
}

static void
test_failed_handshakes(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	start(hear_http, &p);
	start(speak_http, &p);
	run_all();
	pair_close(&p);
	pair_open(&p);
	run(hear_nothing, &p);
	pair_close(&p);
}

/* ---- files ---- */

static void
assert_server_error(const char *cert, const char *key, int r, const char *text)
{
	struct tls_server *s = NULL;
	char error[256];

	assert_int_equal(
	    tls_server_new(tmp_path(&tmp, cert), tmp_path(&tmp, key), 0, &s, error, sizeof(error)),
	    r);
	if (strstr(error, text) == NULL)
		fail_msg("%s lacks: %s", error, text);
	assert_null(s);
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(tmp_path(&tmp, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
test_server_files(void **state)
{
	struct tls_server *s;

	(void)state;
	write_file("empty", "");
	write_file("bad", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
	write_file("badkey", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	assert_server_error("none", "good.key", ERR_NOT_FOUND, "none: No such file");
	assert_server_error("good.pem", "none", ERR_NOT_FOUND, "none: No such file");
	assert_server_error("empty", "good.key", ERR_CONFIG, "empty: no certificate");
	assert_server_error("good.pem", "empty", ERR_CONFIG, "empty: no private key");
	assert_server_error("good.pem", "good.pem", ERR_CONFIG, "good.pem: no private key");
	assert_server_error("bad", "good.key", ERR_CONFIG, "bad: malformed");
	assert_server_error("good.pem", "badkey", ERR_CONFIG, "badkey: malformed");
	assert_server_error("good.pem", "ca.key", ERR_CONFIG, "the key is not the certificate's");
	assert_server_error("good.pem", "rsa.key", ERR_CONFIG, "the key is not the certificate's");
	assert_server_error("rsa.pem", "good.key", ERR_CONFIG, "the key is not the certificate's");
	assert_server_error("rsa.pem", "locked.key", ERR_CONFIG, "encrypted");
	s = server_of("rsa.pem", "rsa1.key", 0); /* PKCS#1 */
	assert_non_null(s);
	assert_int_equal(hello(s, "rsa.example").client_result, 0);
	tls_server_free(s);
	tls_server_free(NULL);
}

static void
test_client_files(void **state)
{
	struct tls_client *c = NULL;
	char error[256];

	(void)state;
	assert_int_equal(
	    tls_client_new(tmp_path(&tmp, "none"), &c, error, sizeof(error)), ERR_NOT_FOUND);
	assert_non_null(strstr(error, "none: No such file"));
	assert_int_equal(
	    tls_client_new(tmp_path(&tmp, "good.key"), &c, error, sizeof(error)), ERR_CONFIG);
	assert_non_null(strstr(error, "no usable CA certificate"));
	assert_int_equal(
	    tls_client_new(tmp_path(&tmp, "bad"), &c, error, sizeof(error)), ERR_CONFIG);
	assert_int_equal(tls_client_new(tmp_path(&tmp, "bad"), &c, NULL, 0), ERR_CONFIG);
	assert_null(c);
	/* The system's bundle, told by the environment. */
	assert_int_equal(setenv("SSL_CERT_FILE", tmp_path(&tmp, "ca.pem"), 1), 0);
	assert_int_equal(tls_client_new(NULL, &c, error, sizeof(error)), 0);
	tls_client_free(c);
	assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
	tls_client_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_trust),
		NET_TEST(test_hosts_refused),
		NET_TEST(test_server_name),
		NET_TEST(test_resumption),
		NET_TEST(test_many_hosts),
		NET_TEST(test_large),
		NET_TEST(test_both_ways),
		NET_TEST(test_one_recv_and_one_send),
		NET_TEST(test_ends),
		NET_TEST(test_idle),
		NET_TEST(test_half_a_record),
		NET_TEST(test_failed_handshakes),
		NET_TEST(test_server_files),
		NET_TEST(test_client_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

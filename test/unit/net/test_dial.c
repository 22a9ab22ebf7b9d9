/*
 * Dialling: what is there, what refuses, what never answers, unix sockets, TLS, and the texts for the log.
 */
#include "unit/net/net_test.h"

#include "net/dial.h"
#include "unit/net/test_certs.h"

static struct tmp tmp;
static struct tls_server *good;
static struct tls_client *client;
static char why[256];

static int
setup(void **state)
{
	char error[256];

	(void)state;
	certs_make(&tmp);
	if (tls_server_new(tmp_path(&tmp, "good.pem"), tmp_path(&tmp, "good.key"), 0, &good, error,
		sizeof(error)) != 0)
		return -1;
	return tls_client_new(tmp_path(&tmp, "ca.pem"), &client, error, sizeof(error));
}

static int
teardown(void **state)
{
	(void)state;
	tls_server_free(good);
	tls_client_free(client);
	tmp_fini(&tmp);
	return 0;
}

/* Dials where it must fail. */
static int
fail_to(const char *host, uint16_t port, int64_t each, int64_t deadline)
{
	struct dial_target t = { .host = str_of(host), .port = port, .connect_timeout = each };
	struct conn c;
	int r = dial(&c, &t, deadline, why, sizeof(why));

	assert_true(r < 0);
	assert_int_equal(c.io.fd, -1);
	assert_null(c.tls);
	return r;
}

/* ---- plain ---- */

static void
echo_one(void *arg)
{
	struct conn c;
	char buf[16];

	accept_conn(*(int *)arg, &c);
	assert_int_equal(conn_read(&c, buf, sizeof(buf), LATE), 4);
	assert_int_equal(conn_write(&c, buf, 4, 0, LATE), 0);
	conn_close(&c);
}

static void
dial_echo(const struct dial_target *t)
{
	struct conn c;
	char buf[16];
	int r = dial(&c, t, LATE, why, sizeof(why));

	if (r != 0)
		fail_msg("%s", why);
	assert_int_equal(conn_write(&c, "ping", 4, 0, LATE), 0);
	assert_int_equal(conn_read(&c, buf, sizeof(buf), LATE), 4);
	assert_int_equal(conn_read(&c, buf, sizeof(buf), LATE), 0);
	conn_close(&c);
}

static void
plain(void *arg)
{
	uint16_t port;
	int fd = listen_free(&port);
	struct dial_target t = { .host = STR("127.0.0.1"), .port = port };

	(void)arg;
	start(echo_one, &fd);
	dial_echo(&t);
	/* By name: 127.0.0.1 answers, so ::1 is not asked. */
	t.host = STR("localhost");
	start(echo_one, &fd);
	dial_echo(&t);
	close(fd);
}

static void
test_plain(void **state)
{
	(void)state;
	run(plain, NULL);
}

static void
unix_socket(void *arg)
{
	struct listen_options opt = { .backlog = 1 };
	struct addr a;
	char path[300], refused[400];
	struct dial_target t = { .port = 0 };
	int fd;

	(void)arg;
	snprintf(path, sizeof(path), "unix:%s/sock", tmp.dir);
	assert_int_equal(fail_to(path, 0, 0, LATE), ERR_REFUSED);
	assert_int_equal(addr_parse(str_of(path), 0, &a), 0);
	fd = listen_open(&a, &opt);
	assert_true(fd >= 0);
	t.host = str_of(path);
	start(echo_one, &fd);
	dial_echo(&t);
	close(fd);
	assert_int_equal(fail_to(path, 0, 0, LATE), ERR_REFUSED);
	snprintf(refused, sizeof(refused), "connect to %s: connection refused", path);
	assert_string_equal(why, refused);
	memset(path + 5, 'x', 200);
	path[205] = '\0';
	assert_int_equal(fail_to(path, 0, 0, LATE), ERR_UNREACHABLE);
}

/* A unix listener whose backlog is full makes the dialler wait for room. */
static void
full_backlog(void *arg)
{
	struct listen_options opt = { .backlog = 1 };
	struct conn held[8];
	struct addr a;
	char path[300];
	struct dial_target t = { .port = 0 };
	int fd, n = 0, r = 0;

	(void)arg;
	snprintf(path, sizeof(path), "unix:%s/full", tmp.dir);
	assert_int_equal(addr_parse(str_of(path), 0, &a), 0);
	fd = listen_open(&a, &opt);
	assert_true(fd >= 0);
	t.host = str_of(path);
	while (n < 8 && (r = dial(&held[n], &t, SOON, why, sizeof(why))) == 0)
		n++;
	assert_true(n < 8);
	assert_int_equal(r, ERR_TIMEOUT);
	while (n > 0)
		conn_close(&held[--n]);
	close(fd);
}

static void
test_unix(void **state)
{
	(void)state;
	run(unix_socket, NULL);
	run(full_backlog, NULL);
}

/* ---- nobody there ---- */

static void
refused(void *arg)
{
	char want[128];
	uint16_t port;

	(void)arg;
	close(listen_free(&port));
	assert_int_equal(fail_to("127.0.0.1", port, 0, LATE), ERR_REFUSED);
	snprintf(want, sizeof(want), "connect to 127.0.0.1:%u: connection refused", port);
	assert_string_equal(why, want);
	/* Of several addresses the first is told. */
	assert_int_equal(fail_to("localhost", port, 0, LATE), ERR_REFUSED);
	assert_string_equal(why, want);
	/* No room for the text, and none wanted. */
	assert_int_equal(
	    dial(&(struct conn){ .tls = NULL },
		&(struct dial_target){ .host = STR("127.0.0.1"), .port = port }, LATE, NULL, 0),
	    ERR_REFUSED);
	/* Broadcast: the kernel says no at once. */
	assert_int_equal(fail_to("255.255.255.255", 80, 0, LATE), ERR_UNREACHABLE);
	assert_string_equal(why, "connect to 255.255.255.255:80: unreachable");
	assert_int_equal(fail_to("not/a/name", 80, 0, LATE), ERR_DNS);
	assert_string_equal(why, "resolve not/a/name: host name not resolved");
}

/* A listener that takes no more: its backlog is full, and the kernel drops what else knocks. */
static int
black_hole(uint16_t *port, int *fillers, int *n)
{
	struct listen_options opt = { .backlog = 1 };
	struct addr a;
	int fd;

	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), 0, &a), 0);
	fd = listen_open(&a, &opt);
	assert_true(fd >= 0);
	a.len = sizeof(a.u.storage);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	*port = addr_port(&a);
	for (*n = 0; *n < 4; ++*n) {
		fillers[*n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fillers[*n], &a.u.sa, a.len);
	}
	return fd;
}

static struct task_handle dialler;

static void
dial_for_ever(void *arg)
{
	dialler = task_self();
	assert_int_equal(
	    fail_to("127.0.0.1", *(uint16_t *)arg, 10 * NS_PER_S, LATE), ERR_CANCELLED);
}

static void
silent(void *arg)
{
	uint16_t port;
	int fillers[4], n, fd = black_hole(&port, fillers, &n);
	int64_t before = clock_mono();
	char want[128];

	(void)arg;
	assert_int_equal(fail_to("127.0.0.1", port, 0, SOON), ERR_TIMEOUT);
	snprintf(want, sizeof(want), "connect to 127.0.0.1:%u: timed out", port);
	assert_string_equal(why, want);
	assert_in_range(clock_mono() - before, 29 * MS, 500 * MS);
	/* The time for each address. */
	before = clock_mono();
	assert_int_equal(fail_to("127.0.0.1", port, 40 * MS, LATE), ERR_TIMEOUT);
	assert_in_range(clock_mono() - before, 39 * MS, 500 * MS);
	start(dial_for_ever, &port);
	assert_int_equal(task_sleep_until(SOON), 0);
	task_cancel(dialler);
	assert_int_equal(task_join(dialler, LATE), 0);
	while (n > 0)
		close(fillers[--n]);
	close(fd);
}

static void
test_nobody_there(void **state)
{
	(void)state;
	run(refused, NULL);
	run(silent, NULL);
}

/* ---- TLS ---- */

static void
echo_tls(void *arg)
{
	struct conn c;
	char buf[16];

	accept_conn(*(int *)arg, &c);
	if (tls_accept(&c, good, NULL, NULL, LATE) == 0 &&
	    conn_read(&c, buf, sizeof(buf), LATE) == 4)
		assert_int_equal(conn_write(&c, buf, 4, 0, LATE), 0);
	conn_close(&c);
}

static void
accept_and_drop(void *arg)
{
	struct conn c;

	accept_conn(*(int *)arg, &c);
	conn_close(&c);
}

static void
tls(void *arg)
{
	uint16_t port;
	int fd = listen_free(&port);
	struct dial_target t = { .host = STR("127.0.0.1"), .port = port, .tls = client };
	struct conn c;

	(void)arg;
	start(echo_tls, &fd);
	dial_echo(&t);
	/* The certificate names the address, not this name for it. */
	t.host = STR("localhost");
	start(echo_tls, &fd);
	assert_int_equal(dial(&c, &t, LATE, why, sizeof(why)), ERR_TLS);
	assert_string_equal(why, "TLS with localhost: certificate is for another host");
	assert_int_equal(c.io.fd, -1);
	start(accept_and_drop, &fd);
	assert_int_equal(dial(&c, &t, LATE, why, sizeof(why)), ERR_CLOSED);
	/* It accepts, but nobody speaks TLS there. */
	assert_int_equal(dial(&c, &t, SOON, why, sizeof(why)), ERR_TIMEOUT);
	assert_string_equal(why, "TLS with localhost: timed out");
	close(fd);
}

static void
test_tls(void **state)
{
	(void)state;
	run(tls, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_plain),
		NET_TEST(test_unix),
		NET_TEST(test_nobody_there),
		NET_TEST(test_tls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

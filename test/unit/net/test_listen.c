/*
 * Listening sockets: options, sockets of the file system, running out of descriptors.
 */
#include "unit/net/net_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "unit/tmp.h"

static int
option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &n), 0);
	return v;
}

static int
dial_blocking(const struct addr *a)
{
	int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (connect(fd, &a->u.sa, a->len) == 0)
		return fd;
	close(fd);
	return -1;
}

static struct addr
address_of(int fd)
{
	struct addr a = { .len = sizeof(a.u.storage) };

	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	return a;
}

static void
test_tcp(void **state)
{
	uint16_t port;
	int fd = listen_free(&port), client, server;
	struct addr a = address_of(fd), peer, client_address;

	(void)state;
	assert_int_equal(listen_accept(fd, &peer), ERR_AGAIN);
	client = dial_blocking(&a);
	assert_true(client >= 0);
	server = listen_accept(fd, &peer);
	assert_true(server >= 0);
	assert_int_equal(fcntl(server, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(server, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_true(option(server, IPPROTO_TCP, TCP_NODELAY) != 0);
	client_address = address_of(client);
	assert_true(addr_eq(&peer, &client_address));
	close(client);
	close(server);
	assert_int_equal(listen_accept(fd, NULL), ERR_AGAIN);
	close(fd);
}

static void
test_port_in_use(void **state)
{
	struct listen_options plain = { .backlog = 1 }, shared = { .reuseport = true };
	uint16_t port;
	int fd = listen_free(&port), first, second;
	struct addr a = address_of(fd);

	(void)state;
	assert_int_equal(listen_open(&a, &plain), ERR_LOCKED);
	assert_int_equal(errno, EADDRINUSE);
	close(fd);
	first = listen_open(&a, &shared);
	second = listen_open(&a, &shared);
	assert_true(first >= 0 && second >= 0);
	close(first);
	close(second);
}

static void
test_options(void **state)
{
	struct listen_options opt = {
		.ipv6only = true, .defer_accept = true, .rcvbuf = 20000, .sndbuf = 30000
	};
	struct addr a;
	int fd;

	(void)state;
	assert_int_equal(addr_parse_ip(STR("::1"), 0, &a), 0);
	fd = listen_open(&a, &opt);
	if (fd < 0) /* a machine without IPv6 says so */
		assert_int_equal(fd, ERR_UNREACHABLE);
	if (fd >= 0) {
		assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		close(fd);
	}
	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), 0, &a), 0);
	fd = listen_open(&a, &opt);
	assert_true(fd >= 0);
	assert_true(option(fd, SOL_SOCKET, SO_RCVBUF) >= 20000);
	assert_true(option(fd, SOL_SOCKET, SO_SNDBUF) >= 30000);
#ifdef TCP_DEFER_ACCEPT
	assert_true(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
#endif
	close(fd);
}

static void
test_unix(void **state)
{
	struct listen_options opt = { .unix_mode = 0600 }, usual = { .backlog = 1 };
	struct tmp tmp;
	struct addr a, peer;
	struct stat st;
	char text[300];
	int fd, client, server;
	const char *path;

	(void)state;
	tmp_init(&tmp);
	path = tmp_path(&tmp, "sock");
	snprintf(text, sizeof(text), "unix:%s", path);
	assert_int_equal(addr_parse(str_of(text), 0, &a), 0);
	fd = listen_open(&a, &opt);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Somebody answers there. */
	assert_int_equal(listen_open(&a, &opt), ERR_LOCKED);
	client = dial_blocking(&a);
	assert_true(client >= 0);
	server = listen_accept(fd, &peer);
	while (server >= 0) { /* the probe of the second listen_open waits here, too */
		close(server);
		server = listen_accept(fd, &peer);
	}
	assert_int_equal(server, ERR_AGAIN);
	close(client);
	close(fd);
	/* Nobody answers any more: the socket left behind is replaced. */
	assert_int_equal(stat(path, &st), 0);
	fd = listen_open(&a, &usual);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	close(fd);
	/* A file that is no socket is left alone. */
	assert_int_equal(remove(path), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_open(&a, &usual), ERR_EXISTS);
	assert_int_equal(stat(path, &st), 0);
	tmp_fini(&tmp);
	assert_int_equal(listen_open(&a, &usual), ERR_NOT_FOUND);
}

/* With no descriptor left each connection is taken and dropped, and the backlog empties. */
static void
test_out_of_descriptors(void **state)
{
	struct rlimit old, low;
	uint16_t port;
	int fd = listen_free(&port), clients[3], hogs[64], n = 0, server;
	struct addr a = address_of(fd);
	char byte;

	(void)state;
	assert_int_equal(listen_accept(fd, NULL), ERR_AGAIN); /* sets the reserve aside */
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		clients[i] = dial_blocking(&a);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 64 && (hogs[n] = dup(fd)) >= 0)
		n++;
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		assert_int_equal(listen_accept(fd, NULL), ERR_BUSY);
		assert_true(recv(clients[i], &byte, 1, 0) <= 0);
		close(clients[i]);
		hogs[n++] = dup(fd); /* what the client had */
	}
	assert_int_equal(listen_accept(fd, NULL), ERR_AGAIN);
	while (n > 0)
		close(hogs[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	clients[0] = dial_blocking(&a);
	server = listen_accept(fd, NULL);
	assert_true(server >= 0);
	close(server);
	close(clients[0]);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

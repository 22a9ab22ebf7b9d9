/*
 * What the tests of this layer share: a loop around each test, tasks in it, pairs of connected conns, listeners on loopback.
 */
#ifndef SLUICE_TEST_UNIT_NET_NET_TEST_H
#define SLUICE_TEST_UNIT_NET_NET_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/listen.h"
#include "task/loop.h"
#include "unit/unit.h"

#define MS NS_PER_MS
#define SOON (clock_mono() + 30 * MS)
#define LATE (clock_mono() + 20 * NS_PER_S) /* never reached by a test that passes */

static inline int
net_setup(void **state)
{
	(void)state;
	return loop_init(NULL);
}

static inline int
net_teardown(void **state)
{
	(void)state;
	/* After a failed assertion in a task we are still on its stack, and no further test can run; but the message comes out. */
	if (task_on_stack())
		return -1;
	loop_fini();
	return 0;
}

#define NET_TEST(fn) cmocka_unit_test_setup_teardown(fn, net_setup, net_teardown)

static inline void
start(task_fn *fn, void *arg)
{
	assert_int_equal(task_go("test", fn, arg, NULL), 0);
}

/* Runs until no task is left; none may hang longer than its deadlines. */
static inline void
run_all(void)
{
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(loop_tasks(), 0);
}

static inline void
run(task_fn *fn, void *arg)
{
	start(fn, arg);
	run_all();
}

struct pair {
	struct conn a, b;
};

static inline void
pair_open(struct pair *p)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(conn_init(&p->a, fd[0], NULL), 0);
	assert_int_equal(conn_init(&p->b, fd[1], NULL), 0);
}

static inline void
pair_close(struct pair *p)
{
	conn_close(&p->a);
	conn_close(&p->b);
}

/* A listener on a free port of 127.0.0.1; *port gets it. */
static inline int
listen_free(uint16_t *port)
{
	struct listen_options opt = { .backlog = 16 };
	struct addr a;
	int fd;

	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), 0, &a), 0);
	fd = listen_open(&a, &opt);
	assert_true(fd >= 0);
	a.len = sizeof(a.u.storage);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	*port = addr_port(&a);
	return fd;
}

/* Parks until a connection is there, then takes it. */
static inline void
accept_conn(int listen_fd, struct conn *c)
{
	int fd;

	while ((fd = listen_accept(listen_fd, NULL)) == ERR_AGAIN)
		assert_int_equal(task_wait_fd(listen_fd, IO_READ, LATE), 0);
	assert_true(fd >= 0);
	assert_int_equal(conn_init(c, fd, NULL), 0);
}

/* Connects to loopback without dial. */
static inline void
connect_conn(uint16_t port, struct conn *c)
{
	struct addr a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), port, &a), 0);
	assert_int_equal(connect(fd, &a.u.sa, a.len), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(conn_init(c, fd, NULL), 0);
}

/* Bytes that repeat after no power of two, so that lost or doubled pieces show. */
static inline void
fill_pattern(unsigned char *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)((at + i) % 251);
}

static inline bool
is_pattern(const unsigned char *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != (unsigned char)((at + i) % 251))
			return false;
	}
	return true;
}

/* Writes n bytes of the pattern in one call. */
static inline int
write_pattern(struct conn *c, size_t n)
{
	unsigned char *p = malloc(n);
	int r;

	assert_non_null(p);
	fill_pattern(p, n, 0);
	r = conn_write(c, p, n, 0, LATE);
	free(p);
	return r;
}

/* Reads n bytes of the pattern in pieces of at most step bytes. */
static inline void
read_pattern(struct conn *c, size_t n, size_t step)
{
	unsigned char *p = malloc(step);
	size_t at = 0;

	assert_non_null(p);
	while (at < n) {
		ssize_t r = conn_read(c, p, step < n - at ? step : n - at, LATE);

		if (r <= 0)
			fail_msg(
			    "read at %zu of %zu: %s", at, n, r == 0 ? "end" : err_text((int)r));
		if (!is_pattern(p, (size_t)r, at))
			fail_msg("wrong bytes at %zu", at);
		at += (size_t)r;
	}
	free(p);
}

#endif

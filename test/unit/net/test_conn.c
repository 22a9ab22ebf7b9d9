/*
 * Plain connections: what a read and a write do when the socket is empty, full, ended, reset; deadlines; and that a request costs one
 * recv and one send. The calls are counted by standing in for those who make them.
 */
#include "unit/net/net_test.h"

#include <sys/syscall.h>

#include "net/sock.h"

static unsigned recvs, sends;

/* Stand-ins for net/sock.c and libc's sendmsg: the linker prefers them. */
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

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	sends++;
	return syscall(SYS_sendmsg, fd, m, flags);
}

/* ---- a request and its answer ---- */

static void
answer_twice(void *arg)
{
	struct pair *p = arg;
	char buf[64];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(conn_read(&p->b, buf, sizeof(buf), LATE), 7);
		assert_memory_equal(buf, "request", 7);
		assert_int_equal(conn_write(&p->b, "answer", 6, 0, LATE), 0);
	}
}

static void
ask_twice(void *arg)
{
	struct pair *p = arg;
	char buf[64];

	for (int i = 0; i < 2; i++) {
		struct iovec iov[3] = { { "requ", 4 }, { "", 0 }, { "est", 3 } };

		assert_int_equal(conn_writev(&p->a, iov, 3, 0, LATE), 0);
		assert_int_equal(conn_read(&p->a, buf, sizeof(buf), LATE), 6);
	}
}

static void
test_one_recv_and_one_send(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	recvs = sends = 0;
	start(answer_twice, &p);
	start(ask_twice, &p);
	run_all();
	/* Two requests and two answers. */
	assert_int_equal(recvs, 4);
	assert_int_equal(sends, 4);
	pair_close(&p);
}

/* ---- large transfers ---- */

#define LARGE (3 * 1024 * 1024 + 17)

static void
write_large(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(write_pattern(&p->a, LARGE), 0);
	assert_int_equal(conn_shutdown_write(&p->a, LATE), 0);
}

static void
read_large(void *arg)
{
	struct pair *p = arg;
	char more;

	read_pattern(&p->b, LARGE, 10007);
	assert_int_equal(conn_read(&p->b, &more, 1, LATE), 0);
	assert_int_equal(conn_read(&p->b, &more, 1, LATE), 0); /* and stays there */
}

static void
test_large(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	start(write_large, &p);
	start(read_large, &p);
	run_all();
	pair_close(&p);
}

/* More pieces than one sendmsg takes, some of them empty. */
static void
write_pieces(void *arg)
{
	enum { PIECES = 500, SIZE = 1009 };
	struct pair *p = arg;
	unsigned char *all = malloc(PIECES * SIZE);
	struct iovec *iov = calloc(2 * PIECES, sizeof(*iov));

	assert_non_null(all);
	assert_non_null(iov);
	fill_pattern(all, PIECES * SIZE, 0);
	for (size_t i = 0; i < PIECES; i++)
		iov[2 * i + 1] = (struct iovec){ all + i * SIZE, SIZE };
	assert_int_equal(conn_writev(&p->a, iov, 2 * PIECES, 0, LATE), 0);
	free(iov);
	free(all);
	conn_close(&p->a);
}

static void
read_pieces(void *arg)
{
	struct pair *p = arg;
	char more;

	read_pattern(&p->b, 500 * 1009, 4096);
	assert_int_equal(conn_read(&p->b, &more, 1, LATE), 0);
}

static void
test_many_pieces(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	start(write_pieces, &p);
	start(read_pieces, &p);
	run_all();
	pair_close(&p);
}

/* ---- the end ---- */

/* The peer's end was reported together with the bytes before it: a short read must not hide it. */
static void
end_behind_bytes(void *arg)
{
	struct pair *p = arg;
	char buf[64];

	assert_int_equal(conn_write(&p->a, "last", 4, 0, LATE), 0);
	conn_close(&p->a);
	assert_int_equal(task_sleep_until(SOON), 0); /* the loop hears of both */
	assert_int_equal(conn_read(&p->b, buf, sizeof(buf), LATE), 4);
	assert_int_equal(conn_read(&p->b, buf, sizeof(buf), LATE), 0);
	assert_int_equal(conn_write(&p->b, "x", 1, 0, LATE), ERR_CLOSED);
}

static void
end_between_reads(void *arg)
{
	struct pair *p = arg;
	char buf[64];

	assert_int_equal(conn_write(&p->a, "last", 4, 0, LATE), 0);
	assert_int_equal(conn_read(&p->b, buf, sizeof(buf), LATE), 4);
	conn_close(&p->a);
	assert_int_equal(conn_read(&p->b, buf, sizeof(buf), LATE), 0);
}

/* A peer that only closed its sending side still takes a long answer, and the writer waits for room without spinning. */
static void
half_closed_writer(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(conn_shutdown_write(&p->b, LATE), 0);
	assert_int_equal(task_sleep_until(SOON), 0);
	sends = 0;
	assert_int_equal(write_pattern(&p->a, LARGE), 0);
	assert_true(sends < 4 * LARGE / 65536);
	conn_close(&p->a);
}

static void
half_closed_reader(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(task_sleep_until(clock_mono() + 100 * MS), 0);
	read_pattern(&p->b, LARGE, 65536);
}

static void
test_end(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	run(end_behind_bytes, &p);
	pair_close(&p);
	pair_open(&p);
	run(end_between_reads, &p);
	pair_close(&p);
	pair_open(&p);
	start(half_closed_writer, &p);
	start(half_closed_reader, &p);
	run_all();
	pair_close(&p);
}

static void
reset(void *arg)
{
	int listen_fd = *(int *)arg;
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct addr a;
	struct conn client, server;
	char buf[8];

	a.len = sizeof(a.u.storage);
	assert_int_equal(getsockname(listen_fd, &a.u.sa, &a.len), 0);
	connect_conn(addr_port(&a), &client);
	accept_conn(listen_fd, &server);
	assert_int_equal(setsockopt(server.io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	conn_close(&server);
	assert_int_equal(conn_read(&client, buf, sizeof(buf), LATE), ERR_CLOSED);
	conn_close(&client);
	conn_close(&client); /* idempotent */
}

static void
test_reset(void **state)
{
	uint16_t port;
	int fd = listen_free(&port);

	(void)state;
	run(reset, &fd);
	close(fd);
}

/* ---- deadlines and cancelling ---- */

static void
deadlines(void *arg)
{
	struct pair *p = arg;
	char buf[8], *big = calloc(1, LARGE);
	int64_t before = clock_mono();

	assert_non_null(big);
	assert_int_equal(conn_read(&p->a, buf, sizeof(buf), SOON), ERR_TIMEOUT);
	assert_true(clock_mono() - before >= 29 * MS);
	assert_int_equal(conn_write(&p->a, big, LARGE, 0, SOON), ERR_TIMEOUT);
	/* What is there is taken even if the deadline has passed. */
	assert_int_equal(conn_read(&p->b, buf, sizeof(buf), clock_mono() + 20 * MS), 8);
	assert_int_equal(conn_read(&p->b, buf, sizeof(buf), clock_mono() - 1), 8);
	free(big);
}

/* Progress now and then: longer than one stall in all, but never so long in one stretch. */
static void
slow_reader(void *arg)
{
	struct pair *p = arg;
	char *buf = malloc(65536);

	assert_non_null(buf);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(task_sleep_until(clock_mono() + 25 * MS), 0);
		while (conn_read_now(&p->b, buf, 65536) > 0) {
		}
	}
	free(buf);
}

static void
stalled_writer(void *arg)
{
	struct pair *p = arg;
	char *big = calloc(1, 8 * LARGE);
	int64_t before = clock_mono(), took;

	assert_non_null(big);
	assert_int_equal(conn_write(&p->a, big, 8 * LARGE, 400 * MS, LATE), ERR_TIMEOUT);
	took = clock_mono() - before;
	/* It outlived many readings and gave up one stall after the last. */
	assert_true(took > 600 * MS);
	before = clock_mono();
	assert_int_equal(
	    conn_write(&p->a, big, LARGE, 10 * NS_PER_S, clock_mono() + 20 * MS), ERR_TIMEOUT);
	assert_true(clock_mono() - before < 5 * NS_PER_S);
	free(big);
}

static struct task_handle to_cancel;

static void
cancelled_reader(void *arg)
{
	struct pair *p = arg;
	char buf[8];

	to_cancel = task_self();
	assert_int_equal(conn_read(&p->a, buf, sizeof(buf), LATE), ERR_CANCELLED);
	/* Bytes that are there may still be written and read; waiting is over. */
	assert_int_equal(conn_read(&p->a, buf, sizeof(buf), LATE), ERR_CANCELLED);
	assert_int_equal(conn_write(&p->a, "x", 1, 0, LATE), 0);
}

static void
canceller(void *arg)
{
	(void)arg;
	task_cancel(to_cancel);
}

static void
test_deadlines(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	run(deadlines, &p);
	pair_close(&p);
	pair_open(&p);
	start(stalled_writer, &p);
	start(slow_reader, &p);
	run_all();
	pair_close(&p);
	pair_open(&p);
	start(cancelled_reader, &p);
	start(canceller, &p);
	run_all();
	pair_close(&p);
}

/* ---- without parking ---- */

static void
now(void *arg)
{
	struct pair *p = arg;
	char buf[8];

	assert_int_equal(conn_read_now(&p->b, buf, sizeof(buf)), ERR_AGAIN);
	assert_int_equal(conn_write(&p->a, "abc", 3, 0, LATE), 0);
	/* The loop has not heard of them yet; the kernel has. */
	assert_int_equal(conn_read_now(&p->b, buf, 2), 2);
	assert_int_equal(conn_read_now(&p->b, buf, sizeof(buf)), 1);
	assert_int_equal(conn_read_now(&p->b, buf, sizeof(buf)), ERR_AGAIN);
	conn_close(&p->a);
	assert_int_equal(conn_read_now(&p->b, buf, sizeof(buf)), 0);
}

static unsigned events;

static void
count_event(struct io *io, unsigned what)
{
	(void)io, (void)what;
	events++;
}

static void
idle(void *arg)
{
	struct pair *p = arg;
	char buf[8];

	p->b.io.on_event = count_event;
	events = 0;
	assert_true(conn_idle(&p->b));
	assert_int_equal(conn_write(&p->a, "abc", 3, 0, LATE), 0);
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_true(events > 0);
	assert_false(conn_idle(&p->b)); /* told already, not read */
	assert_int_equal(conn_read(&p->b, buf, 3, LATE), 3);
	assert_false(conn_idle(&p->b)); /* there may be more */
	assert_int_equal(conn_read_now(&p->b, buf, sizeof(buf)), ERR_AGAIN);
	assert_true(conn_idle(&p->b));
	events = 0;
	conn_close(&p->a);
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_true(events > 0);
	assert_false(conn_idle(&p->b));
}

static void
test_without_parking(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	run(now, &p);
	pair_close(&p);
	pair_open(&p);
	run(idle, &p);
	pair_close(&p);
}

static void
test_nothing(void **state)
{
	struct conn c = CONN_NONE;

	(void)state;
	conn_close(&c);
	assert_int_equal(c.io.fd, -1);
	assert_true(conn_init(&c, -1, NULL) < 0);
	assert_int_equal(c.io.fd, -1);
	assert_true(sizeof(struct conn) <= 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_one_recv_and_one_send),
		NET_TEST(test_large),
		NET_TEST(test_many_pieces),
		NET_TEST(test_end),
		NET_TEST(test_reset),
		NET_TEST(test_deadlines),
		NET_TEST(test_without_parking),
		NET_TEST(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

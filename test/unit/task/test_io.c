/*
 * Descriptors: readiness, the peer's end, errors, on_event, stale events of a descriptor used again, and what ten thousand
 * idle ones cost. Runs with every back-end.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/socket.h>

#include "task/fiber.h"
#include "unit/task/task_test.h"

static int pair[2];
static struct io io;
static unsigned turns;

static void
count_turn(void *arg)
{
	(void)arg;
	turns++;
}

static int
setup(void **state)
{
	(void)state;
	turns = 0;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0 ||
	       loop_init(NULL) != 0 || loop_before_sleep(count_turn, NULL) != 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_fini();
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void
send_bytes(const char *text)
{
	assert_int_equal(write(pair[1], text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until EAGAIN, as every reader does before it waits. */
static ssize_t
drain(struct io *from)
{
	static char buf[4096];
	ssize_t n, sum = 0;

	while ((n = read(from->fd, buf, sizeof(buf))) > 0)
		sum += n;
	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		io_unready(from, IO_READ);
	}
	return sum;
}

static void
read_and_wait(void *arg)
{
	(void)arg;
	assert_int_equal(io_add(&io, pair[0], NULL), 0);
	assert_int_equal(io_wait(&io, IO_READ, SOON), ERR_TIMEOUT);
	send_bytes("abc");
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0);
	assert_int_equal(io_wait(&io, IO_READ, 0), 0); /* still: nobody used it up */
	assert_int_equal(drain(&io), 3);
	assert_int_equal(io_wait(&io, IO_READ, 0), ERR_TIMEOUT); /* a look without waiting */
	send_bytes("de");
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0);
	assert_int_equal(drain(&io), 2);
	assert_int_equal(io_wait(&io, IO_READ | IO_WRITE, LATE), 0);
	io_del(&io);
	io_del(&io);
	assert_int_equal(io.fd, -1);
	assert_int_equal(io_wait(&io, IO_READ, LATE), ERR_CLOSED);
}

static void
test_read(void **state)
{
	(void)state;
	run_task(read_and_wait, NULL);
}

static void
read_all(void *arg)
{
	struct io in;
	size_t *sum = arg;

	assert_int_equal(io_add(&in, pair[1], NULL), 0);
	while (*sum < 4 << 20) {
		assert_int_equal(io_wait(&in, IO_READ, LATE), 0);
		*sum += (size_t)drain(&in);
		task_sleep_until(
		    clock_mono() + 100 * NS_PER_US); /* the writer fills the buffer meanwhile */
	}
	io_del(&in);
}

static void
write_all(void *arg)
{
	static char block[65536];
	size_t sum = 0, received = 0;
	unsigned waits = 0;
	struct task_handle h;

	(void)arg;
	assert_int_equal(io_add(&io, pair[0], NULL), 0);
	task_go("reader", read_all, &received, &h);
	while (sum < 4 << 20) {
		ssize_t n = write(pair[0], block, sizeof(block));

		if (n > 0) {
			sum += (size_t)n;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		io_unready(&io, IO_WRITE);
		waits++;
		assert_int_equal(io_wait(&io, IO_WRITE, LATE), 0);
	}
	assert_true(waits > 2);
	task_join(h, LATE);
	assert_int_equal(received, sum);
	io_del(&io);
}

static void
test_write(void **state)
{
	(void)state;
	run_task(write_all, NULL);
}

static void
peer_leaves(void *arg)
{
	(void)arg;
	assert_int_equal(io_add(&io, pair[0], NULL), 0);
	assert_int_equal(io_wait(&io, IO_READ, SOON), ERR_TIMEOUT);
	send_bytes("last");
	close(pair[1]);
	pair[1] = -1;
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0);
	assert_int_equal(drain(&io), 4);
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0); /* at its end reading never blocks */
	io_unready(&io, IO_READ);                         /* after a short read */
	task_sleep_until(SOON);
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0);
	assert_int_equal(drain(&io), 0);
	io_del(&io);
}

static void
test_peer_leaves(void **state)
{
	(void)state;
	run_task(peer_leaves, NULL);
}

/* A peer that closed only its own direction must not make a blocked writer spin. */
static void
half_closed(void *arg)
{
	static char block[65536];
	unsigned before;

	(void)arg;
	assert_int_equal(io_add(&io, pair[0], NULL), 0);
	assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0);
	while (write(pair[0], block, sizeof(block)) > 0)
		continue;
	io_unready(&io, IO_WRITE);
	before = turns;
	assert_int_equal(io_wait(&io, IO_WRITE, clock_mono() + 50 * MS), ERR_TIMEOUT);
	assert_in_range(turns - before, 1, 4);
	while (read(pair[1], block, sizeof(block)) > 0)
		continue;
	assert_int_equal(io_wait(&io, IO_WRITE, LATE), 0);
	io_del(&io);
}

static void
test_half_closed(void **state)
{
	(void)state;
	run_task(half_closed, NULL);
}

static void
wait_read(void *arg)
{
	*(int *)arg = io_wait(&io, IO_READ, LATE);
}

static void
wait_write(void *arg)
{
	*(int *)arg = io_wait(&io, IO_WRITE, LATE);
}

static void
two_directions(void *arg)
{
	static char block[65536];
	int reader = 99, writer = 99;
	struct task_handle r, w;

	(void)arg;
	assert_int_equal(io_add(&io, pair[0], NULL), 0);
	while (write(pair[0], block, sizeof(block)) > 0)
		continue;
	io_unready(&io, IO_WRITE);
	task_go("reader", wait_read, &reader, &r);
	task_go("writer", wait_write, &writer, &w);
	assert_int_equal(task_sleep_until(SOON), 0);
	send_bytes("x");
	assert_int_equal(task_join(r, LATE), 0);
	assert_int_equal(reader, 0);
	assert_int_equal(writer, 99);
	io_del(&io);
	assert_int_equal(task_join(w, LATE), 0);
	assert_int_equal(writer, ERR_CLOSED);
}

static void
test_two_directions(void **state)
{
	(void)state;
	run_task(two_directions, NULL);
}

static unsigned events_seen, event_calls;

static void
on_event(struct io *of, unsigned events)
{
	assert_ptr_equal(of, &io);
	assert_false(task_on_stack());
	events_seen |= events;
	event_calls++;
}

/* An idle connection: told of bytes and of the end, never of being writable, and without spinning. */
static void
idle(void *arg)
{
	unsigned before;

	(void)arg;
	events_seen = event_calls = 0;
	assert_int_equal(io_add(&io, pair[0], on_event), 0);
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_int_equal(event_calls, 0);
	for (int round = 0; round < 3; round++) {
		events_seen = 0;
		send_bytes("x");
		before = turns;
		assert_int_equal(task_sleep_until(clock_mono() + 30 * MS), 0);
		assert_int_equal(events_seen, IO_READ);
		assert_in_range(turns - before, 1, 5); /* the byte lies there unread all the time */
		assert_int_equal(drain(&io), 1);
	}
	assert_int_equal(event_calls, 3);
	close(pair[1]);
	pair[1] = -1;
	before = turns;
	assert_int_equal(task_sleep_until(clock_mono() + 30 * MS), 0);
	assert_int_equal(events_seen, IO_READ | IO_HUP);
	assert_in_range(turns - before, 1, 5);
	io_del(&io);
}

static void
test_idle(void **state)
{
	(void)state;
	run_task(idle, NULL);
}

/* Somebody is busy with the connection and has not read all of it: the client's leaving is told all the same. */
static void
watch(void *arg)
{
	(void)arg;
	events_seen = event_calls = 0;
	assert_int_equal(io_add(&io, pair[0], on_event), 0);
	send_bytes("request and more");
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_int_equal(events_seen, IO_READ);
	close(pair[1]);
	pair[1] = -1;
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_true(events_seen & IO_HUP);
	io_del(&io);
}

static void
test_watch(void **state)
{
	(void)state;
	run_task(watch, NULL);
}

static struct io old_io, new_io;
static int reused_fd;
static unsigned stale_calls;

static void
never_called(struct io *of, unsigned events)
{
	(void)of, (void)events;
	stale_calls++;
}

/* The first of two that become ready together closes the other and takes its number for a new descriptor with nothing to read. */
static void
replace_other(struct io *first, unsigned events)
{
	struct io *other = first == &old_io ? &io : &old_io;
	int fd = other->fd, fresh[2];

	(void)events;
	if (reused_fd >= 0)
		return;
	io_unready(first, IO_READ);
	io_del(other);
	close(fd);
	memset(other, 0x5a, sizeof(*other)); /* its memory is used again as well */
	other->fd = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fresh), 0);
	reused_fd = fd;
	assert_int_equal(fresh[0], fd); /* the lowest free number */
	assert_int_equal(io_add(&new_io, fd, never_called), 0);
	pair[1] = fresh[1];
}

static void
stale(void *arg)
{
	int a[2], b[2];

	(void)arg;
	reused_fd = -1;
	stale_calls = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
	close(pair[1]);
	pair[1] = -1;
	assert_int_equal(io_add(&old_io, a[0], replace_other), 0);
	assert_int_equal(io_add(&io, b[0], replace_other), 0);
	/* The lowest free number must be the one that the handler closes. */
	while ((pair[1] = dup(0)) < b[1])
		assert_true(pair[1] >= 0);
	assert_int_equal(write(a[1], "x", 1), 1);
	assert_int_equal(write(b[1], "x", 1), 1);
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_true(reused_fd >= 0);
	assert_int_equal(stale_calls, 0);
	assert_false(new_io.ready & IO_READ);
	/* The new one works. */
	assert_int_equal(write(pair[1], "y", 1), 1);
	assert_int_equal(task_sleep_until(SOON), 0);
	assert_int_equal(stale_calls, 1);
	io_del(&new_io);
	io_del(&old_io);
	io_del(&io);
}

static void
test_stale_event(void **state)
{
	(void)state;
	run_task(stale, NULL);
}

/* An error that passes: a datagram refused by the peer's kernel. It wakes the reader once and is then forgotten. */
static void
refused(void *arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int target = socket(AF_INET, SOCK_DGRAM, 0),
	    s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	unsigned before;
	char byte;

	(void)arg;
	assert_int_equal(bind(target, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(target, (struct sockaddr *)&at, &len), 0);
	close(target);
	assert_int_equal(connect(s, (struct sockaddr *)&at, len), 0);
	assert_int_equal(io_add(&io, s, NULL), 0);
	assert_int_equal(io_wait(&io, IO_WRITE, LATE), 0);
	assert_int_equal(send(s, "x", 1, 0), 1);
	assert_int_equal(io_wait(&io, IO_READ, LATE), 0);
	assert_int_equal(recv(s, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(recv(s, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	io_unready(&io, IO_READ);
	before = turns;
	assert_int_equal(io_wait(&io, IO_READ, clock_mono() + 30 * MS), ERR_TIMEOUT);
	assert_in_range(turns - before, 1, 4);
	io_del(&io);
	close(s);
}

static void
test_refused(void **state)
{
	(void)state;
	run_task(refused, NULL);
}

static void
one_shot(void *arg)
{
	(void)arg;
	assert_int_equal(task_wait_fd(pair[0], IO_WRITE, LATE), 0);
	assert_int_equal(task_wait_fd(pair[0], IO_READ, SOON), ERR_TIMEOUT);
	send_bytes("x");
	assert_int_equal(task_wait_fd(pair[0], IO_READ, LATE), 0);
	assert_int_equal(task_wait_fd(-1, IO_READ, LATE), ERR_IO);
	assert_int_equal(io_add(&io, pair[0], NULL), 0);
	assert_int_equal(task_wait_fd(pair[0], IO_READ, LATE), ERR_EXISTS);
	io_del(&io);
}

static void
test_one_shot(void **state)
{
	(void)state;
	run_task(one_shot, NULL);
}

static size_t
resident_kib(void)
{
	long total, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &total, &resident), 2);
	fclose(f);
	return (size_t)(resident * (sysconf(_SC_PAGESIZE) / 1024));
}

enum { IDLE = 5000 }; /* pairs, so ten thousand descriptors */

static struct io *idle_io;
static struct timer *idle_timer;
static unsigned idle_told;

static void
idle_event(struct io *of, unsigned events)
{
	(void)of, (void)events;
	idle_told++;
}

static void
idle_fired(struct timer *t)
{
	(void)t;
}

static void
many_idle(void *arg)
{
	size_t before = resident_kib();
	unsigned last;

	(void)arg;
	idle_io = calloc(2 * IDLE, sizeof(*idle_io));
	idle_timer = calloc(2 * IDLE, sizeof(*idle_timer));
	for (int i = 0; i < IDLE; i++) {
		int p[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
		for (int k = 0; k < 2; k++) {
			struct timer *t = &idle_timer[2 * i + k];

			assert_int_equal(io_add(&idle_io[2 * i + k], p[k], idle_event), 0);
			t->fire = idle_fired;
			assert_int_equal(timer_set(t, LATE), 0);
		}
	}
	assert_int_equal(task_sleep_until(clock_mono() + 100 * MS), 0);
	last = turns;
	assert_int_equal(task_sleep_until(clock_mono() + 100 * MS), 0);
	assert_in_range(turns - last, 1, 3); /* all can be written to, nobody is told */
	assert_int_equal(idle_told, 0);
	print_message("10000 idle: %zu KiB\n", resident_kib() - before);
#ifndef FIBER_ASAN
	assert_true(resident_kib() - before < 2048);
#endif
	for (int i = 0; i < 2 * IDLE; i += 2)
		assert_int_equal(write(idle_io[i].fd, "x", 1), 1);
	assert_int_equal(task_sleep_until(clock_mono() + 100 * MS), 0);
	assert_int_equal(idle_told, IDLE);
	for (int i = 0; i < 2 * IDLE; i++) {
		int fd = idle_io[i].fd;

		io_del(&idle_io[i]);
		timer_clear(&idle_timer[i]);
		close(fd);
	}
	free(idle_io);
	free(idle_timer);
}

static void
test_many_idle(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * IDLE + 64)
		skip();
	run_task(many_idle, NULL);
}

#define IO_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IO_TEST(test_read),
		IO_TEST(test_write),
		IO_TEST(test_peer_leaves),
		IO_TEST(test_half_closed),
		IO_TEST(test_two_directions),
		IO_TEST(test_idle),
		IO_TEST(test_watch),
		IO_TEST(test_stale_event),
		IO_TEST(test_refused),
		IO_TEST(test_one_shot),
		IO_TEST(test_many_idle),
	};

	_Static_assert(sizeof(struct io) <= 64, "an idle connection is one of these");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What tasks cost: nanoseconds of CPU for each of the loop's elementary steps, best of several rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/socket.h>

#include "task/loop.h"

#define ROUNDS 5

static const char *only = ""; /* the first argument: measure what has this in its name */
static unsigned steps;
static struct waitq queue;
static int pair[2];

static void
fail(const char *what)
{
	fprintf(stderr, "bench_task: %s\n", what);
	exit(1);
}

static void
empty(void *arg)
{
	(void)arg;
}

static void
start_empty(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < steps; i++) {
		if (task_go("empty", empty, NULL, NULL) != 0)
			fail("task_go");
		task_yield();
	}
}

static void
start_batches(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < steps; i += 250) {
		for (unsigned k = 0; k < 250; k++)
			if (task_go("empty", empty, NULL, NULL) != 0)
				fail("task_go");
		task_yield();
	}
}

static void
yields(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < steps; i++)
		task_yield();
}

static void
parks(void *arg)
{
	int64_t deadline = clock_mono() + 60 * NS_PER_S;

	(void)arg;
	for (unsigned i = 0; i < steps; i++)
		if (waitq_park(&queue, deadline) != 0)
			fail("waitq_park");
}

static void
wakes(void *arg)
{
	struct task_handle h;

	(void)arg;
	task_go("parks", parks, NULL, &h);
	while (task_alive(h)) {
		waitq_wake(&queue, 1);
		task_yield();
	}
}

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void
offloads(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < steps; i++)
		offload(OFFLOAD_COMMIT, nothing, NULL);
}

static void
offload_batch(void *arg)
{
	static struct task_handle h[256];

	(void)arg;
	steps /= 256;
	for (unsigned k = 0; k < 256; k++)
		task_go("offloads", offloads, NULL, &h[k]);
	for (unsigned k = 0; k < 256; k++)
		task_join(h[k], CLOCK_NEVER);
	steps *= 256;
}

static void
echo(void *arg)
{
	struct io io;
	char byte;

	(void)arg;
	io_add(&io, pair[1], NULL);
	for (unsigned i = 0; i < steps; i++) {
		io_wait(&io, IO_READ, CLOCK_NEVER);
		if (read(pair[1], &byte, 1) != 1 || write(pair[1], &byte, 1) != 1)
			fail("echo");
		io_unready(&io, IO_READ);
	}
	io_del(&io);
}

static void
ping(void *arg)
{
	struct io io;
	char byte = 0;

	(void)arg;
	task_go("echo", echo, NULL, NULL);
	io_add(&io, pair[0], NULL);
	for (unsigned i = 0; i < steps; i++) {
		if (write(pair[0], &byte, 1) != 1)
			fail("write");
		io_wait(&io, IO_READ, CLOCK_NEVER);
		if (read(pair[0], &byte, 1) != 1)
			fail("read");
		io_unready(&io, IO_READ);
	}
	io_del(&io);
}

static void
never(struct timer *t)
{
	(void)t;
}

/* Twenty thousand idle connections' time-outs, pushed back one after another. */
static void
timers(void *arg)
{
	enum { N = 20000 };
	struct timer *t = calloc(N, sizeof(*t));
	int64_t now = clock_mono();

	(void)arg;
	for (unsigned i = 0; i < N; i++)
		t[i].fire = never;
	for (unsigned i = 0; i < steps; i++)
		timer_set(&t[i * 7919u % N], now + 60 * NS_PER_S + (int64_t)i * 1000);
	for (unsigned i = 0; i < N; i++)
		timer_clear(&t[i]);
	free(t);
}

static void
measure(const char *what, task_fn *fn, unsigned n)
{
	int64_t best = INT64_MAX;

	if (!strstr(what, only))
		return;
	steps = n;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_mono();

		if (task_go(what, fn, NULL, NULL) != 0 || loop_run_until_idle() != 0)
			fail(what);
		best = MIN(best, clock_mono() - start);
	}
	printf("%-48s %8.1f ns\n", what, (double)best / n);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		only = argv[1];
	if (loop_init(NULL) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		fail("set-up");
	waitq_init(&queue);
	printf("back-end %s\n", loop_backend());
	measure("start, run and end a task, with a yield", start_empty, 500000);
	measure("start, run and end a task, 250 at once", start_batches, 500000);
	measure("yield", yields, 500000);
	measure("park on a queue with deadline, wake, yield", wakes, 500000);
	measure("set a timer of 20000", timers, 1000000);
	measure("offload and back, one at a time", offloads, 50000);
	measure("offload and back, 256 tasks", offload_batch, 256 * 1000);
	measure("a byte there and back between two tasks", ping, 100000);
	loop_fini();
	return 0;
}

/*
 * Starting, ordering, cancelling and joining tasks; handles; stacks and what they keep.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "task/fiber.h"
#include "unit/task/task_test.h"

static char trace[64];
static size_t traced;

static void
note(char c)
{
	assert_true(traced + 1 < sizeof(trace));
	trace[traced++] = c;
	trace[traced] = '\0';
}

static void
trace_reset(void)
{
	traced = 0;
	trace[0] = '\0';
}

static void
three_notes(void *arg)
{
	const char *c = arg;

	for (int i = 0; i < 3; i++) {
		note(c[0]);
		assert_int_equal(task_yield(), 0);
	}
}

static void
test_order(void **state)
{
	(void)state;
	trace_reset();
	assert_int_equal(task_go("a", three_notes, "a", NULL), 0);
	assert_int_equal(task_go("b", three_notes, "b", NULL), 0);
	assert_string_equal(trace, ""); /* never switches */
	assert_int_equal(loop_run_until_idle(), 0);
	assert_string_equal(trace, "ababab");
}

static void
only_note(void *arg)
{
	note(*(const char *)arg);
}

static void
handles(void *arg)
{
	struct task_handle first, second, none = { 0, 0 };

	(void)arg;
	assert_true(task_on_stack());
	assert_true(task_alive(task_self()));
	assert_false(task_alive(none));
	task_go("x", only_note, "x", &first);
	assert_true(task_alive(first));
	assert_int_equal(task_yield(), 0);
	assert_false(task_alive(first));
	task_go("y", only_note, "y", &second);
	assert_int_equal(first.index, second.index); /* the slot is used again */
	assert_int_not_equal(first.gen, second.gen);
	task_cancel(first); /* stale: reaches nobody */
	assert_int_equal(task_join(first, LATE), 0);
	assert_true(task_alive(second));
	assert_int_equal(task_join(second, LATE), 0);
}

static void
test_handles(void **state)
{
	(void)state;
	trace_reset();
	assert_false(task_on_stack());
	assert_int_equal(task_self().gen, 0);
	run_task(handles, NULL);
	assert_string_equal(trace, "xy");
}

static void
sleep_long(void *arg)
{
	*(int *)arg = task_sleep_until(LATE);
}

static void
cancel_parked(void *arg)
{
	struct task_handle h;
	int result = 99;

	(void)arg;
	task_go("sleeper", sleep_long, &result, &h);
	task_yield();
	task_cancel(h);
	task_cancel(h); /* once more is nothing */
	assert_int_equal(result, 99);
	assert_int_equal(task_join(h, LATE), 0);
	assert_int_equal(result, ERR_CANCELLED);
}

static void
cancel_before_start(void *arg)
{
	struct task_handle h;
	int result = 99;

	(void)arg;
	task_go("sleeper", sleep_long, &result, &h);
	task_cancel(h);
	assert_int_equal(task_join(h, LATE), 0);
	assert_int_equal(result, ERR_CANCELLED);
}

static int
not_called(void *arg)
{
	(void)arg;
	fail();
	return 0;
}

/* Every kind of wait fails at once, also those that could succeed. */
static void
cancel_self(void *arg)
{
	struct waitq q;
	struct task_handle other;
	int pipes[2];
	struct io io;
	struct task_source source = { .queue = &q };

	(void)arg;
	waitq_init(&q);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(io_add(&io, pipes[1], NULL), 0);
	assert_int_equal(io_wait(&io, IO_WRITE, LATE), 0);
	task_go("other", only_note, "o", &other);
	trace_reset();
	task_cancel(task_self());
	assert_true(task_cancelled());
	assert_int_equal(io_wait(&io, IO_WRITE, LATE), ERR_CANCELLED);
	assert_int_equal(waitq_park(&q, LATE), ERR_CANCELLED);
	assert_int_equal(task_wait_any(&source, 1, LATE), ERR_CANCELLED);
	assert_int_equal(task_sleep_until(LATE), ERR_CANCELLED);
	assert_int_equal(task_yield(), ERR_CANCELLED);
	assert_int_equal(task_breathe(), ERR_CANCELLED);
	assert_int_equal(task_join(other, LATE), ERR_CANCELLED);
	assert_int_equal(task_wait_fd(pipes[0], IO_READ, LATE), ERR_CANCELLED);
	assert_int_equal(offload(OFFLOAD_MISC, not_called, NULL), ERR_CANCELLED);
	assert_string_equal(trace, ""); /* none of them switched */
	io_del(&io);
	close(pipes[0]);
	close(pipes[1]);
}

static void
test_cancel(void **state)
{
	(void)state;
	run_task(cancel_parked, NULL);
	run_task(cancel_before_start, NULL);
	run_task(cancel_self, NULL);
}

static void
join_times_out(void *arg)
{
	struct task_handle h;
	int result = 99;

	(void)arg;
	task_go("sleeper", sleep_long, &result, &h);
	assert_int_equal(task_join(h, SOON), ERR_TIMEOUT);
	assert_true(task_alive(h));
	task_cancel(h);
	assert_int_equal(task_join(h, LATE), 0);
}

static void
test_join(void **state)
{
	(void)state;
	run_task(join_times_out, NULL);
}

static void
burn(int64_t ns)
{
	int64_t end = clock_mono() + ns;

	while (clock_mono() < end)
		continue;
}

static void
breather(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		burn(2 * MS);
		assert_int_equal(task_breathe(), 0);
		note('b');
	}
}

static void
test_breathe(void **state)
{
	(void)state;
	trace_reset();
	task_go("b", breather, NULL, NULL);
	task_go("c", three_notes, "c", NULL);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_string_equal(trace, "cbcbcbbb");
}

static void
hasty(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(task_breathe(), 0);
		note('h');
	}
}

/* Within its slice a task is not interrupted. */
static void
test_breathe_early(void **state)
{
	int64_t start;

	(void)state;
	do { /* a busy machine may take the processor away for longer than the slice */
		trace_reset();
		start = clock_mono();
		task_go("h", hasty, NULL, NULL);
		task_go("c", only_note, "c", NULL);
		assert_int_equal(loop_run_until_idle(), 0);
	} while (clock_mono() - start > MS / 2);
	assert_string_equal(trace, "hhhhhc");
}

static void
wait_long(void *arg)
{
	waitq_park(arg, LATE);
}

static void
test_limit(void **state)
{
	struct loop_options opt = { .max_tasks = 3 };
	struct waitq q;

	(void)state;
	assert_int_equal(loop_init(&opt), 0);
	waitq_init(&q);
	for (int i = 0; i < 3; i++)
		assert_int_equal(task_go("w", wait_long, &q, NULL), 0);
	assert_int_equal(task_go("w", wait_long, &q, NULL), ERR_BUSY);
	assert_int_equal(loop_tasks(), 3);
	for (int i = 0; i < 3; i++)
		task_cancel((struct task_handle){ (uint32_t)i, 1 });
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(task_go("w", wait_long, &q, NULL), 0);
	loop_fini(); /* with a task that never ran */
}

/* Redzones, shadow and valgrind's own memory have sizes of their own. */
#if defined(FIBER_ASAN)
#define SKIP_IF_CHECKED() skip()
#elif defined(FIBER_VALGRIND)
#define SKIP_IF_CHECKED()                \
	do {                             \
		if (RUNNING_ON_VALGRIND) \
			skip();          \
	} while (0)
#else
#define SKIP_IF_CHECKED() ((void)0)
#endif

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

static unsigned
maps(void)
{
	unsigned lines = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	int c;

	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static int touch(int depth);
static int (*volatile touch_more)(int depth) = touch; /* so that no compiler makes it a loop */

static int
touch(int depth)
{
	char frame[1024];

	frame[0] = (char)depth;
	__asm__ volatile("" : : "r"(frame) : "memory"); /* all of it is kept */
	return depth == 0 ? 0 : touch_more(depth - 1) + frame[0];
}

static int kib = 20;

static void
touch_deeply(void *arg)
{
	touch(kib);
	waitq_park(arg, LATE);
}

/* Parked tasks that used 36 KiB of stack each keep it; once they have ended and the trim has run they keep nothing. */
static void
deep_tasks(void *arg)
{
	enum { N = 1000 };
	struct waitq q;
	size_t before = resident_kib(), parked, after;
	unsigned maps_before = maps();

	(void)arg;
	waitq_init(&q);
	for (int i = 0; i < N; i++)
		assert_int_equal(task_go("deep", touch_deeply, &q, NULL), 0);
	while (loop_tasks() > 1 && waitq_empty(&q))
		task_yield();
	for (int i = 0; i < 10; i++)
		task_yield();
	parked = resident_kib() - before;
	assert_in_range(maps() - maps_before, N, 2 * N + 64);
	waitq_wake_all(&q);
	task_sleep_until(clock_mono() + 3500 * MS);
	after = resident_kib() - before;
	print_message("parked %zu KiB, after %zu KiB\n", parked, after);
	assert_true(parked > N * (size_t)kib);
	assert_true(after < 1024 + parked / 10);
	assert_in_range(maps(), 1, maps_before + 64);
}

static void
test_stacks_given_back(void **state)
{
	(void)state;
	SKIP_IF_CHECKED();
	run_task(deep_tasks, NULL);
}

static void
shallow_tasks(void *arg)
{
	enum { N = 1000 };
	struct waitq q;
	size_t before = resident_kib();

	(void)arg;
	waitq_init(&q);
	for (int i = 0; i < N; i++)
		assert_int_equal(task_go("shallow", wait_long, &q, NULL), 0);
	for (int i = 0; i < 10; i++)
		task_yield();
	print_message("a parked task: %zu KiB\n", (resident_kib() - before) / N);
	assert_true(resident_kib() - before < N * 9);
	waitq_wake_all(&q);
}

static void
test_lean(void **state)
{
	(void)state;
	SKIP_IF_CHECKED();
	run_task(shallow_tasks, NULL);
}

/* The same stack, used deeply again and again, does not keep what it touched. */
static void
deep_again(void *arg)
{
	struct waitq q;
	size_t before = resident_kib();

	(void)arg;
	waitq_init(&q);
	for (int round = 0; round < 16; round++) {
		for (int i = 0; i < 14; i++) /* fewer than are kept warm */
			assert_int_equal(task_go("deep", touch_deeply, &q, NULL), 0);
		task_yield();
		waitq_wake_all(&q);
		task_yield();
	}
	assert_true(resident_kib() - before < 14 * 22 + 100);
}

static void
test_deep_pages_dropped(void **state)
{
	(void)state;
	SKIP_IF_CHECKED();
	kib = 40;
	run_task(deep_again, NULL);
	kib = 20;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_order),
		LOOP_TEST(test_handles),
		LOOP_TEST(test_cancel),
		LOOP_TEST(test_join),
		LOOP_TEST(test_breathe),
		LOOP_TEST(test_breathe_early),
		cmocka_unit_test(test_limit),
		LOOP_TEST(test_lean),
		LOOP_TEST(test_deep_pages_dropped),
		LOOP_TEST(test_stacks_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

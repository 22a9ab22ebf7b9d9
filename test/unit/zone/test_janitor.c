/*
 * The janitor's jobs: they run again and again, hold up nobody, end when told to, and what is due at the end is done then.
 */
#include <time.h>

#include "unit/unit.h"

#include "task/loop.h"
#include "zone/janitor.h"

#define MS NS_PER_MS
#define LATE (clock_mono() + 20 * NS_PER_S)

static struct {
	unsigned setups, quick, ends, cancelled, quick_at_end;
	struct conf *conf;
	struct waitq ran; /* quick ran */
	int added_late;
} seen;

static void
quick(void *arg)
{
	assert_ptr_equal(arg, &seen);
	seen.quick++;
	waitq_wake_all(&seen.ran);
}

static void
hangs(void *arg)
{
	(void)arg;
	if (task_sleep_until(CLOCK_NEVER) == ERR_CANCELLED)
		seen.cancelled++;
}

static void
at_end(void *arg)
{
	(void)arg;
	seen.ends++;
	seen.quick_at_end = seen.quick;
	assert_int_equal(task_sleep_until(clock_mono() + MS), 0);
	seen.added_late = janitor_add("late", MS, quick, &seen);
}

static void
setup(struct conf *c)
{
	seen.setups++;
	seen.conf = c;
	assert_int_equal(janitor_add("hangs", MS, hangs, NULL), 0);
	assert_int_equal(janitor_add("quick", MS, quick, &seen), 0);
	assert_int_equal(janitor_at_end("end", at_end, NULL), 0);
}

static void
wait_quick(unsigned n)
{
	while (seen.quick < n)
		assert_int_equal(waitq_park(&seen.ran, LATE), 0);
}

static void
life(void *arg)
{
	struct conf *c = arg;

	janitor_start(c);
	assert_int_equal(seen.quick, 0);
	wait_quick(3);
	assert_int_equal(seen.ends, 0);
	janitor_end(LATE);
}

static void
test_jobs_run_until_the_end(void **state)
{
	char conf[1];

	(void)state;
	janitor_register(setup);
	janitor_register(setup); /* a second time does nothing */
	assert_int_equal(loop_init(NULL), 0);
	waitq_init(&seen.ran);
	assert_int_equal(task_go("life", life, conf, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(loop_tasks(), 0);
	assert_int_equal(seen.setups, 1);
	assert_ptr_equal(seen.conf, conf);
	assert_int_equal(seen.cancelled, 1);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.quick_at_end, seen.quick);
	assert_int_equal(seen.added_late, ERR_BUSY);
	loop_fini();
}

/* ---- a job that does not end in time ---- */

static bool began, ended;

static int
nap(void *arg)
{
	(void)arg;
	nanosleep(&(struct timespec){ .tv_nsec = 300 * MS }, NULL);
	return 0;
}

static void
blocks(void *arg)
{
	static char stable;

	(void)arg;
	began = true;
	waitq_wake_all(&seen.ran);
	assert_int_equal(offload(OFFLOAD_MISC, nap, &stable), 0);
	ended = true;
}

static void
impatient(void *arg)
{
	janitor_start(arg);
	assert_int_equal(janitor_add("blocks", MS, blocks, NULL), 0);
	while (!began)
		assert_int_equal(waitq_park(&seen.ran, LATE), 0);
	janitor_end(clock_mono() + 5 * MS);
	assert_false(ended);
	assert_int_equal(seen.ends, 1);
	loop_stop();
}

static void
test_the_end_waits_no_longer_than_told(void **state)
{
	char conf[1];

	(void)state;
	seen.ends = 0;
	assert_int_equal(loop_init(NULL), 0);
	waitq_init(&seen.ran);
	assert_int_equal(task_go("impatient", impatient, conf, NULL), 0);
	assert_int_equal(loop_run(), 0);
	loop_fini();
}

/* ---- bounds ---- */

static void
fill(void *arg)
{
	unsigned n = 3; /* setup's */

	janitor_start(arg);
	while (janitor_at_end("more", hangs, NULL) == 0)
		n++;
	assert_int_equal(n, JANITOR_JOBS_MAX);
	assert_int_equal(janitor_add("more", MS, quick, &seen), ERR_BUSY);
	loop_stop();
}

static void
test_a_full_table_says_so(void **state)
{
	char conf[1];

	(void)state;
	assert_int_equal(loop_init(NULL), 0);
	waitq_init(&seen.ran);
	assert_int_equal(task_go("fill", fill, conf, NULL), 0);
	assert_int_equal(loop_run(), 0);
	loop_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jobs_run_until_the_end),
		cmocka_unit_test(test_the_end_waits_no_longer_than_told),
		cmocka_unit_test(test_a_full_table_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What the tests of the task layer share: a loop made and dropped around each test, and a first task in it.
 */
#ifndef SLUICE_TEST_UNIT_TASK_TASK_TEST_H
#define SLUICE_TEST_UNIT_TASK_TASK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "task/loop.h"

#define MS NS_PER_MS
#define SOON (clock_mono() + 10 * MS)
#define LATE (clock_mono() + 20 * NS_PER_S) /* never reached by a test that passes */

static inline int
loop_setup(void **state)
{
	(void)state;
	return loop_init(NULL);
}

static inline int
loop_teardown(void **state)
{
	(void)state;
	loop_fini();
	return 0;
}

/* Runs fn(arg) as a task until no task is left. */
static inline void
run_task(task_fn *fn, void *arg)
{
	assert_int_equal(task_go("test", fn, arg, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	assert_int_equal(loop_tasks(), 0);
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, loop_setup, loop_teardown)

#endif

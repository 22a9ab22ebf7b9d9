/*
 * A stream's folder for every case of a test: empty when it begins, gone when it ends; and what must be true of it once its spool was closed.
 */
#ifndef SLUICE_TEST_SPOOL_FOLDER_H
#define SLUICE_TEST_SPOOL_FOLDER_H

#include "harness.h"

static struct tmp tmp;

static inline int
folder_setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	return 0;
}

static inline int
folder_teardown(void **state)
{
	(void)state;
	tmp_fini(&tmp);
	return 0;
}

#define FOLDER_TEST(fn) cmocka_unit_test_setup_teardown(fn, folder_setup, folder_teardown)

/* Another empty one, in the middle of a case. */
static inline void
folder_again(void)
{
	tmp_fini(&tmp);
	tmp_init(&tmp);
}

/* Valid until the fourth call from now. */
static inline const char *
folder_path(const char *name)
{
	return tmp_path(&tmp, name);
}

/* Closes and frees it: nothing unfinished is left. */
static inline void
folder_close(struct spool *s)
{
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN), 0);
	assert_int_equal(count_files(tmp.dir, NAME_PART), 0);
}

#endif

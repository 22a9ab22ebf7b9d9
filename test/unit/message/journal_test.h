/*
 * What the tests of the journal share: a folder for it, a task to run in, ids and rows that tell which they are.
 */
#ifndef SLUICE_TEST_JOURNAL_H
#define SLUICE_TEST_JOURNAL_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/unit.h"

#include "base/file.h"
#include "base/log.h"
#include "message/journal_priv.h"
#include "task/loop.h"
#include "unit/tmp.h"

static struct tmp tmp;

static inline int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* No power is lost here: syncs would only take their time. */
static inline const struct file_ops *
quick_calls(void)
{
	static struct file_ops quick;

	quick = file_calls_real;
	quick.fsync = quick.fdatasync = no_sync;
	return &quick;
}

static inline int
journal_setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	file_calls = quick_calls();
	return 0;
}

static inline int
journal_teardown(void **state)
{
	(void)state;
	file_calls = &file_calls_real;
	tmp_fini(&tmp);
	return 0;
}

#define JOURNAL_TEST(fn) cmocka_unit_test_setup_teardown(fn, journal_setup, journal_teardown)

static inline void
run(task_fn *fn, void *arg)
{
	assert_int_equal(loop_init(NULL), 0);
	assert_int_equal(task_go("test", fn, arg, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
}

static inline const char *
journal_dir(void)
{
	static char dir[256];

	snprintf(dir, sizeof(dir), "%s/journal", tmp.dir);
	return dir;
}

static inline struct journal *
open_limited(uint64_t limit)
{
	struct journal *j;

	assert_int_equal(journal_open(journal_dir(), limit, &j), 0);
	return j;
}

static inline struct journal *
open_journal(void)
{
	return open_limited(UINT64_C(1) << 20);
}

static inline struct id
segment(unsigned n)
{
	struct id id = { .b = { 0x5e, 0x9, 0, 0, (unsigned char)(n >> 8), (unsigned char)n } };

	return id;
}

static inline struct id
message(unsigned n, uint64_t number)
{
	struct id id = segment(n);

	id.b[0] = 0x77;
	id.b[14] = (unsigned char)(number >> 8);
	id.b[15] = (unsigned char)number;
	return id;
}

/* Row `number` of segment n; time and trace follow from attempt. */
static inline struct journal_row
row(unsigned n, uint64_t number, enum journal_result result, unsigned attempt, const char *error)
{
	return (struct journal_row){ .segment = segment(n),
		.number = number,
		.message = message(n, number),
		.result = result,
		.attempt = attempt,
		.time = (int64_t)attempt * NS_PER_S + (int64_t)number,
		.duration = 5 * NS_PER_MS,
		.status = result == JOURNAL_DELIVERED ? 204 : 503,
		.trace = { 1, 2, 3, (unsigned char)number },
		.error = str_of(error) };
}

static inline void
add(struct journal *j, unsigned n, uint64_t number, enum journal_result result, unsigned attempt)
{
	struct journal_row r =
	    row(n, number, result, attempt, result == JOURNAL_DELIVERED ? "" : "503 away");

	journal_add(j, &r);
}

/* The files there are, in no order. */
struct listing {
	uint64_t numbers[256], oldest, newest;
	unsigned n;
};

static inline int
list_one(const char *name, void *arg)
{
	struct listing *l = arg;
	uint64_t number;

	if (!journal_file_number(name, &number))
		return 0;
	assert_true(l->n < ARRAY_LEN(l->numbers));
	l->numbers[l->n] = number;
	l->newest = MAX(l->newest, number);
	l->oldest = l->n++ ? MIN(l->oldest, number) : number;
	return 0;
}

static inline struct listing
list_files(void)
{
	struct listing l = { .n = 0 };

	assert_int_equal(file_each(journal_dir(), list_one, &l), 0);
	return l;
}

static inline const char *
newest_path(void)
{
	static char path[JOURNAL_PATH_MAX];

	journal_file_path(journal_dir(), list_files().newest, path);
	return path;
}

static inline uint64_t
length_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

#endif

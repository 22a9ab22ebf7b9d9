/*
 * The journal as delivery uses it: what was added is known at once and after a restart; the log; rotation, limits, forgetting.
 */
#include <errno.h>

#include "journal_test.h"

/* ---- progress over restarts ---- */

static void
check_mixed(const struct journal *j)
{
	struct journal_attempts a;

	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(journal_is_done(j, segment(1), i), i % 3 != 0);
	assert_false(journal_is_done(j, segment(1), 5000));
	assert_false(journal_is_done(j, segment(2), 0));
	assert_true(journal_is_done(j, segment(3), 0));
	assert_true(journal_is_done(j, segment(3), 1));
	journal_attempts(j, segment(1), 6, &a);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.first, 1 * NS_PER_S + 6);
	assert_int_equal(a.last, 2 * NS_PER_S + 6);
	assert_int_equal(a.status, 503);
	assert_true(str_is(a.error, "503 away"));
	journal_attempts(j, segment(1), 9, &a);
	assert_int_equal(a.n, 0); /* held: no attempt is counted */
	journal_attempts(j, segment(1), 7, &a);
	assert_int_equal(a.n, 0); /* done */
	assert_int_equal(journal_segments(j, NULL, 0), 2);
}

static void
add_mixed(void *arg)
{
	struct journal *j = open_journal();

	(void)arg;
	for (uint64_t i = 0; i < 300; i++)
		if (i % 3 != 0)
			add(j, 1, i, JOURNAL_DELIVERED, 1);
	add(j, 1, 6, JOURNAL_RETRY, 1);
	add(j, 1, 6, JOURNAL_RETRY, 2);
	add(j, 1, 9, JOURNAL_HELD, 1);
	add(j, 2, 0, JOURNAL_HELD, 1);
	add(j, 3, 0, JOURNAL_RETRY, 1);
	add(j, 3, 0, JOURNAL_DEAD, 2);
	add(j, 3, 1, JOURNAL_DROPPED, 0);
	check_mixed(j);
	journal_close(j);
}

static void
check_reopened(void *arg)
{
	struct journal *j = open_journal();

	(void)arg;
	check_mixed(j);
	assert_int_equal(journal_get_stats(j).damaged, 0);
	journal_close(j);
}

static void
progress_outlives_the_process(void **state)
{
	(void)state;
	run(add_mixed, NULL);
	run(check_reopened, NULL);
	run(check_reopened, NULL);
	assert_int_equal(list_files().n, 1);
}

/* ---- forgetting ---- */

static void
forget(void *arg)
{
	struct journal *j = open_journal();
	struct id left[4];

	(void)arg;
	for (unsigned n = 0; n < 3; n++)
		add(j, n, 0, JOURNAL_DELIVERED, 1);
	journal_forget(j, segment(1));
	journal_forget(j, segment(77)); /* never heard of */
	assert_false(journal_is_done(j, segment(1), 0));
	assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	journal_close(j);
	j = open_journal();
	assert_int_equal(journal_segments(j, left, 4), 2);
	assert_int_equal(journal_segments(j, left, 1), 2);
	assert_true(journal_is_done(j, segment(0), 0));
	assert_false(journal_is_done(j, segment(1), 0));
	journal_close(j);
}

static void
forgotten_segments_stay_forgotten(void **state)
{
	(void)state;
	run(forget, NULL);
}

/* ---- the log ---- */

struct seen {
	unsigned n;
	struct journal_row rows[32];
	char errors[32][JOURNAL_ERROR_MAX + 1];
};

static void
see(void *arg, const struct journal_row *r)
{
	struct seen *s = arg;

	assert_true(s->n < ARRAY_LEN(s->rows));
	s->rows[s->n] = *r;
	(void)str_copyz(s->errors[s->n++], sizeof(s->errors[0]), r->error);
}

static unsigned
find(struct journal *j, struct journal_query q, struct seen *s)
{
	s->n = 0;
	assert_int_equal(journal_find(j, &q, see, s), 0);
	return s->n;
}

static void
ask_log(void *arg)
{
	static struct seen s;
	struct journal *j = open_journal();
	struct journal_row long_error = row(5, 0, JOURNAL_RETRY, 1, "");
	char text[300];

	(void)arg;
	for (uint64_t i = 0; i < 20; i++)
		add(j, 4, i, JOURNAL_DELIVERED, 1);
	add(j, 4, 20, JOURNAL_RETRY, 1);
	add(j, 4, 20, JOURNAL_RETRY, 2);
	add(j, 4, 20, JOURNAL_DEAD, 3);
	/* Not flushed: the log has them all the same. */
	assert_int_equal(find(j, (struct journal_query){ .result = -1, .limit = 5 }, &s), 5);
	assert_int_equal(s.rows[0].result, JOURNAL_DEAD);
	assert_int_equal(s.rows[0].attempt, 3);
	assert_int_equal(s.rows[0].status, 503);
	assert_int_equal(s.rows[0].duration, 5 * NS_PER_MS);
	assert_int_equal(s.rows[0].trace[3], 20);
	assert_string_equal(s.errors[0], "503 away");
	assert_int_equal(s.rows[3].number, 19);
	assert_int_equal(s.rows[4].number, 18);
	assert_string_equal(s.errors[4], "");
	/* More than there are; none. */
	assert_int_equal(find(j, (struct journal_query){ .result = -1, .limit = 30 }, &s), 23);
	assert_int_equal(s.rows[22].number, 0);
	assert_int_equal(find(j, (struct journal_query){ .result = -1 }, &s), 0);
	/* Of one message, of one result, since a time. */
	assert_int_equal(
	    find(j,
		(struct journal_query){
		    .by_message = true, .message = message(4, 20), .result = -1, .limit = 30 },
		&s),
	    3);
	assert_int_equal(s.rows[2].attempt, 1);
	assert_int_equal(
	    find(j, (struct journal_query){ .result = JOURNAL_RETRY, .limit = 30 }, &s), 2);
	assert_int_equal(
	    find(j, (struct journal_query){ .result = -1, .after = 2 * NS_PER_S, .limit = 30 }, &s),
	    2);
	/* A row of no segment is for the log only. */
	long_error.segment = (struct id){ .b = { 0 } };
	memset(text, 'e', sizeof(text));
	long_error.error = str_make(text, sizeof(text));
	journal_add(j, &long_error);
	assert_int_equal(find(j, (struct journal_query){ .result = -1, .limit = 1 }, &s), 1);
	assert_int_equal(strlen(s.errors[0]), JOURNAL_ERROR_MAX);
	assert_int_equal(journal_segments(j, NULL, 0), 1);
	journal_close(j);
}

static void
the_log_answers_newest_first(void **state)
{
	(void)state;
	run(ask_log, NULL);
}

static void
results_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < JOURNAL_RESULTS; i++)
		assert_int_equal(
		    journal_result_of(str_of(journal_result_name((enum journal_result)i))), i);
	assert_int_equal(journal_result_of(STR("lost")), -1);
}

/* ---- rotation ---- */

#define LIMIT (256u * 1024)
#define MANY 30000

static void
add_many(void *arg)
{
	static struct seen s;
	struct journal *j = open_limited(LIMIT);
	struct journal_attempts a;

	(void)arg;
	add(j, 9, 7, JOURNAL_RETRY, 3); /* an old one, that many checkpoints must carry on */
	for (unsigned i = 0; i < MANY; i++) {
		add(j, 10 + i / 1000, i % 1000, JOURNAL_DELIVERED, 1);
		if (i % 2000 == 1999)
			journal_forget(j, segment(10 + i / 1000)); /* the odd ones */
		if (i % 100 == 0)
			assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
		assert_true(journal_get_stats(j).bytes < LIMIT);
	}
	assert_int_equal(journal_get_stats(j).dropped, 0);
	assert_true(list_files().n > 2 && list_files().n <= 9);
	assert_true(list_files().oldest > 10);
	/* The log goes on over the files' ends. */
	assert_int_equal(find(j,
			     (struct journal_query){ .by_message = true,
				 .message = message(10 + 29, 500),
				 .result = -1,
				 .limit = 3 },
			     &s),
	    1);
	journal_close(j);
	j = open_limited(LIMIT);
	journal_attempts(j, segment(9), 7, &a);
	assert_int_equal(a.n, 3);
	for (unsigned n = 0; n < MANY / 1000; n++)
		assert_int_equal(journal_is_done(j, segment(10 + n), 999), n % 2 == 0);
	journal_close(j);
}

static void
files_follow_one_another(void **state)
{
	(void)state;
	run(add_many, NULL);
}

/* Rows in the order of their adding, over all files. */
static void
check_order(void *arg)
{
	struct journal *j = open_limited(1); /* the least it can be: a new file every 32 KiB */
	static struct seen s;

	(void)arg;
	for (unsigned i = 0; i < 3000; i++) {
		add(j, 1, i, JOURNAL_DELIVERED, 1);
		if (i % 50 == 0)
			assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	}
	assert_int_equal(find(j, (struct journal_query){ .result = -1, .limit = 32 }, &s), 32);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(s.rows[i].number, 2999 - i);
	assert_true(list_files().n <= 2);
	for (unsigned i = 0; i < 3000; i++)
		assert_true(journal_is_done(j, segment(1), i));
	journal_close(j);
}

static void
the_least_limit_keeps_the_progress(void **state)
{
	(void)state;
	run(check_order, NULL);
}

/* ---- when the disk does not keep up ---- */

#define TOO_MANY 60000 /* rows: more than are held in memory */

static bool disk_full;

static int
allocate(int fd, off_t at, off_t n)
{
	return disk_full ? ENOSPC : file_calls_real.allocate(fd, at, n);
}

static void
overflow(void *arg)
{
	struct file_ops full = *quick_calls();
	struct journal *j = open_journal();

	(void)arg;
	full.allocate = allocate;
	file_calls = &full;
	disk_full = true;
	for (unsigned i = 0; i < TOO_MANY; i++)
		add(j, 1, i, JOURNAL_DELIVERED, 1);
	assert_int_equal(journal_flush(j, CLOCK_NEVER), ERR_NOSPACE);
	assert_true(journal_get_stats(j).dropped > 0);
	add(j, 1, TOO_MANY, JOURNAL_RETRY, 1);
	disk_full = false;
	assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	journal_close(j);
	j = open_journal();
	for (unsigned i = 0; i < TOO_MANY; i++)
		assert_true(journal_is_done(j, segment(1), i));
	assert_false(journal_is_done(j, segment(1), TOO_MANY));
	assert_int_equal(journal_get_stats(j).damaged, 0);
	journal_close(j);
	file_calls = quick_calls();
}

static void
rows_without_room_are_missing_from_the_log_only(void **state)
{
	(void)state;
	log_threshold = LOG_ERROR + 1;
	run(overflow, NULL);
	log_threshold = LOG_INFO;
}

/* ---- who cannot wait ---- */

static void
close_cancelled(void *arg)
{
	struct journal *j = arg;

	assert_int_equal(task_sleep_until(CLOCK_NEVER), ERR_CANCELLED);
	assert_int_equal(journal_flush(j, CLOCK_NEVER), ERR_CANCELLED);
	journal_close(j);
}

static void
cancel_one(void *arg)
{
	struct journal *j = open_journal();
	struct task_handle h;

	(void)arg;
	for (unsigned i = 0; i < 100; i++)
		add(j, 1, i, JOURNAL_DELIVERED, 1);
	assert_int_equal(task_go("closing", close_cancelled, j, &h), 0);
	assert_int_equal(task_yield(), 0);
	task_cancel(h);
}

static void
check_hundred(void *arg)
{
	struct journal *j = open_journal();

	(void)arg;
	for (unsigned i = 0; i < 100; i++)
		assert_true(journal_is_done(j, segment(1), i));
	journal_close(j);
}

static void
a_cancelled_task_closes_it_too(void **state)
{
	(void)state;
	run(cancel_one, NULL);
	run(check_hundred, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		JOURNAL_TEST(progress_outlives_the_process),
		JOURNAL_TEST(forgotten_segments_stay_forgotten),
		JOURNAL_TEST(the_log_answers_newest_first),
		JOURNAL_TEST(results_have_names),
		JOURNAL_TEST(files_follow_one_another),
		JOURNAL_TEST(the_least_limit_keeps_the_progress),
		JOURNAL_TEST(rows_without_room_are_missing_from_the_log_only),
		JOURNAL_TEST(a_cancelled_task_closes_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

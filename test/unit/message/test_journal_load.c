/*
 * Journals as a crash, a bad disk or a hand leaves them: torn at every length, damaged anywhere, with files that are missing or foreign.
 */
#include "journal_test.h"

#define ROWS 40

/* One row a message: even ones are done, odd ones were tried once. The first row stands in a file with an empty checkpoint, the others behind it. */
static void
fill(void *arg)
{
	struct journal *j = open_journal();

	(void)arg;
	add(j, 3, 0, JOURNAL_HELD, 1);
	assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	for (unsigned i = 0; i < ROWS; i++)
		add(j, 1, i, i % 2 ? JOURNAL_RETRY : JOURNAL_DELIVERED, 1);
	journal_close(j);
}

static bool
knows(const struct journal *j, unsigned i)
{
	struct journal_attempts a;

	journal_attempts(j, segment(1), i, &a);
	return i % 2 ? a.n == 1 : journal_is_done(j, segment(1), i);
}

static unsigned
count_known(const struct journal *j)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ROWS; i++)
		n += knows(j, i);
	return n;
}

static char *text;
static size_t text_n;

static void
write_file(const char *path, const char *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

/* ---- torn ---- */

struct cut {
	size_t n;
	unsigned known;
};

/* Opens it, goes on with it, opens it again. */
static void
go_on(void *arg)
{
	struct cut *cut = arg;
	struct journal *j = open_journal();

	cut->known = count_known(j);
	for (unsigned i = 0; i < cut->known; i++)
		assert_true(knows(j, i)); /* the first ones */
	assert_int_equal(journal_get_stats(j).damaged, 0);
	add(j, 2, 0, JOURNAL_DELIVERED, 1);
	journal_close(j);
	j = open_journal();
	assert_true(journal_is_done(j, segment(2), 0));
	assert_int_equal(count_known(j), cut->known);
	assert_int_equal(journal_get_stats(j).damaged, 0);
	journal_close(j);
}

static void
torn_at_every_length(void **state)
{
	char path[JOURNAL_PATH_MAX];
	unsigned last = 0;

	(void)state;
	run(fill, NULL);
	assert_int_equal(file_read_all(newest_path(), 1 << 20, &text, &text_n), 0);
	for (size_t n = 0; n <= text_n; n += n % 8 == 1 || text_n - n < 8 ? 1 : 7) {
		struct cut cut = { .n = n };

		for (unsigned rubbish = 0; rubbish < 2; rubbish++) {
			tmp_fini(&tmp);
			tmp_init(&tmp);
			assert_int_equal(mkdir(journal_dir(), 0750), 0);
			journal_file_path(journal_dir(), 5, path);
			write_file(path, text, n);
			/* What a disk may have in the blocks behind: the rows of another place. */
			if (rubbish && n > 200 && n < text_n) {
				FILE *f = fopen(path, "a");

				fwrite(text + 48, 1, 150, f);
				fclose(f);
			}
			run(go_on, &cut);
			assert_true(rubbish || cut.known >= last);
			if (!rubbish)
				last = cut.known;
			assert_int_equal(cut.known, last);
		}
	}
	assert_int_equal(last, ROWS);
	free(text);
}

/* ---- damaged ---- */

struct expect {
	unsigned known; /* rows that are left */
	bool damage;    /* is told */
};

static void
open_damaged(void *arg)
{
	const struct expect *e = arg;
	struct journal *j = open_journal();

	assert_int_equal(count_known(j), e->known);
	assert_int_equal(journal_get_stats(j).damaged > 0, e->damage);
	add(j, 2, 0, JOURNAL_DELIVERED, 1);
	assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	/* The next life finds it all in a file of its own. */
	journal_close(j);
	j = open_journal();
	assert_true(journal_is_done(j, segment(2), 0));
	assert_int_equal(count_known(j), e->known);
	assert_int_equal(journal_get_stats(j).damaged, 0);
	journal_close(j);
}

static void
damaged_rows_are_passed_over(void **state)
{
	struct expect one = { ROWS - 1, true };

	(void)state;
	for (unsigned at = 0; at < 10; at++) {
		char path[JOURNAL_PATH_MAX];

		run(fill, NULL);
		(void)str_copyz(path, sizeof(path), str_of(newest_path()));
		assert_int_equal(file_read_all(path, 1 << 20, &text, &text_n), 0);
		text[500 + 321 * at] ^= 0x40;
		write_file(path, text, text_n);
		free(text);
		run(open_damaged, &one);
		assert_int_equal(list_files().n, 2);
		assert_int_equal(length_of(path), text_n); /* as it was, for who looks into it */
		tmp_fini(&tmp);
		tmp_init(&tmp);
	}
}

/* ---- files ---- */

static void
rotate(void *arg)
{
	struct journal *j = open_limited(256 * 1024);

	(void)arg;
	for (unsigned i = 0; i < ROWS; i++)
		add(j, 1, i, i % 2 ? JOURNAL_RETRY : JOURNAL_DELIVERED, 1);
	for (unsigned i = 0; i < 1000; i++) {
		add(j, 9, i, JOURNAL_DELIVERED, 1);
		if (i % 50 == 0)
			assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	}
	journal_close(j);
}

static void
know_all(void *arg)
{
	struct journal *j = open_limited(256 * 1024);

	(void)arg;
	assert_int_equal(count_known(j), ROWS);
	add(j, 2, 0, JOURNAL_DELIVERED, 1);
	journal_close(j);
}

/* Its checkpoint is gone, and the rows behind it with it: what the files before it hold is still known. */
static void
without_the_newest_checkpoint(void **state)
{
	char path[JOURNAL_PATH_MAX];

	(void)state;
	for (unsigned manner = 0; manner < 4; manner++) {
		run(rotate, NULL);
		assert_true(list_files().n >= 3);
		(void)str_copyz(path, sizeof(path), str_of(newest_path()));
		if (manner == 0)
			assert_int_equal(truncate(path, 48 + 40), 0); /* in the middle */
		else if (manner == 1)
			assert_int_equal(truncate(path, 0), 0);
		else if (manner == 2)
			write_file(
			    path, "not a journal, but a text that somebody put there by hand", 57);
		else
			assert_int_equal(unlink(path), 0);
		run(know_all, NULL);
		run(know_all, NULL);
		tmp_fini(&tmp);
		tmp_init(&tmp);
	}
}

static void
foreign_names_are_left_alone(void **state)
{
	static const char *const foreign[] = { "x.log", "0000000001.log.old", ".log",
		"00000000000000000000000000000000000001.log", "0000000000.log", "1.log" };
	char path[512];

	(void)state;
	run(fill, NULL);
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		snprintf(path, sizeof(path), "%s/%s", journal_dir(), foreign[i]);
		write_file(path, "mine", 4);
	}
	run(know_all, NULL);
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		snprintf(path, sizeof(path), "%s/%s", journal_dir(), foreign[i]);
		assert_int_equal(length_of(path), 4);
	}
}

static void
open_failing(void *arg)
{
	struct journal *j;

	(void)arg;
	assert_true(journal_open(journal_dir(), 1 << 20, &j) < 0);
}

static void
a_file_in_the_folders_place_is_an_error(void **state)
{
	(void)state;
	write_file(journal_dir(), "x", 1);
	run(open_failing, NULL);
	assert_int_equal(length_of(journal_dir()), 1);
}

/* Crash after crash while the next file is made: what they leave does not pile up. */
static void
half_made_files_go(void **state)
{
	char path[JOURNAL_PATH_MAX];

	(void)state;
	run(fill, NULL);
	for (unsigned i = 0; i < 20; i++) {
		journal_file_path(journal_dir(), 2 + i, path);
		write_file(path, "\0\0\0\0", 4 * (i % 2));
	}
	run(know_all, NULL);
	assert_true(list_files().n <= 3);
	run(know_all, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		JOURNAL_TEST(torn_at_every_length),
		JOURNAL_TEST(damaged_rows_are_passed_over),
		JOURNAL_TEST(without_the_newest_checkpoint),
		JOURNAL_TEST(foreign_names_are_left_alone),
		JOURNAL_TEST(a_file_in_the_folders_place_is_an_error),
		JOURNAL_TEST(half_made_files_go),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Files of access logs: whole lines, in order, whatever the file does: moved away, full, a pipe that
 * nobody reads.
 */
#include "gate/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "task/loop.h"
#include "unit/tmp.h"
#include "unit/unit.h"

static struct tmp tmp;

static int
setup(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	log_threshold = LOG_ERROR + 1; /* lost lines are meant here */
	tmp_init(&tmp);
	return loop_init(NULL);
}

static int
teardown(void **state)
{
	(void)state;
	loop_fini();
	tmp_fini(&tmp);
	return 0;
}

static void
open_log(struct log_file *f, const char *path, size_t size, bool held, int64_t flush)
{
	*f =
	    (struct log_file){ .path = path, .size = size, .held = held, .flush = flush, .fd = -1 };
	assert_int_equal(log_file_open(f, (uid_t)-1, (gid_t)-1), 0);
}

static void
close_log(struct log_file *f)
{
	log_file_flush(f);
	log_file_close(f);
	free(f->p);
}

static bool
add(struct log_file *f, const char *line)
{
	size_t n = strlen(line);
	char *to = log_file_room(f, n);

	if (!to)
		return false;
	memcpy(to, line, n);
	log_file_added(f, n);
	return true;
}

static void
expect_file(const char *path, const char *text)
{
	char got[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, got, sizeof(got) - 1);

	assert_true(n >= 0);
	got[n] = 0;
	close(fd);
	assert_string_equal(got, text);
}

/* Two workers' buffers, one file. */
static void
appends_whole_lines(void **state)
{
	const char *path = tmp_path(&tmp, "log");
	struct log_file a, b;
	struct stat st;

	(void)state;
	open_log(&a, path, LOG_FILE_BUFFER, false, 0);
	open_log(&b, path, LOG_FILE_BUFFER, false, 0);
	add(&a, "a1\n");
	add(&b, "b1\n");
	add(&a, "a2\n");
	expect_file(path, "");
	log_file_flush_waiting();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(st.st_size, 9);
	add(&b, "b2\n");
	log_file_flush_waiting();
	log_file_flush_waiting();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 12);
	close_log(&a);
	close_log(&b);
}

static void
moves_on_when_reopened(void **state)
{
	const char *path = tmp_path(&tmp, "log"), *old = tmp_path(&tmp, "old");
	struct log_file f;

	(void)state;
	open_log(&f, path, LOG_FILE_BUFFER, true, 0);
	add(&f, "before\n");
	assert_int_equal(rename(path, old), 0);
	add(&f, "between\n");
	assert_int_equal(log_file_reopen(&f, (uid_t)-1, (gid_t)-1), 0);
	add(&f, "after\n");
	close_log(&f);
	expect_file(old, "before\nbetween\n");
	expect_file(path, "after\n");
}

/* What cannot be opened goes on as it was. */
static void
keeps_what_it_has(void **state)
{
	const char *path = tmp_path(&tmp, "log");
	struct log_file f;

	(void)state;
	open_log(&f, path, LOG_FILE_BUFFER, false, 0);
	f.path = "/nonexistent/folder/log";
	assert_true(log_file_reopen(&f, (uid_t)-1, (gid_t)-1) < 0);
	add(&f, "still\n");
	close_log(&f);
	expect_file(path, "still\n");
}

static void
limit_files(rlim_t size)
{
	struct rlimit l = { size, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* A line cut by a full disk does not spoil the next one. */
static void
loses_when_full(void **state)
{
	const char *path = tmp_path(&tmp, "log");
	struct log_file f;

	(void)state;
	open_log(&f, path, LOG_FILE_BUFFER, false, 0);
	limit_files(10);
	add(&f, "12345\n");
	add(&f, "67890\n");
	add(&f, "lost\n");
	log_file_flush_waiting();
	expect_file(path, "12345\n6789");
	assert_true(f.torn && f.errnum == EFBIG);
	add(&f, "lost, too\n");
	log_file_flush_waiting();
	limit_files(RLIM_INFINITY);
	add(&f, "whole\n");
	log_file_flush_waiting();
	expect_file(path, "12345\n6789\nwhole\n");
	/* Two were told of at once, the third waits for its turn. */
	assert_int_equal(f.lost, 1);
	close_log(&f);
}

static void
needs_a_reader(void **state)
{
	struct log_file f = { .path = tmp_path(&tmp, "pipe"), .fd = -1 };

	(void)state;
	assert_int_equal(mkfifo(f.path, 0600), 0);
	assert_true(log_file_open(&f, (uid_t)-1, (gid_t)-1) < 0);
	assert_int_equal(errno, ENXIO);
}

/* A pipe that is full: nothing waits, nothing is torn, and what was kept comes when it can. */
static void
keeps_for_a_slow_reader(void **state)
{
	const char *path = tmp_path(&tmp, "pipe");
	static char got[1 << 20];
	struct log_file f;
	size_t n = 0, lines = 0, kept = 0;
	ssize_t part;
	char line[32];
	int reader;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	open_log(&f, path, 8192, false, 0);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(line, sizeof(line), "line %05u\n", i);
		kept += add(&f, line);
		if (i % 100 == 0)
			log_file_flush_waiting();
	}
	assert_true(kept > 1000 && kept < 20000);
	assert_true(timer_armed(&f.timer) && f.n > 0);
	for (bool more = true; more;) {
		more = f.n > 0;
		log_file_flush(&f);
		while ((part = read(reader, got + n, sizeof(got) - n)) > 0)
			n += (size_t)part;
	}
	for (size_t at = 0; at < n; at += 11, lines++)
		assert_true(memcmp(got + at, "line ", 5) == 0 && got[at + 10] == '\n');
	assert_int_equal(lines, kept);
	close(reader);
	close_log(&f);
}

static void
takes_long_lines(void **state)
{
	const char *path = tmp_path(&tmp, "long");
	struct log_file f;
	struct stat st;
	char *to;

	(void)state;
	open_log(&f, path, 64, false, 0);
	add(&f, "short\n");
	to = log_file_room(&f, 100000);
	assert_non_null(to);
	memset(to, 'x', 4999);
	to[4999] = '\n';
	log_file_added(&f, 5000);
	add(&f, "short\n");
	log_file_flush_waiting();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 6 + 5000 + 6);
	assert_int_equal(f.allocated, 0);
	close_log(&f);
}

static struct log_file held;

static void
wait_for_timer(void *arg)
{
	int64_t end = clock_mono() + 20 * NS_PER_S;

	(void)arg;
	add(&held, "one\n");
	log_file_flush_waiting();
	assert_int_equal(held.n, 4);
	while (held.n && clock_mono() < end)
		task_sleep_until(clock_mono() + NS_PER_MS);
}

static void
holds_lines(void **state)
{
	const char *path = tmp_path(&tmp, "held");

	(void)state;
	open_log(&held, path, 8, true, 20 * NS_PER_MS);
	assert_int_equal(task_go("test", wait_for_timer, NULL, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	expect_file(path, "one\n");
	add(&held, "two\n");
	add(&held, "thr\n");
	expect_file(path, "one\n");
	add(&held, "four\n");
	expect_file(path, "one\ntwo\nthr\n");
	close_log(&held);
	expect_file(path, "one\ntwo\nthr\nfour\n");
}

/* Who may write to the folder puts a link in the file's place: root neither makes a file where it leads, nor gives away the one there. */
static void
gives_nothing_behind_links(void **state)
{
	struct log_file f = { .path = tmp_path(&tmp, "link"), .size = 64, .fd = -1 };
	const char *other = tmp_path(&tmp, "other"), *plain = tmp_path(&tmp, "plain");
	uid_t uid = geteuid() == 0 ? 12345 : geteuid();
	gid_t gid = geteuid() == 0 ? 12345 : getegid();
	struct stat st;

	(void)state;
	assert_int_equal(symlink(other, f.path), 0);
	assert_int_equal(log_file_open(&f, uid, gid), ERR_NOT_FOUND);
	assert_int_not_equal(stat(other, &st), 0);
	close(open(other, O_WRONLY | O_CREAT | O_EXCL, 0600));
	assert_int_equal(log_file_open(&f, uid, gid), 0);
	close_log(&f);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	f.path = plain;
	assert_int_equal(log_file_open(&f, uid, gid), 0);
	close_log(&f);
	assert_int_equal(stat(plain, &st), 0);
	assert_int_equal(st.st_uid, uid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_nothing_behind_links, setup, teardown),
		cmocka_unit_test_setup_teardown(appends_whole_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(moves_on_when_reopened, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_what_it_has, setup, teardown),
		cmocka_unit_test_setup_teardown(loses_when_full, setup, teardown),
		cmocka_unit_test_setup_teardown(needs_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_for_a_slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_long_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(holds_lines, setup, teardown),
	};

	log_file_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

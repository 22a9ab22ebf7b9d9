/*
 * File calls: the compounds, each of their calls made to fail in turn, and the plans of
 * SLUICE_CRASH and SLUICE_FAIL.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "unit/tmp.h"
#include "unit/unit.h"

static struct tmp tmp;

static void
clear_plans(void)
{
	unsetenv("SLUICE_CRASH");
	unsetenv("SLUICE_CRASH_ONCE");
	unsetenv("SLUICE_FAIL");
	unsetenv("SLUICE_TEST_ROLE");
	file_test_init();
}

static int
setup(void **state)
{
	(void)state;
	tmp_init(&tmp);
	clear_plans();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clear_plans();
	tmp_fini(&tmp);
	return 0;
}

static void
plan_failure(const char *plan)
{
	setenv("SLUICE_FAIL", plan, 1);
	file_test_init();
}

static int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void
assert_content(const char *path, struct str expected)
{
	char *p;
	size_t n;

	assert_int_equal(file_read_all(path, 1 << 20, &p, &n), 0);
	assert_true(str_eq(str_make(p, n), expected));
	assert_int_equal(p[n], 0);
	free(p);
}

static void
reads_and_writes(void **state)
{
	const char *path = tmp_path(&tmp, "f");
	int fd = file_open(path, O_RDWR | O_CREAT | O_EXCL);
	char back[16];

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(file_open(path, O_RDWR | O_CREAT | O_EXCL), ERR_EXISTS);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(file_write_all(fd, "hello", 5, 3), 0);
	assert_int_equal(file_read_full(fd, back, sizeof(back), 4), 4);
	assert_memory_equal(back, "ello", 4);
	assert_int_equal(file_truncate(fd, 6), 0);
	assert_int_equal(file_read_full(fd, back, sizeof(back), 0), 6);
	assert_int_equal(file_allocate(fd, 0, 10000), 0);
	assert_int_equal(file_read_full(fd, back, 6, 9990), 6);
	assert_int_equal(file_sync(fd), 0);
	assert_int_equal(file_datasync(fd), 0);
	assert_int_equal(file_close(fd), 0);
	assert_int_equal(file_close(fd), ERR_IO);
	assert_int_equal(file_write_all(fd, "x", 1, 0), ERR_IO);
	assert_int_equal(file_open(tmp_path(&tmp, "none"), O_RDONLY), ERR_NOT_FOUND);
}

static void
reads_whole_files_up_to_a_limit(void **state)
{
	static char big[100000];
	const char *path = tmp_path(&tmp, "f");
	char *p = NULL;
	size_t n;

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_int_equal(file_replace(path, big, sizeof(big)), 0);
	assert_content(path, str_make(big, sizeof(big)));
	assert_int_equal(file_read_all(path, sizeof(big), &p, &n), 0);
	free(p);
	assert_int_equal(file_read_all(path, sizeof(big) - 1, &p, &n), ERR_TOO_LARGE);
	assert_int_equal(file_read_all(path, 0, &p, &n), ERR_TOO_LARGE);
	assert_int_equal(file_replace(path, "", 0), 0);
	assert_int_equal(file_read_all(path, 0, &p, &n), 0);
	assert_int_equal(n, 0);
	assert_string_equal(p, "");
	free(p);
	assert_int_equal(file_read_all(tmp.dir, 10, &p, &n), ERR_IO);
}

static void
names(void **state)
{
	const char *a = tmp_path(&tmp, "a"), *b = tmp_path(&tmp, "b");

	(void)state;
	assert_int_equal(file_unlink(a), 0);
	assert_int_equal(file_replace(a, "A", 1), 0);
	assert_int_equal(file_link(a, b), 0);
	assert_int_equal(file_link(a, b), ERR_EXISTS);
	assert_int_equal(file_unlink(a), 0);
	assert_content(b, STR("A"));
	assert_int_equal(file_rename(b, a), 0);
	assert_int_equal(file_rename(b, a), ERR_NOT_FOUND);
	assert_int_equal(file_sync_dir(tmp.dir), 0);
	assert_int_equal(file_sync_dir(a), ERR_NOT_FOUND);
}

static void
folders(void **state)
{
	const char *deep = tmp_path(&tmp, "x/y//z/"), *file = tmp_path(&tmp, "f");
	struct stat st;

	(void)state;
	assert_int_equal(file_make_dirs(deep), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(file_make_dirs(deep), 0);
	assert_int_equal(file_make_dirs("/"), 0);
	assert_int_equal(file_make_dirs("."), 0);
	assert_int_equal(file_replace(file, "", 0), 0);
	assert_int_equal(file_make_dirs(file), ERR_EXISTS);
	assert_int_equal(file_make_dirs(tmp_path(&tmp, "f/sub")), ERR_NOT_FOUND);
}

static void
relative_folders(void **state)
{
	int before = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_true(before >= 0);
	assert_int_equal(chdir(tmp.dir), 0);
	assert_int_equal(file_make_dirs("r/s"), 0);
	assert_int_equal(file_replace("plain", "1", 1), 0);
	assert_int_equal(fchdir(before), 0);
	close(before);
	assert_content(tmp_path(&tmp, "plain"), STR("1"));
	assert_int_equal(access(tmp_path(&tmp, "r/s"), F_OK), 0);
}

static int
count_entry(const char *name, void *arg)
{
	int *n = arg;

	assert_true(name[0] != '.');
	return ++*n == 3 ? 42 : 0;
}

static void
entries(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(file_each(tmp_path(&tmp, "missing"), count_entry, &n), 0);
	assert_int_equal(n, 0);
	file_replace(tmp_path(&tmp, "1"), "", 0);
	file_replace(tmp_path(&tmp, "2"), "", 0);
	assert_int_equal(file_each(tmp.dir, count_entry, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(file_each(tmp.dir, count_entry, &n), 42);
}

static void
space(void **state)
{
	uint64_t available, total;

	(void)state;
	assert_int_equal(file_space(tmp.dir, &available, &total), 0);
	assert_true(total > 0 && available <= total);
	assert_int_equal(file_space(tmp_path(&tmp, "missing"), &available, &total), ERR_NOT_FOUND);
}

/* Every call of a replacement fails in turn: the old bytes or the new ones are there, never a mix,
 * and nothing leaks. */
static void
replacing_survives_any_failed_call(void **state)
{
	const char *path = tmp_path(&tmp, "f");
	int before = open_descriptors(), failed = 0;

	(void)state;
	for (int n = 1;; n++) {
		bool old, new;
		char plan[32], *p;
		size_t len;
		int err;

		assert_int_equal(file_replace(path, "old", 3), 0);
		snprintf(plan, sizeof(plan), "*:%d:ENOSPC", n);
		plan_failure(plan);
		err = file_replace(path, "newer", 5);
		clear_plans();
		assert_int_equal(file_read_all(path, 10, &p, &len), 0);
		old = str_eq(str_make(p, len), STR("old"));
		new = str_eq(str_make(p, len), STR("newer"));
		free(p);
		assert_true(err ? old || new : new);
		assert_int_equal(open_descriptors(), before);
		if (!err)
			break;
		assert_int_equal(err, ERR_NOSPACE);
		failed++;
	}
	/* unlink, open, pwrite, fsync, close, rename; open, fsync, close of the folder */
	assert_int_equal(failed, 9);
}

static void
making_folders_reports_any_failed_call(void **state)
{
	const char *outer = tmp_path(&tmp, "p"), *path = tmp_path(&tmp, "p/q");
	int before = open_descriptors(), failed = 0;

	(void)state;
	for (int n = 1;; n++) {
		char plan[32];
		int err;

		snprintf(plan, sizeof(plan), "*:%d:EIO", n);
		plan_failure(plan);
		err = file_make_dirs(path);
		clear_plans();
		rmdir(path);
		rmdir(outer);
		assert_int_equal(open_descriptors(), before);
		if (!err)
			break;
		assert_int_equal(err, ERR_IO);
		failed++;
	}
	/* open, fsync, close of the parent that was there; mkdir and the same three for each of
	 * two */
	assert_int_equal(failed, 11);
}

static void
interrupted_calls_are_repeated(void **state)
{
	static const char *const calls[] = { "open", "pwrite", "pread", "fsync", "fdatasync",
		"ftruncate", "allocate", "close" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		char plan[32], back[4];
		int fd;

		snprintf(plan, sizeof(plan), "%s:1:EINTR", calls[i]);
		plan_failure(plan);
		fd = file_open(tmp_path(&tmp, "f"), O_RDWR | O_CREAT);
		assert_true(fd >= 0);
		assert_int_equal(file_write_all(fd, "abcd", 4, 0), 0);
		assert_int_equal(file_read_full(fd, back, 4, 0), 4);
		assert_int_equal(file_sync(fd), 0);
		assert_int_equal(file_datasync(fd), 0);
		assert_int_equal(file_truncate(fd, 2), 0);
		assert_int_equal(file_allocate(fd, 0, 8), 0);
		assert_int_equal(file_close(fd), 0);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

static void
short_writes(void **state)
{
	char back[8];
	int fd;

	(void)state;
	plan_failure("pwrite:2:ENOSPC:short");
	fd = file_open(tmp_path(&tmp, "f"), O_RDWR | O_CREAT);
	assert_int_equal(file_write_all(fd, "first", 5, 0), 0);
	assert_int_equal(file_write_all(fd, "abcdef", 6, 5), ERR_NOSPACE);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(file_read_full(fd, back, 8, 0), 8);
	assert_memory_equal(back, "firstabc", 8);
	/* That was all of it. */
	assert_int_equal(file_write_all(fd, "abcdef", 6, 5), 0);
	assert_int_equal(file_close(fd), 0);
}

static void
failing_onwards_and_by_number(void **state)
{
	int fd;

	(void)state;
	plan_failure("fsync:2+:28");
	fd = file_open(tmp.dir, O_RDONLY);
	assert_int_equal(file_sync(fd), 0);
	assert_int_equal(file_sync(fd), ERR_NOSPACE);
	assert_int_equal(file_sync(fd), ERR_NOSPACE);
	assert_int_equal(file_datasync(fd), 0);
	assert_int_equal(file_close(fd), 0);
}

static void
only_the_role_that_was_asked_for(void **state)
{
	(void)state;
	setenv("SLUICE_TEST_ROLE", "shipper", 1);
	setenv("SLUICE_FAIL", "unlink:1:EIO", 1);
	file_test_role("worker");
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), 0);
	file_test_init();
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), 0);
	file_test_role("shipper");
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), ERR_IO);
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), 0);
	/* Counts begin anew. */
	file_test_role("shipper");
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), ERR_IO);
}

static void
only_once(void **state)
{
	const char *flag = tmp_path(&tmp, "flag");

	(void)state;
	setenv("SLUICE_CRASH_ONCE", flag, 1);
	plan_failure("unlink:1:EIO");
	assert_int_equal(access(flag, F_OK), -1);
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), ERR_IO);
	assert_int_equal(access(flag, F_OK), 0);
	file_test_init();
	assert_int_equal(file_unlink(tmp_path(&tmp, "x")), 0);
}

/* Runs fn in a child; how it ended: its exit status, or minus the signal. */
static int
in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* Complaints about wrong plans are expected. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		file_test_role("worker");
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
pass_twice(void)
{
	file_crash_point("here");
	file_crash_point("elsewhere");
	file_crash_point("here");
	_exit(7);
}

static void
replace_in_child(void)
{
	_exit(file_replace(tmp_path(&tmp, "f"), "newer", 5) ? 1 : 7);
}

static void
crash_points(void **state)
{
	(void)state;
	assert_int_equal(in_child(pass_twice), 7);
	setenv("SLUICE_CRASH", "here:2", 1);
	assert_int_equal(in_child(pass_twice), -SIGKILL);
	setenv("SLUICE_CRASH", "here:3", 1);
	assert_int_equal(in_child(pass_twice), 7);
	setenv("SLUICE_CRASH", "elsewhere:1", 1);
	setenv("SLUICE_TEST_ROLE", "shipper", 1);
	assert_int_equal(in_child(pass_twice), 7);
	setenv("SLUICE_TEST_ROLE", "worker", 1);
	setenv("SLUICE_CRASH_ONCE", tmp_path(&tmp, "flag"), 1);
	assert_int_equal(in_child(pass_twice), -SIGKILL);
	assert_int_equal(in_child(pass_twice), 7);
}

/* Killed before each call of a replacement in turn: old or new, never a mix; and then it works
 * again. */
static void
replacing_survives_kill_at_any_call(void **state)
{
	const char *path = tmp_path(&tmp, "f");
	int killed = 0, seen_new = 0;

	(void)state;
	for (int n = 1;; n++) {
		char plan[32], *p;
		size_t len;
		int end;

		unsetenv("SLUICE_CRASH");
		assert_int_equal(file_replace(path, "old", 3), 0);
		snprintf(plan, sizeof(plan), "@*:%d", n);
		setenv("SLUICE_CRASH", plan, 1);
		end = in_child(replace_in_child);
		assert_int_equal(file_read_all(path, 10, &p, &len), 0);
		assert_true(
		    str_eq(str_make(p, len), STR("newer")) || str_eq(str_make(p, len), STR("old")));
		seen_new += len == 5;
		free(p);
		if (end == 7)
			break;
		assert_int_equal(end, -SIGKILL);
		killed++;
	}
	assert_int_equal(killed, 9);
	assert_int_equal(
	    seen_new, 4); /* the three calls behind the rename, and the one that was left alone */
}

static void
do_nothing(void)
{
	_exit(0);
}

static void
wrong_plans_are_refused(void **state)
{
	static const char *const bad[] = { "pwrite", "pwrite:0:EIO", "pwrite:x:EIO",
		"pwrite:1:EWHAT", "pwrite:1", ":1:EIO", "pwrite:1:EIO:long", "pwrite:-1:EIO" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		setenv("SLUICE_FAIL", bad[i], 1);
		assert_int_equal(in_child(do_nothing), 2);
	}
	unsetenv("SLUICE_FAIL");
	setenv("SLUICE_CRASH", "here", 1);
	assert_int_equal(in_child(do_nothing), 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(reads_and_writes),
		CASE(reads_whole_files_up_to_a_limit),
		CASE(names),
		CASE(folders),
		CASE(relative_folders),
		CASE(entries),
		CASE(space),
		CASE(replacing_survives_any_failed_call),
		CASE(making_folders_reports_any_failed_call),
		CASE(interrupted_calls_are_repeated),
		CASE(short_writes),
		CASE(failing_onwards_and_by_number),
		CASE(only_the_role_that_was_asked_for),
		CASE(only_once),
		CASE(crash_points),
		CASE(replacing_survives_kill_at_any_call),
		CASE(wrong_plans_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What the spool tells of records with attributes: once for each, whatever went wrong and whether or not anybody still waits.
 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

static uint64_t fake_room;
static bool fail_write, fail_sync, sealed_too_early;
static struct {
	unsigned n[3]; /* by fate */
	char last[40]; /* the attribute's value */
} told;

static ssize_t
bad_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (fail_write) {
		errno = EIO;
		return -1;
	}
	return file_calls_real.pwrite(fd, p, n, at);
}

static int
bad_fdatasync(int fd)
{
	if (fail_sync) {
		errno = EIO;
		return -1;
	}
	return file_calls_real.fdatasync(fd);
}

static uint64_t
room(void *arg)
{
	(void)arg;
	return fake_room;
}

/* From the moment it is told of, a doubtful record is an orphan's: nobody holds the file's lock. */
static int
check_unlocked(const char *name, void *arg)
{
	char path[512];
	int fd;

	(void)arg;
	if (name_kind(str_of(name)) != NAME_OPEN)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", tmp.dir, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	return 0;
}

static void
settled(void *arg, struct str attrs, enum spool_fate fate)
{
	(void)arg;
	told.n[fate]++;
	(void)str_copyz(told.last, sizeof(told.last), segment_get_attr(attrs, "idem"));
	if (fate == SPOOL_DOUBT)
		(void)file_each(tmp.dir, check_unlocked, NULL);
	if (fate == SPOOL_STORED && count_files(tmp.dir, NAME_SEALED) > 0)
		sealed_too_early = true;
}

static struct spool *
open_spool(void)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	opt.room = room;
	opt.settled = settled;
	fake_room = UINT64_MAX / 2;
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	assert_int_equal(spool_new(&opt, &s), 0);
	return s;
}

static void
close_spool(struct spool *s)
{
	fail_write = fail_sync = false;
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
}

static struct str
attrs_of(const char *value)
{
	static char memory[8][128];
	static unsigned turn;
	struct buf b;

	buf_init_fixed(&b, memory[turn++ % 8], sizeof(memory[0]));
	segment_put_attr(&b, STR("type"), STR("text/plain"));
	segment_put_attr(&b, STR("idem"), str_of(value));
	assert_int_equal(buf_failed(&b), 0);
	return buf_str(&b);
}

static int
append(struct spool *s, const char *value)
{
	struct spool_record r = record("u", "body");

	if (value)
		r.attrs = attrs_of(value);
	return spool_append(s, &r);
}

static void
check(unsigned stored, unsigned lost, unsigned doubt, const char *last)
{
	assert_int_equal(told.n[SPOOL_STORED], stored);
	assert_int_equal(told.n[SPOOL_LOST], lost);
	assert_int_equal(told.n[SPOOL_DOUBT], doubt);
	assert_string_equal(told.last, last);
}

static void
appending(void *arg)
{
	struct spool *s = open_spool();
	static char big[SPOOL_GATHER_MAX + 1];
	struct spool_record r = { .attrs = attrs_of("big"), .body = { big, sizeof(big) } };

	(void)arg;
	assert_int_equal(append(s, NULL), 0);
	check(0, 0, 0, "");
	assert_int_equal(append(s, "a"), 0);
	check(1, 0, 0, "a");
	assert_int_equal(spool_append(s, &r), ERR_TOO_LARGE);
	check(1, 1, 0, "big");
	fake_room = 10;
	assert_int_equal(append(s, "b"), ERR_NOSPACE);
	check(1, 2, 0, "b");
	fake_room = UINT64_MAX / 2;
	fail_write = true;
	assert_int_equal(append(s, "c"), ERR_IO);
	check(1, 2, 1, "c");
	fail_write = false;
	assert_int_equal(append(s, "d"), 0);
	check(2, 2, 1, "d");
	fail_sync = true;
	assert_int_equal(append(s, "e"), ERR_IO);
	check(2, 2, 2, "e");
	close_spool(s);
	check(2, 2, 2, "e");
}

/* ---- writers that leave */

static void
leaver(void *arg)
{
	assert_int_equal(append(arg, "left"), ERR_CANCELLED);
}

static void
leaving(void *arg)
{
	struct spool *s = open_spool();
	struct task_handle handle;

	(void)arg;
	assert_int_equal(append(s, "a"), 0);
	assert_int_equal(task_go("leaver", leaver, s, &handle), 0);
	task_yield();
	task_cancel(handle);
	close_spool(s);
	check(2, 0, 0, "left");
}

/* ---- uploads */

static struct spool_upload *
begin(struct spool *s, const char *value)
{
	struct spool_upload *u;

	assert_int_equal(spool_upload_begin(s, STR("u"), attrs_of(value), 0, &u), 0);
	assert_int_equal(spool_upload_write(u, "body", 4), 0);
	return u;
}

static void
uploading(void *arg)
{
	struct spool *s = open_spool();
	struct spool_upload *u;

	(void)arg;
	u = begin(s, "a");
	check(0, 0, 0, "");
	assert_int_equal(spool_upload_commit(u), 0);
	check(1, 0, 0, "a");
	spool_upload_abort(begin(s, "b"));
	check(1, 1, 0, "b");
	fake_room = 1;
	assert_int_equal(spool_upload_begin(s, STR("u"), attrs_of("c"), 0, &u), ERR_NOSPACE);
	check(1, 2, 0, "c");
	fake_room = UINT64_MAX / 2;
	u = begin(s, "d");
	fail_sync = true;
	assert_int_equal(spool_upload_commit(u), ERR_IO);
	check(1, 2, 1, "d");
	fail_sync = false;
	close_spool(s);
	check(1, 2, 1, "d");
}

static void
test_append(void **state)
{
	(void)state;
	run(appending, NULL);
	assert_false(sealed_too_early);
}

static void
test_leave(void **state)
{
	(void)state;
	run(leaving, NULL);
	assert_false(sealed_too_early);
}

static void
test_upload(void **state)
{
	(void)state;
	run(uploading, NULL);
}

static int
setup(void **state)
{
	memset(&told, 0, sizeof(told));
	sealed_too_early = false;
	return folder_setup(state);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_append, setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_leave, setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_upload, setup, folder_teardown),
	};
	static struct file_ops calls;

	calls = file_calls_real;
	calls.pwrite = bad_pwrite;
	calls.fdatasync = bad_fdatasync;
	file_calls = &calls;
	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

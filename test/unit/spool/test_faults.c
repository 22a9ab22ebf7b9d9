/*
 * Every file operation of the writing end fails once, in turn, in several ways; and a model of a disk that loses on a power cut whatever was
 * not synced is asked at each acknowledgement whether the record is there.
 *
 *	file content  as of the last fsync or fdatasync of it that succeeded
 *	folder        as of its last fsync that succeeded
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "harness.h"

static struct tmp tmp, lost; /* the stream's folder; what a power cut would leave of it */

/* ---- the disk after a power cut */

#define NAMES_MAX 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ino_t synced_names[NAMES_MAX]; /* inodes that the folder leads to, durably */
static unsigned synced_n;
static ino_t broken[NAMES_MAX]; /* whose write or sync has failed: not to be touched again */
static unsigned broken_n;
static const char *violation;
static _Thread_local bool bypass;

static void
lost_path(char out[128], ino_t ino)
{
	snprintf(out, 128, "%s/%lu", lost.dir, (unsigned long)ino);
}

static void
keep_content(int fd, ino_t ino)
{
	static char piece[1 << 16];
	char path[128];
	off_t at = 0;
	ssize_t n;
	FILE *f;

	lost_path(path, ino);
	f = fopen(path, "w");
	assert_non_null(f);
	while ((n = pread(fd, piece, sizeof(piece), at)) > 0) {
		assert_int_equal(fwrite(piece, 1, (size_t)n, f), n);
		at += n;
	}
	fclose(f);
}

static int
keep_name(const char *name, void *arg)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		assert_true(synced_n < NAMES_MAX);
		synced_names[synced_n++] = st.st_ino;
	}
	return 0;
}

static void
keep(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISREG(st.st_mode)) {
		keep_content(fd, st.st_ino);
		return;
	}
	synced_n = 0;
	assert_int_equal(file_each(tmp.dir, keep_name, tmp.dir), 0);
}

static bool
holds(const char *path, const char *body)
{
	struct reader_record rec;
	struct reader *r;
	bool found = false;
	char start[80];

	if (reader_open(path, 0, &r))
		return false;
	while (!found && reader_next(r, &rec) == 1) {
		ssize_t n = reader_body(r, 0, start, sizeof(start) - 1);

		start[n > 0 ? n : 0] = '\0';
		found = strcmp(start, body) == 0;
	}
	reader_close(r);
	return found;
}

static bool
survives(const char *body)
{
	bool found = false;
	char path[128];

	pthread_mutex_lock(&lock);
	bypass = true;
	for (unsigned i = 0; i < synced_n && !found; i++) {
		lost_path(path, synced_names[i]);
		found = holds(path, body);
	}
	bypass = false;
	pthread_mutex_unlock(&lock);
	return found;
}

/* ---- the table */

enum manner { FAIL, SHORT, FAIL_ON };

static unsigned calls, fail_at;
static enum manner manner;
static int fail_errno;
static bool half_written;

static bool
due(void)
{
	calls++;
	return fail_at && (calls == fail_at || (manner == FAIL_ON && calls > fail_at));
}

static bool
is_broken(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	for (unsigned i = 0; i < broken_n; i++)
		if (broken[i] == st.st_ino)
			return true;
	return false;
}

static void
forget_broken(ino_t ino)
{
	for (unsigned i = 0; i < broken_n; i++)
		if (broken[i] == ino)
			broken[i] = 0;
}

static int
broke(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && broken_n < NAMES_MAX)
		broken[broken_n++] = st.st_ino;
	errno = fail_errno;
	return -1;
}

static int
t_open(const char *path, int flags, mode_t mode)
{
	int fd;

	if (bypass)
		return file_calls_real.open(path, flags, mode);
	pthread_mutex_lock(&lock);
	if (due()) {
		errno = fail_errno;
		fd = -1;
	} else {
		struct stat st;

		fd = file_calls_real.open(path, flags, mode);
		if (fd >= 0 && flags & O_EXCL && fstat(fd, &st) == 0) {
			char old[128];

			lost_path(old, st.st_ino); /* an inode used again */
			(void)unlink(old);
			forget_broken(st.st_ino);
		}
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static ssize_t
t_pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t rc;

	pthread_mutex_lock(&lock);
	if (is_broken(fd))
		violation = "a write after a failure";
	if (half_written) {
		half_written = false;
		rc = broke(fd);
	} else if (!due()) {
		rc = file_calls_real.pwrite(fd, p, n, at);
	} else if (manner == SHORT && n > 1) {
		half_written = true;
		rc = file_calls_real.pwrite(fd, p, n / 2, at);
	} else {
		rc = broke(fd);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static ssize_t
t_pread(int fd, void *p, size_t n, off_t at)
{
	return file_calls_real.pread(fd, p, n, at);
}

static int
sync_with(int (*real)(int fd), int fd)
{
	int rc;

	pthread_mutex_lock(&lock);
	if (is_broken(fd))
		violation = "a sync after a failure";
	rc = due() ? broke(fd) : real(fd);
	if (rc == 0)
		keep(fd);
	pthread_mutex_unlock(&lock);
	return rc;
}

static int
t_fsync(int fd)
{
	return sync_with(file_calls_real.fsync, fd);
}

static int
t_fdatasync(int fd)
{
	return sync_with(file_calls_real.fdatasync, fd);
}

static int
simple(int rc, bool fail)
{
	if (fail)
		errno = fail_errno;
	return fail ? -1 : rc;
}

static bool
enter(void)
{
	bool fail;

	pthread_mutex_lock(&lock);
	fail = due();
	pthread_mutex_unlock(&lock);
	return fail;
}

static int
t_ftruncate(int fd, off_t n)
{
	bool fail = enter();

	if (is_broken(fd))
		violation = "a truncation after a failure";
	return simple(fail ? 0 : file_calls_real.ftruncate(fd, n), fail);
}

static int
t_allocate(int fd, off_t at, off_t n)
{
	return enter() ? fail_errno : file_calls_real.allocate(fd, at, n);
}

static int
t_close(int fd)
{
	bool fail = !bypass && enter();

	return simple(file_calls_real.close(fd), fail);
}

static int
t_rename(const char *from, const char *to)
{
	bool fail = enter();

	if (access(to, F_OK) == 0)
		violation = "a rename that replaces";
	return simple(fail ? 0 : file_calls_real.rename(from, to), fail);
}

static int
t_link(const char *from, const char *to)
{
	bool fail = enter();

	return simple(fail ? 0 : file_calls_real.link(from, to), fail);
}

static int
t_unlink(const char *path)
{
	bool fail = enter();

	return simple(fail ? 0 : file_calls_real.unlink(path), fail);
}

static int
t_mkdir(const char *path, mode_t mode)
{
	bool fail = enter();

	return simple(fail ? 0 : file_calls_real.mkdir(path, mode), fail);
}

static const struct file_ops table = { t_open, t_pwrite, t_pread, t_fsync, t_fdatasync, t_ftruncate,
	t_allocate, t_close, t_rename, t_link, t_unlink, t_mkdir };

/* ---- the work that is disturbed */

static struct writers writers;
static int upload_result[2];
static bool served_after;
static unsigned not_durable;

static void
on_ack(struct writers *w, unsigned writer, unsigned i)
{
	char body[32];

	(void)w;
	snprintf(body, sizeof(body), "%u.%u", writer, i);
	not_durable += !survives(body);
}

static int
upload(struct spool *s, const char *body, size_t hint)
{
	static unsigned char filler[70000];
	struct spool_upload *u;
	int err = spool_upload_begin(s, STR("u"), STR(""), hint, &u);

	if (err)
		return err;
	(void)spool_upload_write(u, body, strlen(body) + 1);
	(void)spool_upload_write(u, filler, sizeof(filler));
	err = spool_upload_commit(u);
	if (!err)
		not_durable += !survives(body);
	return err;
}

static void
work(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool_record r = record("u", "98.0");
	int64_t deadline = clock_mono() + NS_PER_S;
	struct spool *s;

	(void)arg;
	opt.segment_size = 300; /* rolls every few records, and has the next one ready */
	assert_int_equal(spool_new(&opt, &s), 0);
	writers.acked = on_ack;
	writers_run(&writers, s, 3, 4);
	upload_result[0] = upload(s, "99.0", 0);
	upload_result[1] = upload(s, "99.1", 70005);
	fail_at = 0; /* the disk is well again */
	while (!(served_after = spool_append(s, &r) == 0) && clock_mono() < deadline)
		assert_int_equal(task_sleep_until(clock_mono() + 5 * NS_PER_MS), 0);
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
}

static void
check_afterwards(void)
{
	struct recover_stats st;
	struct harvest h;

	assert_null(violation);
	assert_int_equal(not_durable, 0);
	assert_true(served_after);
	assert_int_equal(recover_dir(tmp.dir, &st), 0);
	assert_int_equal(st.busy, 0);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN), 0);
	assert_int_equal(count_files(tmp.dir, NAME_PART), 0);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	check_writers(&writers, &h);
	assert_int_equal(occurrences(&h, "98.0"), 1);
	for (int i = 0; i < 2; i++)
		if (upload_result[i] == 0)
			assert_int_equal(occurrences(&h, i ? "99.1" : "99.0"), 1);
	for (size_t i = 0; i < h.n; i++)
		assert_int_equal(occurrences(&h, h.at[i].body), 1);
	harvest_free(&h);
}

/* Runs the work with the call number at failing; returns how many calls were made. */
static unsigned
disturb(unsigned at, enum manner how, int errnum)
{
	tmp_init(&tmp);
	tmp_init(&lost);
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	calls = broken_n = synced_n = not_durable = 0;
	violation = NULL;
	half_written = served_after = false;
	fail_at = at;
	manner = how;
	fail_errno = errnum;
	file_calls = &table;
	run(work, NULL);
	file_calls = &file_calls_real;
	check_afterwards();
	tmp_fini(&tmp);
	tmp_fini(&lost);
	return calls;
}

static void
all_positions(enum manner how, int errnum)
{
	unsigned n = disturb(0, FAIL, 0), failed = 0;

	for (unsigned w = 0; w < writers.n; w++)
		for (unsigned i = 0; i < writers.each; i++)
			assert_int_equal(writers.result[w][i], 0);
	assert_int_equal(upload_result[0] | upload_result[1], 0);
	for (unsigned at = 1; at <= n; at += how == FAIL_ON ? 7 : 1) {
		(void)disturb(at, how, errnum);
		for (unsigned w = 0; w < writers.n; w++)
			for (unsigned i = 0; i < writers.each; i++) {
				int err = writers.result[w][i];

				failed += err != 0;
				if (err)
					assert_int_equal(
					    err, errnum == ENOSPC ? ERR_NOSPACE : ERR_IO);
			}
	}
	assert_true(failed > 0);
}

static void
test_io_error(void **state)
{
	(void)state;
	all_positions(FAIL, EIO);
}

static void
test_no_space(void **state)
{
	(void)state;
	all_positions(FAIL, ENOSPC);
}

static void
test_short_writes(void **state)
{
	(void)state;
	all_positions(SHORT, EIO);
}

static void
test_broken_for_long(void **state)
{
	(void)state;
	all_positions(FAIL_ON, ENOSPC);
}

/* The test of the test: the model loses what was not synced. */
static void
unsynced(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	(void)arg;
	opt.sync = false;
	assert_int_equal(spool_new(&opt, &s), 0);
	writers.acked = on_ack;
	writers_run(&writers, s, 1, 3);
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
}

static void
test_model(void **state)
{
	(void)state;
	tmp_init(&tmp);
	tmp_init(&lost);
	assert_int_equal(spool_prepare(tmp.dir, false), 0);
	calls = broken_n = synced_n = not_durable = fail_at = 0;
	file_calls = &table;
	run(unsynced, NULL);
	file_calls = &file_calls_real;
	assert_int_equal(not_durable, 3);
	tmp_fini(&tmp);
	tmp_fini(&lost);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_io_error),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_short_writes),
		cmocka_unit_test(test_broken_for_long),
	};

	log_threshold = LOG_ERROR + 1; /* hundreds of failures, all on purpose */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

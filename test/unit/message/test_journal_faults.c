/*
 * The journal among failing file calls: each call of a run fails once, in several ways. What a flush has promised is there afterwards: for
 * who opens what is in the folder, and for who opens what a power cut at the end would have left, by a model of a disk that keeps
 *
 *	file content  as of the last fsync or fdatasync of it that succeeded
 *	folder        as of its last fsync that succeeded
 */
#include <errno.h>
#include <pthread.h>

#include "journal_test.h"

/* ---- the disk after a power cut ---- */

#define NAMES_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tmp lost;
static struct {
	char name[64];
	ino_t ino;
} names[NAMES_MAX];
static unsigned n_names;

static void
copy_file(const char *from, const char *to)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (file_read_all(from, 64 << 20, &text, &n) != 0)
		return;
	f = fopen(to, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
	free(text);
}

static int
keep_name(const char *name, void *arg)
{
	char path[512];
	struct stat st;
	uint64_t number;

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (!journal_file_number(name, &number) || stat(path, &st) != 0)
		return 0;
	assert_true(n_names < NAMES_MAX);
	(void)str_copyz(names[n_names].name, sizeof(names[0].name), str_of(name));
	names[n_names++].ino = st.st_ino;
	return 0;
}

static void
keep(int fd)
{
	char from[64], to[128];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode)) {
		n_names = 0;
		(void)file_each(journal_dir(), keep_name, (void *)(uintptr_t)journal_dir());
		return;
	}
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(to, sizeof(to), "%s/%lu", lost.dir, (unsigned long)st.st_ino);
	copy_file(from, to);
}

/* ---- the table ---- */

#define CALLS_MAX 400

enum manner { FAIL, SHORT, FAIL_ON, MANNERS };

static unsigned calls, fail_at;
static enum manner manner;
static bool half_written;
static bool is_write[CALLS_MAX];  /* of the undisturbed run */
static _Thread_local bool bypass; /* while the model looks at the files */

static bool
fails(void)
{
	bool now;

	if (bypass)
		return false;
	pthread_mutex_lock(&lock);
	calls++;
	now = fail_at && (calls == fail_at || (manner == FAIL_ON && calls > fail_at));
	pthread_mutex_unlock(&lock);
	if (now)
		errno = manner == FAIL_ON ? ENOSPC : EIO;
	return now;
}

static int
t_open(const char *path, int flags, mode_t mode)
{
	struct stat st;
	int fd = fails() ? -1 : file_calls_real.open(path, flags, mode);

	/* An inode used again has nothing on the disk yet. */
	if (fd >= 0 && flags & O_EXCL && fstat(fd, &st) == 0) {
		char old[128];

		snprintf(old, sizeof(old), "%s/%lu", lost.dir, (unsigned long)st.st_ino);
		(void)unlink(old);
	}
	return fd;
}

static ssize_t
t_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (half_written) {
		half_written = false;
		errno = EIO;
		return -1;
	}
	if (!fails()) {
		if (!fail_at && calls < CALLS_MAX)
			is_write[calls] = true;
		return file_calls_real.pwrite(fd, p, n, at);
	}
	if (manner != SHORT || n < 2)
		return -1;
	half_written = true;
	return file_calls_real.pwrite(fd, p, n / 2, at);
}

/* The model is the disk: nothing has to go to the real one. */
static int
t_sync(int fd)
{
	if (fails())
		return -1;
	bypass = true;
	pthread_mutex_lock(&lock);
	keep(fd);
	pthread_mutex_unlock(&lock);
	bypass = false;
	return 0;
}

static int
t_ftruncate(int fd, off_t n)
{
	return fails() ? -1 : file_calls_real.ftruncate(fd, n);
}

static int
t_allocate(int fd, off_t at, off_t n)
{
	return fails() ? errno : file_calls_real.allocate(fd, at, n);
}

static int
t_close(int fd)
{
	bool fail = fails();
	int saved = errno, rc = file_calls_real.close(fd);

	errno = saved;
	return fail ? -1 : rc;
}

static int
t_unlink(const char *path)
{
	return fails() ? -1 : file_calls_real.unlink(path);
}

static int
t_mkdir(const char *path, mode_t mode)
{
	return fails() ? -1 : file_calls_real.mkdir(path, mode);
}

static off_t bad_block = -1; /* that the disk never gives */

static ssize_t
t_pread(int fd, void *p, size_t n, off_t at)
{
	if (bad_block >= 0 && at < bad_block + 4096 && at + (off_t)n > bad_block) {
		errno = EIO;
		return -1;
	}
	return fails() ? -1 : file_calls_real.pread(fd, p, n, at);
}

/* ---- the work that is disturbed ---- */

#define ROUNDS 12
#define EACH 60 /* rows a round: several files in all */

static unsigned acked; /* rounds whose rows a flush has promised */

static void
add_round(struct journal *j, unsigned round)
{
	for (unsigned i = 0; i < EACH; i++) {
		add(j, 1 + round % 3, round * EACH + i, JOURNAL_RETRY, 1);
		add(j, 1 + round % 3, round * EACH + i, JOURNAL_RETRY, 2);
		if (i % 2 == 0)
			add(j, 1 + round % 3, round * EACH + i, JOURNAL_DELIVERED, 3);
	}
}

static void
work(void *arg)
{
	struct journal *j;
	int err = journal_open(journal_dir(), 1, &j);

	(void)arg;
	if (err)
		return;
	for (unsigned round = 0; round < ROUNDS; round++) {
		add_round(j, round);
		err = journal_flush(j, CLOCK_NEVER);
		if (err &&
		    manner != FAIL_ON) /* what failed once is made up for at the next attempt */
			err = journal_flush(j, CLOCK_NEVER);
		if (!err)
			acked = round + 1;
		assert_true(!err || manner == FAIL_ON);
	}
	journal_close(j);
}

static void
check(void *arg)
{
	struct journal *j = open_limited(1);

	(void)arg;
	for (unsigned n = 0; n < acked * EACH; n++) {
		unsigned round = n / EACH;
		struct journal_attempts a;

		journal_attempts(j, segment(1 + round % 3), n, &a);
		assert_int_equal(journal_is_done(j, segment(1 + round % 3), n), n % EACH % 2 == 0);
		assert_int_equal(a.n, n % EACH % 2 == 0 ? 0 : 2);
	}
	journal_close(j);
}

/* What the model has kept takes the place of what is there. */
static void
lose_power(void)
{
	char path[JOURNAL_PATH_MAX], from[128];
	struct listing l = list_files();

	for (unsigned i = 0; i < l.n; i++) {
		journal_file_path(journal_dir(), l.numbers[i], path);
		assert_int_equal(unlink(path), 0);
	}
	for (unsigned i = 0; i < n_names; i++) {
		snprintf(path, sizeof(path), "%.256s/%.63s", journal_dir(), names[i].name);
		snprintf(from, sizeof(from), "%s/%lu", lost.dir, (unsigned long)names[i].ino);
		if (access(from, F_OK) == 0)
			copy_file(from, path);
		else
			close(
			    open(path, O_CREAT | O_WRONLY, 0640)); /* the name, and nothing in it */
	}
}

static const struct file_ops table = { .open = t_open,
	.pwrite = t_pwrite,
	.pread = t_pread,
	.fsync = t_sync,
	.fdatasync = t_sync,
	.ftruncate = t_ftruncate,
	.allocate = t_allocate,
	.close = t_close,
	.unlink = t_unlink,
	.mkdir = t_mkdir };

static void
check_both(void)
{
	file_calls = quick_calls();
	run(check, NULL);
	lose_power();
	run(check, NULL);
	file_calls = &file_calls_real;
}

/* One run with the Nth call failing: how many calls there were. */
static unsigned
disturbed(unsigned n)
{
	tmp_init(&tmp);
	tmp_init(&lost);
	calls = acked = n_names = 0;
	fail_at = n;
	half_written = false;
	file_calls = &table;
	run(work, NULL);
	file_calls = &file_calls_real;
	assert_true(acked == ROUNDS || fail_at);
	if (acked > 0)
		check_both();
	tmp_fini(&lost);
	tmp_fini(&tmp);
	return calls;
}

static void
every_call_fails_once(void **state)
{
	unsigned total = disturbed(0);

	(void)state;
	log_threshold = LOG_ERROR + 1;
	assert_true(total > 60 && total < CALLS_MAX);
	for (manner = FAIL; manner < MANNERS; manner++)
		for (unsigned n = 1; n <= total; n++)
			if (manner == FAIL || (manner == SHORT ? is_write[n] : n % 4 == 1))
				(void)disturbed(n);
	manner = FAIL;
	log_threshold = LOG_INFO;
}

static void
go_on(void *arg)
{
	struct journal *j = open_limited(1);
	struct journal_row row = {
		.segment = segment(9), .result = JOURNAL_DELIVERED, .attempt = 1, .time = 1
	};

	(void)arg;
	journal_add(j, &row);
	assert_int_equal(journal_flush(j, CLOCK_NEVER), 0);
	journal_close(j);
	bad_block = -1;
	j = open_limited(1);
	assert_true(journal_is_done(j, segment(9), 0));
	journal_close(j);
}

/* It goes on with what can be read: a message is delivered twice rather than never. */
static void
a_block_cannot_be_read(void **state)
{
	(void)state;
	log_threshold = LOG_ERROR + 1;
	for (off_t bad = 0; bad <= 4096; bad += 4096) {
		tmp_init(&tmp);
		tmp_init(&lost);
		calls = acked = n_names = fail_at = 0;
		run(work, NULL);
		bad_block = bad;
		file_calls = &table;
		bypass = true;
		run(go_on, NULL);
		bypass = false;
		file_calls = &file_calls_real;
		tmp_fini(&lost);
		tmp_fini(&tmp);
	}
	log_threshold = LOG_INFO;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_fails_once),
		cmocka_unit_test(a_block_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

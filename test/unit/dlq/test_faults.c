/*
 * Every file call fails once, in turn, in several ways, while letters are added, decided on, delivered, dropped and written anew. A call that
 * says so has changed nothing; whatever was told done is found when the store is opened again. And a disk that loses at a power cut what was
 * not synced is asked at each word of the store: nothing it said is unsynced.
 */
#include <errno.h>
#include <pthread.h>

#include "unit/dlq/model.h"

static struct tmp tmp;
static struct model *model;

/* ---- the table */

enum manner { FAIL, SHORT, FAIL_ON };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned calls, fail_at;
static enum manner manner;
static int fail_errno;
static bool half_written, failed;
static bool space_only; /* only calls that may run out of space are counted */

#define DIRTY_MAX 64
static ino_t dirty[DIRTY_MAX]; /* written, or with new names, and not synced since */
static unsigned n_dirty;

static bool
due(void)
{
	bool yes;

	calls++;
	yes = fail_at && (calls == fail_at || (manner == FAIL_ON && calls > fail_at));
	failed = failed || yes;
	return yes;
}

static void
soil(ino_t ino)
{
	for (unsigned i = 0; i < n_dirty; i++) {
		if (dirty[i] == ino)
			return;
	}
	assert_true(n_dirty < DIRTY_MAX);
	dirty[n_dirty++] = ino;
}

static void
wash(ino_t ino)
{
	for (unsigned i = 0; i < n_dirty; i++) {
		if (dirty[i] == ino)
			dirty[i--] = dirty[--n_dirty];
	}
}

static ino_t
inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void
soil_folder_of(const char *path)
{
	char dir[512];
	struct stat st;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (stat(dir, &st) == 0)
		soil(st.st_ino);
}

static int
simple(int rc, bool fail)
{
	if (fail)
		errno = fail_errno;
	return fail ? -1 : rc;
}

/* Counts the call; true: it is to fail. */
static bool
enter_as(bool takes_space)
{
	bool fail;

	pthread_mutex_lock(&lock);
	fail = (takes_space || !space_only) && due();
	pthread_mutex_unlock(&lock);
	return fail;
}

static bool
enter(void)
{
	return enter_as(false);
}

static int
t_open(const char *path, int flags, mode_t mode)
{
	bool fail = enter();
	int fd = fail ? -1 : file_calls_real.open(path, flags, mode);

	if (fd >= 0 && flags & O_EXCL) {
		pthread_mutex_lock(&lock);
		wash(inode(fd)); /* an inode used again */
		soil_folder_of(path);
		pthread_mutex_unlock(&lock);
	}
	return simple(fd, fail);
}

static ssize_t
t_pwrite(int fd, const void *p, size_t n, off_t at)
{
	bool fail = enter_as(true);

	pthread_mutex_lock(&lock);
	soil(inode(fd));
	pthread_mutex_unlock(&lock);
	if (half_written) {
		half_written = false;
		fail = true;
	} else if (fail && manner == SHORT && n > 1) {
		half_written = true;
		return file_calls_real.pwrite(fd, p, n / 2, at);
	}
	if (fail) {
		errno = fail_errno;
		return -1;
	}
	return file_calls_real.pwrite(fd, p, n, at);
}

static ssize_t
t_pread(int fd, void *p, size_t n, off_t at)
{
	if (enter()) {
		errno = fail_errno;
		return -1;
	}
	return file_calls_real.pread(fd, p, n, at);
}

static int
t_sync(int fd)
{
	bool fail = enter();

	if (!fail) {
		pthread_mutex_lock(&lock);
		wash(inode(fd));
		pthread_mutex_unlock(&lock);
	}
	return simple(0, fail);
}

static int
t_ftruncate(int fd, off_t n)
{
	bool fail = enter();

	return simple(fail ? 0 : file_calls_real.ftruncate(fd, n), fail);
}

static int
t_allocate(int fd, off_t at, off_t n)
{
	return enter_as(manner != SHORT) ? fail_errno : file_calls_real.allocate(fd, at, n);
}

static int
t_close(int fd)
{
	bool fail = enter();

	return simple(file_calls_real.close(fd), fail);
}

static int
t_rename(const char *from, const char *to)
{
	bool fail = enter();
	int rc = fail ? 0 : file_calls_real.rename(from, to);

	if (!fail) {
		pthread_mutex_lock(&lock);
		soil_folder_of(to);
		pthread_mutex_unlock(&lock);
	}
	return simple(rc, fail);
}

static int
t_link(const char *from, const char *to)
{
	bool fail = enter();
	int rc = fail ? 0 : file_calls_real.link(from, to);

	if (!fail) {
		pthread_mutex_lock(&lock);
		soil_folder_of(to);
		pthread_mutex_unlock(&lock);
	}
	return simple(rc, fail);
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
	int rc = fail ? 0 : file_calls_real.mkdir(path, mode);

	return simple(rc, fail);
}

static const struct file_ops table = { t_open, t_pwrite, t_pread, t_sync, t_sync, t_ftruncate,
	t_allocate, t_close, t_rename, t_link, t_unlink, t_mkdir };

/* ---- the work that is disturbed */

#define STEPS 30u

/* Of what is not synced, only what nobody was told of: files that were removed, or begun and given up. */
static int
is_clean(const char *name, void *arg)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	if (stat(path, &st) < 0)
		return 0;
	for (unsigned i = 0; i < n_dirty; i++) {
		if (dirty[i] == st.st_ino)
			fail_msg("%s is not synced", path);
	}
	return 0;
}

static void
check_synced(const struct dlq *d)
{
	assert_int_equal(is_clean(".", (void *)(uintptr_t)d->dir), 0);
	assert_int_equal(is_clean(".", (void *)(uintptr_t)d->files), 0);
	assert_int_equal(file_each(d->dir, is_clean, (void *)(uintptr_t)d->dir), 0);
	assert_int_equal(file_each(d->files, is_clean, (void *)(uintptr_t)d->files), 0);
}

/* What the store says in memory is what the model has: an error has changed nothing. */
static void
check_memory(struct dlq *d, unsigned n)
{
	struct dlq_entry e;
	bool there = dlq_find(d, id_of(n), &e) == 0;

	if (!same(&model->e[n], there, &e))
		fail_msg("%u is not as it was before an error", n);
}

static void
disturbed(void *arg)
{
	struct worker w = { .m = model, .stream = "s0" };
	unsigned errors = 0;

	(void)arg;
	if (dlq_open(folder(&tmp), &(struct dlq_limits){ 0 }, &w.d))
		return;
	w.d->file_size = 3000;
	for (unsigned i = 0; i < STEPS; i++) {
		int err = step(&w);

		assert_true(err == 0 || err == ERR_IO || err == ERR_NOSPACE);
		if (err) {
			errors++;
			check_memory(w.d, model->wish[0].n);
			/* Told to have failed: with the disk well again it did not happen. */
			model->wish[0].open = manner == FAIL_ON;
			if (manner == FAIL_ON)
				break; /* not even what was written could be taken back */
		} else if (!failed) {
			check_synced(w.d);
		}
		if (i % 5 == 4) {
			dlq_tend(w.d);
			w.d->tend_after = 0;
		}
	}
	assert_true(errors == 0 || failed);
	dlq_close(w.d);
}

static void
look(void *arg)
{
	struct dlq *d = open_store(&tmp);

	(void)arg;
	model_check(d, model);
	dlq_close(d);
}

/* False: there was no such call any more. */
static bool
one_life(unsigned at)
{
	bool reached;

	tmp_init(&tmp);
	model = model_new(tmp.dir);
	calls = n_dirty = 0;
	fail_at = at;
	half_written = failed = false;
	file_calls = &table;
	run(disturbed, NULL);
	reached = failed;
	fail_at = 0;
	run(look, NULL);
	file_calls = &file_calls_real;
	model_free(model);
	tmp_fini(&tmp);
	return reached;
}

static void
each_call(enum manner how, int errnum)
{
	manner = how;
	fail_errno = errnum;
	space_only = errnum == ENOSPC;
	for (unsigned at = 1; one_life(at); at++)
		continue;
	assert_true(calls > (space_only ? 30 : 100));
}

static void
one_fails(void **state)
{
	(void)state;
	each_call(FAIL, EIO);
}

static void
no_space_once(void **state)
{
	(void)state;
	each_call(FAIL, ENOSPC);
}

static void
short_writes(void **state)
{
	(void)state;
	each_call(SHORT, ENOSPC);
}

static void
all_fail_from_one_on(void **state)
{
	(void)state;
	each_call(FAIL_ON, EIO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_fails),
		cmocka_unit_test(no_space_once),
		cmocka_unit_test(short_writes),
		cmocka_unit_test(all_fail_from_one_on),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

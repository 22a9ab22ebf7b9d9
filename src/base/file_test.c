/*
 * The failing table and the crash points of file.h: only in builds for tests. Configured by the
 * environment, so that the functional tests can break any process of a real server at a known
 * place.
 */
#ifdef SLUICE_TEST

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

enum { NAME_MAX_BYTES = 48 };

/* One plan each: what to count, and at which count to act. An empty name plans nothing. */
struct plan {
	char name[NAME_MAX_BYTES];
	uint64_t at;
	bool onwards;
	atomic_ullong passed;
};

static struct plan crash, failure;
static int fail_errno;
static bool fail_short;
static _Atomic bool fail_next_write; /* the half of a "short" is written */
static _Atomic bool spent; /* SLUICE_CRASH_ONCE was found used up, or has been used by us */
static _Atomic bool owned; /* it was us who made the flag */

static const struct {
	const char *name;
	int value;
} errnos[] = {
	{ "EIO", EIO },
	{ "ENOSPC", ENOSPC },
	{ "EDQUOT", EDQUOT },
	{ "EINTR", EINTR },
	{ "EMFILE", EMFILE },
	{ "ENFILE", ENFILE },
	{ "ENOMEM", ENOMEM },
	{ "EACCES", EACCES },
	{ "EPERM", EPERM },
	{ "EROFS", EROFS },
	{ "ENOENT", ENOENT },
	{ "EEXIST", EEXIST },
	{ "EFBIG", EFBIG },
};

/* A wrong plan must not pass for a test that found nothing. */
static void
reject(const char *variable, const char *value)
{
	fprintf(stderr, "sluice: %s=%s cannot be understood\n", variable, value);
	_exit(2);
}

/* Reads "name:N" off the front of *s. */
static void
read_plan(struct plan *plan, struct str *s, const char *variable, const char *value)
{
	struct str name = str_split(s, ':'), number = str_split(s, ':');

	plan->onwards = number.n > 1 && str_ends(number, STR("+"));
	if (plan->onwards)
		number.n--;
	if (name.n == 0 || !str_copyz(plan->name, sizeof(plan->name), name) ||
	    str_to_u64(number, &plan->at) || plan->at == 0)
		reject(variable, value);
}

static int
read_errno(struct str s)
{
	uint64_t number;

	for (size_t i = 0; i < ARRAY_LEN(errnos); i++) {
		if (str_is(s, errnos[i].name))
			return errnos[i].value;
	}
	return str_to_u64(s, &number) || number > 4095 ? 0 : (int)number;
}

static void
read_crash(void)
{
	const char *value = getenv("SLUICE_CRASH");
	struct str rest = str_of(value);

	if (value && *value)
		read_plan(&crash, &rest, "SLUICE_CRASH", value);
}

static void
read_failure(void)
{
	const char *value = getenv("SLUICE_FAIL");
	struct str rest = str_of(value);

	if (!value || !*value)
		return;
	read_plan(&failure, &rest, "SLUICE_FAIL", value);
	fail_errno = read_errno(str_split(&rest, ':'));
	fail_short = str_is(rest, "short");
	if (fail_errno == 0 || (rest.n > 0 && !fail_short))
		reject("SLUICE_FAIL", value);
}

/* True if nobody acted before us, when it is asked to happen once. */
static bool
may_act(void)
{
	const char *flag = getenv("SLUICE_CRASH_ONCE");
	int fd;

	if (!flag || !*flag || atomic_load(&owned))
		return true;
	if (atomic_exchange(&spent, true))
		return false;
	fd = open(flag, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return false;
	close(fd);
	atomic_store(&owned, true);
	return true;
}

static bool
plan_due(struct plan *plan)
{
	uint64_t passed = atomic_fetch_add(&plan->passed, 1) + 1;

	return passed == plan->at || (plan->onwards && passed > plan->at);
}

void
file_crash_point(const char *name)
{
	if (crash.name[0] && strcmp(crash.name, name) == 0 && plan_due(&crash) && may_act())
		kill(getpid(), SIGKILL);
}

static bool
names_call(const struct plan *plan, const char *prefix, const char *call)
{
	struct str name = str_of(plan->name), front = str_of(prefix);

	if (name.n == 0 || !str_starts(name, front))
		return false;
	name = str_from(name, front.n);
	return str_is(name, "*") || str_is(name, call);
}

/* Passes one call: dies here if that is planned; true (and errno set) if the call is to fail. */
static bool
fails(const char *call)
{
	if (names_call(&crash, "@", call) && plan_due(&crash) && may_act())
		kill(getpid(), SIGKILL);
	if (!names_call(&failure, "", call) || !plan_due(&failure) || !may_act())
		return false;
	errno = fail_errno;
	return true;
}

static int
test_open(const char *path, int flags, mode_t mode)
{
	return fails("open") ? -1 : file_calls_real.open(path, flags, mode);
}

static ssize_t
test_pwrite(int fd, const void *p, size_t n, off_t at)
{
	bool fail = fails("pwrite");

	if (fail_short && atomic_exchange(&fail_next_write, false)) {
		errno = fail_errno;
		return -1;
	}
	if (fail && fail_short && n > 1) {
		atomic_store(&fail_next_write, true);
		return file_calls_real.pwrite(fd, p, n / 2, at);
	}
	return fail ? -1 : file_calls_real.pwrite(fd, p, n, at);
}

static ssize_t
test_pread(int fd, void *p, size_t n, off_t at)
{
	return fails("pread") ? -1 : file_calls_real.pread(fd, p, n, at);
}

static int
test_fsync(int fd)
{
	return fails("fsync") ? -1 : file_calls_real.fsync(fd);
}

static int
test_fdatasync(int fd)
{
	return fails("fdatasync") ? -1 : file_calls_real.fdatasync(fd);
}

static int
test_ftruncate(int fd, off_t n)
{
	return fails("ftruncate") ? -1 : file_calls_real.ftruncate(fd, n);
}

static int
test_allocate(int fd, off_t at, off_t n)
{
	return fails("allocate") ? fail_errno : file_calls_real.allocate(fd, at, n);
}

/* A close that fails has closed. */
static int
test_close(int fd)
{
	bool fail = fails("close");
	int rc = file_calls_real.close(fd);

	if (!fail)
		return rc;
	errno = fail_errno;
	return -1;
}

static int
test_rename(const char *from, const char *to)
{
	return fails("rename") ? -1 : file_calls_real.rename(from, to);
}

static int
test_link(const char *from, const char *to)
{
	return fails("link") ? -1 : file_calls_real.link(from, to);
}

static int
test_unlink(const char *path)
{
	return fails("unlink") ? -1 : file_calls_real.unlink(path);
}

static int
test_mkdir(const char *path, mode_t mode)
{
	return fails("mkdir") ? -1 : file_calls_real.mkdir(path, mode);
}

static const struct file_ops file_calls_test = {
	.open = test_open,
	.pwrite = test_pwrite,
	.pread = test_pread,
	.fsync = test_fsync,
	.fdatasync = test_fdatasync,
	.ftruncate = test_ftruncate,
	.allocate = test_allocate,
	.close = test_close,
	.rename = test_rename,
	.link = test_link,
	.unlink = test_unlink,
	.mkdir = test_mkdir,
};

static void
forget(void)
{
	memset(&crash, 0, sizeof(crash));
	memset(&failure, 0, sizeof(failure));
	fail_errno = 0;
	fail_short = false;
	fail_next_write = false;
	spent = false;
	owned = false;
	file_calls = &file_calls_real;
}

void
file_test_role(const char *role)
{
	const char *only = getenv("SLUICE_TEST_ROLE");

	forget();
	if (only && *only && (!role || strcmp(only, role) != 0))
		return;
	read_crash();
	read_failure();
	if (failure.name[0] || crash.name[0] == '@')
		file_calls = &file_calls_test;
}

void
file_test_init(void)
{
	file_test_role(NULL);
}

#else

/* ISO C wants a translation unit to declare something. */
extern const int file_test_absent;

#endif

/*
 * File calls. Everything that durability rests on goes through the table `file_calls`, so that
 * tests can make the Nth call fail, write short, or kill the process; production uses the real
 * ones. All of these block: on a task, call them from a helper (task/task.h), or where the
 * caller may block (start-up, the shipper's helpers).
 */
#ifndef SLUICE_BASE_FILE_H
#define SLUICE_BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/base.h"

struct file_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t n);
	int (*allocate)(int fd, off_t at, off_t n); /* posix_fallocate: returns an errno value */
	int (*close)(int fd);
	int (*rename)(const char *from, const char *to);
	int (*link)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
};

/* The table in use; the real calls unless a test replaced it before any thread was started. */
extern const struct file_ops *file_calls;
extern const struct file_ops file_calls_real;

#define FILE_MODE 0640
#define DIR_MODE 0750

/* All of these return 0 (or a count/descriptor) or an error of the table, with errno kept as the
 * call left it. */
int file_open(const char *path, int flags); /* O_CLOEXEC added, FILE_MODE; EINTR repeated */
int file_write_all(int fd, const void *p, size_t n, off_t at);
/* Bytes read: fewer than n only at the end of the file. */
ssize_t file_read_full(int fd, void *p, size_t n, off_t at);
/* The same for a disk that fails: block by block, with zeros in place of those that it does not give even now. */
ssize_t file_read_blocks(int fd, void *p, size_t n, off_t at);
int file_sync(int fd);     /* fsync */
int file_datasync(int fd); /* fdatasync */
int file_close(int fd);    /* reports a failed close; EINTR counts as closed */
int file_truncate(int fd, uint64_t n);
/* Blocks for [at, at + n), so that writing there cannot run out of space; the size grows to at +
 * n. */
int file_allocate(int fd, uint64_t at, uint64_t n);
int file_rename(const char *from, const char *to);
/* A second name for a file; ERR_EXISTS if it is taken. */
int file_link(const char *from, const char *to);
int file_unlink(const char *path); /* a missing file is OK */
int file_sync_dir(const char *dir);
/* Makes path and missing parents (DIR_MODE), syncing each parent it added to, and the parent of the
 * last folder that was there already (whoever made that one may have died before syncing). */
int file_make_dirs(const char *path);
/* Replaces path by these bytes so that after a crash the old or the new is there, never a mix:
 * temporary file, fsync, rename, fsync of the folder. */
int file_replace(const char *path, const void *p, size_t n);
/* Reads a whole file of at most max bytes, with a zero byte behind; the caller frees *out.
 * ERR_TOO_LARGE beyond. */
int file_read_all(const char *path, size_t max, char **out, size_t *n);
/* Bytes free to us on path's file system, and its size. */
int file_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes);
int file_space_of(int fd, uint64_t *free_bytes);
/* Calls each(name, arg) for every entry but . and ..; stops early on a non-zero return and returns
 * it. A missing folder has none. */
int file_each(const char *dir, int (*each)(const char *name, void *arg), void *arg);

/*
 * Crash points: in builds with -DSLUICE_TEST (configure --debug) these variables of the environment
 * make a process fail on purpose. Elsewhere they cost nothing.
 *
 *	SLUICE_CRASH=name:N             SIGKILL at the Nth file_crash_point("name")
 *	SLUICE_CRASH=@call:N            the same just before the Nth file call of that name
 *	SLUICE_FAIL=call:N:ERRNO        the Nth such call fails, without being done
 *	SLUICE_FAIL=call:N+:ERRNO       so does every one from the Nth on
 *	SLUICE_FAIL=call:N:ERRNO:short  the Nth pwrite writes half, then the next one fails
 *	SLUICE_TEST_ROLE=worker         only processes of this role do any of it
 *	SLUICE_CRASH_ONCE=/path/flag    only who could make this file: not again after a respawn
 *
 * Calls are named as in struct file_ops, "*" is any of them; ERRNO is a name (EIO) or a number.
 * Calls are counted over all threads of the process.
 */
#ifdef SLUICE_TEST
void file_crash_point(const char *name);
/* Reads the variables for a process without a role; called once at start of a process. */
void file_test_init(void);
/* The same for a role ("worker", "shipper", "master"); called again after fork, before any thread.
 * Counts begin anew. */
void file_test_role(const char *role);
#else
#define file_crash_point(name) ((void)0)
#define file_test_init() ((void)0)
#define file_test_role(role) ((void)0)
#endif

#endif

/*
 * File calls. Everything that durability rests on goes through the table `file_calls`, so that tests can make the
 * Nth call fail, write short, or kill the process; production uses the real ones. All of these block: on a task, call
 * them from a helper (task/offload.h), or where the caller may block (start-up, the shipper's helpers).
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

/* All of these return 0 (or a count/descriptor) or an error of the table, with errno kept as the call left it. */
int file_open(const char *path, int flags); /* O_CLOEXEC added, FILE_MODE; EINTR repeated */
int file_write_all(int fd, const void *p, size_t n, off_t at);
/* Bytes read: fewer than n only at the end of the file. */
ssize_t file_read_full(int fd, void *p, size_t n, off_t at);
int file_sync(int fd);     /* fsync */
int file_datasync(int fd); /* fdatasync */
int file_close(int fd);    /* reports a failed close; EINTR counts as closed */
int file_rename(const char *from, const char *to);
int file_unlink(const char *path); /* a missing file is OK */
int file_sync_dir(const char *dir);
/* Makes path and missing parents (DIR_MODE), syncing each parent it added to. */
int file_make_dirs(const char *path);
/* Replaces path by these bytes so that after a crash the old or the new is there, never a mix: temporary file, fsync, rename,
 * fsync of the folder. */
int file_replace(const char *path, const void *p, size_t n);
/* Reads a whole file of at most max bytes, with a zero byte behind; the caller frees *out. ERR_TOO_LARGE beyond. */
int file_read_all(const char *path, size_t max, char **out, size_t *n);
/* Bytes free to us on path's file system, and its size. */
int file_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes);
/* Calls each(name, arg) for every entry but . and ..; stops early on a non-zero return and returns it. A missing folder has none. */
int file_each(const char *dir, int (*each)(const char *name, void *arg), void *arg);

/*
 * Crash points: in builds with -DSLUICE_TEST (configure --debug), SLUICE_CRASH="name:N" kills this process with SIGKILL
 * at its Nth passage of file_crash_point("name"), and SLUICE_FAIL="call:N:ERRNO[:short]" makes the Nth such file call fail
 * ("*" counts every call). Elsewhere they cost nothing.
 */
#ifdef SLUICE_TEST
void file_crash_point(const char *name);
/* Reads the two variables and installs the failing table; called once at start of a process. */
void file_test_init(void);
#else
#define file_crash_point(name) ((void)0)
#define file_test_init() ((void)0)
#endif

#endif

/*
 * File calls and the few compounds that durability rests on. Everything that changes the disk goes
 * through file_calls.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"

#define BLOCK 4096 /* what is lost at least where a disk fails */

static int
real_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

const struct file_ops file_calls_real = {
	.open = real_open,
	.pwrite = pwrite,
	.pread = pread,
	.fsync = fsync,
	.fdatasync = fdatasync,
	.ftruncate = ftruncate,
	.allocate = posix_fallocate,
	.close = close,
	.rename = rename,
	.link = link,
	.unlink = unlink,
	.mkdir = mkdir,
};

const struct file_ops *file_calls = &file_calls_real;

static int
result(int rc)
{
	return rc < 0 ? err_from_errno(errno) : 0;
}

/* Releases what a failed call left behind without changing its errno. */
static void
close_keeping_errno(int fd)
{
	int saved = errno;

	file_calls->close(fd);
	errno = saved;
}

static void
free_keeping_errno(void *p)
{
	int saved = errno;

	free(p);
	errno = saved;
}

int
file_open(const char *path, int flags)
{
	int fd;

	do
		fd = file_calls->open(path, flags | O_CLOEXEC, FILE_MODE);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? err_from_errno(errno) : fd;
}

int
file_write_all(int fd, const void *p, size_t n, off_t at)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = file_calls->pwrite(fd, from, n, at);

		if (done > 0) {
			from += done;
			n -= (size_t)done;
			at += done;
		} else if (done == 0) {
			errno = EIO; /* no progress: not a state to wait in */
			return ERR_IO;
		} else if (errno != EINTR) {
			return err_from_errno(errno);
		}
	}
	return 0;
}

ssize_t
file_read_full(int fd, void *p, size_t n, off_t at)
{
	size_t got = 0;

	while (got < n) {
		ssize_t done = file_calls->pread(fd, (char *)p + got, n - got, at + (off_t)got);

		if (done > 0)
			got += (size_t)done;
		else if (done == 0)
			break;
		else if (errno != EINTR)
			return err_from_errno(errno);
	}
	return (ssize_t)got;
}

ssize_t
file_read_blocks(int fd, void *p, size_t n, off_t at)
{
	size_t done = 0;

	while (done < n) {
		size_t piece = MIN(n - done, BLOCK - (size_t)(at + (off_t)done) % BLOCK);
		ssize_t got = file_read_full(fd, (char *)p + done, piece, at + (off_t)done);

		if (got < 0)
			memset((char *)p + done, 0, piece);
		else if ((size_t)got < piece)
			return (ssize_t)done + got;
		done += piece;
	}
	return (ssize_t)done;
}

/* A sync cut short by a signal says nothing was lost yet: repeated. Any other failure is final. */
int
file_sync(int fd)
{
	int rc;

	do
		rc = file_calls->fsync(fd);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

int
file_datasync(int fd)
{
	int rc;

	do
		rc = file_calls->fdatasync(fd);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

int
file_close(int fd)
{
	int rc = file_calls->close(fd);

	return rc < 0 && errno == EINTR ? 0 : result(rc);
}

int
file_truncate(int fd, uint64_t n)
{
	int rc;

	do
		rc = file_calls->ftruncate(fd, (off_t)n);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

int
file_allocate(int fd, uint64_t at, uint64_t n)
{
	int errnum;

	do
		errnum = file_calls->allocate(fd, (off_t)at, (off_t)n);
	while (errnum == EINTR);
	errno = errnum;
	return err_from_errno(errnum);
}

int
file_rename(const char *from, const char *to)
{
	return result(file_calls->rename(from, to));
}

int
file_link(const char *from, const char *to)
{
	return result(file_calls->link(from, to));
}

int
file_unlink(const char *path)
{
	int rc = file_calls->unlink(path);

	return rc < 0 && errno == ENOENT ? 0 : result(rc);
}

int
file_sync_dir(const char *dir)
{
	int fd = file_open(dir, O_RDONLY | O_DIRECTORY);
	int err;

	if (fd < 0)
		return fd;
	err = file_sync(fd);
	if (err) {
		close_keeping_errno(fd);
		return err;
	}
	return file_close(fd);
}

/* Syncs the folder that holds path[0..n), a path without a trailing slash. path is changed and put
 * back. */
static int
sync_parent(char *path, size_t n)
{
	ptrdiff_t slash = str_rfind(str_make(path, n), '/');
	char kept;
	int err;

	if (slash < 0)
		return file_sync_dir(".");
	if (slash == 0)
		return file_sync_dir("/");
	kept = path[slash];
	path[slash] = '\0';
	err = file_sync_dir(path);
	path[slash] = kept;
	return err;
}

/* Makes path[0..n); 0, or ERR_EXISTS if something of that name is there. */
static int
make_one(char *path, size_t n)
{
	char kept = path[n];
	int err;

	path[n] = '\0';
	err = result(file_calls->mkdir(path, DIR_MODE));
	path[n] = kept;
	return err;
}

/* End of the component that begins at or behind i; leading and doubled slashes are skipped. */
static size_t
component_end(const char *path, size_t i)
{
	while (path[i] == '/')
		i++;
	while (path[i] && path[i] != '/')
		i++;
	return i;
}

/* Length of the longest part of path, in whole components, that is there; 0 if none is. */
static size_t
existing_part(char *path)
{
	size_t end = 0, next;

	while ((next = component_end(path, end)) > end) {
		char kept = path[next];
		struct stat st;
		int rc;

		path[next] = '\0';
		rc = stat(path, &st);
		path[next] = kept;
		if (rc < 0)
			break;
		end = next;
	}
	return end;
}

static int
make_missing(char *path, size_t from)
{
	size_t end = from, next;

	while ((next = component_end(path, end)) > end) {
		int err = make_one(path, next);

		if (err && err != ERR_EXISTS)
			return err;
		err = sync_parent(path, next);
		if (err)
			return err;
		end = next;
	}
	return 0;
}

static void
strip_slashes(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
}

int
file_make_dirs(const char *path)
{
	char *copy = strdup(path);
	struct stat st;
	size_t there;
	int err;

	if (!copy)
		return ERR_NOMEM;
	strip_slashes(copy);
	there = existing_part(copy);
	err = there ? sync_parent(copy, there) : 0;
	/* A parent that we may pass but not read is not ours, and was not made by us. */
	if (err == ERR_DENIED)
		err = 0;
	if (!err)
		err = make_missing(copy, there);
	if (!err)
		err = result(stat(copy, &st));
	if (!err && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		err = ERR_EXISTS;
	}
	free_keeping_errno(copy);
	return err;
}

/* Writes and syncs a new file; a left-over of that name is removed, never written into. */
static int
write_new(const char *path, const void *p, size_t n)
{
	int fd, err;

	err = file_unlink(path);
	if (err)
		return err;
	fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	err = file_write_all(fd, p, n, 0);
	if (!err)
		err = file_sync(fd);
	if (err) {
		close_keeping_errno(fd);
		return err;
	}
	return file_close(fd);
}

int
file_replace(const char *path, const void *p, size_t n)
{
	struct buf temporary;
	int err, saved;

	buf_init(&temporary, 0);
	buf_puts(&temporary, path);
	buf_puts(&temporary, ".tmp");
	buf_putc(&temporary, '\0');
	err = buf_failed(&temporary);
	if (err)
		goto out;
	err = write_new(temporary.p, p, n);
	if (!err)
		err = file_rename(temporary.p, path);
	if (err) {
		saved = errno;
		file_calls->unlink(temporary.p);
		errno = saved;
		goto out;
	}
	/* The memory of the temporary name serves for the folder's. */
	err = sync_parent(temporary.p, temporary.n - 1);
out:
	saved = errno;
	buf_fini(&temporary);
	errno = saved;
	return err;
}

int
file_read_all(const char *path, size_t max, char **out, size_t *n)
{
	struct buf b;
	int fd, err;

	fd = file_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	buf_init(&b, max < SIZE_MAX - 1 ? max + 2 : 0);
	for (;;) {
		size_t want = MIN(MAX(b.cap - b.n, (size_t)4096), max - b.n + 1);
		char *to = buf_reserve(&b, want);
		ssize_t got = to ? file_read_full(fd, to, want, (off_t)b.n) : buf_failed(&b);

		err = got < 0 ? (int)got : 0;
		if (got <= 0)
			break;
		buf_added(&b, (size_t)got);
		if (b.n > max) {
			err = ERR_TOO_LARGE;
			break;
		}
	}
	close_keeping_errno(fd);
	if (!err) {
		buf_putc(&b, '\0');
		err = buf_failed(&b);
	}
	if (err) {
		free_keeping_errno(b.p);
		return err;
	}
	*n = b.n - 1;
	*out = b.p;
	return 0;
}

int
file_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
	struct statvfs vfs;

	if (statvfs(path, &vfs) < 0)
		return err_from_errno(errno);
	*free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	*total_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	return 0;
}

int
file_space_of(int fd, uint64_t *free_bytes)
{
	struct statvfs vfs;

	if (fstatvfs(fd, &vfs) < 0)
		return err_from_errno(errno);
	*free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}

int
file_each(const char *dir, int (*each)(const char *name, void *arg), void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int rc = 0, saved;

	if (!d)
		return errno == ENOENT ? 0 : err_from_errno(errno);
	while (rc == 0) {
		errno = 0;
		entry = readdir(d);
		if (!entry) {
			rc = errno ? err_from_errno(errno) : 0;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = each(entry->d_name, arg);
	}
	saved = errno;
	closedir(d);
	errno = saved;
	return rc;
}

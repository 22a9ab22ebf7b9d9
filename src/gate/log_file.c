/*
 * See log_file.h.
 */
#include "gate/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "zone/series.h"

#define TELL_EVERY (10 * NS_PER_S)
#define RETRY_AFTER (50 * NS_PER_MS) /* a pipe that was full */

enum { ROW_LOST };

static const struct metric_row rows[] = {
	[ROW_LOST] = { .name = "sluice_access_log_lost_lines_total",
	    .type = METRIC_COUNTER,
	    .help = "Lines of access logs that could not be written." },
};

static struct metric_set metrics = { .name = "access_log", .rows = rows, .n_rows = 1 };

static struct log_file *waiting;

void
log_file_register(void)
{
	metric_register(&metrics);
}

/* ---- opening ---- */

/* Standard output and error of whoever started us, which may be a socket, or another user's pipe. */
static int
inherited(const char *path)
{
	int fd = strcmp(path, "/dev/stdout") == 0   ? STDOUT_FILENO
		 : strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO
						    : -1;

	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* Never waits for the reader of a pipe. */
static int
open_once(const char *path, int more)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, fd;

	do
		fd = open(path, flags | more, 0640);
	while (fd < 0 && errno == EINTR);
	return fd;
}

/* What a link leads to has to be there already: whoever may write to the folder could put one to any place there. */
static int
open_path(const char *path, bool *is_link)
{
	int fd = open_once(path, O_CREAT | O_NOFOLLOW), errnum;

	*is_link = fd < 0 && (errno == ELOOP || errno == EMLINK);
	if (*is_link)
		fd = open_once(path, 0);
	if (fd >= 0)
		return fd;
	errnum = errno;
	fd = inherited(path);
	errno = errnum;
	return fd;
}

/* Only what looks as if we made it ourselves. */
static void
give(int fd, const struct stat *st, uid_t uid, gid_t gid)
{
	if (uid == (uid_t)-1 || geteuid() != 0)
		return;
	if (S_ISREG(st->st_mode) && st->st_uid == 0 && st->st_size == 0 && st->st_nlink == 1)
		(void)!fchown(fd, uid, gid);
}

int
log_file_open(struct log_file *f, uid_t uid, gid_t gid)
{
	bool is_link;
	int fd = open_path(f->path, &is_link);
	struct stat st;

	if (fd < 0)
		return err_from_errno(errno);
	if (fstat(fd, &st) != 0) {
		close(fd);
		return ERR_IO;
	}
	if (!is_link)
		give(fd, &st, uid, gid);
	f->is_pipe = S_ISFIFO(st.st_mode);
	f->fd = fd;
	return 0;
}

void
log_file_close(struct log_file *f)
{
	struct log_file **at = &waiting;

	while (*at && *at != f)
		at = &(*at)->next_waiting;
	if (*at)
		*at = f->next_waiting;
	f->waiting = false;
	timer_clear(&f->timer);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int
log_file_reopen(struct log_file *f, uid_t uid, gid_t gid)
{
	int old = f->fd, err;

	log_file_flush(f);
	err = log_file_open(f, uid, gid);
	if (err < 0)
		return err;
	f->torn = false;
	if (old >= 0)
		close(old);
	return 0;
}

/* ---- losing lines ---- */

static void
tell(struct log_file *f)
{
	int64_t now = clock_cached_mono();

	if (f->told && now - f->told < TELL_EVERY)
		return;
	log_event(LOG_ERROR, "log", "lines of an access log are lost", LOG_S("path", f->path),
	    LOG_I("lines", f->lost), LOG_ERRNO(f->errnum), LOG_END);
	f->told = now;
	f->lost = 0;
}

static void
lose(struct log_file *f, uint64_t lines)
{
	f->lost += lines;
	series_add(series_pin(&metrics, STR("")), ROW_LOST, lines);
	tell(f);
}

static uint64_t
count_lines(const char *p, size_t n)
{
	uint64_t lines = 0;

	for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

/* ---- writing ---- */

static void
on_timer(struct timer *t)
{
	log_file_flush(CONTAINER_OF(t, struct log_file, timer));
}

/* As much as one write takes in one piece: a pipe up to PIPE_BUF, which here ends with a line. */
static size_t
piece(const struct log_file *f, const char *p, size_t n)
{
	ptrdiff_t end;

	if (!f->is_pipe || n <= PIPE_BUF)
		return n;
	end = str_rfind(str_make(p, PIPE_BUF), '\n');
	if (end < 0)
		end = str_find(str_make(p, n), '\n');
	return end < 0 ? n : (size_t)end + 1;
}

/* n bytes could not be written: they are lost, but for what may go out later. */
static void
give_up(struct log_file *f, const char *p, size_t n)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK) {
		memmove(f->p, p, n);
		f->n = n;
		f->timer.fire = on_timer;
		timer_set(&f->timer, clock_cached_mono() + RETRY_AFTER);
		return;
	}
	f->errnum = errno;
	f->torn |= p > f->p && p[-1] != '\n';
	lose(f, count_lines(p, n));
}

/* Ends a line that an earlier write left without its end, so that the next one stands alone. */
static bool
mend(struct log_file *f)
{
	if (f->torn && write(f->fd, "\n", 1) == 1)
		f->torn = false;
	return !f->torn;
}

static void
write_out(struct log_file *f)
{
	const char *p = f->p;
	size_t left = f->n;

	f->n = 0;
	if (left && !mend(f)) {
		give_up(f, p, left);
		return;
	}
	while (left > 0) {
		ssize_t done = write(f->fd, p, piece(f, p, left));

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			give_up(f, p, left);
			return;
		}
		p += done;
		left -= (size_t)done;
	}
}

/* What a long line needed is given back. */
static void
shrink(struct log_file *f)
{
	if (f->n || f->allocated <= f->size)
		return;
	free(f->p);
	f->p = NULL;
	f->allocated = 0;
}

void
log_file_flush(struct log_file *f)
{
	int errnum = errno;

	timer_clear(&f->timer);
	if (f->n)
		write_out(f);
	shrink(f);
	errno = errnum;
}

void
log_file_flush_waiting(void)
{
	struct log_file *f;

	while ((f = waiting)) {
		waiting = f->next_waiting;
		f->waiting = false;
		log_file_flush(f);
	}
}

/* ---- gathering ---- */

/* A buffer with room for n bytes in place of one that is empty and too small. */
static void
grow(struct log_file *f, size_t n)
{
	char *p = f->n ? NULL : realloc(f->p, MAX(f->size, n));

	if (!p)
		return;
	f->p = p;
	f->allocated = MAX(f->size, n);
}

char *
log_file_room(struct log_file *f, size_t n)
{
	if (f->fd < 0)
		return NULL;
	if (n > f->allocated - f->n && f->n)
		log_file_flush(f);
	if (n > f->allocated - f->n)
		grow(f, n);
	if (n <= f->allocated - f->n)
		return f->p + f->n;
	f->errnum = f->n ? EAGAIN : ENOMEM;
	lose(f, 1);
	return NULL;
}

void
log_file_added(struct log_file *f, size_t n)
{
	bool first = f->n == 0;

	f->n += n;
	if (f->held) {
		if (first && f->flush) {
			f->timer.fire = on_timer;
			timer_set(&f->timer, clock_cached_mono() + f->flush);
		}
	} else if (!f->waiting) {
		f->waiting = true;
		f->next_waiting = waiting;
		waiting = f;
	}
}

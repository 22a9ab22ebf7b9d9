/*
 * The log: formats a line in memory of the calling thread, then hands it out under a lock.
 *
 * Two locks: `gather` guards the buffer being filled and is held for a memcpy only; `out` guards
 * the descriptor and is held over write(2). Whoever flushes takes the full buffer away and leaves
 * the spare one, so that a loop which only logs never waits for a helper thread's slow write,
 * unless both buffers are full. Order: out, then gather.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

enum {
	LINE_MAX_BYTES = 8192,
	LINE_TAIL = 24,   /* kept free for the mark of a cut line and its end */
	VALUE_MAX = 2048, /* bytes of one escaped value */
	GATHER_MAX = 64 * 1024,
	SLOW_READER_MS = 100, /* how long a full pipe is waited for before a line is given up */
};

enum log_level log_threshold = LOG_INFO;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static _Atomic(enum log_style) style_now = LOG_LOGFMT;
static _Atomic bool buffered;

static pthread_mutex_t out = PTHREAD_MUTEX_INITIALIZER;
static int out_fd = STDERR_FILENO;
static char *out_path;

static pthread_mutex_t gather = PTHREAD_MUTEX_INITIALIZER;
static char buffers[2][GATHER_MAX];
static char *filling = buffers[0];
static size_t filled;

static _Thread_local char line[LINE_MAX_BYTES];

/* Values */

/* Printable ASCII that stands for itself between quotes. */
static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static size_t
plain_run(struct str s)
{
	size_t n = 0;

	while (n < s.n && is_plain((unsigned char)s.p[n]))
		n++;
	return n;
}

static bool
needs_quotes(struct str s)
{
	return s.n == 0 || plain_run(s) < s.n || str_find(s, ' ') >= 0 || str_find(s, '=') >= 0;
}

/* Writes the first character of s, escaped where it must be, to to (room for 8); *used is what it
 * took from s. */
static size_t
escape_one(struct str s, bool json, char *to, size_t *used)
{
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\"\\\n\r\t", short_form[] = "\"\\nrt";
	unsigned char c = (unsigned char)s.p[0];
	size_t len = utf8_len(s.p, s.n);
	const char *hit = c ? strchr(from, c) : NULL;

	*used = MAX(len, (size_t)1);
	if (hit) {
		to[0] = '\\';
		to[1] = short_form[hit - from];
		return 2;
	}
	if (len == 0) {
		memcpy(to, "\xef\xbf\xbd", 3);
		return 3;
	}
	/* C0, DEL, and C1 (U+0080 to U+009F, in UTF-8 c2 80 to c2 9f) drive terminals. */
	if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s.p[1] < 0xa0)) {
		unsigned char code = len == 2 ? (unsigned char)s.p[1] : c;
		size_t n = json ? 4 : 2;

		memcpy(to, json ? "\\u00" : "\\x", n);
		to[n] = hex[code >> 4];
		to[n + 1] = hex[code & 15];
		return n + 2;
	}
	memcpy(to, s.p, len);
	return len;
}

/* Escaped, without quotes; cut and marked beyond VALUE_MAX or the end of the line. */
static void
put_escaped(struct buf *b, struct str s, bool json)
{
	size_t room = MIN((size_t)VALUE_MAX, b->cap - b->n);
	size_t end = b->n + room;

	if (b->err)
		return;
	while (s.n > 0) {
		/* 8 for a character, 4 for the mark and a quote */
		size_t left = end - b->n > 12 ? end - b->n - 12 : 0;
		size_t used = MIN(plain_run(s), left);

		if (left == 0) {
			buf_puts(b, "\xe2\x80\xa6");
			return;
		}
		if (used) {
			memcpy(b->p + b->n, s.p, used);
			b->n += used;
		} else {
			b->n += escape_one(s, json, b->p + b->n, &used);
		}
		s = str_from(s, used);
	}
}

static void
put_quoted(struct buf *b, struct str s, bool json)
{
	buf_putc(b, '"');
	put_escaped(b, s, json);
	buf_putc(b, '"');
}

static void
put_int(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_putc(b, '-');
	buf_put_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

static void
put_ms(struct buf *b, int64_t ns)
{
	uint64_t us = (ns < 0 ? -(uint64_t)ns : (uint64_t)ns) / (uint64_t)NS_PER_US;
	unsigned rest = (unsigned)(us % 1000);
	char decimals[4] = { '.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
		(char)('0' + rest % 10) };

	if (ns < 0)
		buf_putc(b, '-');
	buf_put_u64(b, us / 1000);
	buf_put(b, decimals, sizeof(decimals));
}

static void
put_text(struct buf *b, struct str s, bool json)
{
	if (json || needs_quotes(s))
		put_quoted(b, s, json);
	else
		put_escaped(b, s, json);
}

static void
put_value(struct buf *b, const struct log_field *f, bool json)
{
	switch (f->kind) {
	case LOG_FIELD_INT:
		put_int(b, f->i);
		break;
	case LOG_FIELD_MS:
		put_ms(b, f->i);
		break;
	case LOG_FIELD_BOOL:
		buf_puts(b, f->i ? "true" : "false");
		break;
	case LOG_FIELD_STR:
		put_text(b, f->s, json);
		break;
	case LOG_FIELD_ERR:
		put_text(b, str_of(err_text((int)f->i)), json);
		break;
	}
}

/* Lines */

/* The date of a second is formatted once; later lines of that second only replace the
 * milliseconds. */
static void
put_time(struct buf *b)
{
	static _Thread_local char text[CLOCK_RFC3339_LEN + 1];
	static _Thread_local int64_t second = -1;
	int64_t now = clock_wall();
	int ms = (int)(now / NS_PER_MS % 1000);

	if (now / NS_PER_S != second) {
		clock_rfc3339(now, text);
		second = now / NS_PER_S;
	}
	text[20] = (char)('0' + ms / 100);
	text[21] = (char)('0' + ms / 10 % 10);
	text[22] = (char)('0' + ms % 10);
	buf_put(b, text, CLOCK_RFC3339_LEN);
}

static void
put_head(struct buf *b, enum log_level level, const char *area, const char *message, bool json)
{
	buf_puts(b, json ? "{\"time\":\"" : "");
	put_time(b);
	buf_puts(b, json ? "\",\"level\":\"" : " ");
	buf_puts(b, level_names[level]);
	buf_puts(b, json ? "\",\"area\":\"" : " ");
	put_escaped(b, str_of(area), json);
	buf_puts(b, json ? "\",\"message\":\"" : ": ");
	put_escaped(b, str_of(message), json);
	buf_puts(b, json ? "\"" : "");
}

static void
put_field(struct buf *b, const struct log_field *f, bool json)
{
	if (f->kind == LOG_FIELD_ERR && f->i == 0)
		return;
	buf_puts(b, json ? ",\"" : " ");
	buf_puts(b, f->name);
	buf_puts(b, json ? "\":" : "=");
	put_value(b, f, json);
}

/* Formats into this thread's line; returns its length. */
static size_t
format_line(enum log_level level, const char *area, const char *message,
    const struct log_field *fields, size_t n)
{
	bool json = atomic_load_explicit(&style_now, memory_order_relaxed) == LOG_JSON;
	struct buf b;
	size_t i, kept = 0;

	buf_init_fixed(&b, line, sizeof(line) - LINE_TAIL);
	put_head(&b, level, area, message, json);
	for (i = 0; i < n && fields[i].name && !buf_failed(&b); i++) {
		kept = b.n;
		put_field(&b, &fields[i], json);
	}
	/* A field that no longer fits is left out whole. */
	if (buf_failed(&b))
		b.n = kept;
	b.cap = sizeof(line);
	if (buf_failed(&b)) {
		b.err = 0;
		buf_puts(&b, json ? ",\"cut\":true" : " cut=true");
	}
	buf_puts(&b, json ? "}\n" : "\n");
	return b.n;
}

/* Handing out */

/* With `out` held. Lines the descriptor does not take are lost: the log must never stop the
 * server. */
static void
write_all(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(out_fd, p, n);
		struct pollfd full = { .fd = out_fd, .events = POLLOUT };

		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			if (poll(&full, 1, SLOW_READER_MS) <= 0)
				return;
		} else if (done == 0 || errno != EINTR) {
			return;
		}
	}
}

/* With `out` held. */
static void
flush_gathered(void)
{
	char *full;
	size_t n;

	pthread_mutex_lock(&gather);
	full = filling;
	n = filled;
	filling = full == buffers[0] ? buffers[1] : buffers[0];
	filled = 0;
	pthread_mutex_unlock(&gather);
	write_all(full, n);
}

static bool
gather_line(size_t n)
{
	bool fits;

	pthread_mutex_lock(&gather);
	fits = n <= GATHER_MAX - filled;
	if (fits) {
		memcpy(filling + filled, line, n);
		filled += n;
	}
	pthread_mutex_unlock(&gather);
	return fits;
}

void
log_writev(enum log_level level, const char *area, const char *message,
    const struct log_field *fields, size_t n)
{
	int saved = errno;
	size_t len = format_line(level, area, message, fields, n);

	if (level >= LOG_WARN || !atomic_load_explicit(&buffered, memory_order_relaxed) ||
	    !gather_line(len)) {
		pthread_mutex_lock(&out);
		flush_gathered();
		write_all(line, len);
		pthread_mutex_unlock(&out);
	}
	errno = saved;
}

void
log_write(
    enum log_level level, const char *area, const char *message, const struct log_field *fields)
{
	log_writev(level, area, message, fields, SIZE_MAX);
}

void
log_flush(void)
{
	int saved = errno;

	if (pthread_mutex_trylock(&out) == 0) {
		flush_gathered();
		pthread_mutex_unlock(&out);
	}
	errno = saved;
}

void
log_set_buffered(bool on)
{
	atomic_store_explicit(&buffered, on, memory_order_relaxed);
	if (on)
		return;
	pthread_mutex_lock(&out);
	flush_gathered();
	pthread_mutex_unlock(&out);
}

void
log_set_style(enum log_style style)
{
	atomic_store_explicit(&style_now, style, memory_order_relaxed);
}

/* Where lines go */

static int
open_once(const char *path, int more)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY, fd;

	do
		fd = open(path, flags | more, 0640);
	while (fd < 0 && errno == EINTR);
	return fd;
}

/* What a link leads to has to be there already: root makes no file where another user's link says. */
static int
open_path(const char *path, int *fd)
{
	*fd = open_once(path, O_CREAT | O_NOFOLLOW);
	if (*fd < 0 && (errno == ELOOP || errno == EMLINK))
		*fd = open_once(path, 0);
	return *fd < 0 ? err_from_errno(errno) : 0;
}

/* Takes path. What has gathered still goes where it was meant to. */
static void
switch_to(int fd, char *path)
{
	int old;

	pthread_mutex_lock(&out);
	flush_gathered();
	old = out_fd;
	out_fd = fd;
	if (path != out_path)
		free(out_path);
	out_path = path;
	pthread_mutex_unlock(&out);
	if (old != STDERR_FILENO)
		close(old);
}

int
log_open(const char *path)
{
	char *copy;
	int fd, err;

	if (!path) {
		switch_to(STDERR_FILENO, NULL);
		return 0;
	}
	copy = strdup(path);
	if (!copy)
		return ERR_NOMEM;
	err = open_path(path, &fd);
	if (err) {
		free(copy);
		return err;
	}
	switch_to(fd, copy);
	return 0;
}

int
log_reopen(void)
{
	int fd, err;

	if (!out_path)
		return 0;
	err = open_path(out_path, &fd);
	if (err)
		return err;
	switch_to(fd, out_path);
	return 0;
}

/* strerror is thread-safe in the C libraries we run on (a buffer a thread for unknown numbers);
 * strerror_r has two incompatible forms. */
const char *
log_errno_text(int errnum)
{
	const char *text = strerror(errnum);

	return text ? text : "unknown error";
}

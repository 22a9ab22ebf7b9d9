/*
 * See logfile.h. The window holds a stretch of the file; asking for bytes outside of it moves it.
 */
#include "dlq/logfile.h"

#include <stdlib.h>

#include "base/file.h"

#define WINDOW (4u * 1024 * 1024)
#define SECTOR 4096u
/* A payload may be full of what looks like heads of frames: so many bytes are summed in vain, then what is left of the file is given up. */
#define SEARCH_MAX (UINT64_C(512) * 1024 * 1024)

_Static_assert(WINDOW >= FRAME_HEAD_LEN + FRAME_CONTENTS_MAX, "any frame fits the window");

struct logfile {
	int fd;
	struct frame_file header;
	uint64_t size, at, end, unread, searched;
	uint64_t from; /* of the window */
	size_t n;
	unsigned char *window;
};

/* A sector that cannot be read, asked for twice, counts as zeros: what is around it is still to be had. */
static int
read_sectors(struct logfile *l, size_t want)
{
	for (size_t at = 0; at < want; at += SECTOR) {
		size_t n = MIN(SECTOR, want - at);
		ssize_t got = file_read_full(l->fd, l->window + at, n, (off_t)(l->from + at));

		if (got == ERR_IO) {
			memset(l->window + at, 0, n);
			l->unread += n;
			got = (ssize_t)n;
		}
		if (got < 0)
			return (int)got;
		l->n += (size_t)got;
		if ((size_t)got < n)
			break;
	}
	return OK;
}

/* *n bytes at offset `at`, fewer at the end of the file. NULL: an error is in *err. */
static const unsigned char *
look(struct logfile *l, uint64_t at, size_t *n, int *err)
{
	size_t want = (size_t)MIN((uint64_t)*n, l->size > at ? l->size - at : 0);
	ssize_t got;

	*err = OK;
	if (want == 0) {
		*n = 0;
		return l->window;
	}
	if (at < l->from || at + want > l->from + l->n) {
		size_t fill = (size_t)MIN((uint64_t)WINDOW, l->size - at);

		l->from = at;
		l->n = 0;
		got = file_read_full(l->fd, l->window, fill, (off_t)at);
		if (got == ERR_IO)
			*err = read_sectors(l, fill);
		else if (got < 0)
			*err = (int)got;
		else
			l->n = (size_t)got;
		if (*err)
			return NULL;
	}
	*n = MIN(want, (size_t)(l->from + l->n - at));
	return l->window + (at - l->from);
}

/* 1: zeros from `at` to the end of the file, 0: not; or an error. */
static int
only_zeros(struct logfile *l, uint64_t at)
{
	const unsigned char *p;
	size_t n;
	int err;

	for (; at < l->size; at += n) {
		n = SECTOR;
		p = look(l, at, &n, &err);
		if (!p)
			return err;
		if (n == 0)
			break; /* it became shorter under our hands */
		for (size_t i = 0; i < n; i++) {
			if (p[i])
				return 0;
		}
	}
	return 1;
}

static int
read_header(struct logfile *l)
{
	size_t n = FRAME_FILE_HEADER_LEN;
	const unsigned char *p;
	int err;

	p = look(l, 0, &n, &err);
	if (!p)
		return err;
	if (frame_decode_file(p, n, &l->header)) {
		err = only_zeros(l, 0);
		return err < 0 ? err : err ? ERR_EOF : ERR_CORRUPT;
	}
	l->at = l->end = FRAME_FILE_HEADER_LEN;
	return OK;
}

int
logfile_open(int fd, struct logfile **out)
{
	struct logfile *l = calloc(1, sizeof(*l));
	struct stat st;
	int err;

	if (!l)
		return ERR_NOMEM;
	l->fd = fd;
	err = fstat(fd, &st) < 0 ? ERR_IO : OK;
	if (!err) {
		l->size = (uint64_t)st.st_size;
		l->window = malloc((size_t)MIN((uint64_t)WINDOW, l->size + 1));
		err = l->window ? read_header(l) : ERR_NOMEM;
	}
	if (err) {
		logfile_close(l);
		return err;
	}
	*out = l;
	return OK;
}

void
logfile_close(struct logfile *l)
{
	free(l->window);
	free(l);
}

/* 1: a valid frame stands at `at`; 0: none; or an error. */
static int
frame_at(struct logfile *l, uint64_t at, struct frame *f)
{
	const unsigned char *p;
	size_t n = FRAME_HEAD_LEN;
	int err;

	p = look(l, at, &n, &err);
	if (!p)
		return err;
	if (n < FRAME_HEAD_LEN || frame_decode(p, l->size - at, f))
		return 0;
	n = frame_total(f);
	p = look(l, at, &n, &err);
	if (!p)
		return err;
	if (n < frame_total(f))
		return 0;
	f->contents.p = (const char *)p + FRAME_HEAD_LEN;
	l->searched += n;
	return frame_holds(p, f, &l->header.id, at);
}

int
logfile_next(struct logfile *l, struct frame *f, uint64_t *offset)
{
	uint64_t searched = l->searched;
	int got = frame_at(l, l->at, f);

	if (got == 1) {
		*offset = l->at;
		l->at += frame_total(f);
		l->end = l->at;
		l->searched = searched; /* what was found is not searched in vain */
	}
	if (got != 0)
		return got;
	got = only_zeros(l, l->at);
	return got == 1 ? 0 : got == 0 ? ERR_CORRUPT : got;
}

int
logfile_resync(struct logfile *l)
{
	struct frame f;

	while (++l->at + FRAME_HEAD_LEN <= l->size && l->searched < SEARCH_MAX) {
		size_t n = SECTOR;
		const unsigned char *p, *d;
		int err;

		p = look(l, l->at, &n, &err);
		if (!p)
			return err;
		d = n > 0 ? memchr(p, 'D', n) : NULL;
		if (!d) {
			l->at += n > 0 ? n - 1 : 0;
			continue;
		}
		l->at += (uint64_t)(d - p);
		err = frame_at(l, l->at, &f);
		if (err != 0)
			return err;
	}
	return 0;
}

const struct frame_file *
logfile_header(const struct logfile *l)
{
	return &l->header;
}

uint64_t
logfile_end(const struct logfile *l)
{
	return l->end;
}

uint64_t
logfile_size(const struct logfile *l)
{
	return l->size;
}

uint64_t
logfile_unread(const struct logfile *l)
{
	return l->unread;
}

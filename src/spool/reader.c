/*
 * Reads a segment front to back through one buffer. A record that fits the buffer is handed out whole, straight from it;
 * of a longer one the body's CRC is computed piece by piece behind user and attrs, and the caller reads the body itself.
 */
#include "spool/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "spool/spool_priv.h"

_Static_assert(READER_BUFFER >= SEGMENT_FRAME_LEN + SEGMENT_META_MAX + 4096,
    "a frame's head, user and attrs, and some of its body, fit the buffer");

struct reader {
	int fd;
	bool owned, failing;
	uint64_t limit; /* bytes of the file that are believed */
	uint64_t next;  /* where the next frame is looked for */
	uint64_t end;   /* of the last good frame */
	struct segment_header header;
	uint64_t body_at, body_len; /* of the current record */
	uint64_t held_at; /* the buffer holds the file's bytes [held_at, held_at + held) */
	size_t held;
	unsigned char buf[READER_BUFFER];
};

/* For what a CRC will be asked about. */
static ssize_t
read_at(struct reader *r, unsigned char *p, size_t n, uint64_t at)
{
	ssize_t got = file_read_full(r->fd, p, n, (off_t)at);

	return got < 0 && r->failing ? file_read_blocks(r->fd, p, n, (off_t)at) : got;
}

/* n bytes of the file from at on, in the buffer; the caller knows them to lie within limit. NULL: they cannot be read. */
static unsigned char *
hold(struct reader *r, uint64_t at, size_t n)
{
	ssize_t got;

	if (at >= r->held_at && at + n <= r->held_at + r->held)
		return r->buf + (at - r->held_at);
	got = read_at(r, r->buf, (size_t)MIN(r->limit - at, READER_BUFFER), at);
	r->held_at = at;
	r->held = got > 0 ? (size_t)got : 0;
	return r->held >= n ? r->buf : NULL;
}

/* Feeds the part of a long body that is not in the buffer into the CRC; keeps the first meta bytes of the buffer. */
static int
crc_long_body(struct reader *r, uint64_t at, size_t meta, uint64_t total, uint32_t *crc)
{
	uint64_t done = r->held - (size_t)(at - r->held_at);

	*crc = crc32c(*crc, r->buf + (at - r->held_at) + meta, (size_t)(done - meta));
	memmove(r->buf, r->buf + (at - r->held_at), meta);
	r->held_at = at;
	r->held = meta;
	while (done < total) {
		size_t n = (size_t)MIN(total - done, READER_BUFFER - meta);

		if (read_at(r, r->buf + meta, n, at + done) != (ssize_t)n)
			return ERR_IO;
		*crc = crc32c(*crc, r->buf + meta, n);
		done += n;
	}
	return OK;
}

/* The frame at this offset: 0 and *out, ERR_CORRUPT, ERR_IO. */
static int
read_frame(struct reader *r, uint64_t at, struct reader_record *out)
{
	struct segment_frame *f = &out->frame;
	unsigned char *p;
	uint64_t total;
	size_t meta;
	uint32_t crc;
	int err;

	if (r->limit - at < SEGMENT_FRAME_LEN)
		return ERR_CORRUPT;
	if (!(p = hold(r, at, SEGMENT_FRAME_LEN)))
		return ERR_IO;
	if ((err = segment_decode_frame(p, r->limit - at, f)) < 0)
		return err;
	total = segment_frame_total(f);
	meta = SEGMENT_FRAME_LEN + (size_t)f->user_len + f->attrs_len;
	if (!(p = hold(r, at, (size_t)MIN(total, (uint64_t)MAX(meta, READER_BUFFER / 2)))))
		return ERR_IO;
	crc = segment_frame_crc(&r->header.id, at, f);
	crc = crc32c(crc, p + SEGMENT_FRAME_LEN, meta - SEGMENT_FRAME_LEN);
	out->body = (struct str){ NULL, 0 };
	if (total <= READER_BUFFER) {
		if (!(p = hold(r, at, (size_t)total)))
			return ERR_IO;
		crc = crc32c(crc, p + meta, (size_t)f->body_len);
		out->body = str_make(p + meta, (size_t)f->body_len);
	} else {
		if ((err = crc_long_body(r, at, meta, total, &crc)) < 0)
			return err;
		p = r->buf;
	}
	if (crc != f->crc)
		return ERR_CORRUPT;
	out->offset = at;
	out->user = str_make(p + SEGMENT_FRAME_LEN, f->user_len);
	out->attrs = str_make(p + SEGMENT_FRAME_LEN + f->user_len, f->attrs_len);
	return OK;
}

/* A good frame was found there: what follows is next. */
static void
accept_frame(struct reader *r, const struct reader_record *rec)
{
	r->end = r->next = rec->offset + segment_frame_total(&rec->frame);
	r->body_len = rec->frame.body_len;
	r->body_at = r->end - r->body_len;
}

static int
read_header(struct reader *r, uint64_t limit)
{
	struct stat st;
	unsigned char *p;

	if (fstat(r->fd, &st) < 0)
		return ERR_IO;
	if (limit > (uint64_t)st.st_size)
		return ERR_CORRUPT;
	r->limit = limit ? limit : (uint64_t)st.st_size;
	if (r->limit < SEGMENT_HEADER_LEN)
		return ERR_CORRUPT;
	if (!(p = hold(r, 0, SEGMENT_HEADER_LEN)))
		return ERR_IO;
	r->next = r->end = SEGMENT_HEADER_LEN;
	return segment_decode_header(p, r->held, &r->header);
}

static int
open_fd(int fd, uint64_t limit, bool failing, struct reader **out)
{
	struct reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return ERR_NOMEM;
	r->fd = fd;
	r->failing = failing;
	if ((err = read_header(r, limit)) < 0) {
		free(r);
		return err;
	}
	*out = r;
	return OK;
}

int
reader_open_fd(int fd, uint64_t limit, struct reader **out)
{
	return open_fd(fd, limit, false, out);
}

static int
open_path(const char *path, uint64_t limit, bool failing, struct reader **out)
{
	int fd = file_open(path, O_RDONLY), err;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	if ((err = open_fd(fd, limit, failing, out)) < 0) {
		(void)file_close(fd);
		return err;
	}
	(*out)->owned = true;
	return OK;
}

int
reader_open(const char *path, uint64_t limit, struct reader **out)
{
	return open_path(path, limit, false, out);
}

int
reader_open_failing(const char *path, uint64_t limit, struct reader **out)
{
	return open_path(path, limit, true, out);
}

void
reader_close(struct reader *r)
{
	if (!r)
		return;
	if (r->owned)
		(void)file_close(r->fd);
	free(r);
}

const struct segment_header *
reader_header(const struct reader *r)
{
	return &r->header;
}

uint64_t
reader_end(const struct reader *r)
{
	return r->end;
}

void
reader_believe(struct reader *r, uint64_t limit)
{
	assert(limit >= r->limit);
	r->limit = limit;
}

void
reader_seek(struct reader *r, uint64_t at)
{
	assert(at <= r->limit);
	r->next = r->end = at;
}

void
reader_pass_over(struct reader *r)
{
	r->failing = true;
}

static bool
all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

int
reader_next(struct reader *r, struct reader_record *out)
{
	size_t n = (size_t)MIN(r->limit - r->next, SEGMENT_FRAME_LEN);
	unsigned char *p;
	int err;

	if (n == 0)
		return 0;
	if (!(p = hold(r, r->next, n)))
		return ERR_IO;
	if (all_zero(p, n))
		return 0;
	if ((err = read_frame(r, r->next, out)) < 0)
		return err;
	accept_frame(r, out);
	return 1;
}

ssize_t
reader_body(struct reader *r, uint64_t at, void *p, size_t n)
{
	ssize_t got;

	if (at >= r->body_len)
		return 0;
	n = (size_t)MIN(n, r->body_len - at);
	got = file_read_full(r->fd, p, n, (off_t)(r->body_at + at));
	return got == (ssize_t)n ? got : ERR_IO;
}

/*
 * Bodies come from clients, who can put the magic into them a million times with a length that makes each candidate as
 * dear as the file is long: so there is a budget of bytes to look at, and then we give up.
 */
int
reader_resync(struct reader *r, uint64_t *skipped)
{
	uint64_t from = r->next, budget = 8 * r->limit + (64u << 20);
	struct reader_record rec;

	for (uint64_t at = from + 1; at + SEGMENT_FRAME_LEN <= r->limit; at++) {
		unsigned char *p = hold(r, at, SEGMENT_FRAME_LEN), *magic;
		size_t left;
		int err;

		if (!p)
			return ERR_IO;
		left = r->held - (size_t)(at - r->held_at);
		if (!(magic = memchr(p, 'S', left - SEGMENT_FRAME_LEN + 1))) {
			at += left - SEGMENT_FRAME_LEN;
			continue;
		}
		at += (uint64_t)(magic - p);
		if (segment_decode_frame(magic, r->limit - at, &rec.frame) < 0)
			continue;
		if (segment_frame_total(&rec.frame) > budget)
			return ERR_CORRUPT;
		budget -= segment_frame_total(&rec.frame);
		if ((err = read_frame(r, at, &rec)) == OK) {
			*skipped = at - from;
			r->next = at;
			return 1;
		}
		if (err != ERR_CORRUPT)
			return err;
	}
	*skipped = r->limit - from;
	return 0;
}

/*
 * Long bodies and objects: each streams to a file of its own, NAME.part, behind room for the head, and becomes a segment of one
 * record when the head is written, the file synced, and the name taken away its suffix.
 *
 *	0        64       104            104 + user + attrs
 *	header   frame    user, attrs    body …
 *
 * It promises: until spool_upload_commit() returns 0 there is no record, after it there is one whatever happens. Memory: one piece and the head
 * an upload. All that blocks, and the CRC of the body, is done by a helper while the task is parked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "spool/spool_priv.h"
#include "spool/writeback.h"

#define PIECE (64u * 1024)
#define DIRECT_MAX (1024u * 1024) /* written from the caller's memory in one job */
#define WRITEBACK_EVERY (512u * 1024)

struct spool_upload {
	struct spool *spool;
	int fd;
	int err;  /* sticks */
	bool ran; /* the helper did its job: a task cancelled before has it refused */
	int errnum;
	uint64_t body_len;
	uint32_t body_crc;
	uint64_t reserved; /* bytes of the file that have blocks */
	uint64_t flushed;  /* bytes of the file whose writeback has begun */
	uint64_t promised; /* part of spool->pending */
	int64_t time;      /* of making, then of the record */
	const void *piece; /* of the write job */
	size_t piece_n;
	unsigned char *held; /* small writes are gathered here */
	size_t held_n;
	struct segment_header header;
	struct segment_frame frame;
	struct offload_job job;
	char path[SPOOL_PATH_MAX]; /* NAME.part */
	size_t head_len;
	unsigned char head[]; /* header, frame header, user, attrs */
};

static uint64_t
total_len(const struct spool_upload *u)
{
	return u->head_len + u->body_len;
}

static struct str
attrs_of(const struct spool_upload *u)
{
	return str_make(u->head + u->head_len - u->frame.attrs_len, u->frame.attrs_len);
}

/* Room in the spool for a file of n bytes in all. */
static int
promise(struct spool_upload *u, uint64_t n)
{
	int err;

	if (n <= u->promised)
		return OK;
	err = spool_room(u->spool, n - u->promised);
	if (err)
		return err;
	u->spool->pending += n - u->promised;
	u->promised = n;
	return OK;
}

static void
upload_free(struct spool_upload *u)
{
	struct spool *s = u->spool;

	s->pending -= u->promised;
	s->uploads--;
	waitq_wake_all(&s->idle);
	free(u->held);
	free(u);
}

/* Has a helper do it; a failure is logged, and told the way clients may hear of it. Parks. */
static int
help(struct spool_upload *u, int (*fn)(void *arg), const char *failure)
{
	int err;

	u->ran = false;
	err = offload(OFFLOAD_SYNC, fn, u);
	if (err && u->ran) {
		spool_failed(u->spool, err, u->errnum, failure);
		err = spool_error(err);
	}
	return err;
}

/* On a helper, like all functions with a void * here. */
static int
make_part(void *arg)
{
	struct spool_upload *u = arg;
	int err;

	u->ran = true;
	u->fd = writer_create(
	    u->spool->opt.dir, NAME_PART_SUFFIX, u->time, u->header.sequence, u->path);
	if (u->fd < 0) {
		u->errnum = errno;
		return u->fd;
	}
	file_crash_point("spool.upload.opened");
	if (u->reserved == 0)
		return OK;
	err = writer_reserve(u->fd, 0, u->reserved);
	if (err) {
		u->errnum = errno;
		(void)file_unlink(u->path);
		(void)file_close(u->fd);
	}
	return err;
}

static struct spool_upload *
upload_new(struct spool *s, struct str user, struct str attrs, uint64_t size_hint)
{
	size_t head = SEGMENT_HEADER_LEN + SEGMENT_FRAME_LEN + user.n + attrs.n;
	struct spool_upload *u = calloc(1, sizeof(*u) + head);

	if (!u)
		return NULL;
	u->spool = s;
	u->fd = -1;
	u->head_len = head;
	u->reserved = size_hint ? head + size_hint : 0;
	u->time = spool_now(s);
	u->header = (struct segment_header){
		.flags = SEGMENT_SINGLE | (s->opt.object ? SEGMENT_OBJECT : 0),
		.id = id_new(),
		.slot = s->opt.slot,
		.generation = s->opt.generation,
		.sequence = s->sequence++,
	};
	u->frame.user_len = (uint16_t)user.n;
	u->frame.attrs_len = (uint32_t)attrs.n;
	if (user.n)
		memcpy(u->head + SEGMENT_HEADER_LEN + SEGMENT_FRAME_LEN, user.p, user.n);
	if (attrs.n)
		memcpy(u->head + head - attrs.n, attrs.p, attrs.n);
	s->uploads++;
	return u;
}

int
spool_upload_begin(struct spool *s, struct str user, struct str attrs, uint64_t size_hint,
    struct spool_upload **out)
{
	struct spool_upload *u = NULL;
	int err = spool_admit(s, 0);

	if (user.n + attrs.n > SEGMENT_META_MAX || size_hint > INT64_MAX / 2)
		err = ERR_TOO_LARGE;
	if (!err && !(u = upload_new(s, user, attrs, size_hint)))
		err = ERR_NOMEM;
	if (!err)
		err = promise(u, u->head_len + size_hint);
	if (!err)
		err = help(u, make_part, "cannot begin an upload");
	if (!err) {
		*out = u;
		return OK;
	}
	if (u)
		upload_free(u);
	spool_settle(s, attrs, SPOOL_LOST);
	return err;
}

/* Bodies of unknown length reserve as they grow. */
static int
reserve(struct spool_upload *u, uint64_t end)
{
	uint64_t step = MIN(MAX(u->reserved, RESERVE_MIN), RESERVE_MAX);
	int err;

	if (end <= u->reserved)
		return OK;
	step = MAX(step, end - u->reserved);
	err = writer_reserve(u->fd, u->reserved, step);
	if (err == ERR_NOSPACE) {
		step = end - u->reserved;
		err = writer_reserve(u->fd, u->reserved, step);
	}
	if (!err)
		u->reserved += step;
	return err;
}

static int
write_piece(void *arg)
{
	struct spool_upload *u = arg;
	uint64_t at = total_len(u), end = at + u->piece_n;
	int err = reserve(u, end);

	u->ran = true;
	if (!err)
		err = file_write_all(u->fd, u->piece, u->piece_n, (off_t)at);
	file_crash_point("spool.upload.body");
	if (err) {
		u->errnum = errno;
		return err;
	}
	u->body_crc = crc32c(u->body_crc, u->piece, u->piece_n);
	u->body_len += u->piece_n;
	if (end - u->flushed >= WRITEBACK_EVERY) {
		writeback_start(u->fd, u->flushed, end - u->flushed);
		u->flushed = end;
	}
	return OK;
}

/* Writes n bytes that stay where they are meanwhile. Parks. */
static int
write_out(struct spool_upload *u, const void *p, size_t n)
{
	int err = promise(u, total_len(u) + n);

	if (err)
		return u->err = err;
	u->piece = p;
	u->piece_n = n;
	return u->err = help(u, write_piece, "cannot write an upload");
}

static int
flush_held(struct spool_upload *u)
{
	int err = u->held_n ? write_out(u, u->held, u->held_n) : OK;

	u->held_n = 0;
	return err;
}

int
spool_upload_write(struct spool_upload *u, const void *p, size_t n)
{
	const unsigned char *from = p;

	if (!u->held && n > 0 && n < PIECE && !(u->held = malloc(PIECE)))
		u->err = ERR_NOMEM;
	while (n > 0 && !u->err) {
		size_t part;

		if (u->held_n == 0 && n >= PIECE) {
			part = MIN(n, DIRECT_MAX);
			(void)write_out(u, from, part);
		} else {
			part = MIN(n, PIECE - u->held_n);
			memcpy(u->held + u->held_n, from, part);
			u->held_n += part;
			if (u->held_n == PIECE)
				(void)flush_held(u);
		}
		from += part;
		n -= part;
	}
	return u->err;
}

/* Header, frame header, user, attrs: with them the file holds a valid record. */
static void
encode_head(struct spool_upload *u)
{
	struct segment_frame *f = &u->frame;
	unsigned char *frame = u->head + SEGMENT_HEADER_LEN;
	size_t meta = u->head_len - SEGMENT_HEADER_LEN - SEGMENT_FRAME_LEN;

	u->header.created = f->time = u->time;
	f->body_len = u->body_len;
	f->number = 0;
	f->crc = segment_frame_crc(&u->header.id, SEGMENT_HEADER_LEN, f);
	f->crc = crc32c(f->crc, frame + SEGMENT_FRAME_LEN, meta);
	f->crc = segment_join_crc(f->crc, u->body_crc, u->body_len);
	segment_encode_header(&u->header, u->head);
	segment_encode_frame(f, frame);
}

/* The name is the last thing to change and is synced: what it leads to is on the disk by then. */
static int
publish(struct spool_upload *u, const char *bare)
{
	bool sync = u->spool->opt.sync;
	int err;

	encode_head(u);
	err = file_write_all(u->fd, u->head, u->head_len, 0);
	file_crash_point("spool.upload.headed");
	if (!err && u->reserved > total_len(u))
		err = file_truncate(u->fd, total_len(u));
	if (!err && sync)
		err = file_datasync(u->fd);
	file_crash_point("spool.upload.synced");
	if (!err)
		err = file_rename(u->path, bare);
	file_crash_point("spool.upload.renamed");
	if (err)
		return err;
	err = sync ? file_sync_dir(u->spool->opt.dir) : OK;
	if (err) {
		int saved = errno;

		(void)file_unlink(bare);
		errno = saved;
	}
	file_crash_point("spool.upload.foldered");
	return err;
}

static int
finish(void *arg)
{
	struct spool_upload *u = arg;
	char bare[SPOOL_PATH_MAX];
	int err;

	u->ran = true;
	writer_bare(u->path, bare);
	err = publish(u, bare);
	u->errnum = errno;
	if (err)
		(void)file_unlink(u->path);
	(void)file_close(u->fd);
	return err;
}

static void
uploaded(struct spool *s, const struct spool_upload *u, int64_t took)
{
	struct spool_commit done = {
		.records = 1, .bytes = u->body_len, .ns = took, .sequence = u->header.sequence
	};

	s->failed = 0;
	s->stats.records++;
	s->stats.bytes += total_len(u);
	if (s->opt.added)
		s->opt.added(s->opt.arg, total_len(u));
	if (s->opt.committed)
		s->opt.committed(s->opt.arg, &done);
	if (s->opt.sealed)
		s->opt.sealed(s->opt.arg, 1);
}

struct spool_place
spool_upload_place(const struct spool_upload *u)
{
	return (struct spool_place){ u->header.id, 0 };
}

int
spool_upload_commit(struct spool_upload *u)
{
	struct spool *s = u->spool;
	int64_t began = clock_mono();
	int err = u->err ? u->err : flush_held(u);

	if (err) {
		spool_upload_abort(u);
		return err;
	}
	u->time = spool_stamp(s);
	err = help(u, finish, "cannot commit an upload");
	if (!u->ran) {
		spool_upload_abort(u);
		return err;
	}
	if (!err)
		uploaded(s, u, clock_mono() - began);
	/* A failure may have come after the name was seen by others. */
	spool_settle(s, attrs_of(u), err ? SPOOL_DOUBT : SPOOL_STORED);
	upload_free(u);
	return err;
}

static int
remove_part(void *arg)
{
	struct spool_upload *u = arg;
	int err = file_unlink(u->path);

	(void)file_close(u->fd);
	return err;
}

static void
removed(struct offload_job *job, int result)
{
	(void)result; /* a part that stays is recovery's to remove */
	upload_free(job->arg);
}

void
spool_upload_abort(struct spool_upload *u)
{
	spool_settle(u->spool, attrs_of(u), SPOOL_LOST);
	writer_start(&u->job, remove_part, u, removed);
}

int
upload_whole(struct spool *s, const struct spool_record *r)
{
	struct spool_upload *u;
	int err = spool_upload_begin(s, r->user, r->attrs, r->body.n, &u);

	if (err)
		return err;
	if (r->place)
		*r->place = spool_upload_place(u);
	(void)spool_upload_write(u, r->body.p, r->body.n);
	return spool_upload_commit(u);
}

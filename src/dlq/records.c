/*
 * See records.h. The helper unpacks until a record that is wanted is whole, or it has worked for a while; what it stands at is kept between its
 * turns, so a page costs no more memory than one record that is shown.
 */
#include "dlq/records.h"

#include <fcntl.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/file.h"
#include "task/task.h"

#define CHUNK (64u * 1024)
/* Unpacked bytes of one turn of the helper. */
#define TURN (4u * 1024 * 1024)

struct unpacking {
	char path[400];
	int fd;
	z_stream z;
	bool inflating;
	uint64_t at; /* of the file, read so far */
	uint64_t skip, limit;
	bool file_ends, stream_ends;
	uint64_t number; /* of the record under way */
	uint64_t size;   /* of it so far */
	size_t text_n;
	bool whole;   /* number, size and text are of a record that is wanted */
	size_t out_n; /* unpacked, from out_at on not looked at yet */
	size_t out_at;
	unsigned char in[CHUNK], out[CHUNK];
	char text[RECORDS_TEXT_MAX];
};

/* ---- on the helper ---- */

static int
open_on_disk(void *arg)
{
	struct unpacking *u = arg;

	u->fd = file_open(u->path, O_RDONLY);
	if (u->fd < 0)
		return u->fd;
	if (inflateInit2(&u->z, 15 + 16) != Z_OK)
		return ERR_NOMEM;
	u->inflating = true;
	return 0;
}

static int
close_on_disk(void *arg)
{
	struct unpacking *u = arg;

	if (u->inflating)
		inflateEnd(&u->z);
	if (u->fd >= 0)
		file_close(u->fd);
	return 0;
}

/* What ends too early is damaged. */
static int
read_more(struct unpacking *u)
{
	ssize_t got = file_read_full(u->fd, u->in, sizeof(u->in), (off_t)u->at);

	if (got < 0)
		return (int)got;
	u->z.next_in = u->in;
	u->z.avail_in = (uInt)got;
	u->at += (uint64_t)got;
	return got == 0 ? ERR_CORRUPT : 0;
}

static int
unpack_more(struct unpacking *u)
{
	int err = u->z.avail_in == 0 ? read_more(u) : 0, z;

	if (err != 0)
		return err;
	u->z.next_out = u->out;
	u->z.avail_out = sizeof(u->out);
	z = inflate(&u->z, Z_NO_FLUSH);
	if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
		return ERR_CORRUPT;
	u->stream_ends = z == Z_STREAM_END;
	u->out_at = 0;
	u->out_n = sizeof(u->out) - u->z.avail_out;
	return 0;
}

static void
take_text(struct unpacking *u, const unsigned char *p, size_t n)
{
	size_t some = MIN(n, sizeof(u->text) - u->text_n);

	if (u->number >= u->skip) {
		memcpy(u->text + u->text_n, p, some);
		u->text_n += some;
	}
	u->size += n;
}

static bool
is_wanted(const struct unpacking *u)
{
	return u->number >= u->skip && u->number - u->skip < u->limit;
}

static void
next_record(struct unpacking *u)
{
	u->number++;
	u->size = 0;
	u->text_n = 0;
	u->whole = false;
}

/* Up to the end of a record that is wanted, or of what is unpacked. */
static void
take_lines(struct unpacking *u)
{
	while (u->out_at < u->out_n && !u->whole) {
		const unsigned char *p = u->out + u->out_at;
		size_t left = u->out_n - u->out_at;
		const unsigned char *end = memchr(p, '\n', left);
		size_t n = end ? (size_t)(end - p) : left;

		take_text(u, p, n);
		u->out_at += n + (end != NULL);
		if (end != NULL && is_wanted(u))
			u->whole = true;
		else if (end != NULL)
			next_record(u);
	}
}

static int
turn_on_disk(void *arg)
{
	struct unpacking *u = arg;
	size_t unpacked = 0;
	int err = 0;

	take_lines(u);
	while (!u->whole && !u->stream_ends && unpacked < TURN && err == 0) {
		err = unpack_more(u);
		unpacked += u->out_n;
		if (err == 0)
			take_lines(u);
	}
	if (err == 0 && !u->whole && u->stream_ends && u->out_at == u->out_n) {
		u->file_ends = true;
		u->whole = u->size > 0 && is_wanted(u); /* the last line may have no end */
	}
	return err;
}

/* ---- on the task ---- */

static bool
page_is_full(const struct unpacking *u)
{
	return u->number >= u->skip && u->number - u->skip >= u->limit;
}

static int
walk(struct unpacking *u, void (*visit)(void *arg, const struct records_one *r), void *arg)
{
	int err = offload(OFFLOAD_MISC, open_on_disk, u);

	while (err == 0 && !u->file_ends && !page_is_full(u)) {
		err = offload(OFFLOAD_MISC, turn_on_disk, u);
		if (err == 0 && u->whole) {
			struct records_one r = { u->number, u->size, str_make(u->text, u->text_n) };

			visit(arg, &r);
			next_record(u);
		}
	}
	return err;
}

static int
start(struct dlq *d, struct id id, struct unpacking *u, uint64_t *total)
{
	struct dlq_files *files = calloc(1, sizeof(*files));
	struct dlq_entry e;
	int err = files ? dlq_find(d, id, &e) : ERR_NOMEM;

	if (err == 0 && e.kind != DLQ_BUNDLE)
		err = ERR_UNSUPPORTED;
	if (err == 0)
		err = dlq_find_files(d, id, files);
	if (err == 0 && files->file[0] == '\0')
		err = ERR_NOT_FOUND;
	if (err == 0) {
		str_copyz(u->path, sizeof(u->path), str_of(files->file));
		*total = e.records;
	}
	free(files);
	return err;
}

int
records_read(struct dlq *d, struct id id, uint64_t skip, unsigned limit, uint64_t *total,
    void (*visit)(void *arg, const struct records_one *r), void *arg)
{
	struct unpacking *u = calloc(1, sizeof(*u));
	int err;

	*total = 0;
	if (u == NULL)
		return ERR_NOMEM;
	u->fd = -1;
	u->skip = skip;
	u->limit = limit;
	err = start(d, id, u, total);
	if (err == 0)
		err = walk(u, visit, arg);
	/* The header's count is of records as they were taken in, and one of them may be several lines. */
	if (err == 0 && u->file_ends)
		*total = u->number + (u->size > 0);
	else
		*total = MAX(*total, u->number);
	if (u->fd >= 0 || u->inflating)
		(void)close_on_disk(u);
	free(u);
	return err;
}

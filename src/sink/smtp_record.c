/*
 * A record's bytes for a mail: from memory or a file, decoded where the client had sent it gzipped. Called by smtp.c; on a helper unless the record is
 * small and at hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/file.h"
#include "base/log.h"
#include "sink/smtp_priv.h"

enum { WINDOW_GZIP = 15 + 16 /* zlib: the largest window, gzip's wrapper only */ };

static int
refuse(struct sink_result *r, enum sink_outcome outcome, const char *why)
{
	r->outcome = outcome;
	snprintf(r->why, sizeof(r->why), "%s", why);
	return ERR_BAD;
}

static int
failed_buffer(const struct buf *out, struct sink_result *r)
{
	char why[80];

	if (buf_failed(out) != ERR_TOO_LARGE)
		return refuse(r, SINK_AGAIN, err_text(buf_failed(out)));
	snprintf(why, sizeof(why), "the record is larger than max_size=%zu", out->max);
	return refuse(r, SINK_PERMANENT, why);
}

/* ---- from a file ---- */

static int
read_file(const struct sink_message *m, struct buf *out, struct sink_result *r)
{
	char why[120];
	char *room = buf_reserve(out, (size_t)MIN(m->length, (uint64_t)SIZE_MAX / 2));
	ssize_t n;
	int fd;

	if (room == NULL)
		return failed_buffer(out, r);
	if ((fd = file_open(m->path, O_RDONLY)) < 0) {
		snprintf(why, sizeof(why), "open the record's file: %s", log_errno_text(errno));
		return refuse(r, SINK_AGAIN, why);
	}
	n = file_read_full(fd, room, (size_t)m->length, (off_t)m->offset);
	if (n < 0)
		snprintf(why, sizeof(why), "read the record's file: %s", log_errno_text(errno));
	else if ((uint64_t)n < m->length)
		snprintf(why, sizeof(why), "the record's file is shorter than it should be");
	file_calls->close(fd);
	if (n < 0 || (uint64_t)n < m->length)
		return refuse(r, SINK_AGAIN, why);
	buf_added(out, (size_t)n);
	return 0;
}

/* ---- gzip ---- */

/* One round of zlib: more of out is filled, or a member has ended. Z_OK, Z_STREAM_END, Z_MEM_ERROR (also where out is full), or what is wrong. */
static int
inflate_some(z_stream *z, struct buf *out)
{
	size_t step = 64 * 1024, left = out->max > 0 ? out->max - out->n : step;
	char *room;
	int status;

	if (left == 0) { /* is this all? one byte more would be too much */
		unsigned char more;

		z->next_out = &more;
		z->avail_out = 1;
		status = inflate(z, Z_NO_FLUSH);
		if (z->avail_out == 0)
			out->err = ERR_TOO_LARGE;
		return z->avail_out == 0 ? Z_MEM_ERROR : status;
	}
	step = MIN(step, left);
	if ((room = buf_reserve(out, step)) == NULL)
		return Z_MEM_ERROR;
	z->next_out = (unsigned char *)room;
	z->avail_out = (unsigned)step;
	status = inflate(z, Z_NO_FLUSH);
	buf_added(out, step - z->avail_out);
	return status;
}

/* All members of in. */
static int
inflate_all(z_stream *z, struct str in, struct buf *out)
{
	int status = Z_STREAM_END;

	z->next_in = (unsigned char *)(uintptr_t)in.p;
	z->avail_in = (unsigned)MIN(in.n, (size_t)UINT32_MAX);
	while (status == Z_OK || (status == Z_STREAM_END && z->avail_in > 0)) {
		if (status == Z_STREAM_END && inflateReset(z) != Z_OK)
			return Z_STREAM_ERROR;
		status = inflate_some(z, out);
	}
	return status;
}

static int
gunzip(struct str in, struct buf *out, struct sink_result *r)
{
	z_stream z = { 0 };
	int status = inflateInit2(&z, WINDOW_GZIP);

	if (status != Z_OK)
		return refuse(r, SINK_AGAIN, err_text(ERR_NOMEM));
	status = inflate_all(&z, in, out);
	inflateEnd(&z);
	if (buf_failed(out))
		return failed_buffer(out, r);
	if (status == Z_MEM_ERROR)
		return refuse(r, SINK_AGAIN, err_text(ERR_NOMEM));
	if (status != Z_STREAM_END)
		return refuse(r, SINK_POISON, "the record says that it is gzip, and is not");
	return 0;
}

/* ---- both ---- */

static int
read_raw(const struct sink_message *m, struct buf *out, struct sink_result *r)
{
	if (m->body.p == NULL)
		return m->length > 0 ? read_file(m, out, r) : 0;
	buf_put_str(out, m->body);
	return buf_failed(out) ? failed_buffer(out, r) : 0;
}

int
smtp_record_read(const struct sink_message *m, struct buf *out, struct sink_result *r)
{
	struct str coding = m->content_encoding;
	struct buf raw;
	char why[120];
	int err;

	if (coding.n == 0 || str_ieq(coding, STR("identity")))
		return read_raw(m, out, r);
	if (!str_ieq(coding, STR("gzip")) && !str_ieq(coding, STR("x-gzip"))) {
		snprintf(why, sizeof(why), "the record's Content-Encoding is \"%.*s\", not gzip",
		    STR_ARG(str_sub(coding, 0, 40)));
		return refuse(r, SINK_POISON, why);
	}
	buf_init(&raw, out->max);
	err = read_raw(m, &raw, r);
	if (!err)
		err = gunzip(buf_str(&raw), out, r);
	buf_fini(&raw);
	return err;
}

/*
 * The file an upload sends: opened, and its SHA-256 taken, on helpers, a slice a call, so that
 * other deliveries get their turn and a deadline is seen in between. Called by s3.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "sink/s3_priv.h"

#define SLICE (8u * 1024 * 1024)
#define BLOCK (128u * 1024)

struct digest {
	struct s3_body *body;
	struct sha256 sha;
	uint64_t done;
	int errnum; /* of the call that failed */
	unsigned char block[BLOCK];
};

static int
open_file(void *arg)
{
	struct digest *d = arg;
	int fd = file_open(d->body->path, O_RDONLY);

	d->errnum = errno;
	d->body->fd = fd;
	return fd < 0 ? fd : 0;
}

static int
digest_slice(void *arg)
{
	struct digest *d = arg;
	const struct s3_body *b = d->body;
	uint64_t end = d->done + MIN(b->length - d->done, (uint64_t)SLICE);

	while (d->done < end) {
		size_t want = (size_t)MIN(end - d->done, (uint64_t)BLOCK);
		ssize_t got = file_read_full(b->fd, d->block, want, (off_t)(b->offset + d->done));

		if (got < 0) {
			d->errnum = errno;
			return (int)got;
		}
		if ((size_t)got < want)
			return ERR_CORRUPT;
		sha256_update(&d->sha, d->block, want);
		d->done += want;
	}
	return 0;
}

static int
digest_file(struct digest *d, int64_t deadline)
{
	int err;

	sha256_init(&d->sha);
	while (d->done < d->body->length) {
		if ((err = offload(OFFLOAD_MISC, digest_slice, d)))
			return err;
		if (task_cancelled())
			return ERR_CANCELLED;
		if (clock_mono() >= deadline)
			return ERR_TIMEOUT;
	}
	sha256_final(&d->sha, d->body->sha256);
	return 0;
}

int
s3_body_open(struct s3_body *b, int64_t deadline, char *why, size_t cap)
{
	struct digest *d = malloc(sizeof(*d));
	int err;

	b->fd = -1;
	if (!d) {
		snprintf(why, cap, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	d->body = b;
	d->done = 0;
	d->errnum = 0;
	err = offload(OFFLOAD_MISC, open_file, d);
	if (!err && b->known)
		memcpy(b->sha256, b->known, SHA256_LEN);
	else if (!err)
		err = digest_file(d, deadline);
	if (err)
		snprintf(why, cap, "read %s: %s", b->path,
		    err == ERR_CORRUPT ? "shorter than it should be"
		    : d->errnum        ? log_errno_text(d->errnum)
				       : err_text(err));
	free(d);
	return err;
}

void
s3_body_close(struct s3_body *b)
{
	if (b->fd >= 0)
		file_calls->close(b->fd);
	b->fd = -1;
}

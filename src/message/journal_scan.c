/*
 * Reading one of a journal's files: row after row, through a buffer; a damaged place is passed over in steps of eight bytes, which is how rows lie, and
 * so is what the disk does not give at the second try. Blocks.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "message/journal_priv.h"

_Static_assert(JOURNAL_SCAN_BUFFER >= 2 * JOURNAL_ROW_MAX && JOURNAL_HEADER_LEN % 8 == 0,
    "any row fits the buffer");

static ssize_t
read_at(const struct journal_scan *s, void *p, size_t n, uint64_t at)
{
	ssize_t got = file_read_full(s->fd, p, n, (off_t)at);

	return got < 0 ? file_read_blocks(s->fd, p, n, (off_t)at) : got;
}

/* 0, ERR_EOF: it was being made when somebody died; ERR_CORRUPT: also where the disk does not give it at the second try. */
static int
read_header(struct journal_scan *s)
{
	static const unsigned char zeros[JOURNAL_HEADER_LEN];
	unsigned char header[JOURNAL_HEADER_LEN];
	ssize_t n = file_read_full(s->fd, header, sizeof(header), 0);

	if (n < 0)
		n = file_read_full(s->fd, header, sizeof(header), 0);
	if (n < 0)
		return ERR_CORRUPT;
	if (memcmp(header, zeros, (size_t)n) == 0)
		return ERR_EOF;
	return journal_decode_header(header, (size_t)n, &s->header);
}

int
journal_scan_open(struct journal_scan *s, const char *path, uint64_t limit)
{
	struct stat st = { .st_size = 0 };
	int err;

	*s = (struct journal_scan){ .fd = file_open(path, O_RDONLY), .at = JOURNAL_HEADER_LEN };
	if (s->fd < 0)
		return s->fd;
	s->valid = s->from = s->at;
	s->buffer = malloc(JOURNAL_SCAN_BUFFER);
	err = s->buffer ? read_header(s) : ERR_NOMEM;
	if (!err && fstat(s->fd, &st) != 0)
		err = ERR_IO;
	if (err) {
		journal_scan_close(s);
		return err;
	}
	s->limit = limit ? MIN(limit, (uint64_t)st.st_size) : (uint64_t)st.st_size;
	return OK;
}

void
journal_scan_close(struct journal_scan *s)
{
	free(s->buffer);
	if (s->fd >= 0)
		(void)file_close(s->fd);
	s->buffer = NULL;
	s->fd = -1;
}

/* The buffer holds a whole row from s->at on, if the file does. */
static void
load(struct journal_scan *s)
{
	uint64_t end = s->from + s->n;
	ssize_t n;

	if (end == s->limit || end >= s->at + JOURNAL_ROW_MAX)
		return;
	n = read_at(s, s->buffer, (size_t)MIN(JOURNAL_SCAN_BUFFER, s->limit - s->at), s->at);
	s->from = s->at;
	s->n = (size_t)n;
	if (s->n < JOURNAL_SCAN_BUFFER)
		s->limit = MIN(s->limit, s->from + s->n); /* cut while it is read */
}

int
journal_scan_next(struct journal_scan *s, struct journal_record *out)
{
	while (s->at < s->limit) {
		const unsigned char *p;
		ssize_t used;

		load(s);
		if (s->at >= s->limit)
			break;
		p = s->buffer + (s->at - s->from);
		used = journal_get(p, (size_t)(s->from + s->n - s->at), &s->header.id, s->at, out);
		if (used > 0) {
			s->damaged += s->at - s->valid;
			s->at += (uint64_t)used;
			s->valid = s->at;
			return 1;
		}
		s->at += 8;
	}
	return 0;
}

/*
 * The bundle's id in a gzip header: see gzid.h. Called by the packer (ship) and by the dir sink,
 * on helpers.
 */
#include "sink/gzid.h"

#include "base/file.h"

enum { GZIP_FEXTRA = 4, GZIP_HEADER = 10, GZIP_DEFLATE = 8 };

void
gzid_extra(const struct id *id, unsigned char out[GZID_EXTRA_LEN])
{
	out[0] = 'S';
	out[1] = 'L';
	out[2] = ID_LEN;
	out[3] = 0;
	memcpy(out + 4, id->b, ID_LEN);
}

static unsigned
le16(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

/* Exactly n bytes: 0, ERR_NOT_FOUND if the file ends before, ERR_IO. */
static int
read_at(int fd, unsigned char *p, size_t n, off_t at)
{
	ssize_t got = file_read_full(fd, p, n, at);

	if (got < 0)
		return ERR_IO;
	return (size_t)got == n ? 0 : ERR_NOT_FOUND;
}

int
gzid_read(int fd, struct id *out)
{
	unsigned char head[GZIP_HEADER + 2], field[GZID_EXTRA_LEN];
	off_t at = sizeof(head), end;
	int err;

	if ((err = read_at(fd, head, sizeof(head), 0)))
		return err;
	if (head[0] != 0x1f || head[1] != 0x8b || head[2] != GZIP_DEFLATE ||
	    !(head[3] & GZIP_FEXTRA))
		return ERR_NOT_FOUND;
	end = at + (off_t)le16(head + GZIP_HEADER);
	for (; at + 4 <= end; at += 4 + (off_t)le16(field + 2)) {
		if ((err = read_at(fd, field, 4, at)))
			return err;
		if (field[0] != 'S' || field[1] != 'L' || le16(field + 2) != ID_LEN)
			continue;
		if (at + GZID_EXTRA_LEN > end)
			break;
		if ((err = read_at(fd, out->b, ID_LEN, at + 4)))
			return err;
		return 0;
	}
	return ERR_NOT_FOUND;
}

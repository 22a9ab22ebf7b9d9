/*
 * The bundle's identity in a gzip header: see gzid.h. Called by the packer (ship) and by the dir sink,
 * on helpers.
 */
#include "sink/gzid.h"

#include "base/file.h"

enum { GZIP_FEXTRA = 4, GZIP_HEADER = 10, GZIP_DEFLATE = 8 };

#define RECORDS_LEN 8
#define RECORDS_AT (GZIP_HEADER + 2 + 4)

static unsigned char *
put_subfield(unsigned char *to, char second, unsigned length)
{
	to[0] = 'S';
	to[1] = (unsigned char)second;
	to[2] = (unsigned char)length;
	to[3] = 0;
	return to + 4;
}

void
gzid_extra(const struct id *id, unsigned char out[GZID_EXTRA_LEN])
{
	unsigned char *p = put_subfield(out, 'N', RECORDS_LEN);

	memset(p, 0, RECORDS_LEN);
	p = put_subfield(p + RECORDS_LEN, 'L', ID_LEN);
	memcpy(p, id->b, ID_LEN);
}

int
gzid_put_records(int fd, uint64_t records)
{
	unsigned char le[RECORDS_LEN];

	for (unsigned i = 0; i < RECORDS_LEN; i++)
		le[i] = (unsigned char)(records >> (8 * i));
	return file_write_all(fd, le, sizeof(le), RECORDS_AT);
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

/* The subfield 'S' second of this length: 0, ERR_NOT_FOUND or ERR_IO. */
static int
read_subfield(int fd, char second, unsigned char *out, unsigned length)
{
	unsigned char head[GZIP_HEADER + 2], field[4];
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
		if (field[0] != 'S' || field[1] != second || le16(field + 2) != length)
			continue;
		return at + 4 + (off_t)length <= end ? read_at(fd, out, length, at + 4)
						     : ERR_NOT_FOUND;
	}
	return ERR_NOT_FOUND;
}

int
gzid_read(int fd, struct id *out)
{
	return read_subfield(fd, 'L', out->b, ID_LEN);
}

int
gzid_read_records(int fd, uint64_t *records)
{
	unsigned char le[RECORDS_LEN];
	int err = read_subfield(fd, 'N', le, sizeof(le));

	*records = 0;
	for (unsigned i = 0; err == 0 && i < RECORDS_LEN; i++)
		*records |= (uint64_t)le[i] << (8 * i);
	return err;
}

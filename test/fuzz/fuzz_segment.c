/*
 * Fuzzes the reader over whole segments. Reading never goes outside the file, records lie one behind the other within it, what is handed
 * out for a record is what is in the file, and searching behind damage ends. The CRCs are made right first where the input asks for
 * it (its first byte is odd), so that what stands behind them is reached.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "fuzz.h"
#include "spool/spool_priv.h"

/* Header and frames get the CRC that their bytes call for, as far as their lengths make sense. */
static void
mend(unsigned char *p, size_t n)
{
	struct segment_header h;
	struct segment_frame f;
	size_t at = SEGMENT_HEADER_LEN;

	if (n < SEGMENT_HEADER_LEN)
		return;
	mend_crc(p, 60);
	if (segment_decode_header(p, n, &h))
		return;
	while (n - at >= SEGMENT_FRAME_LEN && segment_decode_frame(p + at, n - at, &f) == 0)
		at += (size_t)segment_bind_frame(p + at, &h.id, at, f.number);
}

static void
check_record(struct reader *r, const struct reader_record *rec, const unsigned char *p, size_t n)
{
	const struct segment_frame *f = &rec->frame;
	uint64_t total = segment_frame_total(f);
	unsigned char body[256];
	ssize_t got;

	require(rec->offset >= SEGMENT_HEADER_LEN && total <= n - rec->offset);
	require(reader_end(r) == rec->offset + total);
	require(rec->user.n == f->user_len && rec->attrs.n == f->attrs_len);
	require(memcmp(rec->user.p, p + rec->offset + SEGMENT_FRAME_LEN, rec->user.n) == 0);
	require(!rec->body.p || rec->body.n == f->body_len);
	(void)segment_get_attr(rec->attrs, SEGMENT_ATTR_URI);
	got = reader_body(r, 0, body, sizeof(body));
	require(got == (ssize_t)MIN(f->body_len, sizeof(body)));
	require(memcmp(body, p + reader_end(r) - f->body_len, (size_t)got) == 0);
}

static void
read_all(int fd, const unsigned char *p, size_t n)
{
	struct reader_record rec;
	struct reader *r;
	uint64_t skipped, end = 0;
	int rc = 1;

	if (reader_open_fd(fd, 0, &r))
		return;
	while (rc == 1) {
		rc = reader_next(r, &rec);
		if (rc == 1) {
			check_record(r, &rec, p, n);
			require(rec.offset >= end);
			end = reader_end(r);
		} else if (rc == ERR_CORRUPT) {
			rc = reader_resync(r, &skipped);
			require(rc < 0 || skipped <= n);
		}
	}
	reader_close(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	unsigned char *copy;

	if (size < 2)
		return 0;
	if (fd < 0)
		fd = memfd_create("segment", MFD_CLOEXEC);
	copy = malloc(size - 1);
	require(fd >= 0 && copy);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		mend(copy, size - 1);
	require(ftruncate(fd, 0) == 0);
	require(pwrite(fd, copy, size - 1, 0) == (ssize_t)(size - 1));
	read_all(fd, copy, size - 1);
	free(copy);
	return 0;
}

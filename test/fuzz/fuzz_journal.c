/*
 * Fuzzes the reader of the delivery journal's files. Rows lie one behind the other within the file, the damage between them is counted once,
 * what is read comes out the same when it is written again, and the progress that follows from it survives its own checkpoint. The CRCs
 * are made right first where the input asks for it (its first byte is odd), so that what stands behind them is reached.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "message/journal_priv.h"

#define ROWS_SEEN 16

/* Header and rows get the CRC that their bytes call for; numbers become small, because memory follows them. */
static void
mend(unsigned char *p, size_t n)
{
	struct journal_header h;
	size_t at = JOURNAL_HEADER_LEN;

	if (n < JOURNAL_HEADER_LEN)
		return;
	mend_crc(p, 44);
	if (journal_decode_header(p, n, &h))
		return;
	while (n - at >= JOURNAL_ROW_MIN) {
		size_t length = p[at + 4] | (size_t)p[at + 5] << 8;

		if (length < JOURNAL_ROW_MIN || length > n - at) {
			at += 8;
			if (at > n)
				return;
			continue;
		}
		memset(p + at + 26, 0, 6);
		journal_bind(p + at, length, &h.id, at);
		at += length;
	}
}

/* Written again, a row has the length it had and says the same. */
static void
check_row(const struct journal_record *r, size_t length)
{
	static const struct id nobody;
	struct journal_record again;
	struct buf out;

	buf_init(&out, 0);
	journal_put(&out, r);
	require(out.n == length);
	journal_bind((unsigned char *)out.p, out.n, &nobody, 8);
	require(journal_get((unsigned char *)out.p, out.n, &nobody, 8, &again) == (ssize_t)length);
	require(again.kind == r->kind && id_eq(again.row.segment, r->row.segment));
	require(again.row.number == r->row.number && again.row.attempt == r->row.attempt);
	require(again.row.time == r->row.time && again.row.status == r->row.status);
	require(again.row.duration == r->row.duration && again.row.result == r->row.result);
	require(str_eq(again.row.error, r->row.error) && again.n_bits == r->n_bits);
	buf_fini(&out);
}

static void
compare(const struct progress *a, const struct progress *b, struct id segment, uint64_t number)
{
	struct journal_attempts x, y;

	require(progress_has(a, segment) == progress_has(b, segment));
	require(progress_is_done(a, segment, number) == progress_is_done(b, segment, number));
	progress_attempts(a, segment, number, &x);
	progress_attempts(b, segment, number, &y);
	require(x.n == y.n && x.first == y.first && x.last == y.last && x.status == y.status);
	require(str_eq(x.error, y.error));
}

/* A checkpoint brings all of it back. */
static void
check_progress(const struct progress *p, const struct journal_record *seen, unsigned n)
{
	static const struct id nobody;
	struct progress again;
	struct buf rows;
	size_t at = 0;

	buf_init(&rows, 0);
	progress_init(&again);
	progress_checkpoint(p, &rows);
	journal_bind((unsigned char *)rows.p, rows.n, &nobody, 0);
	while (at < rows.n) {
		struct journal_record r;
		ssize_t used =
		    journal_get((unsigned char *)rows.p + at, rows.n - at, &nobody, at, &r);

		require(used > 0 && progress_apply(&again, &r) == OK);
		at += (size_t)used;
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < 3; k++)
			compare(p, &again, seen[i].row.segment, seen[i].row.number + k * 37);
	progress_fini(&again);
	buf_fini(&rows);
}

static void
read_all(const char *path, size_t size)
{
	struct journal_record r, seen[ROWS_SEEN];
	struct progress progress;
	struct journal_scan s;
	uint64_t end = JOURNAL_HEADER_LEN, good = 0;
	unsigned n = 0;
	int got;

	if (journal_scan_open(&s, path, 0))
		return;
	progress_init(&progress);
	while ((got = journal_scan_next(&s, &r)) == 1) {
		size_t length;

		require(s.valid > end && s.valid <= size && s.valid % 8 == 0);
		length = (size_t)(s.valid - JOURNAL_HEADER_LEN - s.damaged - good);
		require(length >= JOURNAL_ROW_MIN && length <= JOURNAL_ROW_MAX);
		good += length;
		end = s.valid;
		check_row(&r, length);
		require(progress_apply(&progress, &r) == OK);
		if (n < ROWS_SEEN)
			seen[n++] = r;
	}
	require(got == 0);
	check_progress(&progress, seen, n);
	progress_fini(&progress);
	journal_scan_close(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;
	unsigned char *copy;

	if (size < 2)
		return 0;
	if (fd < 0) {
		fd = memfd_create("journal", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	copy = malloc(size - 1);
	require(fd >= 0 && copy);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		mend(copy, size - 1);
	require(ftruncate(fd, 0) == 0);
	require(pwrite(fd, copy, size - 1, 0) == (ssize_t)(size - 1));
	read_all(path, size - 1);
	free(copy);
	return 0;
}

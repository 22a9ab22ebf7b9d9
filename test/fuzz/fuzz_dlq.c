/*
 * Fuzzes the reader of the dead letters' log over whole files, and what is in their frames: reading never goes outside the file, frames lie one
 * behind the other in it, searching behind damage ends, and strings of what is taken from a frame lie in that frame. The CRCs are
 * made right first where the input asks for it (its first byte is odd), so that what stands behind them is reached.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dlq/logfile.h"
#include "fuzz.h"

/* Header and frames get the CRC that their bytes call for, as far as their lengths make sense. */
static void
mend(unsigned char *p, size_t n)
{
	size_t at = FRAME_FILE_HEADER_LEN;
	struct frame_file h;
	struct frame f;

	if (n < FRAME_FILE_HEADER_LEN)
		return;
	mend_crc(p, 60);
	if (frame_decode_file(p, n, &h))
		return;
	while (n - at >= FRAME_HEAD_LEN && frame_decode(p + at, n - at, &f) == 0)
		at += frame_bind(p + at, &h.id, at);
}

static void
inside(struct str part, struct str whole)
{
	require(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void
check_change(const struct frame_change *c, struct str whole)
{
	inside(c->error, whole);
	inside(c->by, whole);
	inside(c->reason, whole);
	require(c->state < DLQ_STATES && c->type < DLQ_TYPES && c->kind < FRAME_KINDS);
}

static void
check_letter(struct str contents)
{
	struct frame_letter l;
	struct frame_change c;

	if (frame_take_letter(contents, &l))
		return;
	check_change(&l.now, contents);
	inside(l.payload, contents);
	for (unsigned i = 0; i < LETTER_STRINGS; i++)
		inside(l.strings[i], contents);
	for (unsigned i = 0; i < l.n_past; i++) {
		require(frame_take_change(&l.past, &c) == 0);
		check_change(&c, contents);
	}
	require(l.past.n == 0);
}

static void
check_frame(const struct frame *f)
{
	struct str rest = f->contents;
	struct frame_change c;

	if (f->type == FRAME_LETTER)
		check_letter(f->contents);
	else if (f->type == FRAME_EVENT && frame_take_change(&rest, &c) == 0)
		check_change(&c, f->contents);
}

static void
read_all(int fd, const unsigned char *p, size_t n)
{
	uint64_t offset, end = FRAME_FILE_HEADER_LEN;
	struct logfile *l;
	struct frame f;
	int got;

	if (logfile_open(fd, &l))
		return;
	while ((got = logfile_next(l, &f, &offset)) != 0) {
		if (got == ERR_CORRUPT)
			got = logfile_resync(l);
		else if (got == 1) {
			require(offset >= end && offset + frame_total(&f) <= n);
			require(
			    memcmp(p + offset + FRAME_HEAD_LEN, f.contents.p, f.contents.n) == 0);
			end = logfile_end(l);
			require(end == offset + frame_total(&f));
			check_frame(&f);
		}
		if (got <= 0)
			break;
	}
	require(logfile_size(l) == n && logfile_unread(l) == 0);
	logfile_close(l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	unsigned char *copy;

	if (size < 2)
		return 0;
	if (fd < 0)
		fd = memfd_create("dlq", MFD_CLOEXEC);
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

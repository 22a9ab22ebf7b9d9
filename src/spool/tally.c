/*
 * Counting a segment's records from its end. A sealed segment is cut where its last frame ends,
 * and each frame carries its number: so the last one is the only frame that ends where the file
 * does. It is looked for backwards, by its magic; its CRC, which covers the segment's id and the
 * frame's offset, tells it from a record's contents that look like one. See tally.h.
 */
#include "spool/tally.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/reader.h"
#include "spool/spool.h"

/* The longest frame that shares a segment. */
#define FRAME_MAX (SEGMENT_FRAME_LEN + SEGMENT_META_MAX + SPOOL_GATHER_MAX)
#define FIRST_LOOK 4096

struct tail {
	const struct segment_header *header;
	uint64_t size;    /* of the file */
	unsigned char *p; /* its last n bytes */
	size_t n;
};

/* True if a frame begins i bytes into the tail and ends with it. */
static bool
is_last_frame(const struct tail *t, size_t i, struct segment_frame *f)
{
	const unsigned char *p = t->p + i;
	uint64_t room = t->n - i;

	if (room < SEGMENT_FRAME_LEN || segment_decode_frame(p, room, f) != 0 ||
	    segment_frame_total(f) != room)
		return false;
	return crc32c(segment_frame_crc(&t->header->id, t->size - room, f), p + SEGMENT_FRAME_LEN,
		   (size_t)room - SEGMENT_FRAME_LEN) == f->crc;
}

/* 1 and *records, 0 if the last frame does not begin within the tail. */
static int
search(const struct tail *t, uint64_t *records)
{
	struct segment_frame f;

	for (size_t i = t->n; i-- > 0;)
		if (t->p[i] == 'S' && is_last_frame(t, i, &f)) {
			*records = f.number + 1;
			return 1;
		}
	return 0;
}

/* As search, of the file's last n bytes; or an error. */
static int
look(int fd, struct tail *t, size_t n, uint64_t *records)
{
	ssize_t got;

	t->n = (size_t)MIN((uint64_t)n, t->size - SEGMENT_HEADER_LEN);
	got = file_read_full(fd, t->p, t->n, (off_t)(t->size - t->n));
	if (got < 0)
		return (int)got;
	return (size_t)got == t->n ? search(t, records) : 0;
}

/* Of a file that does not end with a frame: as many as a reader finds. */
static int
walk(const char *path, uint64_t *records)
{
	struct reader_record record;
	struct reader *r;
	uint64_t skipped;
	int got = reader_open(path, 0, &r);

	if (got != 0)
		return got;
	do {
		while ((got = reader_next(r, &record)) == 1)
			++*records;
	} while (got == ERR_CORRUPT && (got = reader_resync(r, &skipped)) == 1);
	reader_close(r);
	return got;
}

/* 1 and *records; 0: not to be had from the end; or an error. */
static int
from_end(int fd, uint64_t *records)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	struct segment_header header;
	struct tail t = { .header = &header };
	ssize_t got = file_read_full(fd, head, sizeof(head), 0);
	off_t size = lseek(fd, 0, SEEK_END);
	int found;

	if (got < 0 || size < 0)
		return ERR_IO;
	if (segment_decode_header(head, (size_t)got, &header) != 0)
		return ERR_CORRUPT;
	*records = 1;
	if (header.flags & (SEGMENT_SINGLE | SEGMENT_OBJECT))
		return 1;
	*records = 0;
	t.size = (uint64_t)size;
	t.p = malloc(FRAME_MAX);
	if (t.p == NULL)
		return ERR_NOMEM;
	found = look(fd, &t, FIRST_LOOK, records);
	if (found == 0 && t.size > FIRST_LOOK)
		found = look(fd, &t, FRAME_MAX, records);
	free(t.p);
	return found;
}

int
tally_records(const char *path, uint64_t *records)
{
	int fd = file_open(path, O_RDONLY), got;

	*records = 0;
	if (fd < 0)
		return fd;
	got = from_end(fd, records);
	file_close(fd);
	if (got == 0)
		return walk(path, records);
	return got == 1 ? 0 : got;
}

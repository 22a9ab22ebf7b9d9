/*
 * Reading segments: for bundles, verification and the command line. Blocks: run it on a helper. Memory: one buffer of READER_BUFFER bytes a reader.
 */
#ifndef SLUICE_SPOOL_READER_H
#define SLUICE_SPOOL_READER_H

#include <sys/types.h>

#include "spool/segment.h"

#define READER_BUFFER (64u * 1024)

struct reader;

struct reader_record {
	struct segment_frame frame;
	uint64_t offset;        /* of the frame in the file */
	struct str user, attrs; /* valid until the next call */
	struct str body;        /* whole, if it fits the buffer; else {NULL, 0}: use reader_body */
};

/* limit: bytes of the file to believe (the list's valid length); 0: its size. 0, ERR_NOT_FOUND, ERR_CORRUPT (header), ERR_IO. */
int reader_open(const char *path, uint64_t limit, struct reader **out);
/* The same for a file that the disk has given up in part: a block of it that cannot be read counts as damaged, like one whose contents changed, instead of ERR_IO. */
int reader_open_failing(const char *path, uint64_t limit, struct reader **out);
/* Of an open file, which stays the caller's. */
int reader_open_fd(int fd, uint64_t limit, struct reader **out);
void reader_close(struct reader *r);
const struct segment_header *reader_header(const struct reader *r);
/* The next frame whose CRC holds: 1; 0 at the end (zeros, or limit reached); ERR_CORRUPT: a bad frame; reader_resync() looks for the next good one. */
int reader_next(struct reader *r, struct reader_record *out);
/* Bytes of the current record's body from offset at: count, 0 at its end, or an error. */
ssize_t reader_body(struct reader *r, uint64_t at, void *p, size_t n);
/* After ERR_CORRUPT: 1 and *skipped, or 0 if nothing valid follows. */
int reader_resync(struct reader *r, uint64_t *skipped);
/* Where the last good frame ended. */
uint64_t reader_end(const struct reader *r);

/* For who reads a file while it grows, or comes back to a record. More of it is to be believed: all before limit, which is never less than the last one. */
void reader_believe(struct reader *r, uint64_t limit);
/* The next frame is the one at this offset, below the limit; the last one counts as having ended there. */
void reader_seek(struct reader *r, uint64_t at);
/* From now on as reader_open_failing(). */
void reader_pass_over(struct reader *r);

#endif

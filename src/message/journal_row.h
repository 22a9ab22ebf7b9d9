/*
 * The format of a journal's files (journal.h). Pure: bytes in, bytes out. All numbers little-endian.
 *
 *	file: header, row, row, …               (the rest of a reserved file is zeros or rubbish)
 *
 *	header, 48 bytes
 *	  0  "SLUIJRN1"      8 bytes
 *	  8  version         u16 = 1
 *	 10  header length   u16 = 48
 *	 12  reserved        u32 = 0
 *	 16  id              16 bytes, random
 *	 32  number          u64   as in its name
 *	 40  reserved        u32 = 0
 *	 44  crc             u32   CRC-32C of bytes 0..43
 *
 *	row, a multiple of 8 bytes long and at a multiple of 8
 *	  0  crc             u32   CRC-32C over: the file's id, the row's offset (u64), bytes 4 to its end
 *	  4  length          u16   of all of it
 *	  6  kind            u8    enum journal_kind
 *	  7  detail          u8    ATTEMPT: enum journal_result; DONE: 1: so are all before; else 0
 *	  8  segment         16 bytes
 *	 24  number          u64   of the record in the segment; DONE: of the first bit; CHECKPOINT: how many segments
 *
 *	 behind it, ATTEMPT             TRIED                           DONE
 *	 32  message    16 bytes        32  first    i64 UTC ns         32  bits, 8 records a byte, lowest first
 *	 48  time       i64 UTC ns      40  last     i64 UTC ns
 *	 56  duration   u32 µs          48  attempts u32
 *	 60  attempt    u32             52  status   u16
 *	 64  status     u16             54  error    u16 length
 *	 66  error      u16 length      56  error, zeros
 *	 68  reserved   u32 = 0
 *	 72  trace      16 bytes
 *	 88  error, zeros
 *
 * A row is valid iff its length fits its kind and what it holds, its number is less than JOURNAL_NUMBER_MAX, and the CRC holds; that covers the
 * file's id and the offset, so neither zeros nor blocks of an earlier file pass for one. A file begins with a checkpoint: DONE and TRIED rows
 * with all the progress there was, closed by a CHECKPOINT row; with that, nothing of the files before is needed to know what is done.
 */
#ifndef SLUICE_MESSAGE_JOURNAL_ROW_H
#define SLUICE_MESSAGE_JOURNAL_ROW_H

#include "base/buf.h"
#include "message/journal.h"

#define JOURNAL_HEADER_LEN 48
#define JOURNAL_ROW_MIN 32
#define JOURNAL_ROW_MAX 4096
#define JOURNAL_BITS_MAX (JOURNAL_ROW_MAX - JOURNAL_ROW_MIN) /* bytes of them in one row */
/* More records than any segment holds; so much memory is the most that a row can ask for. */
#define JOURNAL_NUMBER_MAX (UINT64_C(1) << 28)

enum journal_kind {
	JOURNAL_ATTEMPT = 1, /* for the log, and of progress what follows from it */
	JOURNAL_DONE,        /* of a checkpoint */
	JOURNAL_TRIED,       /* of a checkpoint: the attempts at one that is not done */
	JOURNAL_FORGET,      /* the segment is gone */
	JOURNAL_CHECKPOINT   /* ends a checkpoint */
};

struct journal_header {
	struct id id;
	uint64_t number;
};

/* A row of any kind. Strings and bits are borrowed. */
struct journal_record {
	enum journal_kind kind;
	/* ATTEMPT: all of it. TRIED: segment, number, attempt (how many), time (of the last), status, error. Others: segment, number. */
	struct journal_row row;
	int64_t first;             /* TRIED: time of the first attempt */
	bool below;                /* DONE: all before number are done */
	const unsigned char *bits; /* DONE */
	size_t n_bits;             /* bytes, a multiple of 8 */
};

void journal_encode_header(const struct journal_header *h, unsigned char out[JOURNAL_HEADER_LEN]);
/* 0 or ERR_CORRUPT. */
int journal_decode_header(const unsigned char *p, size_t n, struct journal_header *h);

/* Appends the row, which journal_bind() has yet to give its place. What does not fit its fields is cut. */
void journal_put(struct buf *out, const struct journal_record *r);
/* Gives n bytes of rows from journal_put() their place in a file: offset is that of the first. */
void journal_bind(unsigned char *rows, size_t n, const struct id *file, uint64_t offset);
/* The row at p, n bytes up to what is known of the file: bytes used, ERR_NEED_MORE (n is less than the length it claims) or ERR_BAD. */
ssize_t journal_get(const unsigned char *p, size_t n, const struct id *file, uint64_t offset,
    struct journal_record *out);

#endif

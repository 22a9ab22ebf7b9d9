/*
 * The format of the dead letters' log files, state_dir/dlq/<number>.log. Pure: bytes in, bytes out. All numbers little-endian.
 *
 *	file: header, frame, frame, …              (the rest of a preallocated file is zeros, or rubbish after a crash)
 *
 *	header, 64 bytes
 *	  0  "SLUIDLQ1"      8 bytes
 *	  8  version         u16 = 1
 *	 10  header length   u16 = 64
 *	 12  number          u32   the one in its name: a copy under another name is not taken for a file of ours
 *	 16  id              16 bytes, random
 *	 32  created         i64   UTC ns
 *	 40  reserved        20 bytes = 0
 *	 60  crc             u32   CRC-32C of bytes 0..59
 *
 *	frame, 32 bytes and its contents
 *	  0  magic           u32 = "DLfr"
 *	  4  crc             u32   CRC-32C over: the file's id, the frame's offset (u64), bytes 8..31, contents
 *	  8  length          u32   of the contents
 *	 12  type            u8    LETTER, EVENT, HOURS
 *	 13  reserved        3 bytes = 0
 *	 16  entry           16 bytes: whose frame it is; HOURS: zeros
 *	 32  contents
 *
 * A frame is valid iff magic, length (within the file), type and CRC hold, and its contents are of the right form. Frames count in the order of the
 * files' numbers, then of their offsets. What an entry is now says the last frame of it, whatever stands before: LETTER and EVENT both
 * begin with a change, which holds all that can change of an entry, so no frame builds on another one.
 *
 *	change     kind, state, type, outcome    u8 each
 *	           time, duration                i64      of the event
 *	           status                        i32
 *	           attempts, tries, reprocessed, by rule  u32 each
 *	           last attempt, due, resolved, since  i64 each
 *	           job                           16 bytes
 *	           error, by, reason             u16 length and bytes, each
 *	EVENT      change
 *	LETTER     change; kind, flags u8 each; born, size, records u64 each; created, dead i64 each; eight strings (u16 length and bytes each);
 *	           events left out u32, number of past events u16, those as changes; the rest: the payload, unless it is a file.
 *	           Its kind is FRAME_COPY when an entry was written anew, with its history: then it is no event of its own.
 *	HOURS      what was dropped, u64 a reason; number of cells u32; a cell: hour i64, count u64, type u8, stream (u16 length and bytes).
 *	           It replaces all that was counted before it.
 */
#ifndef SLUICE_DLQ_FRAME_H
#define SLUICE_DLQ_FRAME_H

#include "dlq/dlq.h"

#define FRAME_FILE_HEADER_LEN 64
#define FRAME_HEAD_LEN 32
#define FRAME_CONTENTS_MAX (2u * 1024 * 1024)

enum frame_type { FRAME_LETTER = 1, FRAME_EVENT, FRAME_HOURS };
/* Kinds of changes beside those of enum dlq_event_kind, and never told as history. */
enum {
	FRAME_COPY = DLQ_EV_DISCARDED + 1,
	FRAME_GONE, /* + enum dlq_drop: the entry is no more */
	FRAME_KINDS = FRAME_GONE + DLQ_DROPS
};

/* Flags of a letter. */
#define FRAME_FILE 1u /* the payload is a file */
#define FRAME_LIST 2u /* it has a list file, too */
#define FRAME_LOST 4u /* the payload could not be read any more when the entry was written anew */

struct frame_file {
	uint32_t number;
	struct id id;
	int64_t created;
};

struct frame {
	enum frame_type type;
	struct id entry;
	struct str contents;
};

struct frame_change {
	unsigned kind; /* enum dlq_event_kind, FRAME_… */
	enum dlq_state state;
	enum dlq_type type;
	int outcome;
	int64_t time, duration;
	int status;
	uint32_t attempts, tries, reprocessed, by_rule;
	int64_t last_attempt, due, resolved, since;
	struct id job;
	struct str error, by, reason;
};

enum {
	LETTER_STREAM,
	LETTER_USER,
	LETTER_CONTENT_TYPE,
	LETTER_CONTENT_ENCODING,
	LETTER_METHOD,
	LETTER_TRACEPARENT,
	LETTER_MESSAGE_ID,
	LETTER_KEY,
	LETTER_STRINGS
};
struct frame_letter {
	struct frame_change now;
	enum dlq_kind kind;
	unsigned flags;
	uint64_t born; /* its place in the order of death */
	uint64_t size, records;
	int64_t created, dead;
	struct str strings[LETTER_STRINGS];
	uint32_t left_out; /* events older than those in past */
	uint16_t n_past;
	struct str past; /* so many changes, encoded */
	struct str payload;
};

void frame_encode_file(const struct frame_file *f, unsigned char out[FRAME_FILE_HEADER_LEN]);
int frame_decode_file(
    const unsigned char *p, size_t n, struct frame_file *f); /* 0 or ERR_CORRUPT */

/* Writing: begin, the contents, end; its place comes later (frame_bind). Failures stick in out. */
size_t frame_begin(struct buf *out, enum frame_type type, struct id entry);
void frame_end(struct buf *out, size_t begun);
void frame_put_change(struct buf *out, const struct frame_change *c);
/* All but past and payload, which are put behind it: n_past changes, then the payload. */
void frame_put_letter(struct buf *out, const struct frame_letter *l);
void frame_put_string(struct buf *out, struct str s);
void frame_put_number(struct buf *out, uint64_t v, unsigned bytes);
/* Sets the CRC for its place. Returns its total length. */
size_t frame_bind(unsigned char *frame, const struct id *file, uint64_t offset);

/* Head only: magic, type, length within room. 0 or ERR_CORRUPT. */
int frame_decode(const unsigned char *p, uint64_t room, struct frame *f);
static inline size_t
frame_total(const struct frame *f)
{
	return FRAME_HEAD_LEN + f->contents.n;
}
/* Does its CRC hold? All of it must be there. */
bool frame_holds(
    const unsigned char *p, const struct frame *f, const struct id *file, uint64_t offset);

/* Reads a change off the front of *s. 0 or ERR_CORRUPT. Strings point into *s. */
int frame_take_change(struct str *s, struct frame_change *c);
int frame_take_letter(struct str contents, struct frame_letter *l);
int frame_take_string(struct str *s, struct str *out);
int frame_take_number(struct str *s, unsigned bytes, uint64_t *out);

#endif

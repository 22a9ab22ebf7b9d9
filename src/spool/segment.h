/*
 * The format of a segment: what is on disk between a 204 and a bundle. Pure: bytes in, bytes out. All numbers little-endian.
 *
 *	segment: header, frame, frame, …            (the rest of a preallocated file is zeros or rubbish)
 *
 *	header, 64 bytes
 *	  0  "SLUISEG1"      8 bytes
 *	  8  version         u16 = 1
 *	 10  header length   u16 = 64
 *	 12  flags           u32   SEGMENT_OBJECT, SEGMENT_SINGLE
 *	 16  id              16 bytes, random
 *	 32  created         i64   UTC ns; every frame's time falls into the same UTC hour
 *	 40  slot            u32   of the writing process
 *	 44  generation      u32
 *	 48  sequence        u64   of the segment within its process
 *	 56  reserved        u32 = 0
 *	 60  crc             u32   CRC-32C of bytes 0..59
 *
 *	frame, 40 bytes and its contents
 *	  0  magic           u32 = "SLfr"
 *	  4  crc             u32   CRC-32C over: the segment's id, the frame's offset (u64), bytes 8..39, user, attrs, body
 *	  8  time            i64   UTC ns of the append; never less than the frame before
 *	 16  body length     u64
 *	 24  attrs length    u32
 *	 28  user length     u16
 *	 30  flags           u16 = 0
 *	 32  record number   u64   within the segment, from 0
 *	 40  user, attrs, body
 *
 * A frame is valid iff magic, lengths (within the file) and CRC hold; the CRC covers the segment's id and the frame's offset, so neither preallocated zeros nor blocks of an earlier file pass for a record.
 * A SINGLE segment holds one frame whose header is written last, after its body.
 *
 * attrs: a list of (u16 name length, u32 value length, name, value).
 */
#ifndef SLUICE_SPOOL_SEGMENT_H
#define SLUICE_SPOOL_SEGMENT_H

#include "base/base.h"
#include "base/buf.h"
#include "base/hash.h"

#define SEGMENT_HEADER_LEN 64
#define SEGMENT_FRAME_LEN 40
#define SEGMENT_OBJECT 1u /* frames are objects with key and type in attrs */
#define SEGMENT_SINGLE 2u
/* user and attrs together: whoever reads holds them in memory, whatever the body's length. */
#define SEGMENT_META_MAX (32u * 1024)

/* Names of attributes. An object without a key gets one from user, URI and time when it is sent. */
#define SEGMENT_ATTR_URI "uri"
#define SEGMENT_ATTR_KEY "key"
#define SEGMENT_ATTR_TYPE "type"
#define SEGMENT_ATTR_ENCODING "encoding"
#define SEGMENT_ATTR_IDEM "idem" /* 32 hex digits: the key of spool/idem.h */
/* Of a message, so that delivery can repeat the request: its method and traceparent, beside `type` and `encoding`. */
#define SEGMENT_ATTR_METHOD "method"
#define SEGMENT_ATTR_TRACE "trace"

struct segment_header {
	uint32_t flags;
	struct id id;
	int64_t created;
	uint32_t slot, generation;
	uint64_t sequence;
};

struct segment_frame {
	int64_t time;
	uint64_t body_len, number;
	uint32_t attrs_len;
	uint16_t user_len;
	uint32_t crc;
};

void segment_encode_header(const struct segment_header *h, unsigned char out[SEGMENT_HEADER_LEN]);
int segment_decode_header(
    const unsigned char *p, size_t n, struct segment_header *h); /* 0 or ERR_CORRUPT */

/* Starts the CRC of a frame: feed user, attrs and body with crc32c() after it, then put the result into f->crc. */
uint32_t segment_frame_crc(
    const struct id *segment, uint64_t offset, const struct segment_frame *f);
/* The CRC of a||b from theirs, n being the length of b: a body's CRC is at hand before that of the head which stands before it. */
uint32_t segment_join_crc(uint32_t a, uint32_t b, uint64_t n);
void segment_encode_frame(const struct segment_frame *f, unsigned char out[SEGMENT_FRAME_LEN]);
/* Gives an encoded frame, its contents behind it in memory, its place: sets number and CRC. Returns its total length. */
uint64_t segment_bind_frame(
    unsigned char *frame, const struct id *segment, uint64_t offset, uint64_t number);
/* Magic and plausible lengths only (room: bytes from the frame's start to the end of the file); the CRC is the caller's. 0 or ERR_CORRUPT. */
int segment_decode_frame(const unsigned char *p, uint64_t room, struct segment_frame *f);
static inline uint64_t
segment_frame_total(const struct segment_frame *f)
{
	return SEGMENT_FRAME_LEN + (uint64_t)f->user_len + f->attrs_len + f->body_len;
}

/* A name beyond 65535 bytes or a value beyond SEGMENT_META_MAX is ERR_TOO_LARGE, sticking in attrs. */
void segment_put_attr(struct buf *attrs, struct str name, struct str value);
/* The value, or {NULL, 0}. */
struct str segment_get_attr(struct str attrs, const char *name);

#endif

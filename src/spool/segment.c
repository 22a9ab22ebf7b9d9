/*
 * Encoding and decoding of segment headers, frames and attributes. Does no I/O: the writing end (commit.c, upload.c), the
 * reader and the fuzz target call it.
 */
#include "spool/segment.h"

#include <string.h>

#include "base/le.h"

#define SEGMENT_VERSION 1
#define CRC_SEED_LEN (ID_LEN + 8)
#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */
#define ATTR_HEAD 6                            /* u16 name length, u32 value length */

static const char segment_magic[8] = { 'S', 'L', 'U', 'I', 'S', 'E', 'G', '1' };
static const char frame_magic[4] = { 'S', 'L', 'f', 'r' };

void
segment_encode_header(const struct segment_header *h, unsigned char out[SEGMENT_HEADER_LEN])
{
	memset(out, 0, SEGMENT_HEADER_LEN);
	memcpy(out, segment_magic, sizeof(segment_magic));
	le_put(out + 8, SEGMENT_VERSION, 2);
	le_put(out + 10, SEGMENT_HEADER_LEN, 2);
	le_put(out + 12, h->flags, 4);
	memcpy(out + 16, h->id.b, ID_LEN);
	le_put(out + 32, (uint64_t)h->created, 8);
	le_put(out + 40, h->slot, 4);
	le_put(out + 44, h->generation, 4);
	le_put(out + 48, h->sequence, 8);
	le_put(out + 60, crc32c(0, out, 60), 4);
}

int
segment_decode_header(const unsigned char *p, size_t n, struct segment_header *h)
{
	if (n < SEGMENT_HEADER_LEN || memcmp(p, segment_magic, sizeof(segment_magic)) != 0)
		return ERR_CORRUPT;
	if (le_get(p + 60, 4) != crc32c(0, p, 60))
		return ERR_CORRUPT;
	if (le_get(p + 8, 2) != SEGMENT_VERSION || le_get(p + 10, 2) != SEGMENT_HEADER_LEN)
		return ERR_CORRUPT;
	h->flags = (uint32_t)le_get(p + 12, 4);
	if (h->flags & ~(SEGMENT_OBJECT | SEGMENT_SINGLE) || le_get(p + 56, 4) != 0)
		return ERR_CORRUPT;
	memcpy(h->id.b, p + 16, ID_LEN);
	h->created = (int64_t)le_get(p + 32, 8);
	h->slot = (uint32_t)le_get(p + 40, 4);
	h->generation = (uint32_t)le_get(p + 44, 4);
	h->sequence = le_get(p + 48, 8);
	return OK;
}

/* What ties a frame to its place: the CRC of the segment's id and the frame's offset. */
static uint32_t
crc_of_place(const struct id *segment, uint64_t offset)
{
	unsigned char seed[CRC_SEED_LEN];

	memcpy(seed, segment->b, ID_LEN);
	le_put(seed + ID_LEN, offset, 8);
	return crc32c(0, seed, sizeof(seed));
}

uint32_t
segment_frame_crc(const struct id *segment, uint64_t offset, const struct segment_frame *f)
{
	unsigned char head[SEGMENT_FRAME_LEN];

	segment_encode_frame(f, head);
	return crc32c(crc_of_place(segment, offset), head + 8, SEGMENT_FRAME_LEN - 8);
}

/* Product of two polynomials modulo that of CRC-32C; in both the highest bit is the coefficient of x^0. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? (b >> 1) ^ CRC32C_POLYNOMIAL : b >> 1;
	}
	return product;
}

/* Appending n bytes to a multiplies its CRC by x^(8n); the conditioning of both ends cancels out. */
uint32_t
segment_join_crc(uint32_t a, uint32_t b, uint64_t n)
{
	uint32_t power = UINT32_C(1) << 23; /* x^8 */

	for (; n; n >>= 1) {
		if (n & 1)
			a = multiply(power, a);
		power = multiply(power, power);
	}
	return a ^ b;
}

void
segment_encode_frame(const struct segment_frame *f, unsigned char out[SEGMENT_FRAME_LEN])
{
	memcpy(out, frame_magic, sizeof(frame_magic));
	le_put(out + 4, f->crc, 4);
	le_put(out + 8, (uint64_t)f->time, 8);
	le_put(out + 16, f->body_len, 8);
	le_put(out + 24, f->attrs_len, 4);
	le_put(out + 28, f->user_len, 2);
	le_put(out + 30, 0, 2);
	le_put(out + 32, f->number, 8);
}

uint64_t
segment_bind_frame(unsigned char *frame, const struct id *segment, uint64_t offset, uint64_t number)
{
	uint64_t total = SEGMENT_FRAME_LEN + le_get(frame + 16, 8) + le_get(frame + 24, 4) +
			 le_get(frame + 28, 2);

	le_put(frame + 32, number, 8);
	le_put(frame + 4, crc32c(crc_of_place(segment, offset), frame + 8, (size_t)total - 8), 4);
	return total;
}

int
segment_decode_frame(const unsigned char *p, uint64_t room, struct segment_frame *f)
{
	if (room < SEGMENT_FRAME_LEN || memcmp(p, frame_magic, sizeof(frame_magic)) != 0)
		return ERR_CORRUPT;
	f->crc = (uint32_t)le_get(p + 4, 4);
	f->time = (int64_t)le_get(p + 8, 8);
	f->body_len = le_get(p + 16, 8);
	f->attrs_len = (uint32_t)le_get(p + 24, 4);
	f->user_len = (uint16_t)le_get(p + 28, 2);
	f->number = le_get(p + 32, 8);
	if (le_get(p + 30, 2) != 0 || (uint64_t)f->user_len + f->attrs_len > SEGMENT_META_MAX)
		return ERR_CORRUPT;
	/* body_len alone first: the sum of all could wrap around. */
	if (f->body_len > room || segment_frame_total(f) > room)
		return ERR_CORRUPT;
	return OK;
}

void
segment_put_attr(struct buf *attrs, struct str name, struct str value)
{
	unsigned char head[ATTR_HEAD];

	if (name.n > UINT16_MAX || value.n > SEGMENT_META_MAX) {
		attrs->err = ERR_TOO_LARGE;
		return;
	}
	le_put(head, name.n, 2);
	le_put(head + 2, value.n, 4);
	buf_put(attrs, head, sizeof(head));
	buf_put_str(attrs, name);
	buf_put_str(attrs, value);
}

struct str
segment_get_attr(struct str attrs, const char *name)
{
	const unsigned char *p = (const unsigned char *)attrs.p;
	size_t n = attrs.n;

	while (n >= ATTR_HEAD) {
		size_t name_len = (size_t)le_get(p, 2), value_len = (size_t)le_get(p + 2, 4);

		if (name_len > n - ATTR_HEAD || value_len > n - ATTR_HEAD - name_len)
			break;
		if (str_is(str_make(p + ATTR_HEAD, name_len), name))
			return str_make(p + ATTR_HEAD + name_len, value_len);
		p += ATTR_HEAD + name_len + value_len;
		n -= ATTR_HEAD + name_len + value_len;
	}
	return (struct str){ NULL, 0 };
}

/*
 * A node as a record of the dump file: what vts_dump.c writes and vts_restore.c reads. Pure but for vts_image_take. Private to the vts files.
 *
 * The file, little-endian:
 *
 *	header	8 bytes "SLUICVTS" · u32 version · u32 zero · u64 epoch ms
 *	record	u32 length of the rest of it · u8 kind · u8 parts, a bit each · u16 length of the key · key ·
 *		for each part: u16 n · n times u16 index, u64 value: words of its block (vts_node.h) that are not zero
 *	trailer	u32 zero · u64 number of records · u32 CRC-32C of all before
 *
 * It is valid iff header, lengths, trailer and CRC hold and nothing follows. A change of vts_node.h's blocks changes the version.
 */
#ifndef SLUICE_STATUS_VTS_IMAGE_H
#define SLUICE_STATUS_VTS_IMAGE_H

#include "base/buf.h"
#include "status/vts_node.h"

#define VTS_IMAGE_VERSION 1

struct vts_image {
	enum vts_kind kind;
	struct str key;
	unsigned parts; /* bits: 1 << VTS_NODE, … */
	struct vts_node_block node;
	struct vts_duration_block duration;
	struct vts_code_block code;
};

/* A part's block as words. */
uint64_t *vts_image_words(struct vts_image *i, enum vts_part part, unsigned *n);

/* What the node shows now, as the block of one process that counted all of it. The key is borrowed from the zone. */
void vts_image_take(const struct vts_entry *e, struct vts_image *out);

void vts_image_put_header(struct buf *out, int64_t now_ms);
void vts_image_put(struct buf *out, struct vts_image *i);
/* crc: of all before this, the buffer's contents included. */
void vts_image_put_trailer(struct buf *out, uint64_t records, uint32_t crc);

/* A whole file: 0, ERR_UNSUPPORTED (another version), or ERR_BAD. *records: what is between header and trailer. */
int vts_image_check(struct str file, struct str *records);
/* The first record of what vts_image_check gave: bytes used, 0 at the end, or ERR_BAD. The key is borrowed. */
ssize_t vts_image_get(struct str records, struct vts_image *out);

#endif

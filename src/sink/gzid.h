/*
 * A bundle's identity inside its own file: the gzip header's extra field (RFC 1952, 2.3.1.1) holds
 * two subfields, "SN" of 8 bytes, how many records it holds (little-endian), and "SL" of the 16 bytes
 * of its id. Any gunzip skips them; the shipper and the dir sink recognise a bundle by its id.
 */
#ifndef SLUICE_SINK_GZID_H
#define SLUICE_SINK_GZID_H

#include "base/hash.h"

#define GZID_EXTRA_LEN (4 + 8 + 4 + ID_LEN)

/* The contents of FEXTRA (behind XLEN), with 0 records. For zlib: gz_header.extra, extra_len
 * GZID_EXTRA_LEN. */
void gzid_extra(const struct id *id, unsigned char out[GZID_EXTRA_LEN]);
/* Into the header of a gzip file made with that, once they were counted: 0 or an error of the write. Blocks. */
int gzid_put_records(int fd, uint64_t records);
/* The id in the header of the gzip file at fd, wherever its offset stands. 0; ERR_NOT_FOUND: no
 * gzip file, or one without an id; ERR_IO. Blocks. */
int gzid_read(int fd, struct id *out);
/* How many records the gzip file at fd says it holds. 0, ERR_NOT_FOUND, ERR_IO. Blocks. */
int gzid_read_records(int fd, uint64_t *records);

#endif

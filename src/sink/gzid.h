/*
 * A bundle's id inside its own file: the gzip header's extra field (RFC 1952, 2.3.1.1) holds one
 * subfield, "SL", of the 16 bytes of the id. Any gunzip skips it; the shipper and the dir sink
 * recognise a bundle by it.
 */
#ifndef SLUICE_SINK_GZID_H
#define SLUICE_SINK_GZID_H

#include "base/hash.h"

#define GZID_EXTRA_LEN (4 + ID_LEN)

/* The contents of FEXTRA (behind XLEN): SI1 SI2 LEN id. For zlib: gz_header.extra, extra_len
 * GZID_EXTRA_LEN. */
void gzid_extra(const struct id *id, unsigned char out[GZID_EXTRA_LEN]);
/* The id in the header of the gzip file at fd, wherever its offset stands. 0; ERR_NOT_FOUND: no
 * gzip file, or one without an id; ERR_IO. Blocks. */
int gzid_read(int fd, struct id *out);

#endif

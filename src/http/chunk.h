/*
 * The chunked transfer coding (RFC 9112, 7.1): a decoder that does no I/O.
 */
#ifndef SLUICE_HTTP_CHUNK_H
#define SLUICE_HTTP_CHUNK_H

#include <sys/types.h>

#include "base/base.h"

struct chunk_decoder {
	uint64_t left; /* of the current chunk */
	uint32_t line; /* private: bytes of extensions or trailers so far, bounded */
	uint8_t state;
	uint8_t digits; /* private: of the current size */
};

void chunk_init(struct chunk_decoder *d);
/* Looks at n bytes. Returns how many it used (>= 0, possibly without data) and points *data at a
 * stretch of payload inside them ({NULL, 0} if none); call again with the rest. ERR_BAD for
 * anything malformed: bare LF, size over 2^62 or of more than 16 digits, extensions or trailers longer than 8 KiB. Done when
 * chunk_done(). */
ssize_t chunk_feed(struct chunk_decoder *d, const char *p, size_t n, struct str *data);
bool chunk_done(const struct chunk_decoder *d);
/* Writes the size line of a chunk: at most 18 bytes with CRLF. Returns its length. */
size_t chunk_size_line(char out[20], size_t n);

#endif

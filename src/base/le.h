/*
 * Numbers as they stand on disk: little-endian, of 1 to 8 bytes, whatever the machine's own order and alignment. Used by every file format.
 */
#ifndef SLUICE_BASE_LE_H
#define SLUICE_BASE_LE_H

#include "base/base.h"

static inline void
le_put(unsigned char *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static inline uint64_t
le_get(const unsigned char *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

#endif

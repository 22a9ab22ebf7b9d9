/*
 * Room in the zone's series area: units of 64 bytes (a cache line), a bit each. Runs of units are found next-fit. Called with the
 * directory's lock held; what a dead process left half done is marked afresh from what is in use (directory_repair).
 */
#ifndef SLUICE_ZONE_UNITS_H
#define SLUICE_ZONE_UNITS_H

#include <stdatomic.h>

#include "base/base.h"

#define UNIT 64

/* In the zone; unit 0 is never given out. */
struct units {
	uint32_t n, reserve; /* reserve: the last ones are for the privileged */
	uint32_t from;       /* where to look next */
	_Atomic uint32_t used;
	_Atomic uint32_t
	    refused; /* the smallest number refused since something was given back; 0: none */
};

static inline uint32_t
units_for(size_t bytes)
{
	return (uint32_t)((bytes + UNIT - 1) / UNIT);
}

/* All free. bits: (n + 63) / 64 words. */
void units_init(struct units *u, uint64_t *bits, uint32_t n);
/* The first of n in a row, or 0. */
uint32_t units_take(struct units *u, uint64_t *bits, uint32_t n, bool privileged);
void units_give(struct units *u, uint64_t *bits, uint32_t first, uint32_t n);
/* For repair: these are in use. */
void units_mark(struct units *u, uint64_t *bits, uint32_t first, uint32_t n);
/* Without the lock: would n be refused to an ordinary caller? May be wrong for a moment. */
bool units_scarce(const struct units *u, uint32_t n);

#endif

/*
 * What fuzz targets share.
 */
#ifndef SLUICE_TEST_FUZZ_H
#define SLUICE_TEST_FUZZ_H

#include <stdlib.h>

#include "base/hash.h"
#include "base/le.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
require(bool holds)
{
	if (!holds)
		abort();
}

/* The checksum at p[n] that the n bytes before it call for: without it hardly any random bytes would come past. */
static inline void
mend_crc(unsigned char *p, size_t n)
{
	le_put(p + n, crc32c(0, p, n), 4);
}

#endif

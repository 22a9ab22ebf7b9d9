/*
 * Shared by the files of hash.h, and open to their tests: the variants of each algorithm. The _hw
 * functions return the one that uses the CPU's instructions, or NULL where the machine has none.
 */
#ifndef SLUICE_BASE_HASH_PRIV_H
#define SLUICE_BASE_HASH_PRIV_H

#include "base/hash.h"

/* Takes and returns the complemented register, not the finished checksum. */
typedef uint32_t crc32c_fn(uint32_t crc, const unsigned char *p, size_t n);
crc32c_fn crc32c_table;
crc32c_fn *crc32c_hw(void);

/* Runs n blocks of 64 bytes through the compression function. */
typedef void sha256_fn(uint32_t state[8], const unsigned char *p, size_t n);
sha256_fn *sha256_hw(void);
sha256_fn sha256_soft;

#endif

/*
 * CRC-32C: the choice between the CPU's instruction and tables, and the tables (eight bytes a
 * step). Called by the spool for every frame and by everything that guards bytes on disk.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/hash_priv.h"

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41 with its bits reversed */

/* tables[k][b]: the register after byte b and k zero bytes. */
static uint32_t tables[8][256];
static pthread_once_t built = PTHREAD_ONCE_INIT;

static void
build_tables(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		tables[0][b] = crc;
	}
	for (int k = 1; k < 8; k++) {
		for (uint32_t b = 0; b < 256; b++) {
			uint32_t crc = tables[k - 1][b];

			tables[k][b] = crc >> 8 ^ tables[0][crc & 0xff];
		}
	}
}

uint32_t
crc32c_table(uint32_t crc, const unsigned char *p, size_t n)
{
	pthread_once(&built, build_tables);
	for (; n >= 8; p += 8, n -= 8) {
		crc ^= p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^
		      tables[5][crc >> 16 & 0xff] ^ tables[4][crc >> 24] ^ tables[3][p[4]] ^
		      tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
	}
	for (; n > 0; p++, n--)
		crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
	return crc;
}

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	static _Atomic(crc32c_fn *) update;
	crc32c_fn *fn = atomic_load_explicit(&update, memory_order_relaxed);

	if (unlikely(!fn)) {
		fn = crc32c_hw();
		if (!fn)
			fn = crc32c_table;
		atomic_store_explicit(&update, fn, memory_order_relaxed);
	}
	return ~fn(~crc, p, n);
}

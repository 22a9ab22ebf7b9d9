/*
 * Checksums, digests, random bytes, identifiers.
 */
#ifndef SLUICE_BASE_HASH_H
#define SLUICE_BASE_HASH_H

#include "base/base.h"

/* CRC-32C (Castagnoli, RFC 3720 B.4); crc32c(crc32c(0, a), b) == crc32c(0, a||b). Uses the CPU's
 * instruction where it has one. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#define SHA256_LEN 32
/* FIPS 180-4. Uses the CPU's SHA instructions where it has them, else BearSSL's code. */
struct sha256 {
	uint32_t state[8];
	uint64_t count;
	unsigned char block[64];
};
void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *p, size_t n);
void sha256_final(struct sha256 *s, unsigned char out[SHA256_LEN]);
void sha256(const void *p, size_t n, unsigned char out[SHA256_LEN]);
/* RFC 2104 with SHA-256. */
void hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_LEN]);

/* From getrandom/getentropy; dies with a message if the kernel has none (never happens after
 * boot). */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

#define ID_LEN 16
/* A random 128-bit identifier; as text 32 lower-case hexadecimal digits. */
struct id {
	unsigned char b[ID_LEN];
};
struct id id_new(void);
void id_text(struct id id, char out[2 * ID_LEN + 1]);
int id_parse(struct str s, struct id *out);
static inline bool
id_eq(struct id a, struct id b)
{
	return memcmp(a.b, b.b, ID_LEN) == 0;
}

/* SipHash-1-3 keyed once a process, for hash tables over hostile keys. */
uint64_t hash_str(struct str s);
/* The same under the caller's secret key: for tables that processes share. */
uint64_t hash_siphash13(const uint64_t k[2], struct str s);
/* Same length and bytes, in a time that depends on the lengths only. */
bool const_time_eq(struct str a, struct str b);
/* Not optimised away. */
void wipe(void *p, size_t n);

#endif

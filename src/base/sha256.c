/*
 * SHA-256 and HMAC: gathering blocks, padding, and the choice of the compression function. Called
 * by SigV4, which hashes every uploaded byte.
 */
#include <bearssl.h>
#include <stdatomic.h>

#include "base/hash_priv.h"

enum { BLOCK = 64, LENGTH_AT = 56 };

static void
put_be32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t
get_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* BearSSL keeps its compression function to itself, but lets a running state be set and read
 * between whole blocks. */
void
sha256_soft(uint32_t state[8], const unsigned char *p, size_t n)
{
	unsigned char bytes[SHA256_LEN];
	br_sha256_context c;

	for (int i = 0; i < 8; i++)
		put_be32(bytes + 4 * i, state[i]);
	br_sha256_init(&c);
	br_sha256_set_state(&c, bytes, 0);
	br_sha256_update(&c, p, n * BLOCK);
	br_sha256_state(&c, bytes);
	for (int i = 0; i < 8; i++)
		state[i] = get_be32(bytes + 4 * i);
}

static void
compress(uint32_t state[8], const unsigned char *p, size_t n)
{
	static _Atomic(sha256_fn *) blocks;
	sha256_fn *fn = atomic_load_explicit(&blocks, memory_order_relaxed);

	if (unlikely(!fn)) {
		fn = sha256_hw();
		if (!fn)
			fn = sha256_soft;
		atomic_store_explicit(&blocks, fn, memory_order_relaxed);
	}
	fn(state, p, n);
}

void
sha256_init(struct sha256 *s)
{
	/* FIPS 180-4, 5.3.3 */
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(s->state, start, sizeof(start));
	s->count = 0;
}

void
sha256_update(struct sha256 *s, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t held = s->count % BLOCK, take;

	s->count += n;
	if (held) {
		take = MIN(n, BLOCK - held);
		if (take)
			memcpy(s->block + held, p, take);
		if (held + take < BLOCK)
			return;
		compress(s->state, s->block, 1);
		p += take;
		n -= take;
	}
	if (n >= BLOCK)
		compress(s->state, p, n / BLOCK);
	if (n % BLOCK)
		memcpy(s->block, p + n / BLOCK * BLOCK, n % BLOCK);
}

void
sha256_final(struct sha256 *s, unsigned char out[SHA256_LEN])
{
	uint64_t bits = s->count * 8;
	size_t held = s->count % BLOCK;

	s->block[held++] = 0x80;
	if (held > LENGTH_AT) {
		memset(s->block + held, 0, BLOCK - held);
		compress(s->state, s->block, 1);
		held = 0;
	}
	memset(s->block + held, 0, LENGTH_AT - held);
	put_be32(s->block + LENGTH_AT, (uint32_t)(bits >> 32));
	put_be32(s->block + LENGTH_AT + 4, (uint32_t)bits);
	compress(s->state, s->block, 1);
	for (int i = 0; i < 8; i++)
		put_be32(out + 4 * i, s->state[i]);
	wipe(s, sizeof(*s));
}

void
sha256(const void *p, size_t n, unsigned char out[SHA256_LEN])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, p, n);
	sha256_final(&s, out);
}

void
hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_LEN])
{
	unsigned char pad[BLOCK] = { 0 }, inner[SHA256_LEN];
	struct sha256 s;

	if (key.n > BLOCK)
		sha256(key.p, key.n, pad);
	else if (key.n)
		memcpy(pad, key.p, key.n);
	for (int i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	sha256_init(&s);
	sha256_update(&s, pad, BLOCK);
	sha256_update(&s, data.p, data.n);
	sha256_final(&s, inner);
	for (int i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_init(&s);
	sha256_update(&s, pad, BLOCK);
	sha256_update(&s, inner, sizeof(inner));
	sha256_final(&s, out);
	wipe(pad, sizeof(pad));
	wipe(inner, sizeof(inner));
}

/*
 * The hash of tables (SipHash-1-3 under a random key, so that clients cannot choose what collides),
 * comparing and wiping secrets. Called by base/map.c, rate limits, authentication.
 */
#include <pthread.h>

#include "base/hash_priv.h"

static uint64_t key[2];
static pthread_once_t keyed = PTHREAD_ONCE_INIT;

static void
make_key(void)
{
	random_bytes(key, sizeof(key));
}

static inline uint64_t
rotate(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

/* Called for every eight bytes of every key: out of line it costs twice as much. */
static inline __attribute__((always_inline)) void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline uint64_t
load_le(const char *p, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return word;
}

uint64_t
hash_siphash13(const uint64_t k[2], struct str s)
{
	uint64_t v[4] = { k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
		k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573 };
	uint64_t word;
	size_t i;

	for (i = 0; s.n - i >= 8; i += 8) {
		word = load_le(s.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = load_le(s.p + i, s.n - i) | (uint64_t)s.n << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int round = 0; round < 3; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
hash_str(struct str s)
{
	pthread_once(&keyed, make_key);
	return hash_siphash13(key, s);
}

bool
const_time_eq(struct str a, struct str b)
{
	unsigned char differ = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		differ |= (unsigned char)(a.p[i] ^ b.p[i]);
	/* The compiler may not look into differ and stop early. */
	__asm__("" : "+r"(differ));
	return differ == 0;
}

void
wipe(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

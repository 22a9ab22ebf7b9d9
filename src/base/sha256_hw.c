/*
 * SHA-256's compression function on the SHA extensions of x86-64 (asked of the CPU at run time),
 * else none.
 *
 * The instruction wants the eight words of the state as two vectors, ABEF and CDGH (highest word
 * first), does two rounds a call, and takes message words with their round constants already added.
 */
#include "base/hash_priv.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

/* FIPS 180-4, 4.2.2 */
static const uint32_t k[64] __attribute__((aligned(16))) = { 0x428a2f98, 0x71374491, 0xb5c0fbcf,
	0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
	0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1,
	0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351,
	0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb,
	0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
	0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814,
	0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

/* Four rounds, with the message words w of this group. */
#define ROUNDS(group, w)                                                                    \
	do {                                                                                \
		__m128i wk = _mm_add_epi32(                                                 \
		    (w), _mm_load_si128((const __m128i *)(const void *)(k + 4 * (group)))); \
		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);                               \
		abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));      \
	} while (0)

/* Replaces w0, the oldest four message words, by the four that follow w3. */
#define SCHEDULE(w0, w1, w2, w3)                                                              \
	((w0) = _mm_sha256msg2_epu32(                                                         \
	     _mm_add_epi32(_mm_sha256msg1_epu32((w0), (w1)), _mm_alignr_epi8((w3), (w2), 4)), \
	     (w3)))

#define FOUR_GROUPS(first)              \
	do {                            \
		SCHEDULE(a, b, c, d);   \
		ROUNDS((first), a);     \
		SCHEDULE(b, c, d, a);   \
		ROUNDS((first) + 1, b); \
		SCHEDULE(c, d, a, b);   \
		ROUNDS((first) + 2, c); \
		SCHEDULE(d, a, b, c);   \
		ROUNDS((first) + 3, d); \
	} while (0)

__attribute__((target("sha,sse4.1,ssse3"))) static __m128i
load_words(const unsigned char *p)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), swap);
}

__attribute__((target("sha,sse4.1,ssse3"))) static void
blocks(uint32_t state[8], const unsigned char *p, size_t n)
{
	__m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
	__m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
	__m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
	__m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
	__m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
	__m128i feba, dchg;

	for (; n > 0; p += 64, n--) {
		__m128i abef_before = abef, cdgh_before = cdgh;
		__m128i a = load_words(p), b = load_words(p + 16);
		__m128i c = load_words(p + 32), d = load_words(p + 48);

		ROUNDS(0, a);
		ROUNDS(1, b);
		ROUNDS(2, c);
		ROUNDS(3, d);
		FOUR_GROUPS(4);
		FOUR_GROUPS(8);
		FOUR_GROUPS(12);
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	feba = _mm_shuffle_epi32(abef, 0x1b);
	dchg = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

sha256_fn *
sha256_hw(void)
{
	enum { SHA_BIT = 1 << 29 };
	unsigned a, b, c, d;

	if (!__builtin_cpu_supports("sse4.1") || !__builtin_cpu_supports("ssse3"))
		return NULL;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & SHA_BIT))
		return NULL;
	return blocks;
}

#else

sha256_fn *
sha256_hw(void)
{
	return NULL;
}

#endif

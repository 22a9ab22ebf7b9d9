/*
 * Miller-Rabin on numbers of up to 1024 bits: 32-bit limbs, the least first, multiplied as Montgomery has it, so that nothing is divided. The work is
 * bounded by the length that is accepted: PRIME_ROUNDS exponentiations at most.
 */
#include "prime.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LIMBS 32 /* 10^255 < 2^848 */
#define PRIME_ROUNDS 61

struct number {
	uint32_t limb[LIMBS];
};

/* An odd number to calculate modulo, and what that takes. */
struct modulus {
	struct number n;
	unsigned limbs;       /* of n: those above are zero */
	uint32_t inverse;     /* -1/n modulo 2^32 */
	struct number one;    /* 1 in Montgomery's form: 2^(32 limbs) mod n */
	struct number square; /* 2^(64 limbs) mod n: takes a number into that form */
	struct number minus;  /* n - 1 in that form */
};

/* ---- numbers */

static int
compare(const struct number *a, const struct number *b)
{
	for (unsigned i = LIMBS; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	return 0;
}

static void
subtract(struct number *a, const struct number *b)
{
	uint64_t borrow = 0;

	for (unsigned i = 0; i < LIMBS; i++) {
		uint64_t d = (uint64_t)a->limb[i] - b->limb[i] - borrow;

		a->limb[i] = (uint32_t)d;
		borrow = d >> 63;
	}
}

/* a = a * factor + summand. */
static void
grow(struct number *a, uint32_t factor, uint32_t summand)
{
	uint64_t carry = summand;

	for (unsigned i = 0; i < LIMBS; i++) {
		carry += (uint64_t)a->limb[i] * factor;
		a->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static uint32_t
remainder_of(const struct number *a, uint32_t divisor)
{
	uint64_t r = 0;

	for (unsigned i = LIMBS; i-- > 0;)
		r = (r << 32 | a->limb[i]) % divisor;
	return (uint32_t)r;
}

static bool
bit(const struct number *a, unsigned i)
{
	return a->limb[i / 32] >> i % 32 & 1;
}

static unsigned
bits(const struct number *a)
{
	unsigned n = 32 * LIMBS;

	while (n > 0 && !bit(a, n - 1))
		n--;
	return n;
}

/* ---- modulo n */

/* a * b / 2^(32 limbs) mod n, both below n. */
static void
multiply(
    const struct modulus *m, const struct number *a, const struct number *b, struct number *out)
{
	uint32_t t[LIMBS + 2] = { 0 };
	unsigned k = m->limbs;

	for (unsigned i = 0; i < k; i++) {
		uint64_t carry = 0, high;
		uint32_t q;

		for (unsigned j = 0; j < k; j++) {
			carry += (uint64_t)a->limb[i] * b->limb[j] + t[j];
			t[j] = (uint32_t)carry;
			carry >>= 32;
		}
		high = carry + t[k];
		q = t[0] * m->inverse;
		carry = ((uint64_t)q * m->n.limb[0] + t[0]) >> 32;
		for (unsigned j = 1; j < k; j++) {
			carry += (uint64_t)q * m->n.limb[j] + t[j];
			t[j - 1] = (uint32_t)carry;
			carry >>= 32;
		}
		carry += (uint32_t)high;
		t[k - 1] = (uint32_t)carry;
		t[k] = (uint32_t)((high >> 32) + (carry >> 32));
	}
	memset(out, 0, sizeof(*out));
	memcpy(out->limb, t, k * sizeof(t[0]));
	if (t[k] || compare(out, &m->n) >= 0)
		subtract(out, &m->n); /* what it borrows beyond the limbs is t[k] */
	for (unsigned i = k; i < LIMBS; i++)
		out->limb[i] = 0;
}

/* a = 2a mod n. */
static void
double_it(const struct modulus *m, struct number *a)
{
	grow(a, 2, 0);
	if (compare(a, &m->n) >= 0)
		subtract(a, &m->n);
}

static void
prepare(struct modulus *m, const struct number *n)
{
	uint32_t x = n->limb[0];

	*m = (struct modulus){ .n = *n, .limbs = (bits(n) + 31) / 32 };
	for (unsigned i = 0; i < 5; i++) /* Newton: each step doubles the bits that are right */
		x *= 2 - n->limb[0] * x;
	m->inverse = -x;
	m->one.limb[0] = 1;
	for (unsigned i = 0; i < 32 * m->limbs; i++)
		double_it(m, &m->one);
	m->square = m->one;
	for (unsigned i = 0; i < 32 * m->limbs; i++)
		double_it(m, &m->square);
	m->minus = *n;
	subtract(&m->minus, &m->one);
}

/* ---- the test */

/* Good enough to choose bases that nobody can foresee. */
static uint64_t
next_random(void)
{
	static uint64_t state;

	if (state == 0) {
		FILE *f = fopen("/dev/urandom", "rb");

		if (!f || fread(&state, sizeof(state), 1, f) != 1 || state == 0)
			state = (uintptr_t)&state | 1;
		if (f)
			fclose(f);
	}
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

/* Any residue is the Montgomery form of some number, and a random one of a random one. */
static void
choose_base(const struct modulus *m, struct number *a)
{
	do {
		memset(a, 0, sizeof(*a));
		for (unsigned i = 0; i < m->limbs; i++)
			a->limb[i] = (uint32_t)(next_random() >> 32);
		if (bits(&m->n) % 32)
			a->limb[m->limbs - 1] &= (1u << bits(&m->n) % 32) - 1;
	} while (bits(a) == 0 || compare(a, &m->n) >= 0);
}

/* n - 1 = odd * 2^twos: does this base show that n is no prime? */
static bool
is_witness(const struct modulus *m, const struct number *a, const struct number *odd, unsigned twos)
{
	struct number x = m->one;

	for (unsigned i = bits(odd); i-- > 0;) {
		multiply(m, &x, &x, &x);
		if (bit(odd, i))
			multiply(m, &x, a, &x);
	}
	if (compare(&x, &m->one) == 0)
		return false;
	for (unsigned i = 0; i < twos; i++) {
		if (compare(&x, &m->minus) == 0)
			return false;
		multiply(m, &x, &x, &x);
	}
	return true;
}

static bool
passes_all_rounds(const struct number *n)
{
	struct modulus m;
	struct number odd = *n, a;
	unsigned twos = 0;

	odd.limb[0] &= ~1u;
	while (!bit(&odd, 0)) {
		for (unsigned i = 0; i < LIMBS; i++)
			odd.limb[i] =
			    odd.limb[i] >> 1 | (i + 1 < LIMBS ? odd.limb[i + 1] << 31 : 0);
		twos++;
	}
	prepare(&m, n);
	for (unsigned i = 0; i < PRIME_ROUNDS; i++) {
		choose_base(&m, &a);
		if (is_witness(&m, &a, &odd, twos))
			return false;
	}
	return true;
}

static bool
is_prime(const struct number *n)
{
	if (bits(n) < 2)
		return false;
	for (uint32_t d = 2; d < 257; d++) {
		if (bits(n) <= 32 && d * d > n->limb[0])
			return true;
		if (remainder_of(n, d) == 0)
			return false;
	}
	return passes_all_rounds(n);
}

enum prime_answer
prime_check(const char *digits, size_t n)
{
	struct number value = { 0 };

	if (n == 0 || n > PRIME_DIGITS_MAX)
		return PRIME_INVALID;
	for (size_t i = 0; i < n; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return PRIME_INVALID;
		grow(&value, 10, (uint32_t)(digits[i] - '0'));
	}
	return is_prime(&value) ? PRIME_YES : PRIME_NO;
}

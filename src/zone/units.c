/*
 * See units.h.
 */
#include "zone/units.h"

static bool
is_used(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

void
units_init(struct units *u, uint64_t *bits, uint32_t n)
{
	memset(bits, 0, (n + 63) / 64 * sizeof(*bits));
	u->n = n;
	u->reserve = n / 16;
	u->from = 1;
	atomic_store_explicit(&u->used, 0, memory_order_relaxed);
	atomic_store_explicit(&u->refused, 0, memory_order_relaxed);
	units_mark(u, bits, 0, 1);
}

void
units_mark(struct units *u, uint64_t *bits, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		bits[i / 64] |= UINT64_C(1) << (i % 64);
	atomic_fetch_add_explicit(&u->used, n, memory_order_relaxed);
}

/* The first of n free ones in a row that begin in [from, to); 0: there are none. */
static uint32_t
find_run(const struct units *u, const uint64_t *bits, uint32_t from, uint32_t to, uint32_t n)
{
	uint32_t run = 0;

	for (uint32_t i = from; i < u->n && i - run < to; i++) {
		if (i % 64 == 0 && bits[i / 64] == UINT64_MAX) {
			i += 63;
			run = 0;
		} else if (is_used(bits, i)) {
			run = 0;
		} else if (++run == n) {
			return i + 1 - n;
		}
	}
	return 0;
}

bool
units_scarce(const struct units *u, uint32_t n)
{
	uint32_t refused = atomic_load_explicit(&u->refused, memory_order_relaxed);

	return refused != 0 && n >= refused;
}

static void
refuse(struct units *u, uint32_t n)
{
	uint32_t refused = atomic_load_explicit(&u->refused, memory_order_relaxed);

	if (refused == 0 || n < refused)
		atomic_store_explicit(&u->refused, n, memory_order_relaxed);
}

uint32_t
units_take(struct units *u, uint64_t *bits, uint32_t n, bool privileged)
{
	uint32_t used = atomic_load_explicit(&u->used, memory_order_relaxed), first = 0;

	if (!privileged && (units_scarce(u, n) || u->n - used < n + u->reserve)) {
		refuse(u, n);
		return 0;
	}
	if (u->n - used >= n) {
		first = find_run(u, bits, u->from, u->n, n);
		if (first == 0)
			first = find_run(u, bits, 1, u->from, n);
	}
	if (first == 0) {
		refuse(u, n);
		return 0;
	}
	units_mark(u, bits, first, n);
	u->from = first + n < u->n ? first + n : 1;
	return first;
}

void
units_give(struct units *u, uint64_t *bits, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
	atomic_fetch_sub_explicit(&u->used, n, memory_order_relaxed);
	atomic_store_explicit(&u->refused, 0, memory_order_relaxed);
}

/*
 * Numbers of 128 bits, for sums of 64-bit counters that may pass 2^64. Plain C, since not every target has such a type.
 */
#ifndef SLUICE_STATUS_WIDE_H
#define SLUICE_STATUS_WIDE_H

#include "base/base.h"

struct wide {
	uint64_t low, high;
};

static inline void
wide_add(struct wide *to, uint64_t low, uint64_t high)
{
	to->high += high + __builtin_add_overflow(to->low, low, &to->low);
}

/* Not below zero. */
static inline void
wide_subtract(struct wide *from, uint64_t low, uint64_t high)
{
	uint64_t borrow = __builtin_sub_overflow(from->low, low, &from->low);

	if (from->high < high || from->high - high < borrow)
		from->low = from->high = 0;
	else
		from->high -= high + borrow;
}

/* A thousandth, rounded down. 2^64 is 1000 * 18446744073709551 + 616. */
static inline struct wide
wide_thousandth(struct wide v)
{
	uint64_t rest = v.high % 1000;

	return (struct wide){ rest * UINT64_C(18446744073709551) + v.low / 1000 +
				  (rest * 616 + v.low % 1000) / 1000,
		v.high / 1000 };
}

#endif

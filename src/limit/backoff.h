/*
 * Exponential back-off with jitter. Pure.
 */
#ifndef SLUICE_LIMIT_BACKOFF_H
#define SLUICE_LIMIT_BACKOFF_H

#include "base/base.h"

/* No wait is longer, whatever the policy says: a year. */
#define BACKOFF_MAX_NS (INT64_C(365) * 86400 * 1000000000)

struct backoff_policy {
	int64_t initial, max; /* ns */
	double multiplier;
	bool jitter; /* adds 0 to 10 %: never less than the step */
};

/* The wait before retry number attempt (0 is the first retry). random: any 64 random bits. */
int64_t backoff_wait(const struct backoff_policy *p, unsigned attempt, uint64_t random);

#endif

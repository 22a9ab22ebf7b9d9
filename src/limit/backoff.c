/*
 * See backoff.h. Called by everything that repeats: the shipper's uploads and its turns.
 */
#include "limit/backoff.h"

int64_t
backoff_wait(const struct backoff_policy *p, unsigned attempt, uint64_t random)
{
	double wait = (double)p->initial, max = (double)MIN(p->max, BACKOFF_MAX_NS);

	/* A multiplier of 1 or less would go round for each attempt ever made. */
	while (attempt-- > 0 && wait < max && wait > 0 && p->multiplier > 1)
		wait *= p->multiplier;
	wait = MIN(wait, max);
	if (p->jitter)
		wait += wait * 0.1 * ((double)(random >> 11) / (double)(UINT64_C(1) << 53));
	return (int64_t)wait;
}

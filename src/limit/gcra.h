/*
 * Rate limits as arithmetic: the generic cell rate algorithm, a token bucket kept in one number.
 *
 * That number is the theoretical arrival time (TAT): when the bucket will be full again. A request pushes it one interval ahead; it is
 * allowed as long as that stays within `capacity` intervals of now. So `capacity` requests pass at once, then one an interval; there is
 * no window and no edge of one. Whole nanoseconds, no rounding that adds up: an interval that is no whole number of nanoseconds is
 * rounded up once, when the limit is made, so that the rate is never exceeded.
 *
 * Pure: called by limit/store.c, which keeps the number in shared memory, and by tests.
 */
#ifndef SLUICE_LIMIT_GCRA_H
#define SLUICE_LIMIT_GCRA_H

#include "base/base.h"

/* No bucket takes longer to fill (73 years), so that sums with any date stay within 64 bits. */
#define GCRA_SPAN_MAX (INT64_C(1) << 61)

struct gcra_limit {
	int64_t interval; /* ns a request costs; at least 1 */
	int64_t capacity; /* requests at once; at least 1; capacity * interval <= GCRA_SPAN_MAX */
};

/* What a limit says about one request. Times are ns from now. */
struct limit_result {
	bool allowed;
	int64_t limit;     /* requests at once, as in force now */
	int64_t remaining; /* more requests that would pass now */
	int64_t wait;      /* allowed: 0; else until the same request passes */
	int64_t full;      /* until nothing is used any more */
};

/* count requests a period (ns), capacity at once. ERR_BAD: a zero, a negative one, or more than one a nanosecond. A capacity beyond
 * GCRA_SPAN_MAX is cut to it. */
int gcra_init(struct gcra_limit *l, uint64_t count, int64_t period, uint64_t capacity);
/* The same limit at scale/65536 of its rate and capacity (at least one); scale 1 to 65536. */
struct gcra_limit gcra_scale(const struct gcra_limit *l, uint32_t scale);

/* One request at now (ns, any origin, 0 to INT64_MAX/2): the answer, and in *tat, which is 0 for a fresh bucket, the new TAT if it is
 * allowed. A refused request costs nothing. A TAT beyond what a full bucket of this limit explains (the clock was set back, the limit was
 * changed) counts as a bucket just emptied. */
struct limit_result gcra_take(const struct gcra_limit *l, int64_t *tat, int64_t now);
/* The same without taking: remaining is what is left now, allowed whether one would pass. */
struct limit_result gcra_peek(const struct gcra_limit *l, int64_t tat, int64_t now);
/* How long the bucket is behind: the ns by which requests so far came faster than one an interval. */
int64_t gcra_debt(const struct gcra_limit *l, int64_t tat, int64_t now);

#endif

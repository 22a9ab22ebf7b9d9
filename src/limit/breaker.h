/*
 * Circuit breaker of one destination. Pure: the caller says what time it is and what happened.
 *
 *	closed     attempts pass; `failures` in a row, or one that is held, open it
 *	open       nothing passes until open_ns have gone by
 *	half-open  one attempt (the probe) passes: success closes, failure opens again
 */
#ifndef SLUICE_LIMIT_BREAKER_H
#define SLUICE_LIMIT_BREAKER_H

#include "base/base.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
	uint64_t failures_max;
	int64_t open_ns;
	enum breaker_state state; /* private from here */
	uint64_t failures;
	int64_t open_until;
	bool probing;
};

void breaker_init(struct breaker *b, uint64_t failures_max, int64_t open_ns);
/* May an attempt start now? A true answer in half-open takes the probe: report its outcome with one of the three below. */
bool breaker_take(struct breaker *b, int64_t now);
void breaker_success(struct breaker *b);
/* held: the destination itself is misconfigured; opens at once. */
void breaker_failure(struct breaker *b, bool held, int64_t now);
/* The attempt was given up without an outcome (shutdown). */
void breaker_cancel(struct breaker *b);
/* When breaker_take may next say yes: now or later. */
int64_t breaker_next(const struct breaker *b, int64_t now);

#endif

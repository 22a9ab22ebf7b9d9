/*
 * Circuit breaker of one destination. Pure: the caller says what time it is and what happened.
 *
 *	closed     attempts pass; `failures` in a row, or one that is held, open it
 *	open       nothing passes until open_ns have gone by
 *	half-open  one attempt (the probe) passes: success closes, failure opens again
 *
 * Each attempt carries a ticket, so that one which began before the breaker opened cannot, by failing late, open it again or end
 * the probe of another. A late success does close it: the destination answers.
 */
#ifndef SLUICE_LIMIT_BREAKER_H
#define SLUICE_LIMIT_BREAKER_H

#include "base/base.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
	uint64_t failures_max;
	int64_t open_ns;
	enum breaker_state state; /* to be read; private from here */
	uint64_t failures;        /* in a row */
	int64_t open_until;
	bool probing;
	uint32_t period; /* counts openings: the ticket of attempts that begin now */
};

void breaker_init(struct breaker *b, uint64_t failures_max, int64_t open_ns);
/* A ticket if an attempt may start now, else 0. The ticket is given back with the outcome, to one of the three below. */
uint32_t breaker_take(struct breaker *b, int64_t now);
void breaker_success(struct breaker *b);
/* held: the destination itself is misconfigured; opens at once. True if it was this failure that opened the breaker. */
bool breaker_failure(struct breaker *b, uint32_t ticket, bool held, int64_t now);
/* The attempt was given up without an outcome. */
void breaker_cancel(struct breaker *b, uint32_t ticket);
/* When breaker_take may next say yes: now, later, or CLOCK_NEVER while a probe is out (its outcome decides). */
int64_t breaker_next(const struct breaker *b, int64_t now);

#endif

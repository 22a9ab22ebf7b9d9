/*
 * See breaker.h. Called by the shipper before and after each attempt.
 */
#include "limit/breaker.h"

#include "base/clock.h"

void
breaker_init(struct breaker *b, uint64_t failures_max, int64_t open_ns)
{
	*b = (struct breaker){ .failures_max = failures_max, .open_ns = open_ns, .period = 1 };
}

uint32_t
breaker_take(struct breaker *b, int64_t now)
{
	if (b->state == BREAKER_OPEN && now >= b->open_until)
		b->state = BREAKER_HALF_OPEN;
	if (b->state == BREAKER_CLOSED)
		return b->period;
	if (b->state == BREAKER_OPEN || b->probing)
		return 0;
	b->probing = true;
	return b->period;
}

void
breaker_success(struct breaker *b)
{
	b->state = BREAKER_CLOSED;
	b->failures = 0;
	b->probing = false;
}

bool
breaker_failure(struct breaker *b, uint32_t ticket, bool held, int64_t now)
{
	if (ticket != b->period || b->state == BREAKER_OPEN)
		return false;
	b->probing = false;
	b->failures++;
	if (!held && b->state == BREAKER_CLOSED && b->failures < b->failures_max)
		return false;
	b->state = BREAKER_OPEN;
	b->open_until = now + b->open_ns;
	if (++b->period == 0)
		b->period = 1;
	return true;
}

void
breaker_cancel(struct breaker *b, uint32_t ticket)
{
	if (ticket == b->period)
		b->probing = false;
}

int64_t
breaker_next(const struct breaker *b, int64_t now)
{
	if (b->state == BREAKER_OPEN)
		return MAX(now, b->open_until);
	return b->state == BREAKER_HALF_OPEN && b->probing ? CLOCK_NEVER : now;
}

/*
 * See breaker.h.
 */
#include "limit/breaker.h"

void
breaker_init(struct breaker *b, uint64_t failures_max, int64_t open_ns)
{
	*b = (struct breaker){ .failures_max = failures_max, .open_ns = open_ns };
}

bool
breaker_take(struct breaker *b, int64_t now)
{
	if (b->state == BREAKER_OPEN && now >= b->open_until)
		b->state = BREAKER_HALF_OPEN;
	switch (b->state) {
	case BREAKER_CLOSED:
		return true;
	case BREAKER_HALF_OPEN:
		if (b->probing)
			return false;
		b->probing = true;
		return true;
	default:
		return false;
	}
}

void
breaker_success(struct breaker *b)
{
	b->state = BREAKER_CLOSED;
	b->failures = 0;
	b->probing = false;
}

void
breaker_failure(struct breaker *b, bool held, int64_t now)
{
	b->failures++;
	if (held || b->state == BREAKER_HALF_OPEN || b->failures >= b->failures_max) {
		b->state = BREAKER_OPEN;
		b->open_until = now + b->open_ns;
	}
	b->probing = false;
}

void
breaker_cancel(struct breaker *b)
{
	b->probing = false;
}

int64_t
breaker_next(const struct breaker *b, int64_t now)
{
	if (b->state == BREAKER_OPEN)
		return MAX(now, b->open_until);
	return now;
}

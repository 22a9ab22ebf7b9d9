/*
 * See gcra.h.
 */
#include "limit/gcra.h"

int
gcra_init(struct gcra_limit *l, uint64_t count, int64_t period, uint64_t capacity)
{
	if (count == 0 || period <= 0 || period > GCRA_SPAN_MAX || capacity == 0 ||
	    count > (uint64_t)period)
		return ERR_BAD;
	l->interval = (int64_t)(((uint64_t)period - 1) / count + 1);
	l->capacity = (int64_t)MIN(capacity, (uint64_t)(GCRA_SPAN_MAX / l->interval));
	return 0;
}

struct gcra_limit
gcra_scale(const struct gcra_limit *l, uint32_t scale)
{
	struct gcra_limit scaled;
	int64_t most = GCRA_SPAN_MAX >> 16;

	assert(scale >= 1 && scale <= 65536);
	/* Capacity first, in two parts so that nothing overflows. */
	scaled.capacity = (l->capacity >> 16) * scale + (((l->capacity & 0xffff) * scale) >> 16);
	scaled.capacity = MAX(scaled.capacity, 1);
	scaled.interval = l->interval < most ? (l->interval * 65536 - 1) / scale + 1 : l->interval;
	if (scaled.capacity > GCRA_SPAN_MAX / scaled.interval)
		scaled.capacity = MAX(GCRA_SPAN_MAX / scaled.interval, 1);
	return scaled;
}

int64_t
gcra_debt(const struct gcra_limit *l, int64_t tat, int64_t now)
{
	int64_t most = l->capacity * l->interval;

	if (tat <= now)
		return 0;
	return MIN(tat - now, most);
}

/* debt: after what was asked. */
static struct limit_result
result_of(const struct gcra_limit *l, int64_t debt, bool allowed)
{
	int64_t room = l->capacity * l->interval - debt;

	return (struct limit_result){ .allowed = allowed,
		.limit = l->capacity,
		.remaining = room / l->interval,
		.wait = allowed ? 0 : l->interval - room,
		.full = debt };
}

struct limit_result
gcra_take(const struct gcra_limit *l, int64_t *tat, int64_t now)
{
	int64_t debt = gcra_debt(l, *tat, now);

	if (debt > (l->capacity - 1) * l->interval)
		return result_of(l, debt, false);
	*tat = now + debt + l->interval;
	return result_of(l, debt + l->interval, true);
}

struct limit_result
gcra_peek(const struct gcra_limit *l, int64_t tat, int64_t now)
{
	int64_t debt = gcra_debt(l, tat, now);

	return result_of(l, debt, debt <= (l->capacity - 1) * l->interval);
}

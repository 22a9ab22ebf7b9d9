/*
 * How loaded this process is, for `adaptive`: the worse of two signs that cost nothing to read.
 *
 *  - requests in flight, as a share of the connections it may have: at ease up to half, overloaded from nine tenths
 *  - how late the event loop is: a timer is set every 50 ms, and what it comes late by is smoothed (an eighth of each new value); at ease
 *    up to 5 ms, overloaded from 50 ms
 *
 * Waiting for the disk shows in the first: requests whose commit is slow stay in flight.
 */
#include "gate/limit_priv.h"
#include "task/task.h"

#define EVERY (50 * NS_PER_MS)
#define DELAY_EASY (5 * NS_PER_MS)
#define DELAY_MOST (50 * NS_PER_MS)
#define FULL 65536u

static struct {
	struct timer timer;
	int64_t due, delay;
} load;

static uint32_t
share(uint64_t value, uint64_t easy, uint64_t most)
{
	if (value <= easy)
		return 0;
	return value >= most ? FULL : (uint32_t)((value - easy) * FULL / (most - easy));
}

uint32_t
limit_load_of(int64_t delay, uint64_t active, uint64_t most)
{
	uint32_t late = share((uint64_t)MAX(delay, 0), DELAY_EASY, DELAY_MOST);
	uint32_t busy = most ? share(active * 100, most * 50, most * 90) : 0;

	return MAX(late, busy);
}

uint32_t
limit_scale(const struct limit_policy *p, uint32_t now)
{
	if (!p->adaptive)
		return FULL;
	return FULL - (uint32_t)((uint64_t)(FULL - p->least) * now / FULL);
}

static void
tick(struct timer *t)
{
	int64_t now = clock_mono();

	load.delay += (now - load.due - load.delay) / 8;
	load.due = now + EVERY;
	timer_set(t, load.due);
}

void
limit_load_start(void)
{
	load.timer.fire = tick;
	load.due = clock_mono() + EVERY;
	timer_set(&load.timer, load.due);
}

uint32_t
limit_load(void)
{
	return limit_load_of(load.delay, http_active(), http_most_connections());
}

/*
 * The directory's lock: one word that names its owner. Nobody waits for the dead: their lock is taken over. See directory.h.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "base/clock.h"
#include "zone/directory.h"

/* Who holds it does so for microseconds, unless the machine is very busy or the process stopped. Then the caller counts elsewhere. */
#define WAIT (100 * NS_PER_MS)
#define SPINS 200

static bool
owner_is_dead(const struct dir *d, uint64_t word)
{
	unsigned slot = (unsigned)(word >> 32) - 1;
	const struct zone_slot *s;
	pid_t pid;

	if (slot >= zone_slots(d->zone))
		return true;
	s = zone_slot(d->zone, slot);
	if (atomic_load(&s->generation) != (uint32_t)word)
		return true;
	pid = atomic_load(&s->pid);
	return pid != 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

/* True: taken, from nobody or from a dead owner. */
static bool
try_lock(struct dir *d, uint64_t *seen)
{
	uint64_t word = 0;

	if (atomic_compare_exchange_strong(&d->head->lock, &word, d->owner))
		return true;
	*seen = word;
	if (word == d->owner || !owner_is_dead(d, word) ||
	    !atomic_compare_exchange_strong(&d->head->lock, &word, d->owner))
		return false;
	directory_repair(d);
	return true;
}

static bool
wait_for_lock(struct dir *d, uint64_t *seen)
{
	int64_t until = clock_mono() + WAIT;

	do {
		for (int i = 0; i < SPINS; i++)
			if (atomic_load_explicit(&d->head->lock, memory_order_relaxed) == 0 &&
			    try_lock(d, seen))
				return true;
		if (try_lock(d, seen))
			return true;
		sched_yield();
	} while (clock_mono() < until);
	return false;
}

bool
directory_lock(struct dir *d)
{
	uint64_t word = 0;
	int saved = errno;
	bool taken = try_lock(d, &word) || (word != d->gave_up && wait_for_lock(d, &word));

	d->gave_up = taken ? 0 : word;
	errno = saved;
	return taken;
}

void
directory_unlock(struct dir *d)
{
	atomic_store_explicit(&d->head->lock, 0, memory_order_release);
}

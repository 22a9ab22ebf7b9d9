/*
 * What happens in the streams' folders without the planners' doing: segments that were sealed, and those whose owner died or gave them up.
 *
 * The watcher asks once a second, and at each ring of the bell, when each folder last changed, and wakes only the planners concerned; a
 * planner with nothing to do costs nothing. A ring that was lost costs at most that second.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "ship/ship_priv.h"

/* Folder times are as coarse as the kernel's tick: a change may hide behind one of the same tick, so a young time is not trusted. */
#define SETTLED (NS_PER_S / 2)
/* Rings come with each commit of a stream of messages: the folders are not looked at for every one. */
#define LOOK_GAP (5 * NS_PER_MS)

#define RING_REST (5 * NS_PER_MS)

struct watch {
	struct ship *ship;
	int64_t times[]; /* of each stream's folder */
};

static int
stat_on_disk(void *arg)
{
	struct watch *w = arg;

	for (unsigned i = 0; i < w->ship->n; i++) {
		struct stat st;

		w->times[i] = 0;
		if (stat(w->ship->streams[i].conf->dir, &st) == 0)
			w->times[i] = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	}
	return 0;
}

static void
compare(struct ship_stream *s, int64_t changed)
{
	uint64_t given_up = atomic_load(&zone_stream(s->ship->zone, s->conf->index)->orphaned);
	int64_t age = clock_wall() - changed;

	if (given_up != s->given_up || (s->ship->orphans && !s->ship->orphans_task)) {
		s->given_up = given_up;
		orphans_look(s->ship);
	}
	if (changed == s->folder_time)
		return;
	/* Told again at the next look, until the time is old enough to be told from the next. */
	s->folder_time = age > SETTLED || age < 0 ? changed : 0;
	s->rescan = true;
	ship_stream_wake(s);
}

void
watch_run(void *arg)
{
	struct ship *ship = arg;
	struct watch *w = calloc(1, sizeof(*w) + ship->n * sizeof(w->times[0]));

	if (w == NULL) {
		log_event(LOG_ERROR, "ship", "no memory to watch the folders", LOG_END);
		return;
	}
	w->ship = ship;
	while (!task_cancelled()) {
		if (ship_block(stat_on_disk, w) == 0)
			for (unsigned i = 0; i < ship->n; i++)
				compare(&ship->streams[i], w->times[i]);
		ship_publish(ship);
		/* Streams of messages ring at each commit, and do not need us for that. */
		if (ship->rung)
			(void)task_sleep_until(clock_mono() + RING_REST);
		else
			waitq_park(&ship->tick, clock_mono() + NS_PER_S);
		ship->rung = false;
	}
	free(w);
}

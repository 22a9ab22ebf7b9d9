/*
 * The shipper's delivery as a whole: the lock that makes it the only one, its streams, orphans, draining, status. Called by server/shipper.c.
 */
#include "ship/ship.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/recover.h"

int
ship_block(int (*fn)(void *arg), void *arg)
{
	return offload(OFFLOAD_MISC, fn, arg);
}

void
ship_stream_wait(struct ship_stream *s, int64_t deadline)
{
	if (!s->woken)
		waitq_park(&s->wake, deadline);
	s->woken = false;
}

void
ship_stream_wake(struct ship_stream *s)
{
	s->woken = true;
	waitq_wake_all(&s->wake);
}

/* ---- orphans ---- */

struct recover_job {
	const struct stream_conf *conf;
	bool first;
	struct recover_stats stats;
};

static int
recover_on_disk(void *arg)
{
	struct recover_job *job = arg;
	bool object = job->conf->mode == STREAM_OBJECT;
	int err = recover_dir(job->conf->dir, &job->stats);

	if (err == 0 && job->first)
		err = recover_origin_files(job->conf->dir, object, &job->stats);
	return err;
}

/* Step 5: open segments whose owner is gone. */
static int
recover_stream(struct ship_stream *s, bool first)
{
	struct recover_job *job = calloc(1, sizeof(*job));
	int err;

	if (job == NULL)
		return ERR_NOMEM;
	job->conf = s->conf;
	job->first = first;
	err = ship_block(recover_on_disk, job);
	if (job->stats.sealed > 0 || job->stats.torn_bytes > 0 || err != 0)
		log_event(err ? LOG_ERROR : LOG_INFO, "ship", "open segments recovered",
		    LOG_STR("stream", s->conf->name), LOG_I("sealed", job->stats.sealed),
		    LOG_I("empty", job->stats.empty), LOG_I("torn_bytes", job->stats.torn_bytes),
		    LOG_ERR(err), LOG_END);
	free(job);
	return err;
}

static void
orphans_task(void *arg)
{
	struct ship_stream *s = arg;

	while (s->orphans) {
		s->orphans = false;
		if (recover_stream(s, false) != 0)
			task_sleep_until(clock_mono() + NS_PER_S);
	}
	ship_stream_wake(s);
}

void
ship_wake(struct ship *ship, bool orphans)
{
	for (unsigned i = 0; i < ship->n; i++) {
		struct ship_stream *s = &ship->streams[i];

		uint64_t given_up = atomic_load(&zone_stream(ship->zone, s->conf->index)->orphaned);

		if (!orphans && given_up == s->given_up) {
			ship_stream_wake(s);
			continue;
		}
		s->given_up = given_up;
		if (!s->orphans) {
			s->orphans = true;
			if (task_go("orphans", orphans_task, s, NULL) != 0)
				s->orphans = false;
		}
	}
}

/* ---- start ---- */

struct lock_job {
	struct path path;
	int fd;
};

static int
lock_on_disk(void *arg)
{
	struct lock_job *job = arg;

	job->fd = file_open(job->path.s, O_RDWR | O_CREAT);
	if (job->fd < 0)
		return job->fd;
	if (flock(job->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	file_close(job->fd);
	return errno == EWOULDBLOCK ? ERR_LOCKED : ERR_IO;
}

/* A new shipper starts when the old one is gone. */
static int
wait_for_lock(struct ship *ship, const char *state_dir)
{
	struct lock_job *job = calloc(1, sizeof(*job));
	int err;

	if (job == NULL)
		return ERR_NOMEM;
	path_join(&job->path, state_dir, NULL, "shipper.lock");
	while ((err = ship_block(lock_on_disk, job)) == ERR_LOCKED) {
		err = task_sleep_until(clock_mono() + 50 * NS_PER_MS);
		if (err != 0)
			break;
	}
	ship->lock_fd = job->fd;
	free(job);
	return err;
}

static int
start_stream(struct ship_stream *s)
{
	char why[200] = "";
	bool object = s->conf->mode == STREAM_OBJECT;
	int err = s->conf->sink->ops->open(s->conf->sink, &s->sink, why, sizeof(why));

	if (err != 0) {
		log_event(LOG_ERROR, "ship", "destination cannot be opened",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_S("why", why),
		    LOG_ERR(err), LOG_END);
		return err;
	}
	err = recover_stream(s, true);
	if (err != 0)
		return err;
	return task_go(object ? "objects" : "planner", object ? object_run : plan_run, s, NULL);
}

int
ship_start(struct conf *c, struct zone *z, const char *state_dir, struct ship **out)
{
	unsigned n = 0, i = 0;
	struct ship *ship;
	int err;

	for (struct stream_conf *s = stream_first(c); s != NULL; s = s->next)
		n++;
	ship = calloc(1, sizeof(*ship) + n * sizeof(struct ship_stream));
	if (ship == NULL)
		return ERR_NOMEM;
	ship->zone = z;
	ship->n = n;
	waitq_init(&ship->drained);
	sink_host_name(ship->host, sizeof(ship->host));
	err = wait_for_lock(ship, state_dir);
	for (struct stream_conf *conf = stream_first(c); conf != NULL && err == 0;
	     conf = conf->next) {
		struct ship_stream *s = &ship->streams[i++];

		s->ship = ship;
		s->conf = conf;
		s->status.stream = conf->name;
		waitq_init(&s->wake);
		breaker_init(&s->breaker, conf->breaker_failures, conf->breaker_open);
		err = start_stream(s);
	}
	*out = ship;
	return err;
}

/* ---- stop and status ---- */

static bool
all_idle(const struct ship *ship)
{
	for (unsigned i = 0; i < ship->n; i++)
		if (!ship->streams[i].idle)
			return false;
	return true;
}

unsigned
ship_drain(struct ship *ship, int64_t deadline)
{
	unsigned left = 0;

	for (unsigned i = 0; i < ship->n; i++)
		recover_stream(&ship->streams[i], false);
	ship->draining = true;
	for (unsigned i = 0; i < ship->n; i++) {
		ship->streams[i].idle = false;
		ship_stream_wake(&ship->streams[i]);
	}
	while (!all_idle(ship))
		if (waitq_park(&ship->drained, deadline) != 0)
			break;
	for (unsigned i = 0; i < ship->n; i++)
		left += ship->streams[i].idle ? 0 : MAX(ship->streams[i].waiting_files, 1u);
	return left;
}

unsigned
ship_get_status(struct ship *ship, struct ship_status *out, unsigned max)
{
	unsigned n = MIN(ship->n, max);

	for (unsigned i = 0; i < n; i++)
		out[i] = ship->streams[i].status;
	return n;
}

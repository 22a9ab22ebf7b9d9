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
#include "ship/keys.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/idem_sweep.h"
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
	struct idem_sweep *sweep;
	bool first, complete;
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

static int
begin_sweep(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_begin(keys_table(), &job->sweep);
}

static int
is_sweep_needed(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_needed(job->sweep);
}

static int
read_keys(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_segments(job->sweep, job->conf->dir);
}

static int
end_sweep(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_end(job->sweep, job->complete);
}

/* What is on disk answers for the keys whose owners are gone, once all of their segments are sealed. */
static int
look_after_keys(struct ship *ship, struct recover_job *job)
{
	int err = ship_block(is_sweep_needed, job);

	if (err == 1) {
		err = 0;
		for (unsigned i = 0; i < ship->n && err == 0; i++) {
			job->conf = ship->streams[i].conf;
			err = ship_block(read_keys, job);
		}
	}
	return err;
}

static int
sweep_keys(struct ship *ship, struct recover_job *job, bool recovered)
{
	int err = recovered ? look_after_keys(ship, job) : 0, end;

	job->complete = recovered && err == 0;
	end = ship_block(end_sweep, job);
	return err ? err : end;
}

/* Recovers every stream, and then the keys: one at a time, since a segment that another one holds would be passed over. An error of the
 * keys alone is none of the streams': it is kept in ship->keys_err. */
static int
recover_all(struct ship *ship, bool first)
{
	struct recover_job *job = calloc(1, sizeof(*job));
	int err = job ? 0 : ERR_NOMEM;

	while (err == 0 && ship->recovering)
		err = waitq_park(&ship->recovered, CLOCK_NEVER);
	if (err != 0) {
		free(job);
		return err;
	}
	ship->recovering = true;
	ship->keys_err = ship_block(begin_sweep, job);
	for (unsigned i = 0; i < ship->n; i++) {
		int one = recover_stream(&ship->streams[i], first);

		err = err ? err : one;
	}
	if (ship->keys_err == 0)
		ship->keys_err = sweep_keys(ship, job, err == 0);
	if (ship->keys_err != 0)
		log_event(LOG_ERROR, "ship", "idempotency keys not looked after",
		    LOG_ERR(ship->keys_err), LOG_END);
	free(job);
	ship->recovering = false;
	waitq_wake_all(&ship->recovered);
	return err;
}

static void
orphans_task(void *arg)
{
	struct ship *ship = arg;

	while (ship->orphans) {
		ship->orphans = false;
		if (recover_all(ship, false) == 0 && ship->keys_err == 0)
			continue;
		ship->orphans = true;
		if (task_sleep_until(clock_mono() + NS_PER_S) != 0)
			break;
	}
	ship->looking = false;
	for (unsigned i = 0; i < ship->n; i++)
		ship_stream_wake(&ship->streams[i]);
}

void
ship_wake(struct ship *ship, bool orphans)
{
	for (unsigned i = 0; i < ship->n; i++) {
		struct ship_stream *s = &ship->streams[i];
		uint64_t given_up = atomic_load(&zone_stream(ship->zone, s->conf->index)->orphaned);

		orphans = orphans || given_up != s->given_up;
		s->given_up = given_up;
		ship_stream_wake(s);
	}
	ship->orphans = ship->orphans || orphans;
	if (ship->orphans && !ship->looking)
		ship->looking = task_go("orphans", orphans_task, ship, NULL) == 0;
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
open_sink(struct ship_stream *s)
{
	char why[200] = "";
	int err = s->conf->sink->ops->open(s->conf->sink, &s->sink, why, sizeof(why));

	if (err != 0)
		log_event(LOG_ERROR, "ship", "destination cannot be opened",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_S("why", why),
		    LOG_ERR(err), LOG_END);
	return err;
}

/* Before any of them ships, and so removes what may answer for a key. */
static int
start_streams(struct ship *ship)
{
	int err = recover_all(ship, true);

	for (unsigned i = 0; i < ship->n && err == 0; i++) {
		struct ship_stream *s = &ship->streams[i];
		bool object = s->conf->mode == STREAM_OBJECT;

		err = task_go(
		    object ? "objects" : "planner", object ? object_run : plan_run, s, NULL);
	}
	if (ship->keys_err != 0)
		ship_wake(ship, true);
	return err;
}

int
ship_start(
    struct conf *c, struct zone *z, struct idem *keys, const char *state_dir, struct ship **out)
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
	waitq_init(&ship->recovered);
	keys_use(keys);
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
		err = open_sink(s);
	}
	if (err == 0)
		err = start_streams(ship);
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

	(void)recover_all(ship, false);
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

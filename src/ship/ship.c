/*
 * The shipper's delivery as a whole: the lock that makes it the only one, its streams, draining, status. Called by server/shipper.c.
 */
#include "ship/ship.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/keys.h"
#include "zone/delivery.h"
#include "zone/durable.h"

int64_t ship_read_patience = 30 * NS_PER_S;
struct backoff_policy ship_retreat_policy = { 100 * NS_PER_MS, 5 * NS_PER_S, 2, true };

int
ship_block(int (*fn)(void *arg), void *arg)
{
	return offload(OFFLOAD_MISC, fn, arg);
}

/* Nothing is committed in this process, so the pool for that is free for packing. */
int
ship_compute(int (*fn)(void *arg), void *arg)
{
	return offload(OFFLOAD_COMMIT, fn, arg);
}

/* ---- what planners share ---- */

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

void
ship_stream_idle(struct ship_stream *s, bool idle)
{
	s->idle = idle;
	if (idle)
		waitq_wake_all(&s->ship->drained);
}

void
ship_retreat(unsigned failures)
{
	task_sleep_until(clock_mono() + backoff_wait(&ship_retreat_policy, failures, random_u64()));
}

void
ship_stream_report(
    struct ship_stream *s, unsigned files, int64_t oldest, const struct scan_usage *usage)
{
	struct zone_stream *shared = zone_stream(s->ship->zone, s->conf->index);

	s->status.waiting_files = files;
	if (usage == NULL)
		return;
	s->status.waiting_bytes = usage->bytes;
	s->status.oldest = usage->oldest;
	if (oldest != 0 && (usage->oldest == 0 || oldest < usage->oldest))
		s->status.oldest = oldest;
	atomic_store_explicit(
	    &shared->disk_base, usage->bytes - s->added_before, memory_order_relaxed);
	metrics_looked(s, usage);
}

/* Of many streams one was meant by the ring; what was sealed the watcher finds. */
static void
wake_for_commit(struct ship_stream *s)
{
	uint64_t mark = durable_mark(s->ship->zone, s->conf->index);

	if (mark == s->durable_mark)
		return;
	s->durable_mark = mark;
	message_wake(s->messages);
}

void
ship_wake(struct ship *ship, bool orphans)
{
	if (orphans)
		orphans_look(ship);
	for (unsigned i = 0; i < ship->n; i++)
		if (ship->streams[i].messages != NULL)
			wake_for_commit(&ship->streams[i]);
	ship->rung = true;
	waitq_wake_all(&ship->tick);
}

struct message_stream *
ship_messages(struct ship *ship, struct str stream)
{
	for (unsigned i = 0; i < ship->n; i++)
		if (str_eq(ship->streams[i].conf->name, stream))
			return ship->streams[i].messages;
	return NULL;
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
	int err;

	job->fd = file_open(job->path.s, O_RDWR | O_CREAT);
	if (job->fd < 0)
		return job->fd;
	if (flock(job->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	err = errno == EWOULDBLOCK ? ERR_LOCKED : ERR_IO;
	file_close(job->fd);
	job->fd = -1;
	return err;
}

int
ship_lock(const char *state_dir)
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
	free(job); /* the lock goes with the process */
	return err;
}

static int
open_sink(struct ship_stream *s)
{
	int err =
	    s->conf->sink->ops->open(s->conf->sink, &s->sink, s->status.why, sizeof(s->status.why));

	s->status.held = err != 0;
	metrics_breaker(s, err != 0);
	if (err != 0)
		log_event(LOG_ERROR, "ship", "destination cannot be opened: data is held",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_S("why", s->status.why),
		    LOG_ERR(err), LOG_END);
	return err;
}

struct weigh_job {
	const struct stream_conf *conf;
	unsigned files;
	struct scan_usage usage;
};

static int
weigh_on_disk(void *arg)
{
	struct weigh_job *job = arg;
	int err = scan_waiting(job->conf->dir, &job->files);

	return err ? err
		   : scan_usage(job->conf->dir, job->conf->mode == STREAM_OBJECT, &job->usage);
}

bool
ship_weigh(struct ship_stream *s)
{
	struct weigh_job *job = calloc(1, sizeof(*job));
	bool weighed;

	if (job == NULL)
		return false;
	job->conf = s->conf;
	s->added_before = zone_added(s->ship->zone, s->conf->index);
	metrics_look_begins(s);
	weighed = ship_block(weigh_on_disk, job) == 0;
	if (weighed)
		ship_stream_report(s, job->files, 0, &job->usage);
	free(job);
	return weighed;
}

/* A stream's task. A destination that cannot be opened holds up its own stream only. */
static void
stream_run(void *arg)
{
	struct ship_stream *s = arg;

	while (open_sink(s) != 0) {
		(void)ship_weigh(s);
		if (task_sleep_until(clock_mono() + s->conf->breaker_open) != 0)
			return;
	}
	if (s->conf->mode == STREAM_OBJECT)
		object_run(s);
	else if (s->conf->mode == STREAM_MESSAGE)
		messages_run(s);
	else
		plan_run(s);
}

/* Orphans first: files of the origin gateway are not taken in while planners look. What cannot be recovered now is no reason not to
 * deliver the rest. */
static int
start_tasks(struct ship *ship)
{
	int err = 0;

	if (orphans_recover(ship, true) != 0)
		orphans_look(ship);
	for (unsigned i = 0; i < ship->n && err == 0; i++)
		err = task_go("stream", stream_run, &ship->streams[i], NULL);
	return err ? err : task_go("watch", watch_run, ship, NULL);
}

static void
wake_for_letter(struct ship_stream *s)
{
	if (s->messages != NULL)
		message_wake(s->messages);
	else
		ship_stream_wake(s);
}

/* A dead letter of this stream is to be sent again. */
static void
on_due(void *arg, struct str stream)
{
	struct ship *ship = arg;

	for (unsigned i = 0; i < ship->n; i++)
		if (str_eq(ship->streams[i].conf->name, stream))
			wake_for_letter(&ship->streams[i]);
}

static void
stream_init(struct ship_stream *s, struct ship *ship, const struct stream_conf *conf)
{
	s->ship = ship;
	s->conf = conf;
	s->status.stream = conf->name;
	s->distrust = true;
	waitq_init(&s->wake);
	s->given_up = atomic_load(&zone_stream(ship->zone, conf->index)->orphaned);
	breaker_init(&s->breaker, conf->breaker_failures, conf->breaker_open);
	metrics_open(s);
}

static void
size_pools(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	offload_limit(OFFLOAD_COMMIT, (unsigned)MIN(MAX(cores, 1), 16));
	offload_limit(OFFLOAD_MISC, 8);
}

int
ship_start(struct stream_conf *first, struct zone *z, struct idem *keys, struct dlq *dlq,
    struct ship **out)
{
	unsigned n = 0;
	struct ship *ship;
	int err = 0;

	for (struct stream_conf *s = first; s != NULL; s = s->next)
		n++;
	ship = calloc(1, sizeof(*ship) + n * sizeof(struct ship_stream));
	if (ship == NULL)
		return ERR_NOMEM;
	ship->zone = z;
	ship->dlq = dlq;
	waitq_init(&ship->drained);
	waitq_init(&ship->tick);
	waitq_init(&ship->recovered);
	keys_use(keys);
	sink_host_name(ship->host, sizeof(ship->host));
	size_pools();
	for (struct stream_conf *conf = first; conf != NULL; conf = conf->next)
		stream_init(&ship->streams[ship->n++], ship, conf);
	delivery_metrics_forget(first);
	if (dlq != NULL)
		dlq_on_due(dlq, on_due, ship);
	if (err == 0)
		err = start_tasks(ship);
	*out = ship;
	return err;
}

/* ---- stop and status ---- */

static bool
all_idle(const struct ship *ship)
{
	if (ship->orphans || ship->orphans_task)
		return false;
	for (unsigned i = 0; i < ship->n; i++)
		if (!ship->streams[i].idle)
			return false;
	return true;
}

struct count_job {
	const char *dir;
	unsigned files;
};

static int
count_on_disk(void *arg)
{
	struct count_job *job = arg;

	return scan_waiting(job->dir, &job->files);
}

/* What cannot be counted is something. */
static unsigned
count_waiting(const struct ship *ship)
{
	struct count_job *job = calloc(1, sizeof(*job));
	unsigned left = 0;

	for (unsigned i = 0; job != NULL && i < ship->n; i++) {
		job->dir = ship->streams[i].conf->dir;
		left += ship_block(count_on_disk, job) == 0 ? job->files : 1;
	}
	free(job);
	return job ? left : 1;
}

unsigned
ship_drain(struct ship *ship, int64_t deadline)
{
	ship->draining = true;
	orphans_look(ship);
	for (unsigned i = 0; i < ship->n; i++) {
		struct ship_stream *s = &ship->streams[i];

		s->idle = false;
		s->rescan = true;
		messages_drain(s);
		ship_stream_wake(s);
	}
	while (!all_idle(ship))
		if (waitq_park(&ship->drained, deadline) != 0)
			return count_waiting(ship);
	return 0;
}

void
ship_close(struct ship *ship, int64_t deadline)
{
	for (unsigned i = 0; i < ship->n; i++)
		messages_close(&ship->streams[i], deadline);
}

unsigned
ship_get_status(struct ship *ship, struct ship_status *out, unsigned max)
{
	unsigned n = MIN(ship->n, max);

	for (unsigned i = 0; i < n; i++)
		out[i] = ship->streams[i].status;
	return n;
}

static void
publish(const struct ship_stream *s)
{
	struct delivery d = { .waiting_bytes = s->status.waiting_bytes,
		.waiting_files = s->status.waiting_files,
		.sent_objects = s->status.sent_objects,
		.sent_bytes = s->status.sent_bytes,
		.failures = s->status.failures,
		.oldest = s->status.oldest,
		.breaker = s->breaker.state == BREAKER_CLOSED ? DELIVERY_CLOSED
			   : s->breaker.state == BREAKER_OPEN ? DELIVERY_OPEN
							      : DELIVERY_HALF_OPEN,
		.held = s->status.held };

	str_copyz(d.why, sizeof(d.why), str_of(s->status.why));
	delivery_report(s->ship->zone, s->conf->index, s->conf->name, &d);
}

void
ship_publish(struct ship *ship)
{
	for (unsigned i = 0; i < ship->n; i++) {
		messages_refresh(&ship->streams[i]);
		publish(&ship->streams[i]);
	}
}

/*
 * A worker's spools, one a stream, and how much they may still take: spool_size and min_free, from what the shipper last saw on disk, what the
 * workers added since, and the file system's free space (asked once a second on a helper).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "ingest/claim.h"
#include "ingest/ingest_priv.h"
#include "spool/metrics.h"
#include "zone/durable.h"

/* An I/O error makes the stream unhealthy for this long. */
#define FAILURE_NS (10 * NS_PER_S)
/* Room for a small record with its frame; with less the stream is as good as full. */
#define ROOM_MIN 4096
/* Of messages: a segment stays until the last one in it is delivered, so it should not be long. */
#define MESSAGE_SEGMENT_MAX (UINT64_C(16) << 20)
/* How many messages wait is asked again after this long; or at once, while fewer than this may still come. */
#define WAITING_NS (10 * NS_PER_MS)
#define WAITING_NEAR 10000

struct slot_spool {
	const struct stream_conf *conf;
	struct spool *spool;
	uint64_t file_system_room; /* bytes above min_free, as of the last asking */
	uint64_t free_bytes;       /* all of them, for status */
	int64_t failed_at;         /* monotonic; 0: never */
	struct series *metrics;    /* spool_metrics */
	uint64_t open;             /* records in segments not sealed yet */
	/* of messages */
	uint64_t waiting;  /* as of the last asking, with what was committed here since */
	int64_t asked_at;  /* monotonic */
	uint64_t entering; /* on their way here */
};

static struct {
	struct zone *zone;
	struct zone_slot *slot;
	unsigned slot_number;
	unsigned n;
	struct slot_spool *spools;
} self;

static struct slot_spool *
of_stream(const struct stream_conf *stream)
{
	for (unsigned i = 0; i < self.n; i++)
		if (self.spools[i].conf == stream)
			return &self.spools[i];
	return NULL;
}

struct spool *
spools_get(const struct stream_conf *stream)
{
	struct slot_spool *s = of_stream(stream);

	return s ? s->spool : NULL;
}

static uint64_t
used(const struct slot_spool *s)
{
	struct zone_stream *shared = zone_stream(self.zone, s->conf->index);

	return atomic_load_explicit(&shared->disk_base, memory_order_relaxed) +
	       zone_added(self.zone, s->conf->index);
}

static uint64_t
room(void *arg)
{
	struct slot_spool *s = arg;
	uint64_t now = used(s);

	if (now >= s->conf->spool_size)
		return 0;
	return MIN(s->conf->spool_size - now, s->file_system_room);
}

static void
added(void *arg, uint64_t bytes)
{
	struct slot_spool *s = arg;
	_Atomic uint64_t *mine = &self.slot->added[s->conf->index];
	uint64_t now = atomic_load_explicit(mine, memory_order_relaxed);

	atomic_store_explicit(mine, now + bytes, memory_order_relaxed);
	s->file_system_room -= MIN(bytes, s->file_system_room);
}

static void
committed(void *arg, const struct spool_commit *c)
{
	struct slot_spool *s = arg;

	/* A shipper that delivers single records reads along. */
	if (s->conf->mode == STREAM_MESSAGE && c->end > 0) {
		durable_publish(self.zone, self.slot_number, s->conf->index, c->sequence, c->end);
		zone_ring(self.zone, ZONE_SLOT_SHIPPER);
	}
	s->open += c->records;
	s->waiting += c->records;
	series_add(s->metrics, SPOOL_METRIC_RECORDS, c->records);
	series_add(s->metrics, SPOOL_METRIC_BYTES, c->bytes);
	series_set(s->metrics, SPOOL_METRIC_OPEN, (int64_t)s->open);
	series_observe(s->metrics, SPOOL_METRIC_COMMIT_TIME, c->ns);
	series_observe(s->metrics, SPOOL_METRIC_BATCH, (int64_t)c->records);
}

/* What is no longer ours to count. */
static void
leave(struct slot_spool *s, uint64_t records)
{
	s->open -= MIN(records, s->open);
	series_set(s->metrics, SPOOL_METRIC_OPEN, (int64_t)s->open);
}

static void
sealed(void *arg, uint64_t records)
{
	struct slot_spool *s = arg;

	series_add(s->metrics, SPOOL_METRIC_SEALED, records);
	leave(s, records);
	zone_ring(self.zone, ZONE_SLOT_SHIPPER);
}

static void
given_up(struct slot_spool *s)
{
	atomic_fetch_add(&zone_stream(self.zone, s->conf->index)->orphaned, 1);
	zone_ring(self.zone, ZONE_SLOT_SHIPPER);
}

static void
orphaned(void *arg, uint64_t records)
{
	leave(arg, records);
	given_up(arg);
}

static void
settled(void *arg, struct str attrs, enum spool_fate fate)
{
	if (claim_settled(attrs, fate))
		given_up(arg);
}

uint64_t
spools_room(const struct stream_conf *stream)
{
	struct slot_spool *s = of_stream(stream);

	return s ? room(s) : 0;
}

/* ---- how many messages wait ---- */

bool
spools_enter(const struct stream_conf *stream)
{
	struct slot_spool *s = of_stream(stream);
	uint64_t max = stream->max_messages;

	if (s == NULL)
		return false;
	if (s->waiting + s->entering + WAITING_NEAR >= max ||
	    clock_cached_mono() - s->asked_at >= WAITING_NS) {
		s->waiting = spool_metrics_waiting_now(stream->name);
		s->asked_at = clock_cached_mono();
	}
	if (s->waiting + s->entering >= max)
		return false;
	s->entering++;
	return true;
}

void
spools_leave(const struct stream_conf *stream)
{
	of_stream(stream)->entering--;
}

void
spools_note(const struct stream_conf *stream, int err)
{
	struct slot_spool *s = of_stream(stream);

	if (s != NULL)
		s->failed_at = err == ERR_IO ? clock_cached_mono() : 0;
}

/* ---- free space ---- */

struct space_job {
	const char *dir;
	uint64_t free_bytes, total_bytes;
};

static int
ask_space(void *arg)
{
	struct space_job *job = arg;

	return file_space(job->dir, &job->free_bytes, &job->total_bytes);
}

/* min_free, but never more than 5 % of the file system. */
static void
note_space(struct slot_spool *s, const struct space_job *job)
{
	uint64_t keep = MIN(s->conf->min_free, job->total_bytes / 20);

	s->free_bytes = job->free_bytes;
	s->file_system_room = job->free_bytes > keep ? job->free_bytes - keep : 0;
}

static void
watch_space(void *arg)
{
	struct space_job *job = arg;

	while (!task_cancelled()) {
		for (unsigned i = 0; i < self.n; i++) {
			job->dir = self.spools[i].conf->dir;
			if (offload(OFFLOAD_MISC, ask_space, job) == 0)
				note_space(&self.spools[i], job);
		}
		task_sleep_until(clock_mono() + NS_PER_S);
	}
	free(job);
}

/* ---- open, close, health ---- */

static int
open_one(struct slot_spool *s, const struct stream_conf *conf, unsigned slot, uint32_t generation)
{
	struct spool_options opt = { .dir = conf->dir,
		.sync = conf->sync,
		.object = conf->mode == STREAM_OBJECT,
		.segment_size = conf->bundle_size,
		.seal_interval = conf->bundle_interval,
		.slot = slot,
		.generation = generation,
		.room = room,
		.added = added,
		.committed = committed,
		.sealed = sealed,
		.orphaned = orphaned,
		.settled = settled,
		.arg = s };
	struct space_job job = { .dir = conf->dir };
	int err;

	if (conf->mode == STREAM_MESSAGE)
		opt.segment_size = MIN(opt.segment_size, MESSAGE_SEGMENT_MAX);
	s->conf = conf;
	s->metrics = series_pin(&spool_metrics, conf->name);
	err = ask_space(&job);
	if (err != 0)
		return err;
	note_space(s, &job);
	return spool_new(&opt, &s->spool);
}

int
ingest_open(struct conf *c, struct zone *z, struct idem *keys, unsigned slot, uint32_t generation)
{
	struct space_job *job = calloc(1, sizeof(*job));
	unsigned n = 0;
	int err = 0;

	for (struct stream_conf *s = stream_first(c); s != NULL; s = s->next)
		n++;
	if (keys != NULL)
		idem_attach(keys, slot, generation);
	claim_open(keys);
	self.zone = z;
	self.slot = zone_slot(z, slot);
	self.slot_number = slot;
	self.spools = calloc(n ? n : 1, sizeof(*self.spools));
	if (self.spools == NULL || job == NULL) {
		free(job);
		return ERR_NOMEM;
	}
	for (struct stream_conf *s = stream_first(c); s != NULL && err == 0; s = s->next)
		err = open_one(&self.spools[self.n++], s, slot, generation);
	if (err == 0)
		err = task_go("free space", watch_space, job, NULL);
	return err;
}

int
ingest_close(int64_t deadline)
{
	int first = 0;

	for (unsigned i = 0; i < self.n; i++) {
		int err = self.spools[i].spool ? spool_close(self.spools[i].spool, deadline) : 0;

		if (err != 0)
			log_event(LOG_ERROR, "ingest",
			    "segment not sealed: the shipper will recover it",
			    LOG_STR("stream", self.spools[i].conf->name), LOG_ERR(err), LOG_END);
		first = first ? first : err;
	}
	return first;
}

static bool
failed_lately(const struct slot_spool *s)
{
	return s->failed_at != 0 && clock_cached_mono() - s->failed_at < FAILURE_NS;
}

bool
ingest_get_space(const struct stream_conf *stream, struct ingest_space *out)
{
	struct slot_spool *s = of_stream(stream);

	if (s == NULL)
		return false;
	*out = (struct ingest_space){ .used = used(s),
		.limit = s->conf->spool_size,
		.free_bytes = s->free_bytes,
		.room = room(s),
		.failed = failed_lately(s) };
	out->full = out->room < ROOM_MIN;
	return true;
}

bool
ingest_healthy(struct buf *reasons)
{
	bool healthy = true;

	for (unsigned i = 0; i < self.n; i++) {
		struct slot_spool *s = &self.spools[i];
		const char *what = NULL;
		char text[128];

		if (room(s) < ROOM_MIN)
			what = "no spool space";
		else if (failed_lately(s))
			what = "spool I/O error";
		if (what == NULL)
			continue;
		str_copyz(text, sizeof(text), s->conf->name);
		buf_puts(reasons, healthy ? "" : ",");
		buf_printf(reasons, "\"%s: %s\"", text, what);
		healthy = false;
	}
	return healthy;
}

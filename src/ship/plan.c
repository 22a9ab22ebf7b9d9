/*
 * The planner of a bundle stream: one task that looks at the disk, packs what is due, and starts uploads. It is the only one that claims and packs
 * in its stream, and it trusts the disk, not its memory: after any failed call the next turn starts from a new look.
 */
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "limit/backoff.h"
#include "ship/path.h"
#include "ship/ship_priv.h"

#define HOUR_NS (3600 * NS_PER_S)
/* Sealed segments wait a moment for those that other workers seal at the same time. */
#define GATHER_MAX (2 * NS_PER_S)

struct turn {
	struct ship_stream *stream;
	struct scan scan;
	struct bundle bundle;
	struct bundle_packed packed;
	int level;
	bool first;
	int64_t due; /* UTC ns: when the next bundle would be due; CLOCK_NEVER */
	uint64_t usage;
};

static int64_t
hour_of(int64_t wall)
{
	return wall - wall % HOUR_NS;
}

/* ---- what is due ---- */

/* The bundle that the free segment i would begin: its hour's segments from there on, oldest first. */
static uint64_t
gather(const struct turn *t, unsigned i, struct bundle *b)
{
	const struct scan *s = &t->scan;
	int64_t hour = hour_of(s->segments[i].created);
	uint64_t bytes = 0;

	b->n_sources = 0;
	b->hour = hour;
	for (; i < s->n_segments && b->n_sources < BUNDLE_MAX_SOURCES; i++) {
		struct bundle_source *src = &b->sources[b->n_sources];

		if (hour_of(s->segments[i].created) != hour)
			continue;
		src->id = s->segments[i].id;
		src->length = s->segments[i].bytes;
		strcpy(src->name, s->segments[i].name);
		b->n_sources++;
		bytes += src->length;
		if (bytes >= t->stream->conf->bundle_size)
			break;
	}
	return bytes;
}

/* When the bundle that segment i begins is to be closed, for what is there now. */
static int64_t
due_at(const struct turn *t, unsigned i, uint64_t bytes, unsigned sources)
{
	const struct scan_segment *seg = &t->scan.segments[i];
	int64_t interval = t->stream->conf->bundle_interval;
	int64_t gathered = seg->modified + MIN(interval / 10, GATHER_MAX);
	int64_t closes = MIN(seg->created + interval, hour_of(seg->created) + HOUR_NS);

	if (t->stream->ship->draining || seg->claimed || bytes >= t->stream->conf->bundle_size ||
	    sources == BUNDLE_MAX_SOURCES)
		return 0;
	return MAX(closes, gathered);
}

/* True and t->bundle filled if a bundle is due now; else t->due says when one will be. */
static bool
choose(struct turn *t)
{
	int64_t now = clock_wall(), last_hour = -1;

	t->due = CLOCK_NEVER;
	memset(&t->bundle, 0, sizeof(t->bundle));
	for (unsigned i = 0; i < t->scan.n_segments; i++) {
		int64_t hour = hour_of(t->scan.segments[i].created), due;
		uint64_t bytes;

		if (hour == last_hour)
			continue;
		last_hour = hour;
		bytes = gather(t, i, &t->bundle);
		due = due_at(t, i, bytes, t->bundle.n_sources);
		/* A clock that was set back must not hold data for long. */
		if (due <= now || due > now + t->stream->conf->bundle_interval + HOUR_NS)
			return true;
		t->due = MIN(t->due, due);
	}
	return false;
}

/* gzip_level auto: 6 at leisure, less the longer the oldest segment has been due. */
static int
choose_level(const struct turn *t)
{
	int64_t late = clock_wall() - (t->scan.oldest + t->stream->conf->bundle_interval);

	if (t->stream->conf->gzip_level > 0)
		return t->stream->conf->gzip_level;
	if (t->scan.n_segments < 8 && late < 10 * NS_PER_S)
		return 6;
	if (t->scan.n_segments < 16 && late < 30 * NS_PER_S)
		return 4;
	return t->scan.n_segments < 32 && late < 60 * NS_PER_S ? 2 : 1;
}

/* ---- steps 7 to 10, on a helper ---- */

static const struct scan_segment *
segment_named(const struct scan *s, const char *name)
{
	for (unsigned i = 0; i < s->n_segments; i++)
		if (strcmp(s->segments[i].name, name) == 0)
			return &s->segments[i];
	return NULL;
}

static int
claim(const struct turn *t)
{
	const char *dir = t->scan.dir;
	struct path from, to;
	int err = 0;

	for (unsigned i = 0; i < t->bundle.n_sources && err == 0; i++) {
		const char *name = t->bundle.sources[i].name;

		if (segment_named(&t->scan, name)->claimed)
			continue;
		err = file_rename(
		    path_join(&from, dir, NULL, name), path_join(&to, dir, "aggregation", name));
		file_crash_point("ship.claimed");
	}
	if (err == 0)
		err = file_sync_dir(path_join(&from, dir, NULL, "aggregation"));
	if (err == 0)
		err = file_sync_dir(dir);
	file_crash_point("ship.claim_synced");
	return err;
}

static int
fix_on_disk(void *arg)
{
	struct turn *t = arg;
	int err = claim(t);

	if (err == 0)
		err = bundle_make_key(&t->bundle, t->stream->conf->sink->prefix);
	return err ? err : bundle_write_list(&t->bundle, t->scan.dir);
}

static int
pack_on_disk(void *arg)
{
	struct turn *t = arg;
	int err = bundle_pack(&t->bundle, t->scan.dir, t->level, NULL, &t->packed);

	if (err == 0)
		err = bundle_unlink_sources(&t->bundle, t->scan.dir, t->packed.damaged);
	return err;
}

static int
read_on_disk(void *arg)
{
	struct turn *t = arg;

	return bundle_read_list(t->scan.dir, &t->scan.unpacked, &t->bundle);
}

static int
scan_on_disk(void *arg)
{
	struct turn *t = arg;
	int err = scan_bundles(&t->scan);

	if (err == 0)
		err = scan_usage(t->scan.dir, &t->usage);
	return err;
}

/* ---- a turn ---- */

static int
pack(struct turn *t)
{
	struct ship_stream *s = t->stream;
	int64_t begun = clock_mono();
	int err;

	t->level = choose_level(t);
	err = ship_block(pack_on_disk, t);
	if (err != 0)
		return err;
	if (t->packed.skipped > 0)
		log_event(LOG_ERROR, "ship", "damaged bytes passed over",
		    LOG_STR("stream", s->conf->name), LOG_I("bytes", t->packed.skipped),
		    LOG_S("key", t->bundle.key), LOG_END);
	log_event(LOG_INFO, "ship", "bundle packed", LOG_STR("stream", s->conf->name),
	    LOG_S("key", t->bundle.key), LOG_I("records", t->packed.records),
	    LOG_I("bytes", t->packed.bytes), LOG_I("size", t->packed.gz_bytes),
	    LOG_I("level", t->level), LOG_MS("ms", clock_mono() - begun), LOG_END);
	return 0;
}

static int
new_bundle(struct turn *t)
{
	struct ship_stream *s = t->stream;
	int err;

	t->bundle.id = id_new();
	t->bundle.unique = s->probed && !s->sink->conditional;
	strcpy(t->bundle.host, s->ship->host);
	log_event(LOG_DEBUG, "ship", "files to bundle", LOG_STR("stream", s->conf->name),
	    LOG_I("files", t->bundle.n_sources), LOG_END);
	err = ship_block(fix_on_disk, t);
	return err ? err : pack(t);
}

static void
start_uploads(struct turn *t)
{
	struct ship_stream *s = t->stream;

	for (unsigned i = 0; i < t->scan.n_ready && upload_has_room(s); i++)
		if (!upload_is_busy(s, &t->scan.ready[i], NULL) &&
		    upload_bundle(s, &t->scan.ready[i]) != 0)
			return;
}

static int
look(struct turn *t)
{
	struct ship_stream *s = t->stream;
	struct zone_stream *shared = zone_stream(s->ship->zone, s->conf->index);
	int err;

	t->scan.dir = s->conf->dir;
	t->scan.first = t->first;
	t->scan.n_busy = 0;
	for (unsigned i = 0; i < SHIP_MAX_UPLOADS; i++)
		if (s->uploads[i].busy)
			t->scan.busy[t->scan.n_busy++] = s->uploads[i].id;
	err = ship_block(scan_on_disk, t);
	if (err != 0)
		return err;
	t->first = false;
	s->waiting_files = t->scan.waiting_files;
	s->status.waiting_files = t->scan.waiting_files;
	s->status.waiting_bytes = t->usage;
	s->status.oldest = t->scan.oldest;
	atomic_store_explicit(&shared->on_disk, t->usage, memory_order_relaxed);
	atomic_fetch_add_explicit(&shared->looked_at, 1, memory_order_release);
	return 0;
}

/* 1: there may be more to do at once; 0: wait; or an error. */
static int
take_turn(struct turn *t)
{
	int err = look(t);

	if (err != 0)
		return err;
	start_uploads(t);
	if (t->scan.has_unpacked) {
		err = ship_block(read_on_disk, t);
		if (err == 0)
			err = pack(t);
		return err ? err : 1;
	}
	if (choose(t)) {
		err = new_bundle(t);
		return err ? err : 1;
	}
	return 0;
}

static int64_t
next_turn(const struct turn *t)
{
	int64_t now = clock_mono(), wait = NS_PER_S;

	if (t->due != CLOCK_NEVER)
		wait = MIN(wait, MAX(t->due - clock_wall(), 0));
	return now + MAX(wait, NS_PER_MS);
}

void
plan_run(void *arg)
{
	static const struct backoff_policy again = { 100 * NS_PER_MS, 10 * NS_PER_S, 2, true };
	struct ship_stream *s = arg;
	struct turn *t = calloc(1, sizeof(*t));
	unsigned failures = 0;

	if (t == NULL) {
		log_event(LOG_ERROR, "ship", "no memory for the planner", LOG_END);
		return;
	}
	t->stream = s;
	t->first = true;
	while (!task_cancelled()) {
		int got = take_turn(t);

		s->idle = got == 0 && t->scan.waiting_files == 0 && s->n_uploads == 0;
		if (s->idle)
			waitq_wake_all(&s->ship->drained);
		if (got == 1) {
			failures = 0;
			continue;
		}
		if (got < 0) {
			log_event(LOG_ERROR, "ship", "turn failed: reading the disk again",
			    LOG_STR("stream", s->conf->name), LOG_ERR(got), LOG_END);
			task_sleep_until(
			    clock_mono() + backoff_wait(&again, failures++, random_u64()));
			continue;
		}
		failures = 0;
		ship_stream_wait(s, next_turn(t));
	}
	free(t);
}

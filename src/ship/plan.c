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

/* A look costs at most this share of the time, and is taken now and then even if nobody asked for it. */
#define LOOK_SHARE 20
#define LOOK_AT_LEAST (60 * NS_PER_S)
#define USAGE_SHARE 50

struct turn {
	struct ship_stream *stream;
	struct scan scan;
	struct bundle bundle;
	struct bundle_packed packed;
	int level;
	struct id unread;     /* the bundle whose sources the disk could not read the last time */
	int64_t unread_since; /* monotonic */
	bool failing;         /* it is out of patience */
	bool stuck;           /* packing again failed last time: others first */
	bool fresh;           /* nothing was done since the last look */
	bool draining;        /* as of the last look: that one saw all there is to drain */
	int64_t due;          /* UTC ns: when the next bundle would be due; CLOCK_NEVER */
	int64_t look_after;   /* monotonic: not before, unless there is nothing else to do */
	int64_t look_latest;  /* monotonic */
	bool weigh;
	int64_t weigh_after; /* monotonic */
	struct scan_usage usage;
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

		if (s->segments[i].used || hour_of(s->segments[i].created) != hour)
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

/* When the bundle that segment i begins is to be closed, for what is there now; 0: at once. */
static int64_t
due_at(const struct turn *t, unsigned i, uint64_t bytes, unsigned sources, int64_t now)
{
	const struct scan_segment *seg = &t->scan.segments[i];
	int64_t interval = t->stream->conf->bundle_interval;
	int64_t gathered = seg->modified + MIN(interval / 10, GATHER_MAX);
	int64_t closes = MIN(seg->created + interval, hour_of(seg->created) + HOUR_NS);

	if (t->draining || seg->claimed || bytes >= t->stream->conf->bundle_size ||
	    sources == BUNDLE_MAX_SOURCES)
		return 0;
	/* A clock that was set back must not hold data until it is that late again. */
	if (seg->created > now || seg->modified > now)
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

		if (t->scan.segments[i].used || hour == last_hour)
			continue;
		last_hour = hour;
		bytes = gather(t, i, &t->bundle);
		due = due_at(t, i, bytes, t->bundle.n_sources, now);
		if (due <= now)
			return true;
		t->due = MIN(t->due, due);
	}
	return false;
}

/* gzip_level auto: 6 at leisure, less the more there is to pack and the longer it has been due. */
static int
choose_level(const struct turn *t)
{
	const struct stream_conf *conf = t->stream->conf;
	int64_t late = clock_wall() - (t->scan.oldest + conf->bundle_interval);
	uint64_t bytes = 0, bundles;

	if (conf->gzip_level > 0)
		return conf->gzip_level;
	for (unsigned i = 0; i < t->scan.n_segments; i++)
		bytes += t->scan.segments[i].used ? 0 : t->scan.segments[i].bytes;
	bundles = bytes / MAX(conf->bundle_size, UINT64_C(1));
	if (bundles < 2 && (t->scan.oldest == 0 || late < 10 * NS_PER_S))
		return 6;
	if (bundles < 4 && late < 30 * NS_PER_S)
		return 4;
	return bundles < 8 && late < 60 * NS_PER_S ? 2 : 1;
}

/* ---- steps 7 to 10, on a helper ---- */

static struct scan_segment *
segment_named(struct scan *s, const char *name)
{
	for (unsigned i = 0; i < s->n_segments; i++)
		if (strcmp(s->segments[i].name, name) == 0)
			return &s->segments[i];
	return NULL;
}

static int
claim(struct turn *t)
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

/* On a nearly full disk: no more sources than there is room for the gzip of, twice over, since other streams pack, too. What is
 * packed and sent makes room for the rest; a list of them all could never be packed, nor its sources ever deleted. */
static int
fit_on_disk(void *arg)
{
	struct turn *t = arg;
	struct bundle *b = &t->bundle;
	uint64_t room = 0, whole, bytes;
	unsigned n = 1;

	if (file_space(t->stream->conf->dir, &room, &whole) != 0)
		return 0;
	bytes = b->sources[0].length;
	while (n < b->n_sources && bytes + b->sources[n].length <= room / 2)
		bytes += b->sources[n++].length;
	b->n_sources = n;
	return 0;
}

static int
pack_on_disk(void *arg)
{
	struct turn *t = arg;
	struct bundle_packing how = { .level = t->level, .failing = t->failing };
	int err = bundle_pack(&t->bundle, t->scan.dir, &how, &t->packed);

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

	if (err == 0 && t->weigh)
		err = scan_usage(t->scan.dir, false, &t->usage);
	return err;
}

/* ---- a turn ---- */

static int
pack(struct turn *t)
{
	struct ship_stream *s = t->stream;
	int64_t begun = clock_mono();
	int err;

	t->fresh = false;
	t->level = choose_level(t);
	err = ship_compute(pack_on_disk, t);
	if (err != 0)
		return err;
	if (!upload_add_ready(s, &t->bundle.id))
		t->scan.more_ready = true;
	if (t->packed.skipped > 0) {
		delivery_metrics_damaged(&s->metrics.delivery, t->packed.skipped);
		log_event(LOG_ERROR, "ship", "damaged bytes passed over",
		    LOG_STR("stream", s->conf->name), LOG_I("bytes", t->packed.skipped),
		    LOG_S("key", t->bundle.key), LOG_END);
	}
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

	t->fresh = false;
	t->bundle.id = id_new();
	t->bundle.unique = s->probed && !s->sink->conditional;
	t->bundle.n = upload_number(s, t->bundle.hour);
	strcpy(t->bundle.host, s->ship->host);
	err = ship_block(fit_on_disk, t);
	if (err != 0)
		return err;
	for (unsigned i = 0; i < t->bundle.n_sources; i++)
		segment_named(&t->scan, t->bundle.sources[i].name)->used = true;
	log_event(LOG_DEBUG, "ship", "files to bundle", LOG_STR("stream", s->conf->name),
	    LOG_I("files", t->bundle.n_sources), LOG_END);
	err = ship_block(fix_on_disk, t);
	if (err != 0)
		return err;
	upload_number_fixed(s, t->bundle.hour, t->bundle.n);
	return pack(t);
}

static int
pack_again(struct turn *t)
{
	int err;

	t->scan.has_unpacked = false;
	err = ship_block(read_on_disk, t);
	t->failing = id_eq(t->unread, t->scan.unpacked) &&
		     clock_mono() - t->unread_since >= ship_read_patience;
	if (err == 0)
		err = pack(t);
	t->failing = false;
	if (err == ERR_IO && !id_eq(t->unread, t->scan.unpacked)) {
		t->unread = t->scan.unpacked;
		t->unread_since = clock_mono();
	}
	t->stuck = err != 0;
	t->scan.stuck = t->scan.unpacked;
	return err;
}

static bool
has_work(const struct turn *t)
{
	if (t->scan.has_unpacked || t->stream->n_ready > 0 || t->stream->n_uploads > 0)
		return true;
	for (unsigned i = 0; i < t->scan.n_segments; i++)
		if (!t->scan.segments[i].used)
			return true;
	return false;
}

static bool
must_look(const struct turn *t)
{
	const struct ship_stream *s = t->stream;
	int64_t now = clock_mono();

	if (s->distrust || now >= t->look_latest)
		return true;
	if (s->rescan && (now >= t->look_after || s->ship->draining))
		return true;
	if (has_work(t))
		return false;
	return t->scan.more_segments || t->scan.more_ready || (s->ship->draining && !t->fresh);
}

/* Bundles that were ready before and are on their way still stay so. */
static void
keep_ready(struct ship_stream *s, struct scan *scan)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->n_ready; i++)
		if (upload_is_busy(s, &s->ready[i], NULL))
			s->ready[kept++] = s->ready[i];
	s->n_ready = kept;
	for (unsigned i = 0; i < scan->n_ready; i++)
		if (!upload_add_ready(s, &scan->ready[i]))
			scan->more_ready = true;
}

static int
look(struct turn *t)
{
	struct ship_stream *s = t->stream;
	int64_t begun = clock_mono(), now;
	int err;

	t->scan.dir = s->conf->dir;
	t->scan.distrust = s->distrust;
	t->scan.after = s->last;
	t->scan.n_busy = 0;
	for (unsigned i = 0; i < SHIP_MAX_UPLOADS; i++)
		if (s->uploads[i].busy)
			t->scan.busy[t->scan.n_busy++] = s->uploads[i].id;
	t->weigh = begun >= t->weigh_after;
	t->draining = s->ship->draining;
	s->rescan = s->distrust = false;
	s->looking = true;
	s->added_before = zone_added(s->ship->zone, s->conf->index);
	metrics_look_begins(s);
	err = ship_block(scan_on_disk, t);
	s->looking = false;
	if (err != 0) {
		s->distrust = true;
		return err;
	}
	now = clock_mono();
	keep_ready(s, &t->scan);
	t->fresh = true;
	t->look_after = now + MIN(LOOK_SHARE * (now - begun), NS_PER_S);
	t->look_latest = now + LOOK_AT_LEAST;
	if (t->weigh)
		t->weigh_after = now + USAGE_SHARE * (now - begun);
	else
		t->look_latest = t->weigh_after;
	if (t->scan.unreadable > 0)
		t->look_latest = MIN(t->look_latest, now + ship_retreat_policy.max);
	ship_stream_report(s, t->scan.waiting_files, t->scan.oldest, t->weigh ? &t->usage : NULL);
	poison_tell(s);
	return 0;
}

/* 1: there may be more to do at once; 0: wait until *until; or an error. */
static int
take_turn(struct turn *t, int64_t *until)
{
	int64_t send_at;
	bool other;
	int err;

	if (must_look(t)) {
		err = look(t);
		if (err != 0)
			return err;
	}
	send_at = upload_bundles(t->stream);
	other = choose(t);
	if (t->scan.has_unpacked && !(t->stuck && other)) {
		err = pack_again(t);
		return err ? err : 1;
	}
	t->stuck = false;
	if (other) {
		err = new_bundle(t);
		return err ? err : 1;
	}
	if (must_look(t))
		return 1;
	*until = MIN(send_at, t->look_latest);
	if (t->stream->rescan)
		*until = MIN(*until, t->look_after);
	if (t->due != CLOCK_NEVER)
		*until = MIN(*until, clock_mono() + MAX(t->due - clock_wall(), NS_PER_MS));
	return 0;
}

static bool
is_idle(const struct turn *t)
{
	const struct ship_stream *s = t->stream;

	return t->fresh && t->scan.waiting_files == 0 && s->n_uploads == 0 && !s->rescan &&
	       !s->distrust;
}

void
plan_run(void *arg)
{
	struct ship_stream *s = arg;
	struct turn *t = calloc(1, sizeof(*t));
	unsigned failures = 0;

	if (t == NULL) {
		log_event(LOG_ERROR, "ship", "no memory for the planner", LOG_END);
		return;
	}
	t->stream = s;
	while (!task_cancelled()) {
		int64_t until = CLOCK_NEVER;
		int got = take_turn(t, &until);

		ship_stream_idle(s, got == 0 && is_idle(t));
		if (got < 0) {
			log_event(LOG_ERROR, "ship", "turn failed: reading the disk again",
			    LOG_STR("stream", s->conf->name), LOG_ERR(got), LOG_END);
			s->distrust = true;
		} else if (got == 0 && !s->distrust) {
			ship_stream_wait(s, until);
		}
		if (!s->distrust)
			failures = 0;
		else
			ship_retreat(failures++);
	}
	free(t);
}

/*
 * Uploads: steps 11 and 12 of the durability protocol. One task for each bundle or object on its way, at most `concurrency` a stream.
 * A task makes one attempt (and further ones at once while the key turns out to be taken) and ends; what was not confirmed is started again by
 * the planner, after the others that wait, when back-off and breaker allow. So one that fails for ever holds up nobody for ever.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "sink/gzid.h"

/* Below this rate an upload is given up and tried again. */
#define UPLOAD_SLOWEST (256 * 1024)
/* No destination makes us wait longer by asking for it. */
#define RETRY_AFTER_MAX (300 * NS_PER_S)

/* ---- when ---- */

bool
upload_is_busy(const struct ship_stream *s, const struct id *id, const char *name)
{
	for (unsigned i = 0; i < SHIP_MAX_UPLOADS; i++) {
		const struct ship_upload *u = &s->uploads[i];

		if (u->busy && (id ? id_eq(u->id, *id) : strcmp(u->name, name) == 0))
			return true;
	}
	return false;
}

/* While the destination fails one goes ahead of the others. */
int64_t
upload_next(const struct ship_stream *s)
{
	bool alone = s->streak > 0 || s->breaker.state != BREAKER_CLOSED || !s->probed;
	uint64_t most = alone ? 1 : MIN(s->conf->concurrency, (uint64_t)SHIP_MAX_UPLOADS);

	/* What a failed call left may not be durable: the planner sees to that first. */
	if (s->n_uploads >= most || s->distrust)
		return CLOCK_NEVER;
	return MAX(s->retry_at, breaker_next(&s->breaker, s->retry_at));
}

/* ---- one attempt ---- */

static void
succeeded(struct ship_stream *s)
{
	if (s->breaker.state != BREAKER_CLOSED || s->streak > 0)
		log_event(LOG_INFO, "ship", "destination answers again",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_END);
	breaker_success(&s->breaker);
	metrics_breaker(s, false);
	s->streak = 0;
	s->retry_at = 0;
	s->status.held = false;
	s->status.why[0] = '\0';
}

/* Attempts that ran side by side and fail together are one failure to the back-off. With the breaker open that alone says when. */
static void
back_off(struct ship_stream *s, int64_t begun, const struct sink_result *r)
{
	const struct stream_retry *retry = &s->conf->retry;
	struct backoff_policy policy = { retry->initial, retry->max_interval, retry->multiplier,
		retry->jitter };
	int64_t now = clock_mono(), wait = MIN(r->retry_after, RETRY_AFTER_MAX);

	if (begun >= s->failed_at) {
		if (s->breaker.state == BREAKER_CLOSED)
			wait = MAX(wait, backoff_wait(&policy, s->streak, random_u64()));
		s->streak++;
	}
	s->failed_at = now;
	s->retry_at = MAX(s->retry_at, now + wait);
}

static void
failed(struct ship_stream *s, uint32_t ticket, int64_t begun, const struct sink_result *r)
{
	int64_t now = clock_mono();

	s->status.failures++;
	s->status.held = r->outcome == SINK_HELD || r->outcome == SINK_PERMANENT;
	str_copyz(s->status.why, sizeof(s->status.why), str_of(r->why));
	breaker_failure(&s->breaker, ticket, s->status.held, now);
	metrics_breaker(s, false);
	back_off(s, begun, r);
	log_event(LOG_ERROR, "ship",
	    s->status.held ? "destination refuses us: data is held" : "upload failed",
	    LOG_STR("stream", s->conf->name), LOG_STR("destination", s->conf->sink->destination),
	    LOG_S("why", r->why), LOG_I("attempt", s->streak),
	    LOG_MS("retry_in_ms", MAX(s->retry_at, breaker_next(&s->breaker, now)) - now), LOG_END);
}

/* A ticket, or 0. */
static uint32_t
may_begin(struct ship_stream *s, int64_t now)
{
	uint32_t ticket = now < s->retry_at ? 0 : breaker_take(&s->breaker, now);

	metrics_breaker(s, false);
	return ticket;
}

bool
upload_attempt(struct ship_stream *s, const struct sink_item *item, struct sink_result *result)
{
	int64_t now = clock_mono();
	int64_t deadline =
	    now + s->conf->deliver_timeout + (int64_t)(item->length / UPLOAD_SLOWEST) * NS_PER_S;
	uint32_t ticket = may_begin(s, now);

	if (ticket == 0)
		return false;
	*result = (struct sink_result){ .outcome = SINK_AGAIN };
	s->sink->ops->put(s->sink, item, s->conf->verify, deadline, result);
	delivery_metrics_attempt(&s->metrics.delivery, result->outcome, clock_mono() - now);
	if (result->outcome == SINK_CONFIRMED || result->outcome == SINK_TAKEN)
		succeeded(s);
	else
		failed(s, ticket, now, result);
	return true;
}

/* ---- places ---- */

int
upload_start(struct ship_stream *s, const struct id *id, const char *name, task_fn *fn)
{
	for (unsigned i = 0; i < SHIP_MAX_UPLOADS; i++) {
		struct ship_upload *u = &s->uploads[i];

		if (u->busy)
			continue;
		*u = (struct ship_upload){ .stream = s };
		if (id != NULL)
			u->id = *id;
		str_copyz(u->name, sizeof(u->name), str_of(name));
		u->busy = task_go("upload", fn, u, NULL) == 0;
		s->n_uploads += u->busy;
		return u->busy ? 0 : ERR_NOMEM;
	}
	return ERR_BUSY;
}

void
upload_done(struct ship_upload *u, int err)
{
	struct ship_stream *s = u->stream;

	u->busy = false;
	s->n_uploads--;
	s->rescan = true;
	if (err != 0)
		s->distrust = true;
	ship_stream_wake(s);
}

/* ---- the probe ---- */

static void
probe_task(void *arg)
{
	struct ship_upload *u = arg;
	struct ship_stream *s = u->stream;
	struct sink_result *r = calloc(1, sizeof(*r));
	int64_t now = clock_mono();
	uint32_t ticket = r ? may_begin(s, now) : 0;
	int got = 1;

	if (ticket == 0)
		goto done;
	if (s->sink->ops->probe != NULL)
		got = s->sink->ops->probe(
		    s->sink, now + s->conf->deliver_timeout, r->why, sizeof(r->why));
	if (got < 0) {
		r->outcome = err_class(got) == ERR_CLASS_HELD ? SINK_HELD : SINK_AGAIN;
		failed(s, ticket, now, r);
	} else {
		s->probed = true;
		succeeded(s);
	}
done:
	free(r);
	upload_done(u, 0);
}

int
upload_probe(struct ship_stream *s)
{
	s->probe_tried = true;
	return upload_start(s, NULL, "", probe_task);
}

/* ---- numbers ---- */

static struct ship_hour *
find_hour(struct ship_stream *s, int64_t hour)
{
	for (unsigned i = 0; i < SHIP_MAX_HOURS; i++)
		if (s->hours[i].next > 0 && s->hours[i].hour == hour)
			return &s->hours[i];
	return NULL;
}

unsigned
upload_number(struct ship_stream *s, int64_t hour)
{
	const struct ship_hour *h = find_hour(s, hour);

	return h ? h->next : 0;
}

void
upload_number_fixed(struct ship_stream *s, int64_t hour, unsigned n)
{
	struct ship_hour *h = find_hour(s, hour);

	if (h == NULL) {
		h = &s->hours[s->hours_turn++ % SHIP_MAX_HOURS];
		*h = (struct ship_hour){ .hour = hour };
	}
	h->next = MAX(h->next, n + 1);
}

/* ---- bundles ---- */

struct bundle_upload {
	const char *dir;
	struct id id;
	struct path gz;
	struct stat st;
	uint64_t records;
	struct bundle bundle;
	struct sink_result result;
};

static int
open_gz(struct bundle_upload *w)
{
	int fd = file_open(w->gz.s, O_RDONLY), err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &w->st) != 0)
		err = ERR_IO;
	(void)gzid_read_records(fd, &w->records);
	file_close(fd);
	return err;
}

static int
open_on_disk(void *arg)
{
	struct bundle_upload *w = arg;
	int err = bundle_read_list(w->dir, &w->id, &w->bundle);

	path_of_id(&w->gz, w->dir, "uploading", &w->id, ".gz");
	return err ? err : open_gz(w);
}

static int
fix_on_disk(void *arg)
{
	struct bundle_upload *w = arg;
	int err = bundle_write_list(&w->bundle, w->dir);

	file_crash_point("ship.n_fixed");
	return err;
}

static int
finish_on_disk(void *arg)
{
	struct bundle_upload *w = arg;

	return bundle_finish(w->dir, &w->id);
}

/* Another object has our key: the next n, durable before the next PUT. */
static int
next_n(struct ship_stream *s, struct bundle_upload *w)
{
	int err;

	log_event(LOG_INFO, "ship", "key is taken: next number", LOG_STR("stream", s->conf->name),
	    LOG_S("key", w->bundle.key), LOG_END);
	w->bundle.n = MAX(w->bundle.n + 1, upload_number(s, w->bundle.hour));
	upload_number_fixed(s, w->bundle.hour, w->bundle.n);
	err = bundle_make_key(&w->bundle, s->conf->sink->prefix);
	return err ? err : ship_block(fix_on_disk, w);
}

/* The store turned out to ignore If-None-Match: only a key with our id in it cannot overwrite another's object. Nothing was
 * sent before that was known. */
static int
make_unique(struct ship_stream *s, struct bundle_upload *w)
{
	int err;

	w->bundle.unique = true;
	err = bundle_make_key(&w->bundle, s->conf->sink->prefix);
	return err ? err : ship_block(fix_on_disk, w);
}

static void
log_sent(struct ship_stream *s, const struct bundle_upload *w)
{
	s->status.sent_objects++;
	s->status.sent_bytes += (uint64_t)w->st.st_size;
	log_event(LOG_INFO, "ship", "bundle sent", LOG_STR("stream", s->conf->name),
	    LOG_STR("destination", s->conf->sink->destination), LOG_S("key", w->bundle.key),
	    LOG_I("size", w->st.st_size), LOG_I("files", w->bundle.n_sources), LOG_END);
}

/* 1: confirmed; 0: to be tried again; or an error of the disk. */
static int
deliver_bundle(struct ship_stream *s, struct bundle_upload *w)
{
	struct sink_item item = { .id = w->id,
		.path = w->gz.s,
		.length = (uint64_t)w->st.st_size,
		.content_type = STR("application/gzip"),
		.gzip_id = true };
	int err = 0;

	if (!s->sink->conditional && !w->bundle.unique)
		err = make_unique(s, w);
	while (err == 0) {
		item.key = str_of(w->bundle.key);
		if (!upload_attempt(s, &item, &w->result))
			return 0;
		if (w->result.outcome != SINK_TAKEN)
			return w->result.outcome == SINK_CONFIRMED;
		err = next_n(s, w);
	}
	return err;
}

static void
forget_ready(struct ship_stream *s, const struct id *id)
{
	for (unsigned i = 0; i < s->n_ready; i++)
		if (id_eq(s->ready[i], *id)) {
			s->ready[i] = s->ready[--s->n_ready];
			return;
		}
}

static void
bundle_task(void *arg)
{
	struct ship_upload *u = arg;
	struct ship_stream *s = u->stream;
	struct bundle_upload *w = calloc(1, sizeof(*w));
	int got = ERR_NOMEM;

	if (w == NULL)
		goto done;
	w->dir = s->conf->dir;
	w->id = u->id;
	got = ship_block(open_on_disk, w);
	if (got == 0)
		got = deliver_bundle(s, w);
	if (got == 1) {
		file_crash_point("ship.confirmed");
		log_sent(s, w);
		got = ship_block(finish_on_disk, w);
		if (got == 0)
			metrics_delivered(s, w->records);
		forget_ready(s, &u->id);
	}
done:
	if (got < 0) {
		log_event(LOG_ERROR, "ship", "bundle not finished: will be looked at again",
		    LOG_STR("stream", s->conf->name), LOG_ERR(got), LOG_END);
		forget_ready(s, &u->id);
	}
	free(w);
	upload_done(u, MIN(got, 0));
	/* The planner may be packing for a while, so the next one starts here; but not while a look goes by what is on its way. */
	if (!s->looking && got >= 0)
		upload_bundles(s);
}

bool
upload_add_ready(struct ship_stream *s, const struct id *id)
{
	if (s->n_ready == ARRAY_LEN(s->ready))
		return false;
	s->ready[s->n_ready++] = *id;
	return true;
}

/* The first ready one behind the last that was begun, in the order of ids, that is not on its way; NULL: none. */
static const struct id *
next_ready(const struct ship_stream *s)
{
	const struct id *least = NULL, *next = NULL;

	for (unsigned i = 0; i < s->n_ready; i++) {
		const struct id *id = &s->ready[i];

		if (upload_is_busy(s, id, NULL))
			continue;
		if (least == NULL || memcmp(id, least, sizeof(*id)) < 0)
			least = id;
		if (memcmp(id, &s->last, sizeof(*id)) > 0 &&
		    (next == NULL || memcmp(id, next, sizeof(*id)) < 0))
			next = id;
	}
	return next ? next : least;
}

int64_t
upload_bundles(struct ship_stream *s)
{
	int64_t now = clock_mono(), next;

	while ((next = upload_next(s)) <= now) {
		const struct id *id = next_ready(s);

		if (id == NULL && s->probe_tried)
			return CLOCK_NEVER;
		if (!s->probed)
			return upload_probe(s) == 0 ? CLOCK_NEVER : now + NS_PER_S;
		if (id == NULL)
			return CLOCK_NEVER;
		s->last = *id;
		if (upload_start(s, id, "", bundle_task) != 0)
			return now + NS_PER_S;
	}
	return s->n_ready > 0 ? next : CLOCK_NEVER;
}

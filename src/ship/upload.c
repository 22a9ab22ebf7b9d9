/*
 * Uploads: steps 11 and 12 of the durability protocol. One task for each bundle or object on its way, at most `concurrency` a stream.
 * An upload task makes one attempt after another until the item is confirmed or the process stops; only it touches the item's files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "limit/backoff.h"
#include "ship/path.h"
#include "ship/ship_priv.h"

/* Below this rate an upload is given up and tried again. */
#define UPLOAD_SLOWEST (256 * 1024)

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

bool
upload_has_room(const struct ship_stream *s)
{
	uint64_t most = s->breaker.state == BREAKER_CLOSED ? s->conf->concurrency : 1;

	return s->n_uploads < MIN(most, (uint64_t)SHIP_MAX_UPLOADS);
}

int64_t
upload_not_before(const struct ship_stream *s)
{
	int64_t now = clock_mono();

	return MAX(MAX(now, s->retry_at), breaker_next(&s->breaker, now));
}

static void
succeeded(struct ship_stream *s)
{
	if (s->breaker.state != BREAKER_CLOSED || s->streak > 0)
		log_event(LOG_INFO, "ship", "destination answers again",
		    LOG_STR("stream", s->conf->name),
		    LOG_STR("destination", s->conf->sink->destination), LOG_END);
	breaker_success(&s->breaker);
	s->streak = 0;
	s->retry_at = 0;
	s->status.held = false;
	s->status.why[0] = '\0';
}

static void
failed(struct ship_stream *s, const struct sink_result *r)
{
	const struct stream_retry *retry = &s->conf->retry;
	struct backoff_policy policy = { retry->initial, retry->max_interval, retry->multiplier,
		retry->jitter };
	int64_t now = clock_mono(), wait = backoff_wait(&policy, s->streak, random_u64());

	wait = MAX(wait, r->retry_after);
	s->streak++;
	s->status.failures++;
	s->retry_at = now + wait;
	s->status.held = r->outcome == SINK_HELD || r->outcome == SINK_PERMANENT;
	str_copyz(s->status.why, sizeof(s->status.why), str_of(r->why));
	breaker_failure(&s->breaker, s->status.held, now);
	log_event(LOG_ERROR, "ship",
	    s->status.held ? "destination refuses us: data is held" : "upload failed",
	    LOG_STR("stream", s->conf->name), LOG_STR("destination", s->conf->sink->destination),
	    LOG_S("why", r->why), LOG_I("attempt", s->streak),
	    LOG_MS("retry_in_ms", upload_not_before(s) - now), LOG_END);
}

/* Before the first upload of this life: does the store honour conditional writes? */
static int
probe(struct ship_stream *s, struct sink_result *r)
{
	int64_t deadline = clock_mono() + s->conf->deliver_timeout;
	int got;

	*r = (struct sink_result){ .outcome = SINK_AGAIN };
	got = s->sink->ops->probe(s->sink, deadline, r->why, sizeof(r->why));
	if (got >= 0)
		s->probed = true;
	else if (err_class(got) == ERR_CLASS_HELD)
		r->outcome = SINK_HELD;
	return got;
}

bool
upload_attempt(struct ship_stream *s, const struct sink_item *item, struct sink_result *result)
{
	int64_t now = clock_mono();
	int64_t deadline =
	    now + s->conf->deliver_timeout + (int64_t)(item->length / UPLOAD_SLOWEST) * NS_PER_S;

	if (now < s->retry_at || !breaker_take(&s->breaker, now))
		return false;
	if (!s->probed) {
		int honoured = probe(s, result);

		if (honoured < 0) {
			failed(s, result);
			return true;
		}
		if (honoured == 0) {
			/* Nothing may be sent under a key without an id: not even once. */
			succeeded(s);
			return false;
		}
	}
	s->sink->ops->put(s->sink, item, s->conf->verify, deadline, result);
	if (result->outcome == SINK_CONFIRMED || result->outcome == SINK_TAKEN)
		succeeded(s);
	else
		failed(s, result);
	return true;
}

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
upload_done(struct ship_upload *u)
{
	u->busy = false;
	u->stream->n_uploads--;
	ship_stream_wake(u->stream);
}

/* ---- bundles ---- */

struct bundle_upload {
	const char *dir;
	struct id id;
	struct path gz;
	struct stat st;
	struct bundle bundle;
};

static int
open_on_disk(void *arg)
{
	struct bundle_upload *w = arg;
	int err = bundle_read_list(w->dir, &w->id, &w->bundle);

	path_of_id(&w->gz, w->dir, "uploading", &w->id, ".gz");
	if (err == 0 && stat(w->gz.s, &w->st) != 0)
		err = ERR_IO;
	return err;
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
	w->bundle.n++;
	err = bundle_make_key(&w->bundle, s->conf->sink->prefix);
	return err ? err : ship_block(fix_on_disk, w);
}

/* The store turned out to ignore If-None-Match: only a key with our id in it cannot overwrite another's object. Nothing was sent to it yet. */
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

/* Until confirmed: 0; or an error of the disk or a cancel: the planner sees to it again. */
static int
deliver_bundle(struct ship_stream *s, struct bundle_upload *w)
{
	struct sink_item item = { .id = w->id,
		.path = w->gz.s,
		.length = (uint64_t)w->st.st_size,
		.content_type = STR("application/gzip"),
		.gzip_id = true };
	struct sink_result result = { .outcome = SINK_AGAIN };
	int err = 0;

	while (err == 0) {
		if (s->probed && !s->sink->conditional && !w->bundle.unique) {
			err = make_unique(s, w);
			continue;
		}
		item.key = str_of(w->bundle.key);
		if (!upload_attempt(s, &item, &result)) {
			err = task_sleep_until(upload_not_before(s) + NS_PER_MS);
			continue;
		}
		if (result.outcome == SINK_CONFIRMED)
			return 0;
		if (result.outcome == SINK_TAKEN)
			err = next_n(s, w);
		else
			err = task_sleep_until(upload_not_before(s));
	}
	return err;
}

static void
bundle_task(void *arg)
{
	struct ship_upload *u = arg;
	struct ship_stream *s = u->stream;
	struct bundle_upload *w = calloc(1, sizeof(*w));
	int err = ERR_NOMEM;

	if (w == NULL)
		goto done;
	w->dir = s->conf->dir;
	w->id = u->id;
	err = ship_block(open_on_disk, w);
	if (err == 0)
		err = deliver_bundle(s, w);
	file_crash_point("ship.confirmed");
	if (err == 0) {
		log_sent(s, w);
		err = ship_block(finish_on_disk, w);
	}
done:
	if (err != 0 && err != ERR_CANCELLED)
		log_event(LOG_ERROR, "ship", "bundle not finished: will be looked at again",
		    LOG_STR("stream", s->conf->name), LOG_ERR(err), LOG_END);
	free(w);
	upload_done(u);
}

int
upload_bundle(struct ship_stream *s, const struct id *id)
{
	return upload_start(s, id, "", bundle_task);
}

/*
 * The planner of an object stream and its uploads: each sealed segment holds one object, sent at once. The key was fixed when the object was
 * accepted (attribute "key"); an alternative, when another id holds the key, is fixed durably in uploading/<name>.n before it is tried.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "limit/backoff.h"
#include "ship/keys.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/reader.h"

/* Claimed at a time: bounds what a turn reads, however long the backlog. */
#define CLAIM_MAX 256

struct object {
	const char *dir, *name;
	struct path path, side;
	struct id id;
	unsigned n; /* alternative of the key; 0: the key itself */
	uint64_t offset, length;
	struct str key; /* as accepted; borrowed from text */
	struct str uri, type, encoding;
	struct buf text;        /* the attributes */
	struct buf alternative; /* the key with its number */
};

/* ---- on a helper ---- */

static int
read_side_on_disk(void *arg)
{
	struct object *o = arg;
	char name[SCAN_NAME_MAX + 4];
	uint64_t number;
	char *text;
	size_t n;
	int err;

	snprintf(name, sizeof(name), "%s.n", o->name);
	err = file_read_all(path_join(&o->side, o->dir, "uploading", name), 64, &text, &n);
	if (err != 0)
		return err == ERR_NOT_FOUND ? 0 : err;
	err = str_to_u64(str_trim(str_make(text, n)), &number) == 0 && number <= UINT32_MAX
		  ? 0
		  : ERR_CORRUPT;
	o->n = err ? 0 : (unsigned)number;
	free(text);
	return err;
}

static int
open_on_disk(void *arg)
{
	struct object *o = arg;
	struct reader_record record;
	struct reader *r;
	int got = reader_open(path_join(&o->path, o->dir, "uploading", o->name), 0, &r);

	if (got != 0)
		return got;
	o->id = reader_header(r)->id;
	got = reader_next(r, &record); /* checks the CRC of all of it */
	if (got == 1) {
		o->offset = record.offset + SEGMENT_FRAME_LEN + record.frame.user_len +
			    record.frame.attrs_len;
		o->length = record.frame.body_len;
		buf_put_str(&o->text, record.attrs);
		keys_note(record.attrs, record.frame.time);
	}
	reader_close(r);
	if (got != 1)
		return got == 0 ? ERR_CORRUPT : got;
	o->key = segment_get_attr(buf_str(&o->text), "key");
	o->uri = segment_get_attr(buf_str(&o->text), "uri");
	o->type = segment_get_attr(buf_str(&o->text), "type");
	o->encoding = segment_get_attr(buf_str(&o->text), "encoding");
	if (buf_failed(&o->text) || o->key.n == 0)
		return ERR_CORRUPT;
	return 0;
}

static int
fix_on_disk(void *arg)
{
	struct object *o = arg;
	char text[16];
	int n = snprintf(text, sizeof(text), "%u\n", o->n);
	int err = file_replace(o->side.s, text, (size_t)n);

	file_crash_point("ship.object_n_fixed");
	return err;
}

static int
finish_on_disk(void *arg)
{
	struct object *o = arg;
	struct path folder;
	int err = keys_sync();

	if (err == 0)
		err = file_unlink(o->path.s);
	file_crash_point("ship.object_unlinked");
	if (err == 0)
		err = file_sync_dir(path_join(&folder, o->dir, NULL, "uploading"));
	if (err == 0 && o->n > 0)
		err = file_unlink(o->side.s);
	return err;
}

static int
set_aside_on_disk(void *arg)
{
	struct object *o = arg;
	struct path to;
	int err = file_make_dirs(path_join(&to, o->dir, NULL, "corrupt"));

	return err ? err : file_rename(o->path.s, path_join(&to, o->dir, "corrupt", o->name));
}

static int
scan_on_disk(void *arg)
{
	return scan_objects(arg);
}

struct usage {
	const char *dir;
	uint64_t bytes;
};

static int
usage_on_disk(void *arg)
{
	struct usage *u = arg;

	return scan_usage(u->dir, &u->bytes);
}

/* ---- one upload ---- */

static int
next_key(struct ship_stream *s, struct object *o)
{
	log_event(LOG_INFO, "ship", "key is taken: next number", LOG_STR("stream", s->conf->name),
	    LOG_STR("key", o->key), LOG_I("n", o->n + 1), LOG_END);
	o->n++;
	return ship_block(fix_on_disk, o);
}

/* The key to try: as accepted; with a number when others hold that; with our id where the store would overwrite. */
static int
current_key(const struct ship_stream *s, struct object *o, struct str *key)
{
	ptrdiff_t dot = str_rfind(o->key, '.'), slash = str_rfind(o->key, '/');
	size_t stem = dot > slash ? (size_t)dot : o->key.n;
	char id[2 * ID_LEN + 1];
	int err = 0;

	*key = o->key;
	if (o->n == 0 && (!s->probed || s->sink->conditional))
		return 0;
	buf_reset(&o->alternative);
	if (o->n > 0) {
		err = sink_key_alternative(o->key, o->n, &o->alternative);
	} else {
		id_text(o->id, id);
		buf_put(&o->alternative, o->key.p, stem);
		buf_printf(&o->alternative, ".%s", id);
		buf_put_str(&o->alternative, str_from(o->key, stem));
	}
	*key = buf_str(&o->alternative);
	return err ? err : buf_failed(&o->alternative);
}

static int
deliver_object(struct ship_stream *s, struct object *o)
{
	struct sink_item item = { .id = o->id,
		.path = o->path.s,
		.offset = o->offset,
		.length = o->length,
		.content_type = o->type,
		.content_encoding = o->encoding,
		.uri = o->uri };
	struct sink_result result = { .outcome = SINK_AGAIN };
	int err = 0;

	while (err == 0) {
		err = current_key(s, o, &item.key);
		if (err != 0)
			break;
		if (!upload_attempt(s, &item, &result)) {
			err = task_sleep_until(upload_not_before(s) + NS_PER_MS);
			continue;
		}
		if (result.outcome == SINK_CONFIRMED) {
			s->status.sent_objects++;
			s->status.sent_bytes += o->length;
			log_event(LOG_INFO, "ship", "object sent", LOG_STR("stream", s->conf->name),
			    LOG_STR("destination", s->conf->sink->destination),
			    LOG_STR("key", item.key), LOG_I("size", o->length),
			    LOG_STR("uri", o->uri), LOG_END);
			return 0;
		}
		if (result.outcome == SINK_TAKEN)
			err = next_key(s, o);
		else
			err = task_sleep_until(upload_not_before(s));
	}
	return err;
}

static void
object_task(void *arg)
{
	struct ship_upload *u = arg;
	struct ship_stream *s = u->stream;
	struct object *o = calloc(1, sizeof(*o));
	int err = ERR_NOMEM;

	if (o == NULL)
		goto done;
	o->dir = s->conf->dir;
	o->name = u->name;
	buf_init(&o->text, 64 * 1024);
	buf_init(&o->alternative, 2048);
	err = ship_block(open_on_disk, o);
	if (err == 0)
		err = ship_block(read_side_on_disk, o);
	if (err == 0)
		err = deliver_object(s, o);
	if (err == 0)
		err = ship_block(finish_on_disk, o);
	if (err == ERR_CORRUPT) {
		log_event(LOG_ERROR, "ship", "damaged object set aside in corrupt/",
		    LOG_STR("stream", s->conf->name), LOG_S("file", u->name), LOG_END);
		err = ship_block(set_aside_on_disk, o);
	}
	buf_fini(&o->text);
	buf_fini(&o->alternative);
	free(o);
done:
	if (err != 0 && err != ERR_CANCELLED)
		log_event(LOG_ERROR, "ship", "object not finished: will be looked at again",
		    LOG_STR("stream", s->conf->name), LOG_S("file", u->name), LOG_ERR(err),
		    LOG_END);
	upload_done(u);
}

/* ---- the planner ---- */

static int
measure(struct ship_stream *s, unsigned waiting)
{
	struct zone_stream *shared = zone_stream(s->ship->zone, s->conf->index);
	struct usage *u = calloc(1, sizeof(*u));
	int err;

	if (u == NULL)
		return ERR_NOMEM;
	u->dir = s->conf->dir;
	err = ship_block(usage_on_disk, u);
	if (err == 0) {
		s->status.waiting_files = s->waiting_files = waiting;
		s->status.waiting_bytes = u->bytes;
		atomic_store_explicit(&shared->on_disk, u->bytes, memory_order_relaxed);
		atomic_fetch_add_explicit(&shared->looked_at, 1, memory_order_release);
	}
	free(u);
	return err;
}

/* Starts what it can of the claimed objects; those still to be started are kept in scan->names. */
static unsigned
start_uploads(struct ship_stream *s, const struct scan_objects *scan, unsigned next)
{
	for (; next < scan->n && upload_has_room(s); next++)
		if (!upload_is_busy(s, NULL, scan->names[next]) &&
		    upload_start(s, NULL, scan->names[next], object_task) != 0)
			break;
	return next;
}

static int
object_turn(struct ship_stream *s, struct scan_objects *scan)
{
	unsigned next = 0;
	int err;

	scan->dir = s->conf->dir;
	scan->claim_max = CLAIM_MAX;
	err = ship_block(scan_on_disk, scan);
	if (err != 0)
		return err;
	scan->first = false;
	err = measure(s, scan->waiting_files);
	while (err == 0 && next < scan->n) {
		next = start_uploads(s, scan, next);
		if (next < scan->n)
			ship_stream_wait(s, clock_mono() + NS_PER_S);
		if (task_cancelled())
			err = ERR_CANCELLED;
	}
	free(scan->names);
	scan->names = NULL;
	return err;
}

void
object_run(void *arg)
{
	static const struct backoff_policy again = { 100 * NS_PER_MS, 10 * NS_PER_S, 2, true };
	struct ship_stream *s = arg;
	struct scan_objects *scan = calloc(1, sizeof(*scan));
	unsigned failures = 0;

	if (scan == NULL) {
		log_event(LOG_ERROR, "ship", "no memory for the planner", LOG_END);
		return;
	}
	scan->first = true;
	while (!task_cancelled()) {
		int err = object_turn(s, scan);

		s->idle = err == 0 && scan->waiting_files == 0 && s->n_uploads == 0;
		if (s->idle)
			waitq_wake_all(&s->ship->drained);
		if (err == 0) {
			failures = 0;
			ship_stream_wait(s, clock_mono() + NS_PER_S);
			continue;
		}
		if (err == ERR_CANCELLED)
			break;
		log_event(LOG_ERROR, "ship", "turn failed: reading the disk again",
		    LOG_STR("stream", s->conf->name), LOG_ERR(err), LOG_END);
		task_sleep_until(clock_mono() + backoff_wait(&again, failures++, random_u64()));
	}
	free(scan);
}

/*
 * The planner of an object stream and its uploads: each sealed segment holds one object, sent at once. The key was fixed when the object was
 * accepted (attribute "key"); an alternative, when another id holds the key, is fixed durably in uploading/<name>.n before it is tried.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/keys.h"
#include "spool/reader.h"

/* Claimed at a time: bounds what is held in memory, however long the backlog. */
#define CLAIM_MAX 1024
/* A look costs at most this share of the time, and is taken now and then even if nobody asked for it. */
#define LOOK_SHARE 20
#define LOOK_AT_LEAST (60 * NS_PER_S)
#define USAGE_SHARE 50

struct object {
	const char *dir, *name;
	struct str prefix; /* of keys made here */
	struct path path, side;
	struct id id;
	unsigned n; /* alternative of the key; 0: the key itself */
	uint64_t offset, length;
	struct str key; /* as accepted; borrowed from text, or from made */
	struct str user, uri, type, encoding;
	char user_name[512];
	struct buf text;        /* the attributes */
	struct buf made;        /* a key made here, of a file that the origin gateway left */
	struct buf alternative; /* the key with its number */
	struct sink_result result;
};

/* ---- on a helper ---- */

/* Written as a whole, so it can only be damaged later; then the numbers are tried from the first again, where our own id is known. */
static int
read_side_on_disk(void *arg)
{
	struct object *o = arg;
	char name[SCAN_NAME_MAX + 4];
	uint64_t number = 0;
	struct str line;
	char *text;
	size_t n;
	int err;

	snprintf(name, sizeof(name), "%s.n", o->name);
	err = file_read_all(path_join(&o->side, o->dir, "uploading", name), 64, &text, &n);
	if (err == ERR_NOT_FOUND)
		return 0;
	if (err == 0) {
		line = str_make(text, n);
		if (str_to_u64(str_split(&line, '\n'), &number) != 0 || number > UINT32_MAX)
			err = ERR_CORRUPT;
		free(text);
	}
	if (err == ERR_CORRUPT || err == ERR_TOO_LARGE) {
		log_event(LOG_ERROR, "ship", "damaged number passed over", LOG_S("file", o->side.s),
		    LOG_END);
		return 0;
	}
	o->n = (unsigned)number;
	return err;
}

/* An object that was accepted without a key: always the same one, made of what is in the file. */
static int
make_key(struct object *o, const struct reader_record *r)
{
	int err = sink_object_key(
	    o->prefix, o->user.n ? o->user : STR("unknown"), o->uri, r->frame.time, &o->made);

	if (err == 0)
		err = buf_failed(&o->made);
	if (err != 0)
		return err == ERR_NOMEM ? err : ERR_CORRUPT;
	o->key = buf_str(&o->made);
	if (o->type.n == 0)
		o->type = str_of(sink_content_type(o->key));
	return 0;
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
		str_copyz(o->user_name, sizeof(o->user_name), record.user);
		o->user = str_of(o->user_name);
	}
	reader_close(r);
	if (got != 1)
		return got == 0 ? ERR_CORRUPT : got;
	o->key = segment_get_attr(buf_str(&o->text), "key");
	o->uri = segment_get_attr(buf_str(&o->text), "uri");
	o->type = segment_get_attr(buf_str(&o->text), "type");
	o->encoding = segment_get_attr(buf_str(&o->text), "encoding");
	if (buf_failed(&o->text))
		return buf_failed(&o->text);
	return o->key.n == 0 ? make_key(o, &record) : 0;
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

/* The planner's memory. */
struct shelf {
	struct ship_stream *stream;
	struct scan_objects scan;
	unsigned next,
	    left;   /* of scan.names: the next to begin with, and how many are still to be begun */
	bool fresh; /* nothing was begun since the look */
	bool weigh;
	struct scan_usage usage;
	int64_t look_after, look_latest, weigh_after; /* monotonic */
};

static int
scan_on_disk(void *arg)
{
	struct shelf *w = arg;
	int err = scan_objects(&w->scan);

	if (err == 0 && w->weigh)
		err = scan_usage(w->scan.dir, true, &w->usage);
	return err;
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
	if (o->n == 0 && s->sink->conditional)
		return 0;
	buf_reset(&o->alternative);
	if (s->sink->conditional) {
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

static void
note_sent(struct ship_stream *s, const struct object *o, struct str key)
{
	s->status.sent_objects++;
	s->status.sent_bytes += o->length;
	log_event(LOG_INFO, "ship", "object sent", LOG_STR("stream", s->conf->name),
	    LOG_STR("destination", s->conf->sink->destination), LOG_STR("key", key),
	    LOG_I("size", o->length), LOG_STR("uri", o->uri), LOG_END);
}

/* 1: confirmed; 0: to be tried again; or an error of the disk. */
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
	int err = current_key(s, o, &item.key);

	while (err == 0) {
		if (!upload_attempt(s, &item, &o->result))
			return 0;
		if (o->result.outcome == SINK_CONFIRMED) {
			file_crash_point("ship.object_confirmed");
			note_sent(s, o, item.key);
			return 1;
		}
		if (o->result.outcome != SINK_TAKEN)
			return 0;
		err = next_key(s, o);
		if (err == 0)
			err = current_key(s, o, &item.key);
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
	o->prefix = s->conf->sink->prefix;
	buf_init(&o->text, 64 * 1024);
	buf_init(&o->made, 2048);
	buf_init(&o->alternative, 2048);
	err = ship_block(open_on_disk, o);
	if (err == 0)
		err = ship_block(read_side_on_disk, o);
	if (err == 0)
		err = deliver_object(s, o);
	if (err == 1) {
		err = ship_block(finish_on_disk, o);
		if (err == 0)
			metrics_delivered(s, 1);
	}
	/* A look that went by while this object was being finished may have shown it. */
	if (err == ERR_NOT_FOUND)
		err = 0;
	if (err == ERR_CORRUPT) {
		log_event(LOG_ERROR, "ship", "damaged object set aside in corrupt/",
		    LOG_STR("stream", s->conf->name), LOG_S("file", u->name), LOG_END);
		err = ship_block(set_aside_on_disk, o);
	}
	buf_fini(&o->text);
	buf_fini(&o->made);
	buf_fini(&o->alternative);
	free(o);
done:
	if (err != 0)
		log_event(LOG_ERROR, "ship", "object not finished: will be looked at again",
		    LOG_STR("stream", s->conf->name), LOG_S("file", u->name), LOG_ERR(err),
		    LOG_END);
	upload_done(u, err);
}

/* ---- the planner ---- */

/* Begins behind the object that was begun last, so that the first ones, failing for ever, do not keep the others waiting. */
static void
take_names(struct shelf *w)
{
	w->next = 0;
	w->left = w->scan.n;
	while (w->next < w->scan.n && strcmp(w->scan.names[w->next], w->stream->last_name) <= 0)
		w->next++;
}

static int
look(struct shelf *w)
{
	struct ship_stream *s = w->stream;
	int64_t begun = clock_mono(), now;
	int err;

	free(w->scan.names);
	w->scan = (struct scan_objects){
		.dir = s->conf->dir, .distrust = s->distrust, .claim_max = CLAIM_MAX
	};
	w->left = 0;
	w->weigh = begun >= w->weigh_after;
	s->rescan = s->distrust = false;
	s->added_before = zone_added(s->ship->zone, s->conf->index);
	metrics_look_begins(s);
	s->looking = true;
	err = ship_block(scan_on_disk, w);
	s->looking = false;
	if (err != 0) {
		s->distrust = true;
		return err;
	}
	now = clock_mono();
	take_names(w);
	w->fresh = true;
	w->look_after = now + MIN(LOOK_SHARE * (now - begun), NS_PER_S);
	w->look_latest = now + LOOK_AT_LEAST;
	if (w->weigh)
		w->weigh_after = now + USAGE_SHARE * (now - begun);
	else
		w->look_latest = w->weigh_after;
	ship_stream_report(s, w->scan.waiting_files, 0, w->weigh ? &w->usage : NULL);
	return 0;
}

static bool
must_look(const struct shelf *w)
{
	const struct ship_stream *s = w->stream;
	int64_t now = clock_mono();

	if (s->distrust || now >= w->look_latest)
		return true;
	if (w->left > 0)
		return false;
	if (s->rescan && (now >= w->look_after || s->ship->draining))
		return true;
	return s->n_uploads == 0 && (w->scan.more || !w->fresh) && now >= w->look_after;
}

/* As plan.c does with bundles: when to go on, CLOCK_NEVER if there is nothing or the end of an upload will tell. */
static int64_t
start_objects(struct shelf *w)
{
	struct ship_stream *s = w->stream;
	int64_t now = clock_mono(), next;

	while ((next = upload_next(s)) <= now && (w->left > 0 || !s->probe_tried)) {
		const char *name;

		if (!s->probed)
			return upload_probe(s) == 0 ? CLOCK_NEVER : now + NS_PER_S;
		name = w->scan.names[w->next % w->scan.n];
		if (!upload_is_busy(s, NULL, name)) {
			if (upload_start(s, NULL, name, object_task) != 0)
				return now + NS_PER_S;
			str_copyz(s->last_name, sizeof(s->last_name), str_of(name));
			w->fresh = false;
		}
		w->next = w->next % w->scan.n + 1;
		w->left--;
	}
	return w->left > 0 ? next : CLOCK_NEVER;
}

static int
take_turn(struct shelf *w, int64_t *until)
{
	struct ship_stream *s = w->stream;
	int64_t send_at;
	int err = must_look(w) ? look(w) : 0;

	if (err != 0)
		return err;
	send_at = start_objects(w);
	if (must_look(w))
		return 1;
	*until = MIN(send_at, w->look_latest);
	if (w->left == 0 && (s->rescan || (s->n_uploads == 0 && (w->scan.more || !w->fresh))))
		*until = MIN(*until, w->look_after);
	return 0;
}

static bool
is_idle(const struct shelf *w)
{
	const struct ship_stream *s = w->stream;

	return w->fresh && w->scan.waiting_files == 0 && s->n_uploads == 0 && !s->rescan &&
	       !s->distrust;
}

void
object_run(void *arg)
{
	struct ship_stream *s = arg;
	struct shelf *w = calloc(1, sizeof(*w));
	unsigned failures = 0;

	if (w == NULL) {
		log_event(LOG_ERROR, "ship", "no memory for the planner", LOG_END);
		return;
	}
	w->stream = s;
	while (!task_cancelled()) {
		int64_t until = CLOCK_NEVER;
		int got = take_turn(w, &until);

		ship_stream_idle(s, got == 0 && is_idle(w));
		if (got < 0)
			log_event(LOG_ERROR, "ship", "turn failed: reading the disk again",
			    LOG_STR("stream", s->conf->name), LOG_ERR(got), LOG_END);
		else if (got == 0 && !s->distrust)
			ship_stream_wait(s, until);
		if (!s->distrust)
			failures = 0;
		else
			ship_retreat(failures++);
	}
	free(w->scan.names);
	free(w);
}

/*
 * Sending an object, one task each. The key was fixed when the object was accepted (attribute "key"); an alternative, when another id holds the key, is fixed durably in uploading/<name>.n before it is
 * tried. Called by object.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/shipment.h"
#include "spool/keys.h"
#include "spool/reader.h"

struct object {
	struct shipment h;
	struct str prefix; /* of keys made here */
	struct id id;
	unsigned n;   /* alternative of the key; 0: the key itself */
	int64_t time; /* when it was accepted */
	uint64_t offset, length;
	struct str key; /* as accepted; borrowed from text, or from made */
	struct str user, uri, type, encoding;
	char user_name[512];
	struct buf text;        /* the attributes */
	struct buf made;        /* a key made here, of a file that the origin gateway left */
	struct buf alternative; /* the key with its number */
};

/* ---- on a helper ---- */

/* Written as a whole, so it can only be damaged later; then the numbers are tried from the first again, where our own id is known. */
static int
read_side_on_disk(void *arg)
{
	struct object *o = arg;
	uint64_t number = 0;
	struct str line;
	char *text;
	size_t n;
	int err;

	err = file_read_all(o->h.list.s, 64, &text, &n);
	if (err == ERR_NOT_FOUND)
		return 0;
	if (err == 0) {
		line = str_make(text, n);
		if (str_to_u64(str_split(&line, '\n'), &number) != 0 || number > UINT32_MAX)
			err = ERR_CORRUPT;
		free(text);
	}
	if (err == ERR_CORRUPT || err == ERR_TOO_LARGE) {
		log_event(LOG_ERROR, "ship", "damaged number passed over",
		    LOG_S("file", o->h.list.s), LOG_END);
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
	int got = reader_open(o->h.file.s, 0, &r);

	if (got != 0)
		return got;
	o->id = reader_header(r)->id;
	got = reader_next(r, &record); /* checks the CRC of all of it */
	if (got == 1) {
		o->offset = record.offset + SEGMENT_FRAME_LEN + record.frame.user_len +
			    record.frame.attrs_len;
		o->length = record.frame.body_len;
		o->time = record.frame.time;
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
	int err = file_replace(o->h.list.s, text, (size_t)n);

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
		err = file_unlink(o->h.file.s);
	file_crash_point("ship.object_unlinked");
	if (err == 0)
		err = file_sync_dir(path_join(&folder, o->h.dir, NULL, "uploading"));
	if (err == 0)
		err = file_unlink(o->h.list.s);
	return err ? err : file_unlink(o->h.tries_file.s);
}

static int
set_aside_on_disk(void *arg)
{
	struct object *o = arg;
	struct path to;
	int err = file_make_dirs(path_join(&to, o->h.dir, NULL, "corrupt"));

	return err ? err
		   : file_rename(o->h.file.s, path_join(&to, o->h.dir, "corrupt", o->h.u->name));
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
		.path = o->h.file.s,
		.offset = o->offset,
		.length = o->length,
		.content_type = o->type,
		.content_encoding = o->encoding,
		.uri = o->uri };
	int err = current_key(s, o, &item.key);

	while (err == 0) {
		if (!upload_attempt(&o->h, &item))
			return 0;
		if (o->h.result.outcome == SINK_CONFIRMED) {
			file_crash_point("ship.object_confirmed");
			note_sent(s, o, item.key);
			return 1;
		}
		if (o->h.result.outcome != SINK_TAKEN)
			return 0;
		err = next_key(s, o);
		if (err == 0)
			err = current_key(s, o, &item.key);
	}
	return err;
}

/* What its number is, is said even if there is none: the store can then take a newer one. */
static int
fix_number_on_disk(void *arg)
{
	struct object *o = arg;

	return o->n > 0 ? 0 : fix_on_disk(o);
}

static struct dlq_letter
make_letter(const struct object *o, const struct stream_conf *conf)
{
	return (struct dlq_letter){ .id = o->id,
		.kind = DLQ_OBJECT,
		.type = DLQ_TRANSIENT,
		.why = o->h.tries.why,
		.status = o->h.tries.status,
		.attempts = o->h.tries.n,
		.first_attempt = o->h.tries.first,
		.last_attempt = o->h.tries.last,
		.m = { .stream = conf->name,
		    .user = o->user,
		    .content_type = o->type,
		    .received = o->time,
		    .path = o->h.file.s,
		    .offset = o->offset,
		    .length = o->length },
		.key = o->key,
		.list = o->h.list.s,
		.records = 1 };
}

/* As shipment_end(). */
static int
end_object(struct ship_stream *s, struct object *o, int got)
{
	struct dlq_letter letter = make_letter(o, s->conf);

	id_text(o->id, letter.m.id);
	if (got == 0 && !o->h.u->letter && shipment_is_used_up(&o->h)) {
		int err = ship_block(fix_number_on_disk, o);

		if (err != 0)
			return err;
	}
	return shipment_end(&o->h, got, &letter);
}

static int
read_counts_on_disk(void *arg)
{
	struct object *o = arg;
	int err = read_side_on_disk(o);

	return err ? err : tries_read(o->h.tries_file.s, &o->h.tries);
}

/* The object's own names go where it was sent; the rest is shipment_end()'s. */
static int
run_object(struct ship_stream *s, struct object *o)
{
	int got = o->h.u->letter ? shipment_fetch(&o->h) : 0, err = 0;

	if (got == 0)
		got = ship_block(open_on_disk, o);
	if (got == 0)
		got = shipment_settle_known(&o->h, o->id);
	if (got == SHIPMENT_GONE)
		return got;
	if (got == 0)
		got = ship_block(read_counts_on_disk, o);
	if (got == 0 && !shipment_is_used_up(&o->h))
		got = deliver_object(s, o);
	got = end_object(s, o, got);
	if (got == SHIPMENT_SENT)
		err = ship_block(finish_on_disk, o);
	if (got > 0 && err == 0 && !o->h.u->letter)
		metrics_delivered(s, 1);
	return err ? err : got;
}

static int
set_aside(struct ship_stream *s, struct object *o)
{
	log_event(LOG_ERROR, "ship", "damaged object set aside in corrupt/",
	    LOG_STR("stream", s->conf->name), LOG_S("file", o->h.u->name), LOG_END);
	return ship_block(set_aside_on_disk, o);
}

static int
send_object(struct ship_upload *u)
{
	struct ship_stream *s = u->stream;
	struct object *o = calloc(1, sizeof(*o));
	int err;

	if (o == NULL) {
		if (u->letter)
			dlq_give_back(s->ship->dlq, u->id);
		return ERR_NOMEM;
	}
	shipment_init(&o->h, u, DLQ_OBJECT, u->name);
	o->prefix = s->conf->sink->prefix;
	buf_init(&o->text, 64 * 1024);
	buf_init(&o->made, 2048);
	buf_init(&o->alternative, 2048);
	err = run_object(s, o);
	/* A look that went by while this object was being finished may have shown it. */
	if (err == ERR_NOT_FOUND)
		err = 0;
	if (err == ERR_CORRUPT && !u->letter)
		err = set_aside(s, o);
	buf_fini(&o->text);
	buf_fini(&o->made);
	buf_fini(&o->alternative);
	free(o);
	return MIN(err, 0);
}

void
object_send(void *arg)
{
	struct ship_upload *u = arg;
	int err = send_object(u);

	if (err != 0)
		log_event(LOG_ERROR, "ship", "object not finished: will be looked at again",
		    LOG_STR("stream", u->stream->conf->name), LOG_S("file", u->name), LOG_ERR(err),
		    LOG_END);
	upload_done(u, err);
}

/*
 * Upgrade in place: files that the origin gateway left in the stream's folders become segments of one record.
 *
 *	usage, error   <unix ns>.<pid>.<user>
 *	specimen       <YYYYMMDDhhmmss>[.<microseconds, trailing zeros dropped>].<pid>.<form-encoded uri>
 *
 * Each is copied into a segment that then replaces it under its own name in one rename, and only then gets a name of ours: so
 * whenever we die, the record is there once. A file of such a name that holds a segment is one whose second step is missing.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/url.h"
#include "spool/recover.h"
#include "spool/spool_priv.h"

#define COPY_PIECE (64u * 1024)
#define ASIDE "aside"

struct intake {
	const char *dir;    /* the stream's */
	const char *folder; /* the one looked through: dir or one in it */
	bool object;
	struct recover_stats *stats;
	uint64_t seq;
	int err;
	bool changed;
};

/* One file of the origin: what its name says, and its conversion. */
struct origin {
	struct str user, attrs;
	int64_t time;
	uint64_t size;
	int from, to;
	char path[SPOOL_PATH_MAX], part[SPOOL_PATH_MAX];
	struct buf text; /* holds user or attrs */
};

/* The digits before the first dot, which is dropped too; empty if there are none. */
static struct str
take_number(struct str *s)
{
	struct str number;
	size_t n = 0;

	while (n < s->n && isdigit((unsigned char)s->p[n]))
		n++;
	if (n == 0 || n == s->n || s->p[n] != '.')
		return (struct str){ NULL, 0 };
	number = str_sub(*s, 0, n);
	*s = str_from(*s, n + 1);
	return number;
}

static int
digits(const char *p, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++)
		v = 10 * v + (p[i] - '0');
	return v;
}

static int64_t
parse_date(struct str date, struct str fraction)
{
	struct clock_utc t = {
		.year = digits(date.p, 4),
		.month = digits(date.p + 4, 2),
		.day = digits(date.p + 6, 2),
		.hour = digits(date.p + 8, 2),
		.minute = digits(date.p + 10, 2),
		.second = digits(date.p + 12, 2),
	};
	int ns = digits(fraction.p, fraction.n);

	for (size_t i = fraction.n; i < 9; i++)
		ns *= 10;
	t.nanosecond = ns;
	return clock_join(&t);
}

static bool
parse_record(struct str name, struct origin *o)
{
	struct str ns = take_number(&name), pid = take_number(&name);
	uint64_t t;

	if (ns.n != 19 || pid.n == 0 || name.n == 0 || str_to_u64(ns, &t) || t > INT64_MAX)
		return false;
	o->time = (int64_t)t;
	buf_put_str(&o->text, name);
	o->user = buf_str(&o->text);
	return true;
}

/* The fraction may be missing, so that the pid stands in its place; a URI encoded by the origin has no digits and dot in front. */
static bool
parse_object(struct str name, struct origin *o)
{
	struct str date = take_number(&name), second = take_number(&name), rest = name;
	struct str third = take_number(&rest), fraction = { NULL, 0 };
	struct buf uri;

	if (date.n != 14 || second.n == 0 || name.n == 0)
		return false;
	if (third.n > 0 && second.n <= 6 && rest.n > 0) {
		fraction = second;
		name = rest;
	}
	o->time = parse_date(date, fraction);
	buf_init(&uri, SEGMENT_META_MAX);
	if (url_decode(name, &uri, true) == ERR_BAD) {
		buf_reset(&uri);
		buf_put_str(&uri, name);
	}
	segment_put_attr(&o->text, STR(SEGMENT_ATTR_URI), buf_str(&uri));
	if (buf_failed(&uri))
		o->text.err = buf_failed(&uri);
	buf_fini(&uri);
	o->attrs = buf_str(&o->text);
	o->user = STR("unknown");
	return true;
}

/* The CRC needs the whole body, so it goes first; the head is written last. */
static int
copy_body(struct origin *o, uint64_t at, uint32_t *crc)
{
	unsigned char *p = malloc(COPY_PIECE);
	uint64_t done = 0;
	int err = p ? OK : ERR_NOMEM;

	*crc = 0;
	while (!err && done < o->size) {
		size_t n = (size_t)MIN(o->size - done, COPY_PIECE);
		ssize_t got = file_read_full(o->from, p, n, (off_t)done);

		if (got != (ssize_t)n) {
			err = got < 0 ? (int)got : ERR_IO;
			break;
		}
		err = file_write_all(o->to, p, n, (off_t)(at + done));
		*crc = crc32c(*crc, p, n);
		done += n;
	}
	free(p);
	return err;
}

static int
write_segment(struct intake *in, struct origin *o)
{
	unsigned char head[SEGMENT_HEADER_LEN + SEGMENT_FRAME_LEN];
	uint64_t meta_at = sizeof(head), body_at = meta_at + o->user.n + o->attrs.n;
	struct segment_header h = {
		.flags = SEGMENT_SINGLE | (in->object ? SEGMENT_OBJECT : 0),
		.id = id_new(),
		.created = o->time,
		.sequence = in->seq,
	};
	struct segment_frame f = {
		.time = o->time,
		.body_len = o->size,
		.attrs_len = (uint32_t)o->attrs.n,
		.user_len = (uint16_t)o->user.n,
	};
	uint32_t body_crc;
	int err = copy_body(o, body_at, &body_crc);

	f.crc = segment_frame_crc(&h.id, SEGMENT_HEADER_LEN, &f);
	f.crc = crc32c(f.crc, o->user.p, o->user.n);
	f.crc = crc32c(f.crc, o->attrs.p, o->attrs.n);
	f.crc = segment_join_crc(f.crc, body_crc, o->size);
	segment_encode_header(&h, head);
	segment_encode_frame(&f, head + SEGMENT_HEADER_LEN);
	if (!err)
		err = file_write_all(o->to, o->user.p, o->user.n, (off_t)meta_at);
	if (!err)
		err = file_write_all(o->to, o->attrs.p, o->attrs.n, (off_t)(meta_at + o->user.n));
	if (!err)
		err = file_write_all(o->to, head, sizeof(head), 0);
	return err ? err : file_datasync(o->to);
}

/* From here on the name holds a segment. The folder is synced before the next rename, so that a power loss cannot keep the
 * second and lose the first. */
static int
replace(struct intake *in, struct origin *o)
{
	int err;

	o->to = writer_create(in->folder, NAME_PART_SUFFIX, o->time, in->seq, o->part);
	if (o->to < 0)
		return o->to;
	err = write_segment(in, o);
	file_crash_point("spool.origin.copied");
	if (!err)
		err = file_rename(o->part, o->path);
	if (err)
		(void)file_unlink(o->part);
	(void)file_close(o->to);
	if (!err)
		err = file_sync_dir(in->folder);
	file_crash_point("spool.origin.replaced");
	return err;
}

static int
give_name(struct intake *in, const struct origin *o)
{
	char bare[NAME_CAP], to[SPOOL_PATH_MAX];
	int err;

	for (int i = 0; i < NAME_TRIES; i++) {
		name_make(bare, o->time + i, in->seq);
		if (name_taken(in->dir, bare, ""))
			continue;
		snprintf(to, sizeof(to), "%s/%s", in->dir, bare);
		err = file_rename(o->path, to);
		file_crash_point("spool.origin.renamed");
		return err;
	}
	return ERR_EXISTS;
}

static int
take_in(struct intake *in, struct origin *o)
{
	struct segment_header h;
	unsigned char head[SEGMENT_HEADER_LEN];
	struct stat st;
	ssize_t n;
	int err;

	if (fstat(o->from, &st) < 0)
		return ERR_IO;
	if (!S_ISREG(st.st_mode))
		return OK;
	o->size = (uint64_t)st.st_size;
	n = file_read_full(o->from, head, sizeof(head), 0);
	if (n < 0)
		return (int)n;
	in->seq++;
	if (o->size == 0 && !in->object) {
		in->stats->empty++;
		return file_unlink(o->path);
	}
	if (segment_decode_header(head, (size_t)n, &h) < 0) {
		err = replace(in, o);
		if (err)
			return err;
	}
	err = give_name(in, o);
	if (err)
		return err;
	in->changed = true;
	in->stats->sealed++;
	return OK;
}

/* A gzip of the origin holds what its sources, still there, hold too: kept for the operator, never sent. */
static int
put_aside(struct intake *in, const char *path, const char *name)
{
	char to[SPOOL_PATH_MAX];
	int err;

	snprintf(to, sizeof(to), "%s/" ASIDE, in->dir);
	err = file_make_dirs(to);
	if (err)
		return err;
	snprintf(to, sizeof(to), "%s/" ASIDE "/%.*s", in->dir, NAME_CAP, name);
	err = file_rename(path, to);
	if (err)
		return err;
	in->changed = true;
	log_event(LOG_WARN, "spool", "set aside a bundle of the origin gateway", LOG_S("path", to),
	    LOG_END);
	return OK;
}

static int
convert(struct intake *in, struct origin *o, const char *name)
{
	int err;

	if (!(in->object ? parse_object : parse_record)(str_of(name), o))
		return OK;
	err = buf_failed(&o->text);
	if (err)
		return err;
	o->from = file_open(o->path, O_RDONLY);
	if (o->from < 0)
		return o->from;
	err = take_in(in, o);
	(void)file_close(o->from);
	return err;
}

static int
each_file(const char *name, void *arg)
{
	struct intake *in = arg;
	struct origin *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return ERR_NOMEM;
	buf_init(&o->text, SEGMENT_META_MAX);
	if ((size_t)snprintf(o->path, sizeof(o->path), "%s/%s", in->folder, name) >=
	    sizeof(o->path))
		err = ERR_TOO_LARGE;
	else if (str_starts(str_of(name), STR("aggregate_")) && str_ends(str_of(name), STR(".gz")))
		err = put_aside(in, o->path, name);
	else
		err = convert(in, o, name);
	if (err) {
		log_event(LOG_ERROR, "spool", "cannot take in a file of the origin gateway",
		    LOG_S("path", o->path), LOG_ERR(err), LOG_ERRNO(errno), LOG_END);
		in->err = in->err ? in->err : err;
	}
	buf_fini(&o->text);
	free(o);
	return 0;
}

int
recover_origin_files(const char *dir, bool object, struct recover_stats *out)
{
	static const char *const folders[] = { "", "/aggregation", "/uploading" };
	struct intake in = { .dir = dir, .object = object, .stats = out };
	char folder[SPOOL_PATH_MAX];

	*out = (struct recover_stats){ 0 };
	if (strlen(dir) > SPOOL_DIR_MAX)
		return ERR_TOO_LARGE;
	in.folder = folder;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		int err;

		snprintf(folder, sizeof(folder), "%s%s", dir, folders[i]);
		in.changed = false;
		err = file_each(folder, each_file, &in);
		in.err = in.err ? in.err : err;
		if (in.changed && (err = file_sync_dir(folder)) == OK && i > 0)
			err = file_sync_dir(dir);
		in.err = in.err ? in.err : err;
	}
	return in.err;
}

/*
 * One segment's file: how much of it is to be believed, its next record, what cannot be read. All on a helper.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "message/message.h"
#include "message/tail_priv.h"
#include "spool/keys.h"
#include "zone/durable.h"

#define RETRY_NS NS_PER_S

int64_t tail_patience = 30 * NS_PER_S;

void
tail_path(
    char out[TAIL_PATH_MAX], const char *dir, const char *sub, const char *name, const char *suffix)
{
	int n = snprintf(out, TAIL_PATH_MAX, "%s/%s%s%s", dir, sub, name, suffix);

	assert(n < TAIL_PATH_MAX);
	(void)n;
}

static bool
has_form(const struct tail *t, const struct tail_segment *s, const char *suffix)
{
	char path[TAIL_PATH_MAX];

	tail_path(path, t->opt.dir, "", s->name, suffix);
	return access(path, F_OK) == 0;
}

void
tail_file_close(struct tail_file *f)
{
	reader_close(f->reader);
	f->reader = NULL;
	if (f->fd >= 0)
		(void)file_close(f->fd);
	f->fd = -1;
	f->peeked = false;
}

static void
end(struct tail_file *f)
{
	tail_file_close(f);
	f->state = TAIL_ENDED;
}

/* ---- what cannot be read ---- */

/* False: no more can be kept in mind before those that are were told. */
static bool
damage(struct tail *t, struct tail_segment *s, uint64_t offset, uint64_t length)
{
	if (t->n_damages == TAIL_DAMAGES)
		return false;
	t->damages[t->n_damages++] = (struct tail_damage){ s, offset, length };
	s->f->damaged = true;
	return true;
}

/* Not even a header: what it is known by is made of its name. */
static void
give_up(struct tail *t, struct tail_segment *s)
{
	unsigned char sum[SHA256_LEN];
	struct stat st = { .st_size = 0 };

	sha256(s->name, strlen(s->name), sum);
	memcpy(s->id.b, sum, ID_LEN);
	if (s->f->fd >= 0)
		(void)fstat(s->f->fd, &st);
	if (!damage(t, s, 0, (uint64_t)st.st_size))
		return;
	log_event(LOG_ERROR, "message", "file is no segment: set aside", LOG_S("dir", t->opt.dir),
	    LOG_S("file", s->name), LOG_END);
	end(s->f);
}

static bool
out_of_patience(const struct tail_file *f)
{
	return f->failing != 0 && clock_mono() - f->failing >= tail_patience;
}

/* Not even its blocks one by one: somebody has cut it, perhaps. */
static void
give_up_rest(struct tail *t, struct tail_segment *s)
{
	uint64_t from = reader_end(s->f->reader);

	if (clock_mono() - s->f->failing >= 2 * tail_patience &&
	    damage(t, s, from, s->f->limit - from))
		end(s->f);
}

void
tail_file_failed(struct tail *t, struct tail_segment *s)
{
	struct tail_file *f = s->f;
	int64_t now = clock_mono();

	if (f->failing == 0) {
		f->failing = now;
		log_event(LOG_ERROR, "message", "segment cannot be read: trying again",
		    LOG_S("dir", t->opt.dir), LOG_S("file", s->name), LOG_ERRNO(errno), LOG_END);
	}
	f->retry_at = now + MIN(RETRY_NS, tail_patience);
	if (f->peeked)
		reader_seek(f->reader, f->record.offset);
	f->peeked = false;
}

/* ---- opening ---- */

/* Who writes to it, or recovers it, renames it; nothing else takes it away but a person. */
static int
open_either(struct tail *t, struct tail_segment *s)
{
	char path[TAIL_PATH_MAX];
	int fd = ERR_NOT_FOUND;

	if (!s->f->sealed) {
		tail_path(path, t->opt.dir, "", s->name, NAME_OPEN_SUFFIX);
		fd = file_open(path, O_RDONLY);
	}
	if (fd == ERR_NOT_FOUND) {
		tail_path(path, t->opt.dir, "", s->name, "");
		fd = file_open(path, O_RDONLY);
		s->f->sealed = s->f->sealed || fd >= 0;
	}
	return fd;
}

static void
lose(struct tail *t, struct tail_segment *s)
{
	if (s->f->reader != NULL)
		log_event(LOG_ERROR, "message", "segment is gone", LOG_S("dir", t->opt.dir),
		    LOG_S("file", s->name), LOG_END);
	s->f->lost = true;
	end(s->f);
}

/* What is behind the header is read as far as it is believed, which at first is nothing. */
static void
read_header(struct tail *t, struct tail_segment *s)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	struct tail_file *f = s->f;
	ssize_t n = file_read_full(f->fd, head, sizeof(head), 0);
	int err;

	if (n < 0 && !out_of_patience(f)) {
		tail_file_failed(t, s);
		return;
	}
	err = n < 0 ? ERR_CORRUPT : segment_decode_header(head, (size_t)n, &f->header);
	if (err == OK)
		err = reader_open_fd(f->fd, SEGMENT_HEADER_LEN, &f->reader);
	if (err == ERR_NOMEM || (err != OK && !f->sealed))
		return;
	if (err == ERR_IO) {
		tail_file_failed(t, s);
		return;
	}
	if (err != OK) {
		give_up(t, s);
		return;
	}
	s->id = f->header.id;
	f->limit = SEGMENT_HEADER_LEN;
	f->state = TAIL_READING;
	if (out_of_patience(f))
		reader_pass_over(f->reader);
}

static void
open_file(struct tail *t, struct tail_segment *s)
{
	struct tail_file *f = s->f;
	int fd = open_either(t, s);

	if (fd == ERR_NOT_FOUND) {
		lose(t, s);
	} else if (fd < 0 && out_of_patience(f)) {
		give_up(t, s);
	} else if (fd < 0) {
		tail_file_failed(t, s);
	} else {
		f->fd = fd;
		f->state = TAIL_UNBORN;
	}
}

/* ---- how much is to be believed ---- */

static void
believe(struct tail_file *f, uint64_t limit)
{
	if (limit <= f->limit)
		return;
	reader_believe(f->reader, limit);
	f->limit = limit;
}

static void
believe_all(struct tail *t, struct tail_segment *s)
{
	struct stat st;

	if (fstat(s->f->fd, &st) != 0) {
		tail_file_failed(t, s);
		return;
	}
	believe(s->f, (uint64_t)st.st_size);
	s->f->whole = true;
	s->f->retry_at = 0;
}

/* Nobody writes to it any more, or nobody says so: has it got its last name? */
static void
ask_folder(struct tail *t, struct tail_segment *s)
{
	if (has_form(t, s, ""))
		s->f->sealed = true;
	else if (!has_form(t, s, NAME_OPEN_SUFFIX) && !has_form(t, s, ""))
		lose(t, s);
}

void
tail_file_refresh(struct tail *t, struct tail_segment *s)
{
	struct tail_file *f = s->f;
	uint64_t limit;

	if (f->retry_at > clock_mono())
		return;
	if (out_of_patience(f) && f->reader != NULL) {
		reader_pass_over(f->reader);
		give_up_rest(t, s);
	}
	if (f->state == TAIL_CLOSED)
		open_file(t, s);
	if (f->state == TAIL_UNBORN)
		read_header(t, s);
	if (f->state == TAIL_UNBORN && !f->sealed && t->stale)
		ask_folder(t, s);
	if (f->state != TAIL_READING || f->whole)
		return;
	if (!f->sealed && durable_end(t->opt.zone, f->header.slot, f->header.generation,
			      t->opt.stream, f->header.sequence, &limit) == DURABLE_OPEN)
		believe(f, limit);
	else if (!f->sealed)
		ask_folder(t, s);
	if (f->state == TAIL_READING && f->sealed)
		believe_all(t, s);
}

/* ---- records ---- */

/* Behind damage: looks for the next good frame. False: there is none now. */
static bool
resync(struct tail *t, struct tail_segment *s)
{
	struct tail_file *f = s->f;
	uint64_t from = reader_end(f->reader), skipped = 0;
	int got;

	if (t->n_damages == TAIL_DAMAGES)
		return false;
	got = reader_resync(f->reader, &skipped);
	if (got == ERR_IO) {
		tail_file_failed(t, s);
		return false;
	}
	if (got == 1)
		return damage(t, s, from, skipped);
	if (f->whole) {
		(void)damage(t, s, from, f->limit - from);
		end(f);
	}
	/* More may come behind it: what is lost is known when something does, or it is sealed. */
	f->retry_at = clock_mono() + RETRY_NS;
	return false;
}

bool
tail_file_peek(struct tail *t, struct tail_segment *s)
{
	struct tail_file *f = s->f;

	if (f->peeked)
		return true;
	if (f->state != TAIL_READING || f->retry_at > clock_mono())
		return false;
	for (;;) {
		bool at_end = reader_end(f->reader) == f->limit;
		int got = at_end ? 0 : reader_next(f->reader, &f->record);

		if (got == 1) {
			f->failing = 0;
			f->peeked = true;
			return true;
		}
		if (got == ERR_IO) {
			tail_file_failed(t, s);
			return false;
		}
		if (at_end) {
			if (f->whole)
				end(f);
			return false;
		}
		if (!resync(t, s))
			return false;
	}
}

static struct str
put(struct chunk *c, struct str s)
{
	char *p = c->p + c->used;

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	c->used += s.n;
	return str_make(p, s.n);
}

static int
put_body(struct chunk *c, struct reader *r, const struct reader_record *rec, struct message *m)
{
	char *p = c->p + c->used;
	size_t n = (size_t)rec->frame.body_len;
	ssize_t got;

	if (rec->body.p != NULL) {
		m->body = put(c, rec->body);
		return OK;
	}
	got = reader_body(r, 0, p, n);
	if (got < 0)
		return (int)got;
	c->used += n;
	m->body = str_make(p, n);
	return OK;
}

static void
read_attrs(struct message *m, struct str attrs)
{
	m->method = segment_get_attr(attrs, SEGMENT_ATTR_METHOD);
	m->type = segment_get_attr(attrs, SEGMENT_ATTR_TYPE);
	m->encoding = segment_get_attr(attrs, SEGMENT_ATTR_ENCODING);
	m->trace = segment_get_attr(attrs, SEGMENT_ATTR_TRACE);
}

int
tail_copy(struct chunk *c, const char *path, struct reader *r, const struct reader_record *rec,
    struct message *m)
{
	const struct segment_frame *f = &rec->frame;
	bool held = f->body_len <= TAIL_HELD_MAX;
	struct str name = str_make(path, held ? 0 : strlen(path) + 1);
	size_t used = c->used;
	int err = OK;

	if (rec->user.n + rec->attrs.n + name.n + (held ? f->body_len : 0) > c->size - used)
		return 0;
	m->user = put(c, rec->user);
	read_attrs(m, put(c, rec->attrs));
	m->path = held ? NULL : put(c, name).p;
	m->body = str_make(NULL, 0);
	if (held)
		err = put_body(c, r, rec, m);
	if (err != OK) {
		c->used = used;
		return err;
	}
	m->offset = rec->offset;
	m->length = segment_frame_total(f);
	m->body_length = f->body_len;
	m->body_at = rec->offset + m->length - f->body_len;
	m->received = f->time;
	return 1;
}

int
tail_file_take(struct tail *t, struct tail_segment *s, struct message *m)
{
	struct tail_file *f = s->f;
	char path[TAIL_PATH_MAX];
	struct str attrs = f->record.attrs;
	int got;

	tail_path(path, t->opt.dir, "", s->name, "");
	got = tail_copy(t->chunk, path, f->reader, &f->record, m);
	if (got < 0)
		tail_file_failed(t, s);
	if (got != 1)
		return got;
	m->segment = s;
	m->number = f->record.frame.number;
	m->id = message_id(s->id, m->number, attrs);
	m->key = order_key(t->opt.order, m->user, m->body);
	keys_note(attrs, f->record.frame.time);
	f->peeked = false;
	return 1;
}

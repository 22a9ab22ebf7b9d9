/*
 * dlq_add: a new letter. Its payload goes into the frame, or, where it is long, into a file of its own that is durable before the frame that
 * speaks of it. Until that frame is durable the entry is unborn: nobody sees it, and a second dlq_add of the same id waits.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "dlq/dlq_priv.h"

#define COPY_CHUNK (256u * 1024)
#define VICTIMS_MAX 64u

/* As long as the strings of a letter may be. */
static const size_t string_max[LETTER_STRINGS] = { [LETTER_STREAM] = 64,
	[LETTER_USER] = 256,
	[LETTER_CONTENT_TYPE] = 256,
	[LETTER_CONTENT_ENCODING] = 64,
	[LETTER_METHOD] = 16,
	[LETTER_TRACEPARENT] = 64,
	[LETTER_MESSAGE_ID] = 64,
	[LETTER_KEY] = 1024 };

/* ---- the payload: on a helper ---- */

struct payload_job {
	struct dlq *d;
	const struct dlq_letter *l;
	unsigned flags;
	uint64_t size;
	struct buf inside; /* of a message: what the frame will hold */
};

static int
copy_stretch(int from, uint64_t at, uint64_t n, int to)
{
	char *chunk = malloc(COPY_CHUNK);
	uint64_t done = 0;
	int err = chunk ? OK : ERR_NOMEM;

	while (!err && done < n) {
		size_t want = (size_t)MIN(n - done, (uint64_t)COPY_CHUNK);
		ssize_t got = file_read_full(from, chunk, want, (off_t)(at + done));

		if (got < 0)
			err = (int)got;
		else if ((size_t)got < want)
			err = ERR_CORRUPT; /* it is shorter than it was said to be */
		else
			err = file_write_all(to, chunk, want, (off_t)done);
		done += want;
	}
	free(chunk);
	return err;
}

static int
write_body(const struct payload_job *p, int to)
{
	const struct sink_message *m = &p->l->m;
	int from, err;

	if (m->body.p)
		return file_write_all(to, m->body.p, m->body.n, 0);
	from = file_open(m->path, O_RDONLY | O_NONBLOCK);
	if (from < 0)
		return from;
	err = copy_stretch(from, m->offset, m->length, to);
	(void)file_close(from);
	return err;
}

/* A long message, as a file: whole and synced before it gets its name. */
static int
write_file(struct payload_job *p)
{
	char tmp[DLQ_PATH_MAX], path[DLQ_PATH_MAX];
	int fd, err;

	files_path(p->d, p->l->id, DLQ_MESSAGE, false, path);
	snprintf(tmp, sizeof(tmp), "%.*s.tmp", (int)(strlen(path) - strlen(".body")), path);
	err = file_unlink(tmp);
	if (err)
		return err;
	fd = file_open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	err = write_body(p, fd);
	file_crash_point("dlq.file.written");
	if (!err)
		err = file_sync(fd);
	if (file_close(fd) && !err)
		err = ERR_IO;
	file_crash_point("dlq.file.synced");
	if (!err)
		err = file_rename(tmp, path);
	if (err)
		(void)file_unlink(tmp);
	file_crash_point("dlq.file.renamed");
	p->flags = FRAME_FILE;
	return err;
}

/* What an earlier try left gives way. */
static int
link_over(const char *from, const char *to)
{
	int err = file_link(from, to);

	if (err == ERR_EXISTS) {
		err = file_unlink(to);
		if (!err)
			err = file_link(from, to);
	}
	return err;
}

/* A bundle or an object: its files get second names. */
static int
link_files(struct payload_job *p)
{
	const struct dlq_letter *l = p->l;
	char path[DLQ_PATH_MAX];
	struct stat st;
	int err;

	files_path(p->d, l->id, l->kind, false, path);
	err = link_over(l->m.path, path);
	file_crash_point("dlq.file.linked");
	if (err)
		return err;
	p->flags = FRAME_FILE;
	if (stat(path, &st) < 0)
		return ERR_IO;
	p->size = (uint64_t)st.st_size;
	if (!l->list)
		return OK;
	files_path(p->d, l->id, l->kind, true, path);
	err = link_over(l->list, path);
	file_crash_point("dlq.file.list_linked");
	if (!err)
		p->flags |= FRAME_LIST;
	return err;
}

static int
read_inside(struct payload_job *p)
{
	const struct sink_message *m = &p->l->m;
	char *to = buf_reserve(&p->inside, MAX((size_t)m->length, 1));
	int fd = file_open(m->path, O_RDONLY | O_NONBLOCK);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = to ? file_read_full(fd, to, (size_t)m->length, (off_t)m->offset) : ERR_NOMEM;
	(void)file_close(fd);
	if (got < 0)
		return (int)got;
	buf_added(&p->inside, (size_t)got);
	return (uint64_t)got == m->length ? OK : ERR_CORRUPT;
}

static void
remove_made(const struct payload_job *p)
{
	char path[DLQ_PATH_MAX];

	if (p->flags & FRAME_FILE) {
		files_path(p->d, p->l->id, p->l->kind, false, path);
		(void)file_unlink(path);
	}
	if (p->flags & FRAME_LIST) {
		files_path(p->d, p->l->id, p->l->kind, true, path);
		(void)file_unlink(path);
	}
}

static int
bring_payload(void *arg)
{
	struct payload_job *p = arg;
	int err;

	if (p->l->kind != DLQ_MESSAGE)
		err = link_files(p);
	else if (p->size <= DLQ_INLINE_MAX)
		return read_inside(p);
	else
		err = write_file(p);
	if (!err)
		err = file_sync_dir(p->d->files);
	file_crash_point("dlq.file.folder_synced");
	if (err)
		remove_made(p);
	return err;
}

static int
discard_payload(void *arg)
{
	remove_made(arg);
	return OK;
}

/* ---- the frame ---- */

static void
set_strings(struct frame_letter *out, const struct dlq_letter *l)
{
	const struct str strings[LETTER_STRINGS] = { [LETTER_STREAM] = l->m.stream,
		[LETTER_USER] = l->m.user,
		[LETTER_CONTENT_TYPE] = l->m.content_type,
		[LETTER_CONTENT_ENCODING] = l->m.content_encoding,
		[LETTER_METHOD] = l->m.method,
		[LETTER_TRACEPARENT] = l->m.traceparent,
		[LETTER_MESSAGE_ID] = str_of(l->m.id),
		[LETTER_KEY] = l->key };

	for (unsigned i = 0; i < LETTER_STRINGS; i++)
		out->strings[i] = str_sub(strings[i], 0, string_max[i]);
}

static struct frame_letter
letter_of(struct dlq *d, const struct dlq_letter *l, const struct payload_job *p)
{
	static const enum sink_outcome outcomes[DLQ_TYPES] = { [DLQ_TRANSIENT] = SINK_AGAIN,
		[DLQ_PERMANENT] = SINK_PERMANENT,
		[DLQ_POISON] = SINK_POISON };
	int64_t now = clock_wall();
	struct frame_letter out = {
		.now = { .kind = DLQ_EV_DEAD,
		    .state = DLQ_PENDING,
		    .type = l->type,
		    .outcome = outcomes[l->type],
		    .time = now,
		    .since = now,
		    .status = l->status,
		    .attempts = l->attempts,
		    .last_attempt = l->last_attempt,
		    .error = str_sub(str_of(l->why), 0, DLQ_ERROR_MAX) },
		.kind = l->kind,
		.flags = p->flags,
		.born = d->next_born++,
		.size = p->size,
		.records = l->records,
		.created = l->m.received,
		.dead = now,
	};

	set_strings(&out, l);
	return out;
}

/* Of the attempts before its death the first and the last are known by their times. */
static void
put_attempts(struct buf *out, const struct dlq_letter *l, const struct frame_letter *letter)
{
	struct frame_change c = letter->now;

	c.kind = DLQ_EV_ATTEMPT;
	if (l->attempts > 1 && l->first_attempt) {
		c.time = l->first_attempt;
		c.attempts = 1;
		c.status = 0;
		c.outcome = SINK_AGAIN;
		c.error = STR("");
		frame_put_change(out, &c);
	}
	if (l->attempts > 0 && l->last_attempt) {
		c = letter->now;
		c.kind = DLQ_EV_ATTEMPT;
		c.time = l->last_attempt;
		frame_put_change(out, &c);
	}
}

static int
put_letter(struct buf *out, const struct dlq_letter *l, struct frame_letter *letter,
    const struct payload_job *p)
{
	size_t begun = frame_begin(out, FRAME_LETTER, l->id);

	letter->n_past = (uint16_t)((l->attempts > 1 && l->first_attempt) +
				    (l->attempts > 0 && l->last_attempt));
	frame_put_letter(out, letter);
	put_attempts(out, l, letter);
	if (!(p->flags & FRAME_FILE))
		buf_put_str(out, p->inside.n > 0 ? buf_str(&p->inside) : l->m.body);
	frame_end(out, begun);
	return buf_failed(out);
}

/* ---- the call ---- */

/* The entry, unborn, to be filled; NULL with *err OK: it is there already. */
static struct entry *
claim(struct dlq *d, const struct dlq_letter *l, struct payload_job *p, int *err)
{
	struct frame_letter letter;
	struct entry *e;

	*err = OK;
	while ((e = index_find(d, l->id)) && e->unborn && !*err)
		*err = commit_settled(d);
	if (e || *err)
		return NULL;
	if (files_in_trash(d, l->id)) {
		files_empty_trash(d);
		*err = files_in_trash(d, l->id) ? ERR_NOMEM : ERR_AGAIN;
		return NULL;
	}
	letter = letter_of(d, l, p);
	e = index_new(d, l->id, &letter);
	if (!e)
		*err = ERR_NOMEM;
	return e;
}

/* Was brought before the entry is known to exist: size and flags of the frame are the entry's, too. */
static int
add_letter(struct dlq *d, struct entry *e, struct payload_job *p)
{
	const struct dlq_letter *l = p->l;
	struct frame_letter letter = letter_of(d, l, p);
	struct buf frames;

	e->born = letter.born;
	e->size = letter.size;
	e->flags = letter.flags;
	e->dead = letter.dead;
	buf_init(&frames, 0);
	if (put_letter(&frames, l, &letter, p)) {
		buf_fini(&frames);
		index_remove(d, e);
		return ERR_NOMEM;
	}
	(void)tend_make_room(d, &frames, VICTIMS_MAX);
	return commit_add(d, PART_LETTERS, &frames);
}

static bool
needs_helper(const struct dlq_letter *l, uint64_t size)
{
	return l->kind != DLQ_MESSAGE || !l->m.body.p || size > DLQ_INLINE_MAX;
}

static int
public_error(int err)
{
	return err == OK || err == ERR_NOSPACE || err == ERR_NOMEM || err == ERR_CANCELLED ? err
											   : ERR_IO;
}

static int
add(struct dlq *d, struct payload_job *p)
{
	struct entry *e;
	int err;

	do
		e = claim(d, p->l, p, &err);
	while (err == ERR_AGAIN);
	if (!e)
		return err;
	if (needs_helper(p->l, p->size))
		err = offload(OFFLOAD_SYNC, bring_payload, p);
	if (err) {
		index_remove(d, e);
		waitq_wake_all(&d->settled);
		return public_error(err);
	}
	err = add_letter(d, e, p);
	/* Cancelled: whether it was added, others decide; the files are found to be nobody's at the next start if it was not. */
	if (err && err != ERR_CANCELLED && p->flags)
		(void)offload(OFFLOAD_SYNC, discard_payload, p);
	return err;
}

int
dlq_add(struct dlq *d, const struct dlq_letter *l)
{
	struct payload_job *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return ERR_NOMEM;
	p->d = d;
	p->l = l;
	p->size = l->m.body.p ? l->m.body.n : l->m.length;
	buf_init(&p->inside, 0);
	err = add(d, p);
	buf_fini(&p->inside);
	free(p);
	return err;
}

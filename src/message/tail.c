/*
 * See tail.h. The loop's side: passes are made on a helper, one at a time; what they found is counted here, and what is done with is removed.
 */
#include "message/tail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "message/points.h"
#include "message/tail_priv.h"
#include "spool/keys.h"

#define SWEEP_MAX 64

int
tail_new(const struct tail_options *opt, struct tail **out)
{
	struct tail *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ERR_NOMEM;
	t->opt = *opt;
	t->stale = true;
	list_init(&t->segments);
	(void)hash_str(STR("")); /* its key is made by the first who asks: not on a helper */
	*out = t;
	return OK;
}

static void
forget(struct tail *t, struct tail_segment *s)
{
	list_del(&s->link);
	t->n_segments--;
	t->settled -= s->done;
	tail_file_close(s->f);
	free(s->f);
	free(s);
}

void
tail_free(struct tail *t)
{
	if (t == NULL)
		return;
	while (!list_empty(&t->segments))
		forget(t, CONTAINER_OF(t->segments.next, struct tail_segment, link));
	chunk_drop(t->chunk);
	free(t);
}

/* ---- reading ---- */

/* Those that were removed while the last pass, or none, was under way. */
static void
prune(struct tail *t)
{
	struct list *at, *next;

	LIST_FOREACH_SAFE (at, next, &t->segments) {
		struct tail_segment *s = CONTAINER_OF(at, struct tail_segment, link);

		if (s->f->gone)
			forget(t, s);
	}
}

/* A record that does not fit what is left of a chunk fits a fresh one: if the last pass came to nothing, that may be why. */
static int
prepare_chunk(struct tail *t)
{
	bool full = t->chunk != NULL && t->more && t->got == 0 && t->chunk->used > 0;

	if (t->chunk != NULL && !full && t->chunk->size - t->chunk->used >= CHUNK_SIZE / 16)
		return OK;
	chunk_drop(t->chunk);
	t->chunk = chunk_new(t->opt.chunks, CHUNK_SIZE);
	return t->chunk ? OK : ERR_NOMEM;
}

void
tail_rest(struct tail *t)
{
	chunk_drop(t->chunk);
	t->chunk = NULL;
}

/* Each message holds its segment and the chunk it was copied to. */
static void
count_read(struct tail *t)
{
	struct list *at;

	for (unsigned i = 0; i < t->got; i++) {
		t->v[i]->chunk = chunk_hold(t->chunk);
		t->v[i]->segment->left++;
	}
	while (t->n_told < t->n_damages)
		t->damages[t->n_told++].segment->left++;
	LIST_FOREACH (at, &t->segments) {
		struct tail_segment *s = CONTAINER_OF(at, struct tail_segment, link);

		s->ended = s->f->state == TAIL_ENDED;
	}
}

int
tail_read(struct tail *t, struct message **v, unsigned n)
{
	int err = prepare_chunk(t);

	if (err != OK)
		return err;
	prune(t);
	t->stale = t->stale || t->look;
	t->look = false;
	t->v = v;
	t->n = n;
	t->got = 0;
	err = offload(OFFLOAD_MISC, tail_pass, t);
	count_read(t);
	t->oldest = t->oldest_now;
	/* What was read before the folder could not be is good. */
	return t->got > 0 ? (int)t->got : err;
}

bool
tail_has_more(const struct tail *t)
{
	return t->more;
}

int64_t
tail_next(const struct tail *t)
{
	return t->look ? 0 : t->next;
}

void
tail_look(struct tail *t)
{
	t->look = true;
}

int64_t
tail_oldest(const struct tail *t)
{
	return t->oldest;
}

/* ---- what came of it ---- */

bool
tail_done(struct tail *t, struct tail_segment *s)
{
	assert(s->left > 0);
	s->left--;
	s->done++;
	t->settled++;
	return s->ended && s->left == 0;
}

uint64_t
tail_settled(const struct tail *t)
{
	return t->settled;
}

const struct tail_segment *
tail_each(const struct tail *t, const struct tail_segment *after)
{
	const struct list *at = after ? after->link.next : t->segments.next;

	return at == &t->segments ? NULL : CONTAINER_OF(at, struct tail_segment, link);
}

const struct tail_damage *
tail_damage(const struct tail *t)
{
	return t->n_told > 0 ? &t->damages[0] : NULL;
}

void
tail_told(struct tail *t)
{
	assert(t->n_told > 0 && t->n_told == t->n_damages);
	t->damages[0].segment->left--;
	t->n_told--;
	t->n_damages--;
	memmove(&t->damages[0], &t->damages[1], t->n_damages * sizeof(t->damages[0]));
}

/* ---- reading one again ---- */

struct load_job {
	const char *dir, *name;
	struct message *m;
	struct chunk *chunk;
};

static int
open_again(const struct load_job *job, struct reader **r)
{
	static const char *const suffixes[] = { "", NAME_OPEN_SUFFIX, "" };
	uint64_t limit = job->m->offset + job->m->length;
	char path[TAIL_PATH_MAX];
	int err = ERR_NOT_FOUND;

	for (size_t i = 0; i < ARRAY_LEN(suffixes) && err == ERR_NOT_FOUND; i++) {
		tail_path(path, job->dir, "", job->name, suffixes[i]);
		err = reader_open(path, limit, r);
	}
	return err;
}

static int
load_on_disk(void *arg)
{
	struct load_job *job = arg;
	struct reader_record rec;
	char path[TAIL_PATH_MAX];
	struct reader *r;
	int got = open_again(job, &r);

	if (got != OK)
		return got;
	tail_path(path, job->dir, "", job->name, "");
	reader_seek(r, job->m->offset);
	got = reader_next(r, &rec);
	if (got == 1)
		got = tail_copy(job->chunk, path, r, &rec, job->m);
	else if (got == 0)
		got = ERR_CORRUPT;
	reader_close(r);
	return got == 1 ? OK : got == 0 ? ERR_CORRUPT : got;
}

int
tail_load(struct tail *t, struct message *m)
{
	struct load_job *job = calloc(1, sizeof(*job));
	size_t held = m->body_length <= TAIL_HELD_MAX ? 0 : TAIL_PATH_MAX;
	int err = ERR_NOMEM;

	if (job == NULL)
		return err;
	job->dir = t->opt.dir;
	job->name = m->segment->name;
	job->m = m;
	job->chunk = chunk_new(t->opt.chunks, held ? SEGMENT_META_MAX + held : (size_t)m->length);
	if (job->chunk != NULL)
		err = offload(OFFLOAD_MISC, load_on_disk, job);
	if (err == OK)
		m->chunk = job->chunk;
	else
		chunk_drop(job->chunk);
	free(job);
	return err;
}

/* ---- removing ---- */

struct sweep_job {
	const char *dir;
	unsigned n;
	bool corrupt; /* some are kept */
	struct tail_segment *v[SWEEP_MAX];
};

static int
set_aside(const struct sweep_job *job, const struct tail_segment *s)
{
	char from[TAIL_PATH_MAX], to[TAIL_PATH_MAX];
	int err;

	tail_path(from, job->dir, "", s->name, "");
	tail_path(to, job->dir, "corrupt/", s->name, "");
	if (access(from, F_OK) != 0 && access(to, F_OK) == 0)
		return OK;
	err = file_rename(from, to);
	file_crash_point("message.set_aside");
	return err == ERR_NOT_FOUND ? OK : err;
}

static int
remove_one(const struct sweep_job *job, const struct tail_segment *s)
{
	char path[TAIL_PATH_MAX];
	int err;

	if (s->f->lost)
		return OK;
	if (s->f->damaged)
		return set_aside(job, s);
	tail_path(path, job->dir, "", s->name, "");
	err = file_unlink(path);
	file_crash_point("message.unlinked");
	return err;
}

static int
sweep_on_disk(void *arg)
{
	struct sweep_job *job = arg;
	char corrupt[TAIL_PATH_MAX];
	int err = keys_sync();

	tail_path(corrupt, job->dir, "corrupt", "", "");
	if (err == OK && job->corrupt)
		err = file_make_dirs(corrupt);
	for (unsigned i = 0; i < job->n && err == OK; i++)
		err = remove_one(job, job->v[i]);
	if (err == OK && job->corrupt)
		err = file_sync_dir(corrupt);
	if (err == OK)
		err = file_sync_dir(job->dir);
	file_crash_point("message.folder_synced");
	return err;
}

/* Files are written by none and read by none any more when nothing of them is left; a pass looks at their names only. */
static void
choose(struct tail *t, struct sweep_job *job)
{
	struct list *at;

	LIST_FOREACH (at, &t->segments) {
		struct tail_segment *s = CONTAINER_OF(at, struct tail_segment, link);

		if (job->n == SWEEP_MAX)
			return;
		if (s->left > 0 || s->f->state != TAIL_ENDED || s->f->sweeping)
			continue;
		s->f->sweeping = true;
		job->corrupt = job->corrupt || (s->f->damaged && !s->f->lost);
		job->v[job->n++] = s;
	}
}

/* Once, however often its removal fails: its bytes are taken off a sum. */
static void
tell_removing(struct tail *t, struct tail_file *f)
{
	if (!f->damaged && !f->counted && t->opt.removing)
		t->opt.removing(t->opt.arg, f->limit);
	f->counted = true;
}

int
tail_sweep(struct tail *t)
{
	struct sweep_job *job = calloc(1, sizeof(*job));
	int err = OK;

	if (job == NULL)
		return ERR_NOMEM;
	job->dir = t->opt.dir;
	choose(t, job);
	for (unsigned i = 0; i < job->n; i++)
		tell_removing(t, job->v[i]->f);
	if (job->n > 0)
		err = offload(OFFLOAD_MISC, sweep_on_disk, job);
	for (unsigned i = 0; i < job->n; i++) {
		job->v[i]->f->sweeping = job->v[i]->f->gone = err == OK;
		if (err == OK && t->opt.removed)
			t->opt.removed(t->opt.arg, job->v[i]->id);
	}
	err = err ? err : job->n > 0;
	free(job);
	return err;
}

bool
tail_is_read(const struct tail *t)
{
	return t->caught_up && !t->look && t->n_damages == 0;
}

bool
tail_is_empty(const struct tail *t)
{
	struct list *at;

	if (!tail_is_read(t))
		return false;
	LIST_FOREACH (at, &t->segments) {
		const struct tail_segment *s = CONTAINER_OF(at, struct tail_segment, link);

		if (!s->f->gone && (s->f->state == TAIL_ENDED || s->left > 0))
			return false;
	}
	return true;
}

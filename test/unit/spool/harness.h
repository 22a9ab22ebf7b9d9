/*
 * What the tests of the spool share: running one function as a task, a stream's folder, many tasks that append, and
 * reading back what a folder holds.
 */
#ifndef SLUICE_TEST_SPOOL_HARNESS_H
#define SLUICE_TEST_SPOOL_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "spool/name.h"
#include "spool/reader.h"
#include "spool/recover.h"
#include "spool/spool.h"
#include "task/loop.h"
#include "unit/tmp.h"
#include "unit/unit.h"

static inline void
run(task_fn *fn, void *arg)
{
	assert_int_equal(loop_init(NULL), 0);
	assert_int_equal(task_go("test", fn, arg, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
}

static inline struct spool_options
options(const char *dir)
{
	return (struct spool_options){
		.dir = dir,
		.sync = true,
		.segment_size = 1 << 20,
		.seal_interval = 600 * NS_PER_S,
		.slot = 3,
		.generation = 7,
	};
}

static inline struct spool_record
record(const char *user, const char *body)
{
	return (struct spool_record){ .user = str_of(user), .body = str_of(body) };
}

/* What a folder holds: every record of its segments, by name of file and then by place. */
struct found {
	char name[64];
	struct segment_header header;
	struct segment_frame frame;
	char user[40];
	char body[80]; /* its beginning */
	size_t body_n;
};

struct harvest {
	struct found *at;
	size_t n, files;
	char (*names)[NAME_CAP];
	const char *dir;
	enum name_kind kind;
	int err; /* of reading: 0, or what the reader said last */
};

static inline void
harvest_free(struct harvest *h)
{
	free(h->at);
	free(h->names);
}

static inline int
harvest_name(const char *name, void *arg)
{
	struct harvest *h = arg;

	if (name_kind(str_of(name)) == h->kind) {
		h->names = realloc(h->names, (h->files + 1) * sizeof(h->names[0]));
		(void)str_copyz(h->names[h->files++], NAME_CAP, str_of(name));
	}
	return 0;
}

static inline int
name_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static inline void
harvest_file(struct harvest *h, const char *path)
{
	struct reader_record rec;
	struct reader *r;
	int err = reader_open(path, 0, &r);

	if (err) {
		h->err = err;
		return;
	}
	while ((err = reader_next(r, &rec)) == 1) {
		struct found *f;
		ssize_t n;

		h->at = realloc(h->at, (h->n + 1) * sizeof(*h->at));
		f = &h->at[h->n++];
		memset(f, 0, sizeof(*f));
		snprintf(f->name, sizeof(f->name), "%s", strrchr(path, '/') + 1);
		f->header = *reader_header(r);
		f->frame = rec.frame;
		(void)str_copyz(f->user, sizeof(f->user), rec.user);
		n = reader_body(r, 0, f->body, sizeof(f->body) - 1);
		assert_true(n >= 0);
		f->body_n = (size_t)rec.frame.body_len;
	}
	if (err)
		h->err = err;
	reader_close(r);
}

/* Reads all files of this kind, in the order of their names. */
static inline struct harvest
harvest(const char *dir, enum name_kind kind)
{
	struct harvest h = { .dir = dir, .kind = kind };
	char path[512];

	assert_int_equal(file_each(dir, harvest_name, &h), 0);
	if (h.files)
		qsort(h.names, h.files, NAME_CAP, name_cmp);
	for (size_t i = 0; i < h.files; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, h.names[i]);
		harvest_file(&h, path);
	}
	return h;
}

static inline size_t
count_files(const char *dir, enum name_kind kind)
{
	struct harvest h = { .dir = dir, .kind = kind };

	assert_int_equal(file_each(dir, harvest_name, &h), 0);
	harvest_free(&h);
	return h.files;
}

static inline size_t
occurrences(const struct harvest *h, const char *body)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += strcmp(h->at[i].body, body) == 0;
	return n;
}

/* Tasks that append one after the other: writer w's record i is "w.i". */
#define WRITERS_MAX 64

struct writers {
	struct spool *s;
	unsigned n, each, left;
	struct waitq done;
	int result[WRITERS_MAX][64]; /* of each append */
	void (*acked)(struct writers *w, unsigned writer, unsigned i);
	void *arg;
};

struct writer_arg {
	struct writers *w;
	unsigned index;
};

static inline void
write_all(void *arg)
{
	struct writer_arg a = *(struct writer_arg *)arg;
	struct writers *w = a.w;
	char body[32];

	free(arg);
	for (unsigned i = 0; i < w->each; i++) {
		struct spool_record r;

		snprintf(body, sizeof(body), "%u.%u", a.index, i);
		r = record("u", body);
		w->result[a.index][i] = spool_append(w->s, &r);
		if (w->result[a.index][i] == 0 && w->acked)
			w->acked(w, a.index, i);
	}
	if (--w->left == 0)
		waitq_wake_all(&w->done);
}

static inline void
writers_run(struct writers *w, struct spool *s, unsigned n, unsigned each)
{
	w->s = s;
	w->n = w->left = n;
	w->each = each;
	waitq_init(&w->done);
	for (unsigned i = 0; i < n; i++) {
		struct writer_arg *a = malloc(sizeof(*a));

		*a = (struct writer_arg){ w, i };
		assert_int_equal(task_go("writer", write_all, a, NULL), 0);
	}
	while (w->left)
		assert_int_equal(waitq_park(&w->done, CLOCK_NEVER), 0);
}

/* Every append that returned 0 is in the harvest once, those of one writer in order. */
static inline void
check_writers(const struct writers *w, const struct harvest *h)
{
	unsigned next[WRITERS_MAX] = { 0 };

	for (unsigned i = 0; i < w->n; i++)
		for (unsigned k = 0; k < w->each; k++) {
			char body[32];

			snprintf(body, sizeof(body), "%u.%u", i, k);
			if (w->result[i][k] == 0)
				assert_int_equal(occurrences(h, body), 1);
		}
	for (size_t f = 0; f < h->n; f++) {
		unsigned i, k;

		assert_int_equal(sscanf(h->at[f].body, "%u.%u", &i, &k), 2);
		if (i >= w->n)
			continue; /* not of theirs */
		assert_true(k >= next[i]);
		next[i] = k + 1;
	}
}

#endif

/*
 * What the tests of the tail share: a stream's folder with segments made by hand, a zone that vouches for them, and a tail whose messages are
 * kept until they are done.
 */
#ifndef SLUICE_TEST_TAIL_TEST_H
#define SLUICE_TEST_TAIL_TEST_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "message/tail.h"
#include "task/loop.h"
#include "unit/unit.h"

#include "unit/segments.h"
#include "unit/tmp.h"
#include "zone/durable.h"

#define OPEN ".open"
#define SEALED ""
#define HELD_MAX 2048

static struct {
	struct tmp tmp;
	struct zone *zone;
	struct chunks chunks;
	struct queue queue;
	struct order_by order;
	struct tail *tail;
	struct message *v[HELD_MAX]; /* handed out, ever */
	unsigned n, n_done;
	unsigned n_removed;
	uint64_t removing;   /* bytes */
	char name[NAME_CAP]; /* of the segment that grows */
	off_t fail_from, fail_to;
} t;

static inline void
run(task_fn *fn, void *arg)
{
	assert_int_equal(loop_init(NULL), 0);
	assert_int_equal(task_go("test", fn, arg, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
}

static inline int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	tmp_init(&t.tmp);
	t.zone = zone_new(4);
	atomic_store(&zone_slot(t.zone, 3)->generation, 1);
	chunks_init(&t.chunks, (size_t)64 * CHUNK_SIZE);
	return t.zone == NULL || queue_init(&t.queue, HELD_MAX) != 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	queue_fini(&t.queue);
	if (t.chunks.bytes == 0) /* else the test has failed */
		chunks_fini(&t.chunks);
	zone_free(t.zone);
	tmp_fini(&t.tmp);
	return 0;
}

static inline void
on_removed(void *arg, struct id segment)
{
	(void)arg;
	(void)segment;
	t.n_removed++;
}

static inline void
on_removing(void *arg, uint64_t bytes)
{
	(void)arg;
	t.removing += bytes;
}

static inline void
tail_open(void)
{
	struct tail_options opt = { .dir = t.tmp.dir,
		.zone = t.zone,
		.order = &t.order,
		.chunks = &t.chunks,
		.removing = on_removing,
		.removed = on_removed };

	assert_int_equal(tail_new(&opt, &t.tail), 0);
}

static inline void
tail_close(void)
{
	tail_free(t.tail);
}

/* Reads up to n messages at once: how many came. The folder's names are always read again. */
static inline int
take(unsigned n)
{
	struct message *v[256];
	unsigned room = 0;
	int got;

	while (room < n && room < 256 && (v[room] = queue_get(&t.queue)) != NULL)
		room++;
	assert_int_equal(task_sleep_until(clock_mono() + 3 * NS_PER_MS), 0);
	tail_look(t.tail);
	got = tail_read(t.tail, v, room);
	for (int i = 0; i < (int)room; i++) {
		if (i >= got) {
			queue_return(&t.queue, v[i]);
			continue;
		}
		queue_add_sending(&t.queue, v[i]);
		t.v[t.n++] = v[i];
	}
	return got;
}

static inline void
take_all(void)
{
	do
		assert_true(take(256) >= 0);
	while (tail_has_more(t.tail));
}

static inline void
done_all(void)
{
	for (; t.n_done < t.n; t.n_done++) {
		(void)tail_done(t.tail, t.v[t.n_done]->segment);
		queue_done(&t.queue, t.v[t.n_done]);
	}
}

/* ---- files ---- */

static inline unsigned
files(const char *sub)
{
	char path[300];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", t.tmp.dir, sub);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_type == DT_REG;
	if (d != NULL)
		closedir(d);
	return n;
}

static inline void
remove_file(const char *name)
{
	assert_int_equal(unlink(tmp_path(&t.tmp, name)), 0);
}

static inline void
put_bytes(const char *name, const char *text)
{
	FILE *f = fopen(tmp_path(&t.tmp, name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline void
frame(struct made *m, int64_t time, struct str body)
{
	struct buf attrs;

	buf_init(&attrs, 0);
	segment_put_attr(&attrs, STR(SEGMENT_ATTR_METHOD), STR("PUT"));
	segment_put_attr(&attrs, STR(SEGMENT_ATTR_TYPE), STR("text/plain"));
	made_frame(m, time, "u", buf_str(&attrs), body);
	buf_fini(&attrs);
}

/* n records, two apart in time; each holds its time. */
static inline void
put_segment(const char *name, int64_t time, unsigned n, const char *suffix)
{
	char file[NAME_CAP + 8], body[32];
	struct made m;

	made_init(&m, time, 3, 1);
	for (unsigned i = 0; i < n; i++, time += 2) {
		snprintf(body, sizeof(body), "%lld", (long long)time);
		frame(&m, time, str_of(body));
	}
	snprintf(file, sizeof(file), "%s%s", name, suffix);
	made_write(&m, t.tmp.dir, file);
}

/* One that grows: begun as an empty file, of slot 3, generation 1. */
static inline struct made
grow_begin(const char *name, uint64_t sequence)
{
	char file[NAME_CAP + 8];
	struct made m;

	made_init(&m, 100, 3, sequence);
	strcpy(t.name, name);
	snprintf(file, sizeof(file), "%s.open", name);
	put_bytes(file, "");
	return m;
}

static inline void
grow(struct made *m, unsigned n)
{
	while (n-- > 0)
		frame(m, 100 + (int64_t)m->frames, STR("x"));
}

static inline void
grow_body(struct made *m, size_t n)
{
	char *p = malloc(n + 1);

	memset(p, 'b', n + 1);
	frame(m, 100 + (int64_t)m->frames, str_make(p, n));
	free(p);
}

/* What there is of it, with zeros behind, as in a preallocated file. */
static inline void
grow_write(const struct made *m, const char *suffix, size_t zeros)
{
	char file[NAME_CAP + 8];
	FILE *f;

	snprintf(file, sizeof(file), "%s%s", t.name, suffix);
	f = fopen(tmp_path(&t.tmp, file), "r+");
	assert_non_null(f);
	assert_int_equal(fwrite(m->bytes.p, 1, m->bytes.n, f), m->bytes.n);
	for (size_t i = 0; i < zeros; i++)
		fputc('\0', f);
	fclose(f);
}

static inline void
grow_seal(const struct made *m)
{
	char file[NAME_CAP + 8];
	const char *from;

	snprintf(file, sizeof(file), "%s.open", t.name);
	from = tmp_path(&t.tmp, file);
	assert_int_equal(truncate(from, (off_t)m->bytes.n), 0);
	assert_int_equal(rename(from, tmp_path(&t.tmp, t.name)), 0);
}

static inline void
check_body(const struct message *m, size_t n)
{
	assert_int_equal(m->body_length, n);
	if (n <= 65536) {
		assert_non_null(m->body.p);
		assert_int_equal(m->body.n, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(m->body.p[i], 'b');
	} else {
		char c = 0;
		FILE *f = fopen(m->path, "r");

		assert_non_null(f);
		assert_null(m->body.p);
		assert_int_equal(fseek(f, (long)(m->body_at + n - 1), SEEK_SET), 0);
		assert_int_equal(fread(&c, 1, 1, f), 1);
		assert_int_equal(c, 'b');
		fclose(f);
	}
}

#endif

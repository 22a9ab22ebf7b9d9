/*
 * What the tests of the dead letters share: a function run as a task, a folder with a store in it, letters and decisions by few words.
 */
#ifndef SLUICE_TEST_DLQ_HARNESS_H
#define SLUICE_TEST_DLQ_HARNESS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "dlq/dlq_priv.h"
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

/* An id that is easy to name. */
static inline struct id
id_of(unsigned n)
{
	struct id id = { { 0 } };

	id.b[0] = (unsigned char)(n >> 8);
	id.b[1] = (unsigned char)n;
	id.b[15] = 0xab;
	return id;
}

static inline const char *
folder(struct tmp *t)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/dlq", t->dir);
	return path;
}

static inline struct dlq *
open_with(struct tmp *t, struct dlq_limits limits)
{
	struct dlq *d = NULL;

	assert_int_equal(dlq_open(folder(t), &limits, &d), 0);
	return d;
}

static inline struct dlq *
open_store(struct tmp *t)
{
	return open_with(t, (struct dlq_limits){ 0 });
}

static inline struct dlq_letter
letter(unsigned n, const char *stream, const char *body)
{
	struct dlq_letter l = { .id = id_of(n),
		.kind = DLQ_MESSAGE,
		.type = DLQ_TRANSIENT,
		.why = "503 try later",
		.status = 503,
		.attempts = 4,
		.first_attempt = 1000,
		.last_attempt = 2000,
		.records = 1 };

	snprintf(l.m.id, sizeof(l.m.id), "m%u", n);
	l.m.stream = str_of(stream);
	l.m.method = STR("POST");
	l.m.user = STR("ann");
	l.m.content_type = STR("application/json");
	l.m.content_encoding = STR("gzip");
	l.m.traceparent = STR("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
	l.m.received = 500;
	l.m.body = str_of(body);
	return l;
}

static inline int
add(struct dlq *d, unsigned n, const char *stream, const char *body)
{
	struct dlq_letter l = letter(n, stream, body);

	return dlq_add(d, &l);
}

static inline struct dlq_decision
by(const char *who, const char *reason)
{
	return (struct dlq_decision){ .by = str_of(who), .reason = str_of(reason) };
}

static inline int
state_of(struct dlq *d, unsigned n)
{
	struct dlq_entry e;

	return dlq_find(d, id_of(n), &e) ? -1 : (int)e.state;
}

typedef int decide_fn(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results);

/* One id: the call's error, or its own. */
static inline int
decide_one(decide_fn *fn, struct dlq *d, unsigned n, const struct dlq_decision *how)
{
	struct id id = id_of(n);
	int result = 99, err = fn(d, &id, 1, how, &result);

	return err ? err : result;
}

static inline struct sink_result
result(enum sink_outcome outcome, int status, const char *why)
{
	struct sink_result r = { .outcome = outcome, .status = status };

	snprintf(r.why, sizeof(r.why), "%s", why);
	return r;
}

/* All that can be tidied up is, also what the store began by itself. */
static inline void
tend(struct dlq *d)
{
	while (d->tending || d->tend_started)
		assert_int_equal(waitq_park(&d->tended, CLOCK_NEVER), 0);
	dlq_tend(d);
	assert_int_equal(d->tend_after, 0);
}

/* Takes what is due, also where it is just being written anew. */
static inline struct dlq_entry
take(struct dlq *d, const char *stream)
{
	struct dlq_entry e;
	int64_t next;

	while (!dlq_take(d, str_of(stream), clock_wall(), &e, &next))
		assert_int_equal(commit_settled(d), 0);
	return e;
}

/* The history as words: "dead reprocess attempt …". */
struct words {
	char s[2048];
};

static inline void
add_word(void *arg, const struct dlq_event *e)
{
	struct words *w = arg;
	size_t n = strlen(w->s);

	snprintf(w->s + n, sizeof(w->s) - n, "%s%s", n ? " " : "", dlq_event_name(e->kind));
}

static inline const char *
history(struct dlq *d, unsigned n, struct words *w)
{
	w->s[0] = '\0';
	assert_int_equal(dlq_history(d, id_of(n), NULL, add_word, w), 0);
	return w->s;
}

static inline const char *
payload(struct dlq *d, unsigned n)
{
	static char text[256];
	ssize_t got = dlq_read(d, id_of(n), 0, text, sizeof(text) - 1);

	assert_true(got >= 0);
	text[got] = '\0';
	return text;
}

/* Ids in the order of the list: "3 2 1". */
static inline void
add_number(void *arg, const struct dlq_entry *e)
{
	struct words *w = arg;
	size_t n = strlen(w->s);

	snprintf(w->s + n, sizeof(w->s) - n, "%s%u", n ? " " : "", e->id.b[0] * 256u + e->id.b[1]);
}

static inline struct dlq_filter
all(void)
{
	return (struct dlq_filter){ .state = -1, .type = -1 };
}

static inline const char *
list(struct dlq *d, const struct dlq_filter *f, struct words *w)
{
	w->s[0] = '\0';
	(void)dlq_list(d, f, 0, 1000, add_number, w);
	return w->s;
}

/* A test that runs as a task, with a folder of its own as its argument. */
#define TEST(name)                          \
	static void name##_task(void *arg); \
	static void name(void **state)      \
	{                                   \
		struct tmp t;               \
		(void)state;                \
		tmp_init(&t);               \
		run(name##_task, &t);       \
		tmp_fini(&t);               \
	}                                   \
	static void name##_task(void *arg)

#endif

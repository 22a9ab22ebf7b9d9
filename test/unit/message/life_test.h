/*
 * Lives of a stream of messages for the tests: a folder with segments, dead letters beside it, and a destination in memory that outlives a process
 * which is killed. Each life is a process of its own; what a record is to meet stands in its body:
 *
 *	ok N      taken at once            slow N    taken after 20 ms
 *	twice N   taken at the third try   never N   fails every time      bad N   refused for good
 *	later N   taken at the fifth try, after it has become a dead letter
 *	once N    refused for good, but only once
 */
#ifndef SLUICE_TEST_LIFE_TEST_H
#define SLUICE_TEST_LIFE_TEST_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "message/message.h"
#include "message/points.h"
#include "spool/name.h"
#include "task/loop.h"
#include "unit/unit.h"

#include "unit/segments.h"
#include "unit/tmp.h"

#define RECORDS 256

/* What the destination saw of each record. */
struct peer {
	_Atomic unsigned tries[RECORDS], taken[RECORDS];
	_Atomic unsigned at_once, most_at_once;
	_Atomic bool away;     /* nobody is heard */
	_Atomic unsigned told; /* for the test's own use */
	struct id id[RECORDS];
	_Atomic bool broken; /* an id changed, or an attempt went back */
};

struct place {
	struct tmp tmp;
	char dir[128], letters[128];
	struct peer *peer;
	struct zone *zone;
	struct sink_conf sink;
	struct stream_conf conf;
	unsigned records, segments;
	int64_t patience;
	void (*act)(
	    struct place *p, struct message_stream *s, struct dlq *d); /* before it drains */
};

/* ---- the destination ---- */

struct peer_sink {
	struct sink sink;
	struct peer *peer;
};

static inline void
peer_result(struct sink_result *r, enum sink_outcome outcome, int status)
{
	r->outcome = outcome;
	r->status = status;
	if (outcome != SINK_CONFIRMED)
		snprintf(r->why, sizeof(r->why), "%d of the test", status);
}

static inline void
peer_answer(struct peer *p, unsigned n, const char *word, struct sink_result *r)
{
	if (p->away)
		peer_result(r, SINK_AGAIN, 0);
	else if (strcmp(word, "bad") == 0 || (strcmp(word, "once") == 0 && p->tries[n] == 1))
		peer_result(r, SINK_PERMANENT, 422);
	else if (strcmp(word, "never") == 0 || (strcmp(word, "twice") == 0 && p->tries[n] < 3) ||
		 (strcmp(word, "later") == 0 && p->tries[n] < 5))
		peer_result(r, SINK_AGAIN, 500);
	else
		peer_result(r, SINK_CONFIRMED, 200);
	if (r->outcome == SINK_CONFIRMED)
		atomic_fetch_add(&p->taken[n], 1);
}

static inline void
peer_send(struct sink *s, const struct sink_message *m, int64_t deadline, struct sink_result *r)
{
	struct peer *p = CONTAINER_OF(s, struct peer_sink, sink)->peer;
	unsigned now = atomic_fetch_add(&p->at_once, 1) + 1, n = RECORDS;
	char word[16] = "", text[64];
	struct id id;

	(void)deadline;
	str_copyz(text, sizeof(text), m->body);
	if (sscanf(text, "%15s %u", word, &n) != 2 || n >= RECORDS) {
		p->broken = true;
		peer_result(r, SINK_POISON, 400);
		return;
	}
	if (now > p->most_at_once)
		p->most_at_once = now;
	if (id_parse(str_of(m->id), &id) != 0 || (p->tries[n] > 0 && !id_eq(id, p->id[n])))
		p->broken = true;
	p->id[n] = id;
	atomic_fetch_add(&p->tries[n], 1);
	if (strcmp(word, "slow") == 0)
		(void)task_sleep_until(clock_mono() + 20 * NS_PER_MS);
	else
		(void)task_yield();
	peer_answer(p, n, word, r);
	atomic_fetch_sub(&p->at_once, 1);
}

static inline int
peer_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	(void)conf;
	(void)out;
	(void)why;
	(void)cap;
	return ERR_UNSUPPORTED;
}

static const struct sink_ops peer_ops = { .kind = "test", .open = peer_open, .send = peer_send };

/* ---- a place ---- */

static inline struct place *
place_new(void)
{
	static struct zone *zone; /* its descriptors stay open: one for all */
	struct place *p = calloc(1, sizeof(*p));

	tmp_init(&p->tmp);
	if (access("/dev/shm", W_OK) == 0) {
		rmdir(p->tmp.dir);
		strcpy(p->tmp.dir, "/dev/shm/sluice-test-XXXXXX");
		assert_non_null(mkdtemp(p->tmp.dir));
	}
	snprintf(p->dir, sizeof(p->dir), "%s/jobs", p->tmp.dir);
	snprintf(p->letters, sizeof(p->letters), "%s/dlq", p->tmp.dir);
	assert_int_equal(file_make_dirs(p->dir), 0);
	p->peer =
	    mmap(NULL, sizeof(*p->peer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p->peer != MAP_FAILED);
	if (zone == NULL)
		zone = zone_new(4);
	p->zone = zone;
	p->sink = (struct sink_conf){ .ops = &peer_ops, .destination = STR("test") };
	p->conf = (struct stream_conf){ .name = STR("jobs"),
		.dir = p->dir,
		.sink = &p->sink,
		.mode = STREAM_MESSAGE,
		.deliver_timeout = NS_PER_S,
		.concurrency = 3,
		.retry = { 3, NS_PER_MS, 2 * NS_PER_MS, 2, false },
		.breaker_failures = 1000,
		.breaker_open = 2 * NS_PER_MS,
		.max_age = 3650 * INT64_C(86400) * NS_PER_S,
		.max_messages = 1000,
		.delivery_log = 1 << 20 };
	p->patience = 20 * NS_PER_S;
	return p;
}

static inline void
place_free(struct place *p)
{
	tmp_fini(&p->tmp);
	munmap(p->peer, sizeof(*p->peer));
	free(p);
}

/* A sealed segment, one record a word. */
static inline void
place_add(struct place *p, unsigned n, const char *const *words)
{
	int64_t now = clock_wall() - NS_PER_S + p->segments * 1000;
	char name[NAME_CAP + 8], body[64];
	struct made m;

	made_init(&m, now, 3, p->segments + 1);
	for (unsigned i = 0; i < n; i++) {
		snprintf(body, sizeof(body), "%s %u", words[i], p->records++);
		made_frame(&m, now + i, i % 2 ? "ann" : "bob", STR(""), str_of(body));
	}
	name_make(name, now, p->segments++);
	made_write(&m, p->dir, name);
}

/* ---- a life ---- */

static int life_status; /* of the child */
static bool life_changed;

static inline void
life_on_change(void *arg)
{
	(void)arg;
	life_changed = true;
}

static inline void
life_drain(struct place *p, struct message_stream *s)
{
	int64_t end = clock_mono() + p->patience;

	message_drain(s);
	while (!message_is_idle(s) && clock_mono() < end)
		(void)task_sleep_until(clock_mono() + NS_PER_MS / 4);
	life_status = message_is_idle(s) ? 0 : 3;
}

static inline void
life_task(void *arg)
{
	struct dlq_limits limits = { 10000, 3600 * NS_PER_S };
	struct place *p = arg;
	struct message_stream *s;
	struct dlq *d = NULL;
	struct message_options opt = { .conf = &p->conf,
		.sink = &(struct peer_sink){ .sink = { .ops = &peer_ops }, .peer = p->peer }.sink,
		.zone = p->zone,
		.changed = life_on_change };

	life_status = 2;
	if (dlq_open(p->letters, &limits, &d) != 0)
		goto out;
	opt.dlq = d;
	if (message_open(&opt, &s) != 0)
		goto out;
	if (p->act != NULL)
		p->act(p, s, d);
	life_drain(p, s);
	message_close(s, clock_mono() + NS_PER_S);
	dlq_close(d);
out:
	loop_stop();
}

/*
 * One life, with variable (SLUICE_FAIL, SLUICE_CRASH) set to value: its exit status: 0 nothing is left; 2 it could not begin; 3 something waits; or -1:
 * killed, as asked for.
 */
static inline int
place_live_with(struct place *p, const char *variable, const char *value)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv(variable, value, 1);
		file_test_init();
		if (loop_init(NULL) != 0 || task_go("life", life_task, p, NULL) != 0 ||
		    loop_run() != 0)
			_exit(4);
		_exit(life_status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	p->peer->at_once = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return -1;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 3)
		fail_msg("status %x with %s=%s", (unsigned)status, variable, value);
	return WEXITSTATUS(status);
}

static inline int
place_live(struct place *p)
{
	return place_live_with(p, "SLUICE_CRASH", "");
}

/* ---- afterwards ---- */

static inline unsigned
place_files(const struct place *p, const char *sub)
{
	char path[200];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", p->dir, sub);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_type == DT_REG;
	if (d != NULL)
		closedir(d);
	return n;
}

/* In a process of its own: the dead letters of a place, by record. */
struct letters {
	unsigned of[RECORDS];
	unsigned attempts[RECORDS];
};

static struct {
	struct place *place;
	struct letters *out;
	struct id ids[RECORDS];
	unsigned n;
} counting;

static inline void
count_one(void *arg, const struct dlq_entry *e)
{
	(void)arg;
	if (counting.n < RECORDS)
		counting.ids[counting.n++] = e->id;
}

static inline void
count_task(void *arg)
{
	struct dlq_limits limits = { 10000, 3600 * NS_PER_S };
	struct dlq_filter all = { .state = -1, .type = -1 };
	struct dlq_entry e;
	char body[64] = "", word[16];
	struct dlq *d;
	unsigned r;

	(void)arg;
	if (dlq_open(counting.place->letters, &limits, &d) != 0)
		_exit(1);
	(void)dlq_list(d, &all, 0, RECORDS, count_one, NULL);
	for (unsigned i = 0; i < counting.n; i++) {
		ssize_t n = dlq_read(d, counting.ids[i], 0, body, sizeof(body) - 1);

		body[n > 0 ? n : 0] = '\0';
		if (sscanf(body, "%15s %u", word, &r) != 2 || r >= RECORDS ||
		    dlq_find(d, counting.ids[i], &e) != 0)
			continue;
		counting.out->of[r]++;
		counting.out->attempts[r] = e.attempts;
	}
	dlq_close(d);
	loop_stop();
}

static inline struct letters
place_letters(struct place *p)
{
	struct letters l, *out = mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		counting.place = p;
		counting.out = out;
		if (loop_init(NULL) != 0 || task_go("count", count_task, NULL, NULL) != 0)
			_exit(1);
		_exit(loop_run() != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	l = *out;
	munmap(out, sizeof(*out));
	return l;
}

/* Each record has arrived, or is one dead letter, as its body says; nothing is left on disk. again: how often a record may have been sent more than that
 * takes. */
static inline void
place_check(struct place *p, const char *const *words, unsigned again)
{
	struct letters l = place_letters(p);

	assert_false(p->peer->broken);
	for (unsigned r = 0; r < p->records; r++) {
		bool dead = strcmp(words[r], "never") == 0 || strcmp(words[r], "bad") == 0;
		unsigned tries = strcmp(words[r], "never") == 0   ? 4
				 : strcmp(words[r], "twice") == 0 ? 3
								  : 1;

		if (l.of[r] != dead || (p->peer->taken[r] > 0) == dead)
			fail_msg("%s %u: taken %u times, %u dead letters", words[r], r,
			    p->peer->taken[r], l.of[r]);
		if (p->peer->tries[r] < tries || p->peer->tries[r] > tries + again)
			fail_msg("%s %u: sent %u times", words[r], r, p->peer->tries[r]);
		if (dead && (l.attempts[r] < tries || l.attempts[r] > tries + again))
			fail_msg("%s %u: dead after %u attempts", words[r], r, l.attempts[r]);
	}
	assert_int_equal(place_files(p, ""), 0);
}

#endif

/* dlq/jobs: selecting, pacing, taking back; what is told of jobs, also after a restart. */
#include "dlq/jobs.h"

#include "unit/dlq/harness.h"

static struct stream_conf streams[2] = { { .next = &streams[1], .name = STR_INIT("mail") },
	{ .name = STR_INIT("logs") } };

struct desk {
	struct tmp *t;
	struct dlq *d;
	struct jobs *j;
	struct jobs_result r;
	struct jobs_status list[JOBS_MAX];
};

static struct desk *
open_desk(struct tmp *t)
{
	struct desk *k = calloc(1, sizeof(*k));

	k->t = t;
	k->d = open_store(t);
	assert_int_equal(jobs_open(k->d, folder(t), streams, &k->j), 0);
	return k;
}

static void
close_desk(struct desk *k)
{
	jobs_close(k->j);
	dlq_close(k->d);
	free(k);
}

static struct desk *
reopen(struct desk *k)
{
	struct tmp *t = k->t;

	close_desk(k);
	return open_desk(t);
}

static int
by_filter(struct desk *k, const struct dlq_filter *f, struct dlq_decision how, bool dry_run)
{
	struct jobs_selection s = { .filter = f };

	return jobs_reprocess(k->j, &s, &how, dry_run, &k->r);
}

static int
by_ids(struct desk *k, unsigned first, unsigned n, struct dlq_decision how)
{
	struct id ids[16];
	struct jobs_selection s = { .ids = ids, .n = n };

	for (unsigned i = 0; i < n; i++)
		ids[i] = id_of(first + i);
	return jobs_reprocess(k->j, &s, &how, false, &k->r);
}

static int64_t
due_of(struct desk *k, unsigned n)
{
	struct dlq_entry e;

	assert_int_equal(dlq_find(k->d, id_of(n), &e), 0);
	return e.due;
}

static void
finish(struct desk *k, enum dlq_ending how)
{
	struct sink_result r = result(how == DLQ_DELIVERED ? SINK_CONFIRMED : SINK_AGAIN, 0, "x");
	struct dlq_entry e;
	int64_t next;

	assert_true(dlq_take(k->d, STR("mail"), clock_wall(), &e, &next));
	assert_int_equal(dlq_end(k->d, e.id, how, &r), 0);
}

TEST(sends_again_what_is_named)
{
	struct desk *k = open_desk(arg);

	for (unsigned n = 1; n <= 4; n++)
		assert_int_equal(add(k->d, n, "mail", "x"), 0);
	assert_int_equal(by_ids(k, 2, 2, by("ann", "mended")), 0);
	assert_int_equal(k->r.matched, 2);
	assert_int_equal(k->r.accepted, 2);
	assert_int_equal(k->r.skipped, 0);
	assert_int_equal(state_of(k->d, 2), DLQ_REPROCESSING);
	assert_int_equal(state_of(k->d, 1), DLQ_PENDING);
	finish(k, DLQ_DELIVERED);
	finish(k, DLQ_FAILED);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
		assert_int_equal(k->list[0].state, JOBS_DONE);
		assert_true(str_is(k->list[0].by, "ann"));
		assert_true(str_is(k->list[0].reason, "mended"));
		assert_int_equal(k->list[0].total, 2);
		assert_int_equal(k->list[0].started, 2);
		assert_int_equal(k->list[0].delivered, 1);
		assert_int_equal(k->list[0].failed, 1);
		k = reopen(k);
	}
	close_desk(k);
}

/* Each for its reason; what is refused altogether makes no job. */
TEST(says_why_not)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");
	struct dlq_letter poison = letter(4, "mail", "x");

	poison.type = DLQ_POISON;
	assert_int_equal(dlq_add(k->d, &poison), 0);
	assert_int_equal(add(k->d, 1, "mail", "x"), 0);
	assert_int_equal(add(k->d, 2, "mail", "x"), 0);
	assert_int_equal(add(k->d, 3, "gone", "x"), 0);
	assert_int_equal(decide_one(dlq_reprocess, k->d, 1, &how), 0);
	assert_int_equal(decide_one(dlq_discard, k->d, 2, &how), 0);
	assert_int_equal(by_ids(k, 1, 5, how), 0);
	assert_int_equal(k->r.accepted, 0);
	assert_int_equal(k->r.skipped, 5);
	assert_int_equal(k->r.n_listed, 5);
	assert_int_equal(k->r.listed[0].err, ERR_BUSY);
	assert_int_equal(k->r.listed[1].err, ERR_CONFLICT);
	assert_int_equal(k->r.listed[2].err, ERR_UNSUPPORTED);
	assert_int_equal(k->r.listed[3].err, ERR_DENIED);
	assert_int_equal(k->r.listed[4].err, ERR_NOT_FOUND);
	assert_true(id_eq(k->r.job, (struct id){ { 0 } }));
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_true(strlen(jobs_why(k->r.listed[i].err)) > 10);
	/* force is for what was decided and what is poison, not for what cannot be. */
	how.force = true;
	assert_int_equal(by_ids(k, 1, 5, how), 0);
	assert_int_equal(k->r.accepted, 2);
	assert_int_equal(state_of(k->d, 2), DLQ_REPROCESSING);
	assert_int_equal(state_of(k->d, 4), DLQ_REPROCESSING);
	close_desk(k);
}

TEST(a_dry_run_changes_nothing)
{
	struct desk *k = open_desk(arg);
	struct dlq_filter f = all();

	for (unsigned n = 1; n <= 3; n++)
		assert_int_equal(add(k->d, n, n == 3 ? "logs" : "mail", "x"), 0);
	f.stream = STR("mail");
	assert_int_equal(by_filter(k, &f, by("ann", ""), true), 0);
	assert_int_equal(k->r.matched, 2);
	assert_int_equal(k->r.accepted, 2);
	assert_int_equal(state_of(k->d, 1), DLQ_PENDING);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 0);
	assert_true(id_eq(k->r.job, (struct id){ { 0 } }));
	close_desk(k);
}

TEST(discards)
{
	struct desk *k = open_desk(arg);
	struct dlq_filter f = all();
	struct jobs_selection s = { .filter = &f };
	struct dlq_decision how = by("ann", "old");

	for (unsigned n = 1; n <= 3; n++)
		assert_int_equal(add(k->d, n, "gone", "x"), 0);
	assert_int_equal(decide_one(dlq_reprocess, k->d, 3, &how), 0);
	assert_int_equal(jobs_discard(k->j, &s, &how, true, &k->r), 0);
	assert_int_equal(k->r.accepted, 2);
	assert_int_equal(state_of(k->d, 1), DLQ_PENDING);
	assert_int_equal(jobs_discard(k->j, &s, &how, false, &k->r), 0);
	assert_int_equal(k->r.accepted, 2);
	assert_int_equal(state_of(k->d, 1), DLQ_DISCARDED);
	assert_int_equal(state_of(k->d, 3), DLQ_REPROCESSING);
	assert_int_equal(jobs_discard(k->j, &s, &how, false, &k->r), 0);
	assert_int_equal(k->r.matched, 0);
	close_desk(k);
}

/* ---- pace ---- */

struct crowd {
	struct dlq *d;
	unsigned next, n;
	struct waitq done;
	unsigned left;
};

static void
add_some(void *arg)
{
	struct crowd *c = arg;

	while (c->next <= c->n)
		assert_int_equal(add(c->d, c->next++, "mail", "x"), 0);
	if (--c->left == 0)
		waitq_wake_all(&c->done);
}

static void
add_many(struct dlq *d, unsigned n)
{
	struct crowd c = { .d = d, .next = 1, .n = n, .left = 100 };

	waitq_init(&c.done);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(task_go("add", add_some, &c, NULL), 0);
	while (c.left > 0)
		assert_int_equal(waitq_park(&c.done, CLOCK_NEVER), 0);
}

struct dues {
	int64_t first, last;
	unsigned n, late; /* late: due in the future */
};

static void
note_due(void *arg, const struct dlq_entry *e)
{
	struct dues *u = arg;

	u->n++;
	u->first = u->n == 1 || e->due < u->first ? e->due : u->first;
	u->last = MAX(u->last, e->due);
}

static struct dues
dues(struct desk *k)
{
	struct dlq_filter f = all();
	struct dues u = { .n = 0 };

	f.state = DLQ_REPROCESSING;
	(void)dlq_list(k->d, &f, 0, 100000, note_due, &u);
	return u;
}

/* More than a slice: the pace goes on from one to the next. */
TEST(a_rate_holds_over_slices)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");
	struct dlq_filter f = all();
	struct dues u;

	add_many(k->d, 2300);
	how.rate = 10;
	assert_int_equal(by_filter(k, &f, how, false), 0);
	assert_int_equal(k->r.accepted, 2300);
	u = dues(k);
	assert_int_equal(u.n, 2300);
	/* The last of 2300 at 10 a second. */
	assert_in_range((u.last - clock_wall()) / NS_PER_S, 200, 231);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
	assert_int_equal(k->list[0].state, JOBS_RUNNING);
	assert_int_equal(k->list[0].total, 2300);
	assert_int_equal(k->list[0].rate, 10);
	assert_true(k->list[0].started < 1000);
	close_desk(k);
}

TEST(pauses_between_batches)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");
	struct dlq_filter f = all();
	int64_t start = clock_wall();

	add_many(k->d, 1500);
	how.batch = 300;
	how.delay = 1000 * NS_PER_S;
	assert_int_equal(by_filter(k, &f, how, false), 0);
	assert_int_equal(k->r.accepted, 1500);
	/* The fifth batch waits for four pauses, and none waits for more. */
	assert_in_range((dues(k).last - start) / NS_PER_S, 3999, 4100);
	close_desk(k);
}

TEST(not_before_its_time)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");

	assert_int_equal(add(k->d, 1, "mail", "x"), 0);
	how.due = clock_wall() + 3600 * NS_PER_S;
	assert_int_equal(by_ids(k, 1, 1, how), 0);
	assert_int_equal(due_of(k, 1), how.due);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
	assert_int_equal(k->list[0].started, 0);
	close_desk(k);
}

/* Nothing it is told can make its arithmetic run over. */
TEST(hostile_paces)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");

	for (unsigned n = 1; n <= 4; n++)
		assert_int_equal(add(k->d, n, "mail", "x"), 0);
	how.batch = 1;
	how.delay = INT64_MAX / 2;
	how.rate = UINT64_MAX;
	assert_int_equal(by_ids(k, 1, 2, how), 0);
	assert_int_equal(k->r.accepted, 2);
	how.batch = UINT64_MAX;
	assert_int_equal(by_ids(k, 3, 2, how), 0);
	assert_int_equal(k->r.accepted, 2);
	close_desk(k);
}

/* ---- jobs ---- */

TEST(takes_back_what_has_not_left)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");
	struct dlq_entry e;
	uint64_t cancelled;
	int64_t next;
	struct id job;

	for (unsigned n = 1; n <= 5; n++)
		assert_int_equal(add(k->d, n, "mail", "x"), 0);
	how.rate = 1;
	assert_int_equal(by_ids(k, 1, 5, how), 0);
	job = k->r.job;
	assert_true(dlq_take(k->d, STR("mail"), clock_wall(), &e, &next));
	assert_int_equal(jobs_cancel(k->j, id_of(99), &how, &cancelled), ERR_NOT_FOUND);
	assert_int_equal(jobs_cancel(k->j, job, &how, &cancelled), 0);
	assert_int_equal(cancelled, 4);
	assert_int_equal(state_of(k->d, 5), DLQ_PENDING);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
	assert_int_equal(k->list[0].state, JOBS_CANCELLED);
	assert_int_equal(k->list[0].started, 1);
	assert_int_equal(dlq_end(k->d, e.id, DLQ_DELIVERED, &(struct sink_result){ 0 }), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
		assert_int_equal(k->list[0].state, JOBS_CANCELLED);
		assert_int_equal(k->list[0].cancelled, 4);
		assert_int_equal(k->list[0].delivered, 1);
		assert_int_equal(k->list[0].failed, 0);
		assert_int_equal(jobs_cancel(k->j, job, &how, &cancelled), ERR_CONFLICT);
		k = reopen(k);
	}
	close_desk(k);
}

TEST(goes_on_after_a_restart)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("a\"b\n", "why \xff\x01");
	struct id job;

	for (unsigned n = 1; n <= 3; n++)
		assert_int_equal(add(k->d, n, "mail", "x"), 0);
	how.delay = 3600 * NS_PER_S;
	how.batch = 2;
	assert_int_equal(by_ids(k, 1, 3, how), 0);
	job = k->r.job;
	k = reopen(k);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
	assert_true(id_eq(k->list[0].id, job));
	assert_int_equal(k->list[0].state, JOBS_RUNNING);
	assert_true(str_is(k->list[0].by, "a\"b\n"));
	assert_int_equal(k->list[0].total, 3);
	assert_int_equal(k->list[0].started, 2);
	assert_true(due_of(k, 3) > clock_wall() + 3000 * NS_PER_S);
	close_desk(k);
}

/* Fifty are told of; those that are over go first, and what belonged to one that went goes on. */
/* One was sent again and its stream taken out of the configuration: nobody will send it, so somebody is to decide on it again. */
TEST(what_is_of_no_stream_any_more_waits_again)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");
	struct dlq_entry e;

	add(k->d, 1, "mail", "body");
	add(k->d, 2, "gone", "body");
	assert_int_equal(by_ids(k, 1, 1, how), 0);
	assert_int_equal(decide_one(dlq_reprocess, k->d, 2, &how), 0);
	k = reopen(k);
	assert_int_equal(state_of(k->d, 1), DLQ_REPROCESSING);
	assert_int_equal(state_of(k->d, 2), DLQ_PENDING);
	streams[0].name = STR("renamed");
	k = reopen(k);
	streams[0].name = STR("mail");
	assert_int_equal(state_of(k->d, 1), DLQ_PENDING);
	assert_int_equal(dlq_find(k->d, id_of(1), &e), 0);
	assert_true(str_is(e.reason, "its stream is not configured any more"));
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 1);
	assert_int_equal(k->list[0].state, JOBS_DONE);
	assert_int_equal(k->list[0].cancelled, 1);
	assert_int_equal(k->list[0].total, 1);
	close_desk(k);
}

TEST(remembers_the_last_ones)
{
	struct desk *k = open_desk(arg);
	struct dlq_decision how = by("ann", "");
	struct id first;

	add_many(k->d, JOBS_MAX + 2);
	how.due = clock_wall() + 3600 * NS_PER_S;
	assert_int_equal(by_ids(k, 1, 1, how), 0);
	first = k->r.job;
	assert_int_equal(by_ids(k, 2, 1, by("ann", "")), 0);
	finish(k, DLQ_DELIVERED);
	for (unsigned n = 3; n <= JOBS_MAX + 1; n++)
		assert_int_equal(by_ids(k, n, 1, how), 0);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), JOBS_MAX);
	assert_true(id_eq(k->list[JOBS_MAX - 1].id, first));
	assert_int_equal(by_ids(k, JOBS_MAX + 2, 1, how), 0);
	k = reopen(k);
	assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), JOBS_MAX);
	assert_false(id_eq(k->list[JOBS_MAX - 1].id, first));
	assert_int_equal(state_of(k->d, 1), DLQ_REPROCESSING);
	close_desk(k);
}

/* Edited by hand, or cut short: set aside, and all goes on. */
TEST(a_damaged_file_is_set_aside)
{
	static const char *const bad[] = { "", "{", "[]", "{\"version\":1,\"jobs\":[{}]}",
		"{\"version\":2,\"jobs\":[]}", "{\"version\":1,\"jobs\":7}" };
	char path[200], aside[220];

	snprintf(path, sizeof(path), "%s/jobs", folder(arg));
	snprintf(aside, sizeof(aside), "%s.bad", path);
	log_threshold = LOG_ERROR + 1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct desk *k = open_desk(arg);

		close_desk(k);
		assert_int_equal(file_replace(path, bad[i], strlen(bad[i])), 0);
		k = open_desk(arg);
		assert_int_equal(jobs_list(k->j, k->list, JOBS_MAX), 0);
		assert_int_equal(access(aside, F_OK), 0);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(unlink(aside), 0);
		close_desk(k);
	}
	log_threshold = LOG_ERROR;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_again_what_is_named),
		cmocka_unit_test(says_why_not),
		cmocka_unit_test(a_dry_run_changes_nothing),
		cmocka_unit_test(discards),
		cmocka_unit_test(a_rate_holds_over_slices),
		cmocka_unit_test(pauses_between_batches),
		cmocka_unit_test(not_before_its_time),
		cmocka_unit_test(hostile_paces),
		cmocka_unit_test(takes_back_what_has_not_left),
		cmocka_unit_test(goes_on_after_a_restart),
		cmocka_unit_test(what_is_of_no_stream_any_more_waits_again),
		cmocka_unit_test(remembers_the_last_ones),
		cmocka_unit_test(a_damaged_file_is_set_aside),
	};

	log_threshold = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

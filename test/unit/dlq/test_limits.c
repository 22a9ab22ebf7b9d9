/*
 * What keeps the store within its limits: messages beyond max_messages, retention, the log's length, statistics by the hour.
 */
#include "unit/dlq/harness.h"

static uint64_t
dropped(struct dlq *d, enum dlq_drop why)
{
	struct dlq_counts c;

	dlq_count(d, STR(""), &c);
	return c.dropped[why];
}

/* ---- max_messages ---- */

static const struct dlq_limits three = { .max_messages = 3 };

TEST(the_oldest_makes_room)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, three);
	struct dlq_filter f = all();
	struct words w;

	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	for (int again = 0; again < 2; again++) {
		assert_string_equal(list(d, &f, &w), "5 4 3");
		assert_int_equal(dropped(d, DLQ_DROP_MAX_MESSAGES), 2);
		assert_int_equal(dropped(d, DLQ_DROP_RETENTION), 0);
		dlq_close(d);
		d = open_with(t, three);
	}
	dlq_close(d);
}

TEST(what_is_decided_goes_first)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, three);
	struct dlq_decision how = by("eve", "");
	struct dlq_filter f = all();
	struct words w;

	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_discard, d, 3, &how), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_int_equal(add(d, 4, "mail", "hello"), 0);
	assert_string_equal(list(d, &f, &w), "4 2 1");
	assert_int_equal(add(d, 5, "mail", "hello"), 0);
	assert_string_equal(list(d, &f, &w), "5 4 1"); /* what is to be sent again goes last */
	dlq_close(d);
}

TEST(what_is_on_its_way_stays)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, (struct dlq_limits){ .max_messages = 1 });
	struct sink_result done = result(SINK_CONFIRMED, 200, "");
	struct dlq_decision how = by("eve", "");
	struct dlq_filter f = all();
	struct words w;

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	(void)take(d, "mail");
	assert_int_equal(add(d, 2, "mail", "hello"), 0);
	assert_string_equal(list(d, &f, &w), "2 1");
	assert_int_equal(dlq_end(d, id_of(1), DLQ_DELIVERED, &done), 0);
	tend(d);
	assert_string_equal(list(d, &f, &w), "2");
	dlq_close(d);
}

TEST(bundles_do_not_count)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, (struct dlq_limits){ 1, 1 });
	struct dlq_filter f = all();
	struct words w;

	for (unsigned i = 1; i <= 3; i++) {
		struct dlq_letter l = letter(i, "usage", "");

		l.kind = DLQ_OBJECT;
		l.m.body.p = NULL;
		l.m.path = tmp_path(t, "object.seg");
		assert_int_equal(file_replace(l.m.path, "x", 1), 0);
		assert_int_equal(dlq_add(d, &l), 0);
	}
	tend(d);
	assert_string_equal(list(d, &f, &w), "3 2 1");
	assert_int_equal(add(d, 4, "mail", "hello"), 0);
	tend(d);
	assert_string_equal(list(d, &f, &w), "3 2 1"); /* a message older than a nanosecond */
	dlq_close(d);
}

TEST(a_lower_limit_holds_for_what_is_there)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_filter f = all();
	struct words w;

	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	dlq_close(d);
	d = open_with(t, three);
	tend(d);
	assert_string_equal(list(d, &f, &w), "599 598 597");
	assert_int_equal(dropped(d, DLQ_DROP_MAX_MESSAGES), 597);
	dlq_close(d);
}

/* ---- retention ---- */

TEST(retention)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct dlq_filter f = all();
	struct dlq_files files;
	struct dlq_letter l;
	struct words w;

	l = letter(1, "usage", "");
	l.kind = DLQ_BUNDLE;
	l.m.body.p = NULL;
	l.m.path = tmp_path(t, "bundle.gz");
	l.list = tmp_path(t, "bundle.list");
	assert_int_equal(file_replace(l.m.path, "x", 1), 0);
	assert_int_equal(file_replace(l.list, "x", 1), 0);
	assert_int_equal(dlq_add(d, &l), 0);
	for (unsigned i = 2; i <= 4; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_discard, d, 2, &how), 0);
	d->limits.retention = 3600 * NS_PER_S;
	tend(d);
	assert_string_equal(list(d, &f, &w), "4 3 2 1");
	d->limits.retention = 1;
	tend(d);
	assert_string_equal(list(d, &f, &w), "1"); /* a bundle waits for its decision */
	assert_int_equal(dropped(d, DLQ_DROP_RETENTION), 3);
	assert_int_equal(dlq_find_files(d, id_of(1), &files), 0);
	assert_int_equal(decide_one(dlq_discard, d, 1, &how), 0);
	tend(d);
	assert_string_equal(list(d, &f, &w), "");
	assert_int_equal(access(files.file, F_OK), -1);
	assert_int_equal(access(files.list, F_OK), -1);
	dlq_close(d);
	d = open_store(t);
	assert_string_equal(list(d, &f, &w), "");
	assert_int_equal(dropped(d, DLQ_DROP_RETENTION), 4);
	dlq_close(d);
}

/* ---- the log's length ---- */

static unsigned
count_logs(struct dlq *d)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < d->next_number; i++) {
		char path[DLQ_PATH_MAX];

		files_log_path(d, i, path);
		n += access(path, F_OK) == 0;
	}
	return n;
}

static void
one_round(struct dlq *d, unsigned n)
{
	struct dlq_decision how = by("eve", "again");
	struct sink_result failed = result(SINK_AGAIN, 503, "503 no");

	assert_int_equal(decide_one(dlq_reprocess, d, n, &how), 0);
	(void)take(d, "mail");
	dlq_attempt(d, id_of(n), &failed, clock_wall(), 5);
	assert_int_equal(dlq_end(d, id_of(n), DLQ_FAILED, &failed), 0);
}

static void
check_rounds(struct dlq *d)
{
	struct dlq_filter f = all();
	struct dlq_entry e;
	struct words w;
	uint64_t left_out;

	assert_string_equal(list(d, &f, &w), "5 4 3 2 1");
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(dlq_find(d, id_of(i), &e), 0);
		assert_int_equal(e.attempts, i == 3 ? 104 : 4);
		assert_int_equal(e.state, DLQ_PENDING);
		assert_string_equal(payload(d, i), "hello");
	}
	assert_string_equal(history(d, 1, &w), "attempt attempt dead");
	w.s[0] = '\0';
	assert_int_equal(dlq_history(d, id_of(3), &left_out, add_word, &w), 0);
	assert_int_equal(left_out, 303 - DLQ_HISTORY_MAX);
	assert_non_null(strstr(w.s, "reprocess attempt returned"));
}

TEST(the_log_is_kept_short)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_counts c;

	d->file_size = 4096;
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	for (unsigned i = 0; i < 100; i++)
		one_round(d, 3);
	tend(d);
	for (int again = 0; again < 3; again++) {
		check_rounds(d);
		assert_true(count_logs(d) == d->n_logs);
		dlq_count(d, STR(""), &c);
		assert_true(c.bytes <= 2 * d->live + 3 * 4096);
		assert_null(files_log(d, 1));
		dlq_close(d);
		d = open_store(t);
		d->file_size = 4096;
		tend(d);
	}
	dlq_close(d);
}

/* What is gone stays gone, though frames of it are written anew around it. */
TEST(what_is_dropped_does_not_come_back)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, three);
	struct dlq_filter f = all();
	struct words w;

	d->file_size = 2048;
	for (unsigned i = 1; i <= 300; i++) {
		assert_int_equal(add(d, i, "mail", "hello"), 0);
		if (i % 10 == 0)
			tend(d);
		if (i % 50 == 0) {
			dlq_close(d);
			d = open_with(t, three);
			d->file_size = 2048;
		}
	}
	assert_string_equal(list(d, &f, &w), "300 299 298");
	assert_int_equal(dropped(d, DLQ_DROP_MAX_MESSAGES), 297);
	assert_true(d->n_logs <= 10);
	dlq_close(d);
}

TEST(an_entry_on_its_way_is_written_anew)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct sink_result failed = result(SINK_AGAIN, 503, "503 no");
	struct dlq_entry e;
	struct words w;

	d->file_size = 1024;
	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	(void)take(d, "mail");
	dlq_attempt(d, id_of(1), &failed, 7, 5);
	assert_int_equal(add(d, 2, "mail", "hello"), 0);
	for (unsigned i = 0; i < 150; i++)
		one_round(d, 2);
	tend(d);
	assert_null(files_log(d, 1));
	dlq_attempt(d, id_of(1), &failed, 8, 5);
	assert_int_equal(dlq_end(d, id_of(1), DLQ_FAILED, &failed), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_int_equal(e.attempts, 6);
		assert_int_equal(e.state, DLQ_PENDING);
		assert_string_equal(
		    history(d, 1, &w), "attempt attempt dead reprocess attempt attempt returned");
		dlq_close(d);
		d = open_store(t);
	}
	dlq_close(d);
}

/* Many restarts leave many small files; they become one. */
TEST(small_files_are_joined)
{
	struct tmp *t = arg;
	struct dlq_filter f = all();
	struct dlq *d;
	struct words w;

	for (unsigned i = 1; i <= 20; i++) {
		d = open_store(t);
		d->file_size = 1; /* each batch a file */
		assert_int_equal(add(d, i, "mail", "hello"), 0);
		dlq_close(d);
	}
	d = open_store(t);
	assert_int_equal(d->n_logs, 20);
	tend(d);
	assert_true(d->n_logs <= 16);
	assert_string_equal(list(d, &f, &w), "20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1");
	dlq_close(d);
}

/* ---- statistics ---- */

struct hours {
	uint64_t n[DLQ_TYPES];
	int64_t last;
};

static void
add_hour(void *arg, int64_t hour, struct str stream, enum dlq_type type, uint64_t n)
{
	struct hours *h = arg;

	assert_true(str_is(stream, "mail") || str_is(stream, "usage"));
	assert_int_equal(hour % DLQ_HOUR, 0);
	assert_true(h->last == 0 || hour <= h->last);
	h->last = hour;
	h->n[type] += n;
}

static struct hours
hours_of(struct dlq *d, unsigned hours)
{
	struct hours h = { { 0 }, 0 };

	dlq_hours(d, hours, add_hour, &h);
	return h;
}

TEST(statistics_outlive_the_letters)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, three);

	d->file_size = 1024;
	for (unsigned i = 1; i <= 40; i++) {
		struct dlq_letter l = letter(i, i % 2 ? "mail" : "usage", "hello");

		l.type = i % 4 ? DLQ_TRANSIENT : DLQ_PERMANENT;
		assert_int_equal(dlq_add(d, &l), 0);
	}
	for (int again = 0; again < 3; again++) {
		struct hours h = hours_of(d, 2);

		assert_int_equal(h.n[DLQ_TRANSIENT], 30);
		assert_int_equal(h.n[DLQ_PERMANENT], 10);
		assert_int_equal(h.n[DLQ_POISON], 0);
		tend(d);
		dlq_close(d);
		d = open_with(t, three);
		d->file_size = 1024;
	}
	assert_null(files_log(d, 1));
	dlq_close(d);
}

TEST(statistics_end_with_retention)
{
	struct tmp *t = arg;
	struct dlq *d = open_with(t, (struct dlq_limits){ 0, 24 * DLQ_HOUR });
	struct dlq_stream *s;
	int64_t now = clock_wall();

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	s = index_find_stream(d, STR("mail"));
	hours_add(d, now - 30 * DLQ_HOUR, s, DLQ_POISON, 7);
	hours_add(d, now - 20 * DLQ_HOUR, s, DLQ_PERMANENT, 5);
	assert_int_equal(hours_of(d, 1).n[DLQ_TRANSIENT], 1);
	assert_int_equal(hours_of(d, 1).n[DLQ_PERMANENT], 0);
	assert_int_equal(hours_of(d, 24).n[DLQ_PERMANENT], 5);
	assert_int_equal(hours_of(d, 48).n[DLQ_POISON], 7);
	tend(d);
	assert_int_equal(hours_of(d, 48).n[DLQ_POISON], 0);
	assert_int_equal(hours_of(d, 48).n[DLQ_PERMANENT], 5);
	dlq_close(d);
}

/* ---- the end ---- */

static void
tend_task(void *arg)
{
	dlq_tend(arg);
}

static bool
somebody_waits(const struct dlq *d)
{
	return !list_empty(&d->batches[0].waiting) || !list_empty(&d->batches[1].waiting);
}

/* The last commit that the tidying waits for as the store is closed is not the last one it makes. */
TEST(closing_lets_the_tidying_end)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	char body[200] = "";

	memset(body, 'x', sizeof(body) - 1);
	d->file_size = 4000;
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(add(d, i, "mail", body), 0);
	assert_true(d->n_logs >= 3);
	d->logs[0].damaged = true;
	assert_int_equal(task_go("tend", tend_task, d, NULL), 0);
	while (!somebody_waits(d))
		assert_int_equal(task_yield(), 0);
	dlq_close(d);
	d = open_store(t);
	assert_int_equal(d->by_id.n, 60);
	dlq_close(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(what_is_decided_goes_first),
		cmocka_unit_test(what_is_on_its_way_stays),
		cmocka_unit_test(bundles_do_not_count),
		cmocka_unit_test(a_lower_limit_holds_for_what_is_there),
		cmocka_unit_test(retention),
		cmocka_unit_test(the_log_is_kept_short),
		cmocka_unit_test(what_is_dropped_does_not_come_back),
		cmocka_unit_test(an_entry_on_its_way_is_written_anew),
		cmocka_unit_test(small_files_are_joined),
		cmocka_unit_test(statistics_outlive_the_letters),
		cmocka_unit_test(statistics_end_with_retention),
		cmocka_unit_test(closing_lets_the_tidying_end),
	};

	log_threshold = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

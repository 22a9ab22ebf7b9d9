/*
 * The life of dead letters: what dlq.h promises, call by call, and once more after the store was closed and opened.
 */
#include "unit/dlq/harness.h"

static struct dlq *
reopen(struct dlq *d, struct tmp *t)
{
	dlq_close(d);
	return open_store(t);
}

static void
check_entry(struct dlq *d)
{
	struct dlq_entry e;

	assert_int_equal(dlq_find(d, id_of(1), &e), 0);
	assert_true(id_eq(e.id, id_of(1)));
	assert_int_equal(e.kind, DLQ_MESSAGE);
	assert_int_equal(e.type, DLQ_TRANSIENT);
	assert_int_equal(e.state, DLQ_PENDING);
	assert_true(str_is(e.stream, "mail"));
	assert_true(str_is(e.user, "ann"));
	assert_true(str_is(e.method, "POST"));
	assert_true(str_is(e.content_type, "application/json"));
	assert_true(str_is(e.content_encoding, "gzip"));
	assert_true(str_starts(e.traceparent, STR("00-0123")));
	assert_true(str_is(e.message_id, "m1"));
	assert_true(str_is(e.error, "503 try later"));
	assert_int_equal(e.status, 503);
	assert_int_equal(e.attempts, 4);
	assert_int_equal(e.size, 5);
	assert_int_equal(e.records, 1);
	assert_int_equal(e.created, 500);
	assert_int_equal(e.last_attempt, 2000);
	assert_true(e.dead > 0 && e.since == e.dead);
	assert_int_equal(e.resolved, 0);
	assert_string_equal(payload(d, 1), "hello");
}

TEST(adds)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_counts c;
	struct words w;

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	for (int again = 0; again < 2; again++) {
		check_entry(d);
		assert_string_equal(history(d, 1, &w), "attempt attempt dead");
		dlq_count(d, STR(""), &c);
		assert_int_equal(c.by_state[DLQ_PENDING], 1);
		assert_int_equal(c.by_type[DLQ_TRANSIENT], 1);
		assert_true(c.bytes > 100 && c.oldest > 0);
		d = reopen(d, t);
	}
	dlq_close(d);
}

TEST(adds_an_id_once)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct words w;
	struct dlq_filter f = all();

	assert_int_equal(add(d, 1, "mail", "first"), 0);
	assert_int_equal(add(d, 1, "mail", "second"), 0);
	d = reopen(d, t);
	assert_int_equal(add(d, 1, "mail", "third"), 0);
	assert_string_equal(payload(d, 1), "first");
	assert_string_equal(list(d, &f, &w), "1");
	dlq_close(d);
}

TEST(sends_again)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "mended");
	struct sink_result failed = result(SINK_PERMANENT, 422, "422 no"),
			   done = result(SINK_CONFIRMED, 200, "");
	struct dlq_entry e;
	struct words w;
	int64_t next;

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_false(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	assert_int_equal(next, 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), ERR_BUSY);
	assert_false(dlq_take(d, STR("other"), clock_wall(), &e, &next));
	assert_true(dlq_take(d, STR("mail"), clock_wall(), NULL, &next));
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	assert_int_equal(e.attempts, 4);
	assert_int_equal(e.tries, 0);
	assert_false(dlq_take(d, STR("mail"), clock_wall(), NULL, &next));
	assert_false(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	dlq_attempt(d, id_of(1), &failed, 3000, 7);
	assert_int_equal(dlq_end(d, id_of(1), DLQ_FAILED, &failed), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_int_equal(e.state, DLQ_PENDING);
		assert_int_equal(e.type, DLQ_PERMANENT);
		assert_int_equal(e.attempts, 5);
		assert_int_equal(e.tries, 1);
		assert_int_equal(e.reprocessed, 1);
		assert_int_equal(e.by_rule, 0);
		assert_int_equal(e.last_attempt, 3000);
		assert_true(e.since >= e.dead);
		assert_true(str_is(e.error, "422 no"));
		assert_true(str_is(e.reason, "mended"));
		assert_string_equal(
		    history(d, 1, &w), "attempt attempt dead reprocess attempt returned");
		d = reopen(d, t);
	}
	how.by = STR("rule:all");
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	dlq_attempt(d, id_of(1), &done, 4000, 8);
	assert_int_equal(dlq_end(d, id_of(1), DLQ_DELIVERED, &done), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_int_equal(e.state, DLQ_RESOLVED);
		assert_true(e.resolved > 0);
		assert_true(str_is(e.resolved_by, "rule:all"));
		assert_int_equal(e.attempts, 6);
		assert_int_equal(e.tries, 1);
		assert_int_equal(e.reprocessed, 2);
		assert_int_equal(e.by_rule, 1);
		assert_string_equal(history(d, 1, &w), "attempt attempt dead reprocess attempt "
						       "returned reprocess attempt resolved");
		d = reopen(d, t);
	}
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), ERR_CONFLICT);
	how.force = true;
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_int_equal(state_of(d, 1), DLQ_REPROCESSING);
	dlq_close(d);
}

TEST(gives_back)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct dlq_entry e;
	int64_t next;

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	dlq_give_back(d, id_of(1));
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	d = reopen(d, t); /* as a crash would */
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	assert_int_equal(e.reprocessed, 1);
	dlq_close(d);
}

TEST(takes_when_due)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct id ids[5];
	int results[5];
	struct dlq_entry e;
	int64_t next, start = clock_wall() + 100 * NS_PER_S;

	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(add(d, i, "mail", "hello"), 0);
		ids[i] = id_of(i);
	}
	how.due = start;
	how.batch = 2;
	how.delay = 10 * NS_PER_S;
	assert_int_equal(dlq_reprocess(d, ids, 5, &how, results), 0);
	d = reopen(d, t);
	assert_false(dlq_take(d, STR("mail"), start - 1, &e, &next));
	assert_int_equal(next, start);
	assert_true(dlq_take(d, STR("mail"), start, &e, &next));
	assert_true(id_eq(e.id, id_of(0)));
	assert_true(dlq_take(d, STR("mail"), start, &e, &next));
	assert_int_equal(next, start + 10 * NS_PER_S);
	assert_false(dlq_take(d, STR("mail"), start, &e, &next));
	assert_true(dlq_take(d, STR("mail"), start + 15 * NS_PER_S, &e, &next));
	assert_true(id_eq(e.id, id_of(2)));
	assert_true(dlq_take(d, STR("mail"), start + 15 * NS_PER_S, &e, &next));
	assert_int_equal(next, start + 20 * NS_PER_S);
	dlq_close(d);
}

TEST(spreads_by_rate)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct id ids[3];
	int results[3];
	struct dlq_entry e;
	int64_t start = clock_wall() + 100 * NS_PER_S;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(add(d, i, "mail", "hello"), 0);
		ids[i] = id_of(i);
	}
	how.due = start;
	how.rate = 4;
	assert_int_equal(dlq_reprocess(d, ids, 3, &how, results), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(dlq_find(d, id_of(i), &e), 0);
		assert_int_equal(e.due, start + i * NS_PER_S / 4);
	}
	dlq_close(d);
}

TEST(discards_and_cancels)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "not needed");
	struct dlq_entry e;
	struct words w;
	int64_t next;

	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(add(d, i, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_discard, d, 9, &how), ERR_NOT_FOUND);
	assert_int_equal(decide_one(dlq_discard, d, 1, &how), 0);
	assert_int_equal(decide_one(dlq_discard, d, 1, &how), ERR_CONFLICT);
	assert_int_equal(decide_one(dlq_cancel, d, 1, &how), ERR_CONFLICT);
	how.job = id_of(77);
	assert_int_equal(decide_one(dlq_reprocess, d, 2, &how), 0);
	assert_int_equal(decide_one(dlq_discard, d, 2, &how), ERR_BUSY);
	assert_int_equal(decide_one(dlq_cancel, d, 2, &how), 0);
	assert_int_equal(dlq_find(d, id_of(2), &e), 0);
	assert_true(id_eq(e.job, (struct id){ { 0 } }));
	assert_int_equal(decide_one(dlq_reprocess, d, 3, &how), 0);
	how.force = true;
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	assert_int_equal(decide_one(dlq_discard, d, 3, &how), ERR_BUSY);
	assert_int_equal(decide_one(dlq_cancel, d, 3, &how), ERR_BUSY);
	dlq_give_back(d, id_of(3));
	assert_int_equal(decide_one(dlq_discard, d, 3, &how), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(state_of(d, 1), DLQ_DISCARDED);
		assert_int_equal(state_of(d, 2), DLQ_PENDING);
		assert_int_equal(state_of(d, 3), DLQ_DISCARDED);
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_true(e.resolved > 0 && str_is(e.resolved_by, "eve"));
		assert_true(str_is(e.reason, "not needed"));
		assert_string_equal(history(d, 2, &w), "attempt attempt dead reprocess cancelled");
		assert_false(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
		d = reopen(d, t);
	}
	dlq_close(d);
}

TEST(poison_wants_force)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_letter l = letter(1, "mail", "hello");
	struct dlq_decision how = by("eve", "");

	l.type = DLQ_POISON;
	assert_int_equal(dlq_add(d, &l), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), ERR_DENIED);
	how.force = true;
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	dlq_close(d);
}

TEST(decides_on_many_at_once)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct id ids[4] = { id_of(1), id_of(8), id_of(2), id_of(1) };
	int results[4];

	assert_int_equal(add(d, 1, "mail", "a"), 0);
	assert_int_equal(add(d, 2, "mail", "b"), 0);
	assert_int_equal(dlq_discard(d, ids, 4, &how, results), 0);
	assert_int_equal(results[0], 0);
	assert_int_equal(results[1], ERR_NOT_FOUND);
	assert_int_equal(results[2], 0);
	assert_int_equal(results[3], ERR_CONFLICT);
	assert_int_equal(dlq_discard(d, ids, 4, &how, results), 0);
	assert_int_equal(results[0], ERR_CONFLICT);
	assert_int_equal(dlq_discard(d, ids, 0, &how, results), 0);
	dlq_close(d);
}

static void
strings_are_cut(struct dlq *d)
{
	struct dlq_entry e;

	assert_int_equal(dlq_find(d, id_of(1), &e), 0);
	assert_int_equal(e.error.n, DLQ_ERROR_MAX);
	assert_int_equal(e.resolved_by.n, DLQ_NAME_MAX - 1); /* of two-byte characters behind one */
	assert_int_equal(e.reason.n, DLQ_REASON_MAX);
}

TEST(cuts_strings)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_letter l = letter(1, "mail", "hello");
	struct dlq_decision how = by("", "");
	char longer[2001];

	memset(longer, 'x', 2000);
	longer[2000] = '\0';
	l.why = longer;
	assert_int_equal(dlq_add(d, &l), 0);
	how.reason = str_of(longer);
	for (unsigned i = 1; i < 2000; i += 2)
		memcpy(longer + i, "\xc3\xa9", i + 1 < 2000 ? 2 : 1);
	how.by = str_make(longer, 1999);
	how.reason = str_make("0123456789", 10);
	memset(longer + 1999, 'y', 1);
	{
		char reason[1000];

		memset(reason, 'r', sizeof(reason));
		how.reason = str_make(reason, sizeof(reason));
		assert_int_equal(decide_one(dlq_discard, d, 1, &how), 0);
	}
	strings_are_cut(d);
	d = reopen(d, t);
	strings_are_cut(d);
	dlq_close(d);
}

static void
on_due(void *arg, struct str stream)
{
	assert_true(str_is(stream, "mail"));
	++*(unsigned *)arg;
}

TEST(tells_what_is_due)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	unsigned told = 0;

	dlq_on_due(d, on_due, &told);
	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_int_equal(told, 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_int_equal(told, 1);
	dlq_close(d);
}

/* While an entry is being written anew it is not to be had; who asked meanwhile is told. */
TEST(tells_who_asked_in_vain)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct entry *e;
	struct dlq_entry out;
	unsigned told = 0;
	int64_t next;

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	dlq_on_due(d, on_due, &told);
	e = index_find(d, id_of(1));
	e->changing = true;
	index_queue(d, e);
	assert_false(dlq_take(d, STR("mail"), clock_wall(), &out, &next));
	index_release(d, e);
	assert_int_equal(told, 1);
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &out, &next));
	dlq_close(d);
}

TEST(reads_parts)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	char p[8];

	assert_int_equal(add(d, 1, "mail", "0123456789"), 0);
	assert_int_equal(add(d, 2, "mail", ""), 0);
	assert_int_equal(dlq_read(d, id_of(1), 3, p, 4), 4);
	assert_memory_equal(p, "3456", 4);
	assert_int_equal(dlq_read(d, id_of(1), 8, p, 4), 2);
	assert_int_equal(dlq_read(d, id_of(1), 10, p, 4), 0);
	assert_int_equal(dlq_read(d, id_of(1), 1000, p, 4), 0);
	assert_int_equal(dlq_read(d, id_of(2), 0, p, 4), 0);
	assert_int_equal(dlq_read(d, id_of(3), 0, p, 4), ERR_NOT_FOUND);
	dlq_close(d);
}

/* The message lies in a file of the caller's; long ones are copied into one of the store's. */
static void
add_from_file(struct dlq *d, struct tmp *t, unsigned n, size_t length)
{
	const char *path = tmp_path(t, "record");
	struct dlq_letter l = letter(n, "mail", "");
	char *bytes = malloc(length + 10);

	memset(bytes, 'a', length + 10);
	bytes[7] = 'B';
	assert_int_equal(file_replace(path, bytes, length + 10), 0);
	free(bytes);
	l.m.body = STR("");
	l.m.body.p = NULL;
	l.m.path = path;
	l.m.offset = 5;
	l.m.length = length;
	assert_int_equal(dlq_add(d, &l), 0);
	assert_int_equal(file_unlink(path), 0);
}

TEST(takes_from_files)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	static const size_t lengths[] = { 0, 10, DLQ_INLINE_MAX, DLQ_INLINE_MAX + 1, 600000 };
	char p[4];
	struct dlq_files files;

	for (unsigned i = 0; i < ARRAY_LEN(lengths); i++)
		add_from_file(d, t, i, lengths[i]);
	for (int again = 0; again < 2; again++) {
		for (unsigned i = 1; i < ARRAY_LEN(lengths); i++) {
			assert_int_equal(dlq_read(d, id_of(i), 1, p, 3), 3);
			assert_memory_equal(p, "aBa", 3);
			assert_int_equal(dlq_read(d, id_of(i), lengths[i] - 1, p, 3), 1);
			assert_int_equal(dlq_find_files(d, id_of(i), &files), 0);
			assert_true((files.file[0] != '\0') == (lengths[i] > DLQ_INLINE_MAX));
			assert_int_equal(files.list[0], '\0');
		}
		d = reopen(d, t);
	}
	assert_int_equal(dlq_find_files(d, id_of(4), &files), 0);
	assert_int_equal(file_unlink(files.file), 0);
	assert_int_equal(dlq_read(d, id_of(4), 0, p, 3), ERR_NOT_FOUND);
	assert_int_equal(state_of(d, 4), DLQ_PENDING);
	assert_int_equal(dlq_find_files(d, id_of(3), &files), 0);
	assert_int_equal(truncate(files.file, 100), 0);
	assert_int_equal(dlq_read(d, id_of(3), 0, p, 3), ERR_CORRUPT);
	dlq_close(d);
}

TEST(links_bundles)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_letter l = letter(1, "usage", "");
	struct dlq_files files;
	struct dlq_entry e;
	struct stat a, b;
	char gz[256], bundle_list[256];

	strcpy(gz, tmp_path(t, "bundle.gz"));
	strcpy(bundle_list, tmp_path(t, "bundle.list"));
	assert_int_equal(file_replace(gz, "gzip", 4), 0);
	assert_int_equal(file_replace(bundle_list, "list", 4), 0);
	l.kind = DLQ_BUNDLE;
	l.m.body.p = NULL;
	l.m.path = gz;
	l.list = bundle_list;
	l.key = STR("p/2026/x.gz");
	l.records = 12;
	assert_int_equal(dlq_add(d, &l), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_int_equal(e.kind, DLQ_BUNDLE);
		assert_int_equal(e.size, 4);
		assert_int_equal(e.records, 12);
		assert_true(str_is(e.key, "p/2026/x.gz"));
		assert_string_equal(payload(d, 1), "gzip");
		assert_int_equal(dlq_find_files(d, id_of(1), &files), 0);
		assert_int_equal(stat(files.file, &a), 0);
		if (!again) {
			assert_int_equal(stat(gz, &b), 0);
			assert_true(a.st_ino == b.st_ino);
			assert_int_equal(file_unlink(gz), 0);
			assert_int_equal(file_unlink(bundle_list), 0);
		}
		assert_int_equal(stat(files.list, &a), 0);
		d = reopen(d, t);
	}
	dlq_close(d);
}

/* ---- lists ---- */

TEST(lists)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct dlq_decision how = by("eve", "");
	struct dlq_filter f = all();
	struct dlq_letter l;
	struct dlq_entry e;
	struct words w;

	for (unsigned i = 1; i <= 6; i++) {
		l = letter(i, i % 2 ? "odd" : "even", "x");
		l.type = i == 3 ? DLQ_PERMANENT : DLQ_TRANSIENT;
		l.why = i == 4 ? "Connection to db FAILED" : "timeout";
		l.m.user = i == 5 ? STR("BobbySmith") : STR("ann");
		assert_int_equal(dlq_add(d, &l), 0);
	}
	how.job = id_of(500);
	assert_int_equal(decide_one(dlq_reprocess, d, 2, &how), 0);
	assert_string_equal(list(d, &f, &w), "6 5 4 3 2 1");
	w.s[0] = '\0';
	assert_int_equal(dlq_list(d, &f, 2, 3, add_number, &w), 6);
	assert_string_equal(w.s, "4 3 2");
	f.stream = STR("odd");
	assert_string_equal(list(d, &f, &w), "5 3 1");
	f.stream = STR("none");
	assert_string_equal(list(d, &f, &w), "");
	f = all();
	f.state = DLQ_REPROCESSING;
	assert_string_equal(list(d, &f, &w), "2");
	f = all();
	f.type = DLQ_PERMANENT;
	assert_string_equal(list(d, &f, &w), "3");
	f = all();
	f.job = how.job;
	assert_string_equal(list(d, &f, &w), "2");
	f = all();
	f.message_id = STR("m6");
	assert_string_equal(list(d, &f, &w), "6");
	assert_int_equal(dlq_find(d, id_of(4), &e), 0);
	f = all();
	f.after = e.dead;
	assert_string_equal(list(d, &f, &w), "6 5 4");
	f.after = 0;
	f.before = e.dead;
	assert_string_equal(list(d, &f, &w), "3 2 1");
	dlq_close(d);
}

TEST(searches_in_any_case)
{
	static const struct {
		const char *q, *found;
	} rows[] = { { "failed", "2" }, { "DB FAIL", "2" }, { "c", "2 1" }, { "Connection", "2" },
		{ "bobby", "3" }, { "SMITH", "3" }, { "m3", "3" }, { "nowhere", "" },
		{ "failedx", "" }, { "0001000000", "1" }, { "AB", "3 2 1" }, { "5", "1" },
		{ "DB ", "2" }, { "ITH", "3" }, { "b", "3 2 1" }, { "oo", "" }, { "timeou", "3 1" },
		{ "000300000000000000000000000000ab", "3" },
		{ "000300000000000000000000000000ab0", "" } };
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	static const char *const why[] = { "timeout, code 5", "Connection to db FAILED",
		"timeout" };
	struct dlq_filter f = all();
	struct words w;
	char longer[1000];

	for (unsigned i = 1; i <= 3; i++) {
		struct dlq_letter l = letter(i, "mail", "x");

		l.why = why[i - 1];
		l.m.user = i == 3 ? STR("BobbySmith") : STR("ann");
		assert_int_equal(dlq_add(d, &l), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		f.q = str_of(rows[i].q);
		assert_string_equal(list(d, &f, &w), rows[i].found);
	}
	memset(longer, 'a', sizeof(longer));
	f.q = str_make(longer, sizeof(longer));
	assert_string_equal(list(d, &f, &w), "");
	dlq_close(d);
}

TEST(names)
{
	(void)arg;
	for (unsigned i = 0; i < DLQ_TYPES; i++)
		assert_int_equal(dlq_type_of(str_of(dlq_type_name((enum dlq_type)i))), i);
	for (unsigned i = 0; i < DLQ_STATES; i++)
		assert_int_equal(dlq_state_of(str_of(dlq_state_name((enum dlq_state)i))), i);
	assert_string_equal(dlq_kind_name(DLQ_OBJECT), "object");
	assert_int_equal(dlq_type_of(STR("none")), -1);
	assert_int_equal(dlq_state_of(STR("")), -1);
	assert_string_equal(dlq_event_name(DLQ_EV_CANCELLED), "cancelled");
}

/* ---- history ---- */

static void
one_round(struct dlq *d, unsigned n)
{
	struct dlq_decision how = by("eve", "again");
	struct sink_result failed = result(SINK_AGAIN, 503, "503 no");
	struct dlq_entry e;
	int64_t next;

	assert_int_equal(decide_one(dlq_reprocess, d, n, &how), 0);
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	dlq_attempt(d, id_of(n), &failed, clock_wall(), 5);
	assert_int_equal(dlq_end(d, id_of(n), DLQ_FAILED, &failed), 0);
}

struct tally {
	unsigned n, attempts;
	struct dlq_event first;
};

static void
tally_event(void *arg, const struct dlq_event *e)
{
	struct tally *y = arg;

	if (y->n++ == 0)
		y->first = *e;
	if (e->kind == DLQ_EV_ATTEMPT) {
		y->attempts++;
		assert_true(str_is(e->error, "503 no"));
		assert_int_equal(e->status, 503);
		assert_int_equal(e->duration, 5);
		assert_int_equal(e->by.n, 0);
	} else if (e->kind == DLQ_EV_REPROCESS) {
		assert_true(str_is(e->by, "eve") && str_is(e->reason, "again"));
		assert_int_equal(e->error.n, 0);
	}
}

TEST(keeps_the_newest_events)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	for (unsigned i = 0; i < 40; i++)
		one_round(d, 1);
	for (int again = 0; again < 2; again++) {
		struct tally y = { 0 };
		uint64_t left_out = 0;
		struct dlq_entry e;

		assert_int_equal(dlq_history(d, id_of(1), &left_out, tally_event, &y), 0);
		assert_int_equal(y.n, DLQ_HISTORY_MAX);
		assert_int_equal(left_out, 3 + 40 * 3 - DLQ_HISTORY_MAX);
		assert_int_equal(y.first.kind, DLQ_EV_RETURNED);
		assert_int_equal(dlq_find(d, id_of(1), &e), 0);
		assert_int_equal(e.attempts, 44);
		assert_int_equal(e.reprocessed, 40);
		d = reopen(d, t);
	}
	dlq_close(d);
}

TEST(a_held_attempt_is_not_counted)
{
	struct tmp *t = arg;
	struct dlq *d = open_store(t);
	struct sink_result held = result(SINK_HELD, 401, "401 who are you");
	struct dlq_decision how = by("eve", "");
	struct dlq_entry e;
	int64_t next;

	assert_int_equal(add(d, 1, "mail", "hello"), 0);
	assert_int_equal(decide_one(dlq_reprocess, d, 1, &how), 0);
	assert_true(dlq_take(d, STR("mail"), clock_wall(), &e, &next));
	dlq_attempt(d, id_of(1), &held, clock_wall(), 5);
	dlq_give_back(d, id_of(1));
	assert_int_equal(dlq_find(d, id_of(1), &e), 0);
	assert_int_equal(e.attempts, 4);
	assert_true(str_is(e.error, "401 who are you"));
	dlq_close(d);
}

/* ---- many at once ---- */

#define TASKS 50u

struct crowd {
	struct dlq *d;
	unsigned next, left;
	struct waitq done;
};

static void
one_of_crowd(void *arg)
{
	struct crowd *c = arg;
	unsigned n = c->next++;
	struct dlq_decision how = by("eve", "");

	assert_int_equal(add(c->d, n / 2, "mail", "hello"), 0); /* each id by two tasks */
	if (n % 2) {
		int err = decide_one(n % 4 == 1 ? dlq_discard : dlq_reprocess, c->d, n / 2, &how);

		assert_int_equal(err, 0);
	}
	if (--c->left == 0)
		waitq_wake_all(&c->done);
}

TEST(many_at_once)
{
	struct tmp *t = arg;
	struct crowd c = { .d = open_store(t), .left = TASKS };
	struct dlq_counts counts;

	waitq_init(&c.done);
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(task_go("crowd", one_of_crowd, &c, NULL), 0);
	while (c.left > 0)
		assert_int_equal(waitq_park(&c.done, CLOCK_NEVER), 0);
	for (int again = 0; again < 2; again++) {
		dlq_count(c.d, STR("mail"), &counts);
		assert_int_equal(counts.by_state[DLQ_DISCARDED], 13);
		assert_int_equal(counts.by_state[DLQ_REPROCESSING], 12);
		assert_int_equal(counts.by_state[DLQ_PENDING], 0);
		c.d = reopen(c.d, t);
	}
	dlq_close(c.d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds),
		cmocka_unit_test(adds_an_id_once),
		cmocka_unit_test(sends_again),
		cmocka_unit_test(gives_back),
		cmocka_unit_test(takes_when_due),
		cmocka_unit_test(spreads_by_rate),
		cmocka_unit_test(discards_and_cancels),
		cmocka_unit_test(poison_wants_force),
		cmocka_unit_test(decides_on_many_at_once),
		cmocka_unit_test(cuts_strings),
		cmocka_unit_test(tells_what_is_due),
		cmocka_unit_test(tells_who_asked_in_vain),
		cmocka_unit_test(reads_parts),
		cmocka_unit_test(takes_from_files),
		cmocka_unit_test(links_bundles),
		cmocka_unit_test(lists),
		cmocka_unit_test(searches_in_any_case),
		cmocka_unit_test(names),
		cmocka_unit_test(keeps_the_newest_events),
		cmocka_unit_test(a_held_attempt_is_not_counted),
		cmocka_unit_test(many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

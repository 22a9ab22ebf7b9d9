/*
 * Bundles and objects that are given up become dead letters, are sent again, and are discarded: among failing file calls, and killed at each of
 * them and at each crash point. In the end each record is in the store once, or in one letter.
 */
#include "unit/ship/life.h"

#include "ship/points.h"
#include "ship/tries.h"
#include "spool/reader.h"

/* Lives are dear under a sanitizer. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DEAR 4
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define DEAR 4
#endif
#ifndef DEAR
#define DEAR 1
#endif

static struct place *
with(int mode, unsigned segments, unsigned sick)
{
	struct place *p = place_new(mode);

	p->letters = true;
	p->conf.retry.max = 1;
	p->m->sick = sick;
	for (unsigned i = 0; i < segments; i++)
		place_add(p, LIFE_HOUR + i * 3600 * NS_PER_S, 1, "");
	return p;
}

/* ---- on a task of a life ---- */

/* Of a bundle all, of an object its body. */
static void
read_letter(struct place *p, struct dlq *d, const struct dlq_entry *e)
{
	uint16_t *records = calloc(MODEL_RECORDS, sizeof(*records));
	struct dlq_files files;
	struct sink_item item = {
		.id = e->id, .path = files.file, .gzip_id = e->kind == DLQ_BUNDLE
	};
	struct reader_record record;
	struct reader *r;
	struct stat st;
	unsigned n;

	if (dlq_find_files(d, e->id, &files) != 0 || stat(files.file, &st) != 0)
		life_abort(__LINE__);
	item.length = (uint64_t)st.st_size;
	if (e->kind == DLQ_OBJECT) {
		if (reader_open(files.file, 0, &r) != 0 || reader_next(r, &record) != 1)
			life_abort(__LINE__);
		n = model_parse(record.body.p, record.body.n, records, MODEL_RECORDS);
		reader_close(r);
	} else {
		n = model_read(&item, records, MODEL_RECORDS);
	}
	for (unsigned i = 0; i < n; i++)
		p->m->in_letters[records[i]]++;
	free(records);
}

struct looking {
	struct place *p;
	struct dlq *d;
	bool read; /* their records, too: of a life without faults */
	struct id ids[64];
	size_t n;
};

static void
look_at(void *arg, const struct dlq_entry *e)
{
	struct looking *l = arg;

	l->p->m->letters[e->state]++;
	if (l->read && (e->state == DLQ_PENDING || e->state == DLQ_REPROCESSING))
		read_letter(l->p, l->d, e);
	if (l->n < ARRAY_LEN(l->ids))
		l->ids[l->n++] = e->id;
}

static struct looking
look(struct place *p, struct dlq *d, int state, bool read)
{
	struct dlq_filter f = { .state = state, .type = -1 };
	struct looking l = { .p = p, .d = d, .read = read };

	memset(p->m->letters, 0, sizeof(p->m->letters));
	memset(p->m->in_letters, 0, sizeof(p->m->in_letters));
	(void)dlq_list(d, &f, 0, 1000, look_at, &l);
	return l;
}

static bool
inspect(struct place *p, struct dlq *d)
{
	(void)look(p, d, -1, true);
	return true;
}

static bool
inspect_not_read(struct place *p, struct dlq *d)
{
	(void)look(p, d, -1, false);
	return true;
}

/* Until none is on its way, and none is to be sent. */
static bool
wait_ended(const struct place *p, struct dlq *d)
{
	int64_t end = clock_mono() + p->patience;
	struct dlq_counts c;

	do {
		dlq_count(d, STR(""), &c);
		if (c.by_state[DLQ_REPROCESSING] == 0)
			return true;
	} while (task_sleep_until(clock_mono() + NS_PER_MS) == 0 && clock_mono() < end);
	return false;
}

static const struct dlq_decision decision = { .by = STR_INIT("op"), .reason = STR_INIT("test") };

static bool
send_again(struct place *p, struct dlq *d)
{
	struct looking l = look(p, d, DLQ_PENDING, false);
	int results[64];

	if (l.n > 0 && dlq_reprocess(d, l.ids, l.n, &decision, results) != 0)
		return false;
	return wait_ended(p, d);
}

static bool
discard(struct place *p, struct dlq *d)
{
	struct looking l = look(p, d, DLQ_PENDING, false);
	int results[64];

	return l.n == 0 || dlq_discard(d, l.ids, l.n, &decision, results) == 0;
}

/* ---- checks ---- */

static int
live(struct place *p, bool (*act)(struct place *p, struct dlq *d))
{
	p->act = act;
	return place_live(p);
}

/* The streams' folders are empty; each record is in the store, or in a letter. */
static void
check_apart(struct place *p, unsigned letters)
{
	assert_int_equal(live(p, inspect), 0);
	assert_int_equal(p->m->letters[DLQ_PENDING], letters);
	for (unsigned r = 0; r < p->records; r++)
		if (model_count(p->m, r) + p->m->in_letters[r] != 1 ||
		    p->m->in_letters[r] != (r < p->m->sick))
			fail_msg("record %u is %u times in the store, %u times in letters", r,
			    model_count(p->m, r), p->m->in_letters[r]);
	assert_int_equal(place_files(p, ""), 0);
	assert_int_equal(place_files(p, "aggregation"), 0);
	assert_int_equal(place_files(p, "uploading"), 0);
}

static void
check_all_sent(struct place *p, unsigned resolved)
{
	place_check(p);
	assert_int_equal(live(p, inspect), 0);
	assert_int_equal(p->m->letters[DLQ_PENDING] + p->m->letters[DLQ_REPROCESSING], 0);
	assert_int_equal(p->m->letters[DLQ_RESOLVED], resolved);
}

/* ---- what they do ---- */

static void
given_up_and_sent_again(void **state)
{
	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = with(mode, 5, 2);

		assert_int_equal(live(p, NULL), 0);
		/* Two attempts at each of the sick, one at the others. */
		assert_int_equal(p->m->puts, 2 * 2 + 3);
		check_apart(p, 2);
		/* Failed again, each in two attempts more. */
		assert_int_equal(live(p, send_again), 0);
		assert_int_equal(p->m->puts, 2 * 4 + 3);
		check_apart(p, 2);
		p->m->sick = 0;
		assert_int_equal(live(p, send_again), 0);
		check_all_sent(p, 2);
		place_free(p);
	}
}

/* A key that another takes in the meantime: the next number is found. */
static void
numbers_move_on(void **state)
{
	struct place *p = with(STREAM_BUNDLE, 1, 1);
	char host[64], key[200];

	(void)state;
	assert_int_equal(live(p, NULL), 0);
	sink_host_name(host, sizeof(host));
	snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.jsonl.gz", host);
	model_put_foreign(p->m, key);
	assert_int_equal(live(p, send_again), 0);
	check_apart(p, 1);
	p->m->sick = 0;
	assert_int_equal(live(p, send_again), 0);
	check_all_sent(p, 1);
	snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.1.jsonl.gz", host);
	assert_non_null(model_find(p->m, str_of(key)));
	place_free(p);
}

static void
discarded_ones_are_gone(void **state)
{
	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = with(mode, 3, 1);

		assert_int_equal(live(p, NULL), 0);
		assert_int_equal(live(p, discard), 0);
		assert_int_equal(live(p, inspect), 0);
		assert_int_equal(p->m->letters[DLQ_DISCARDED], 1);
		assert_int_equal(p->m->letters[DLQ_PENDING], 0);
		p->m->sick = 0;
		assert_int_equal(live(p, NULL), 0);
		assert_int_equal(model_count(p->m, 0), 0);
		assert_int_equal(model_count(p->m, 1), 1);
		place_free(p);
	}
}

/* Refusals that are the destination's, not the bundle's: however many, nothing is given up. So are attempts that only ask whether it is back. */
static void
an_outage_fills_no_letters(void **state)
{
	static enum model_fault held[30], refused[60];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		held[i] = MODEL_DENIED;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		refused[i] = MODEL_REFUSED;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = with(mode, 3, 0);

		p->m->script = held;
		p->m->script_n = ARRAY_LEN(held);
		assert_int_equal(live(p, NULL), 0);
		check_all_sent(p, 0);
		place_free(p);
		/* Three bundles have nine retries between them: open after five failures, the breaker keeps the rest. */
		p = with(mode, 3, 0);
		p->conf.retry.max = 3;
		p->m->script = refused;
		p->m->script_n = ARRAY_LEN(refused);
		assert_int_equal(live(p, NULL), 0);
		check_all_sent(p, 0);
		place_free(p);
	}
}

/* A restart in between does not give it more attempts. */
static void
attempts_outlast_a_restart(void **state)
{
	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = with(mode, 1, 1);
		unsigned lives = 0;

		p->conf.retry.max = 2;
		while (place_live_with(p, "SLUICE_CRASH", "ship.tries_written:1") == -1)
			lives++;
		/* The last attempt's count is written, too; then it is only given up. */
		assert_int_equal(lives, 3);
		assert_int_equal(p->m->puts, 3);
		check_apart(p, 1);
		place_free(p);
	}
}

static void
counts_read_back(void **state)
{
	struct tries t = { 0 }, back;
	struct sink_result r = {
		.outcome = SINK_AGAIN, .status = 503, .why = "503 \nSlow \x01 Down"
	};
	struct tmp tmp;
	char path[200];

	(void)state;
	tmp_init(&tmp);
	snprintf(path, sizeof(path), "%s/x.tries", tmp.dir);
	assert_int_equal(tries_read(path, &back), 0);
	assert_int_equal(back.n, 0);
	tries_add(&t, &r, 5);
	tries_add(&t, &r, 9);
	assert_int_equal(tries_write(path, &t), 0);
	assert_int_equal(tries_read(path, &back), 0);
	assert_int_equal(back.n, 2);
	assert_int_equal(back.first, 5);
	assert_int_equal(back.last, 9);
	assert_int_equal(back.status, 503);
	assert_string_equal(back.why, "503  Slow   Down");
	for (const char *const *bad = (const char *const[]){ "", "x", "1 2 3\n", "-1 2 3 4 x\n",
		 "99999999999 1 1 1 x\n", NULL };
	     *bad; bad++) {
		assert_int_equal(file_replace(path, *bad, strlen(*bad)), 0);
		assert_int_equal(tries_read(path, &back), 0);
		assert_int_equal(back.n, 0);
	}
	tmp_fini(&tmp);
}

/* ---- poison ---- */

static const char *
only_file(const struct place *p, const char *sub)
{
	static struct path path, folder;
	struct dirent *e;
	DIR *d = opendir(path_join(&folder, p->dir, NULL, sub));

	path.s[0] = '\0';
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_type == DT_REG)
			path_join(&path, folder.s, NULL, e->d_name);
	if (d != NULL)
		closedir(d);
	return path.s;
}

static bool
check_poison(struct place *p, struct dlq *d)
{
	struct dlq_filter f = { .state = DLQ_PENDING, .type = DLQ_POISON };
	struct looking l = { .p = p, .d = d };
	struct dlq_files files;

	return dlq_list(d, &f, 0, 10, look_at, &l) == 1 &&
	       dlq_find_files(d, l.ids[0], &files) == 0 && access(files.file, F_OK) == 0;
}

/* It is the planner's to make the letter, so that is waited for. */
static bool
wait_poison(struct place *p, struct dlq *d)
{
	int64_t end = clock_mono() + p->patience;

	while (!check_poison(p, d))
		if (clock_mono() > end || task_sleep_until(clock_mono() + NS_PER_MS) != 0)
			return false;
	return true;
}

static bool
discard_poison(struct place *p, struct dlq *d)
{
	struct dlq_filter f = { .state = DLQ_PENDING, .type = -1 };
	struct looking l = { .p = p, .d = d };
	int result = -1;

	(void)dlq_list(d, &f, 0, 10, look_at, &l);
	return l.n == 1 && dlq_discard(d, l.ids, 1, &decision, &result) == 0 && result == 0;
}

/* A segment with a record that does not hold: the others arrive, it is shown, and gone once it is discarded; an object likewise. */
static void
damaged_files_are_poison(void **state)
{
	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = with(mode, 1, 0);
		struct path path;
		int fd;

		strcpy(path.s, only_file(p, ""));
		fd = open(path.s, O_RDWR);
		assert_int_equal(pwrite(fd, "X", 1, SEGMENT_HEADER_LEN + SEGMENT_FRAME_LEN + 2), 1);
		close(fd);
		place_add(p, LIFE_HOUR + 7200 * NS_PER_S, 1, "");
		assert_int_equal(live(p, wait_poison), 0);
		assert_int_equal(model_count(p->m, 0), 0);
		assert_int_equal(model_count(p->m, 1), 1);
		assert_int_equal(place_files(p, "corrupt"), 1);
		/* Once, however often it is looked at. */
		assert_int_equal(live(p, wait_poison), 0);
		assert_int_equal(live(p, discard_poison), 0);
		assert_int_equal(live(p, inspect_not_read), 0);
		assert_int_equal(place_files(p, "corrupt"), 0);
		assert_int_equal(p->m->letters[DLQ_DISCARDED], 1);
		assert_int_equal(p->m->letters[DLQ_PENDING], 0);
		place_free(p);
	}
}

/* ---- among faults ---- */

static void
heal(struct place *p)
{
	p->patience = 20 * NS_PER_S;
	assert_int_equal(live(p, NULL), 0);
	check_apart(p, p->m->sick);
}

/* One life with a fault while letters are made, one while they are sent again: each ends well after a life without. Returns whether one of them
 * was killed. */
static bool
suffer(int mode, const char *variable, const char *value, int64_t patience)
{
	struct place *p = with(mode, 3, 2);
	bool killed;

	p->patience = patience;
	p->act = NULL;
	killed = place_live_with(p, variable, value) == -1;
	heal(p);
	p->m->sick = 0;
	p->act = send_again;
	p->patience = patience;
	killed = place_live_with(p, variable, value) == -1 || killed;
	p->patience = 20 * NS_PER_S;
	assert_int_equal(live(p, send_again), 0);
	check_all_sent(p, 2);
	place_free(p);
	return killed;
}

/* So many file calls a life makes, and they are many: some are tried each time, others the next. */
static void
each_call(const char *variable, const char *form, int64_t patience, unsigned step)
{
	step *= DEAR;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++)
		for (unsigned n = 1 + (unsigned)(random_u64() % step); n < 220; n += step) {
			char value[48];

			snprintf(value, sizeof(value), form, n);
			(void)suffer(mode, variable, value, patience);
		}
}

static void
killed_before_a_call(void **state)
{
	(void)state;
	each_call("SLUICE_CRASH", "@*:%u", 20 * NS_PER_S, 29);
}

static void
one_failed_call(void **state)
{
	(void)state;
	each_call("SLUICE_FAIL", "*:%u:EIO", 20 * NS_PER_S, 29);
}

static void
no_call_works_from_one_on(void **state)
{
	(void)state;
	each_call("SLUICE_FAIL", "*:%u+:ENOSPC", 30 * NS_PER_MS, 53);
}

static void
killed_at_each_point(void **state)
{
	static const char *const points[] = {
#define POINT(name) name,
		SHIP_POINTS_LETTER(POINT)
#undef POINT
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(points); i++)
		for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++)
			for (unsigned n = 1, killed = 1; killed; n += DEAR) {
				char value[64];

				snprintf(value, sizeof(value), "%s:%u", points[i], n);
				killed = suffer(mode, "SLUICE_CRASH", value, 20 * NS_PER_S);
				if (n == 1 && !killed)
					fail_msg("%s is never reached", points[i]);
			}
}

static int
needs_test_build(void **state)
{
	(void)state;
#ifndef SLUICE_TEST
	skip();
#endif
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup(fn, needs_test_build)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(given_up_and_sent_again),
		cmocka_unit_test(numbers_move_on),
		cmocka_unit_test(discarded_ones_are_gone),
		cmocka_unit_test(an_outage_fills_no_letters),
		cmocka_unit_test(counts_read_back),
		cmocka_unit_test(damaged_files_are_poison),
		TEST(attempts_outlast_a_restart),
		TEST(killed_at_each_point),
		TEST(killed_before_a_call),
		TEST(one_failed_call),
		TEST(no_call_works_from_one_on),
	};

	log_threshold = LOG_ERROR + 1; /* faults are what it is about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

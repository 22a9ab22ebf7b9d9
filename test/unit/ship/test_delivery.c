/*
 * Delivery as a whole, over a real folder into a store in memory: outcomes of uploads, keys that are taken, the probe, the breaker, draining.
 */
#include "unit/ship/life.h"

static struct place *
with(int mode, unsigned segments, unsigned records)
{
	struct place *p = place_new(mode);

	for (unsigned i = 0; i < segments; i++)
		place_add(p, LIFE_HOUR + i * NS_PER_S, records, "");
	return p;
}

static void
bundles_arrive(void **state)
{
	struct place *p = with(STREAM_BUNDLE, 3, 4);

	(void)state;
	place_add(p, LIFE_HOUR + 2 * NS_PER_S, 4, ".open");
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_int_equal(p->m->n, 1);
	assert_int_equal(p->m->probes, 1);
	place_free(p);
}

static void
hours_go_to_objects_of_their_own(void **state)
{
	struct place *p = place_new(STREAM_BUNDLE);

	(void)state;
	for (int i = 0; i < 30; i++)
		place_add(p, LIFE_HOUR + i % 10 * 3600 * NS_PER_S + i, 2, "");
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_int_equal(p->m->n, 10);
	place_free(p);
}

/* More segments than one look or one bundle takes. */
static void
long_backlogs_are_worked_off(void **state)
{
	struct place *p = with(STREAM_BUNDLE, 3 * SCAN_MAX_SEGMENTS + 7, 1);

	(void)state;
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_true(p->m->n >= 12 && p->m->n <= 20);
	/* Numbers are remembered: one PUT each, none that is told that the key is taken. */
	assert_int_equal(p->m->puts, p->m->n);
	place_free(p);
}

static void
objects_arrive_under_their_keys(void **state)
{
	struct place *p = with(STREAM_OBJECT, 40, 1);

	(void)state;
	place_add(p, LIFE_HOUR, 1, ".open");
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_int_equal(p->m->n, 41);
	assert_non_null(model_find(p->m, STR("p/u/2.png")));
	assert_non_null(model_find(p->m, STR("p/u/2.1.png")));
	assert_true(p->m->most_at_once > 1 && p->m->most_at_once <= 3);
	place_free(p);
}

static void
taken_keys_get_the_next_number(void **state)
{
	struct place *p = with(STREAM_BUNDLE, 2, 3);
	char host[64], key[200];

	(void)state;
	sink_host_name(host, sizeof(host));
	snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.jsonl.gz", host);
	model_put_foreign(p->m, key);
	snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.1.jsonl.gz", host);
	model_put_foreign(p->m, key);
	assert_int_equal(place_live(p), 0);
	place_check(p);
	snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.2.jsonl.gz", host);
	assert_non_null(model_find(p->m, str_of(key)));
	place_free(p);
}

static void
lost_disk_and_two_servers_of_one_name(void **state)
{
	struct place *p = with(STREAM_BUNDLE, 2, 3);

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(place_live(p), 0);
		place_lose_disk(p);
		place_add(p, LIFE_HOUR + i, 3, "");
	}
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_int_equal(p->m->n, 5);
	place_free(p);
}

static void
failed_uploads_are_tried_again(void **state)
{
	static const enum model_fault script[] = { MODEL_REFUSED, MODEL_UNHEARD, MODEL_LATE_PUT,
		MODEL_DENIED, MODEL_REFUSED, MODEL_UNHEARD, MODEL_DENIED, MODEL_DENIED };

	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++)
		for (unsigned concurrency = 1; concurrency <= 3; concurrency += 2) {
			struct place *p = place_new(mode);

			for (int i = 0; i < 8; i++)
				place_add(p, LIFE_HOUR + i * 3600 * NS_PER_S, 1, "");
			p->conf.concurrency = concurrency;
			p->m->script = script;
			p->m->script_n = ARRAY_LEN(script);
			assert_int_equal(place_live(p), 0);
			place_check(p);
			assert_int_equal(p->m->n, 8);
			assert_true(p->m->most_at_once <= concurrency);
			place_free(p);
		}
}

/* Nothing is sent before it is known whether a PUT could overwrite; and then keys carry the id. */
static void
stores_without_conditions_lose_nothing(void **state)
{
	char host[64], key[200];

	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = with(mode, 4, 1);

		sink_host_name(host, sizeof(host));
		snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.jsonl.gz", host);
		model_put_foreign(p->m, key);
		model_put_foreign(p->m, "p/u/1.png");
		p->m->conditional = false;
		p->m->probe_error = ERR_TIMEOUT;
		p->m->probe_errors = 3;
		p->m->fault_every = 2;
		assert_int_equal(place_live(p), 0);
		place_check(p);
		assert_int_equal(p->m->probes, 4);
		assert_false(p->m->objects[0].replaced);
		assert_false(p->m->objects[1].replaced);
		place_free(p);
	}
}

/* Away for long: attempts one at a time, one for each interval of the open breaker; then quick. */
static void
breaker_spaces_attempts(void **state)
{
	static enum model_fault script[40];
	struct place *p = place_new(STREAM_BUNDLE);
	unsigned opened = 3; /* attempts until the breaker opens */

	(void)state;
	for (int i = 0; i < 6; i++)
		place_add(p, LIFE_HOUR + i * 3600 * NS_PER_S, 1, "");
	for (unsigned i = 0; i < ARRAY_LEN(script); i++)
		script[i] = MODEL_REFUSED;
	p->m->script = script;
	p->m->script_n = 12;
	p->m->put_ns = NS_PER_MS;
	p->conf.concurrency = 1;
	p->conf.breaker_failures = opened;
	p->conf.breaker_open = 20 * NS_PER_MS;
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_int_equal(p->m->puts, 12 + 6);
	for (unsigned i = opened; i <= 12; i++) {
		int64_t apart = p->m->put_at[i] - p->m->put_at[i - 1];

		assert_true(apart >= 20 * NS_PER_MS && apart < 200 * NS_PER_MS);
	}
	place_free(p);
}

static void
drain_ends_at_its_deadline_with_a_count(void **state)
{
	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		struct place *p = place_new(mode);
		static enum model_fault script[64];
		int64_t begun = clock_mono();

		for (int i = 0; i < 5; i++)
			place_add(p, LIFE_HOUR + i * 3600 * NS_PER_S, 1, "");
		for (unsigned i = 0; i < ARRAY_LEN(script); i++)
			script[i] = MODEL_DENIED;
		p->m->script = script;
		p->m->script_n = ARRAY_LEN(script);
		p->patience = 60 * NS_PER_MS;
		assert_int_equal(place_live(p), 3);
		assert_true(clock_mono() - begun < 2 * NS_PER_S);
		/* gzs or objects: as many as there were segments */
		assert_int_equal(place_files(p, "uploading"), 5);
		p->m->script_n = 0;
		p->patience = 10 * NS_PER_S;
		assert_int_equal(place_live(p), 0);
		place_check(p);
		place_free(p);
	}
}

/* Left-overs of a numbered object, its temporary included. */
static void
side_files_do_not_stay(void **state)
{
	struct place *p = with(STREAM_OBJECT, 2, 1);
	struct path path;

	(void)state;
	assert_int_equal(file_replace(path_join(&path, p->dir, "uploading", "x.n"), "1\n", 2), 0);
	assert_int_equal(
	    file_replace(path_join(&path, p->dir, "uploading", "y.n.tmp"), "1\n", 2), 0);
	assert_int_equal(place_live(p), 0);
	place_check(p);
	place_free(p);
}

static void
times_to_come_hold_nothing(void **state)
{
	struct place *p = place_new(STREAM_BUNDLE);

	(void)state;
	p->conf.bundle_interval = 600 * NS_PER_S;
	place_add(p, clock_wall() + 90 * 60 * NS_PER_S, 2, "");
	place_add(p, LIFE_HOUR, 2, "");
	assert_int_equal(place_live(p), 0);
	place_check(p);
	assert_int_equal(p->m->n, 2);
	place_free(p);
}

/* A record on a bad block, here a folder in its segment's place, keeps the stream's other data waiting no longer than itself. */
static void
unreadable_segment_holds_up_no_other(void **state)
{
	struct place *p = with(STREAM_BUNDLE, 3, 2);
	struct path path;

	(void)state;
	assert_int_equal(
	    file_make_dirs(path_join(&path, p->dir, NULL, "20261122T010000000000000Z.1.77")), 0);
	p->patience = 200 * NS_PER_MS;
	assert_int_equal(place_live(p), 3);
	for (unsigned r = 0; r < p->records; r++)
		assert_int_equal(model_count(p->m, r), 1);
	assert_int_equal(rmdir(path.s), 0);
	assert_int_equal(place_live(p), 0);
	place_check(p);
	place_free(p);
}

/* ---- a disk that fails ---- */

static struct {
	ino_t file;
	off_t from, to; /* of it; what lies there cannot be read */
} bad;

static ssize_t
failing_pread(int fd, void *p, size_t n, off_t at)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || st.st_ino != bad.file || at >= bad.to ||
	    at + (off_t)n <= bad.from)
		return file_calls_real.pread(fd, p, n, at);
	if (at < bad.from)
		return file_calls_real.pread(fd, p, (size_t)(bad.from - at), at);
	errno = EIO;
	return -1;
}

static int
find_file(const char *name, void *arg)
{
	struct stat st;
	struct path path;
	const char *dir = arg;

	if (stat(path_join(&path, dir, NULL, name), &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size > 8192)
		bad.file = st.st_ino;
	return 0;
}

/* One long segment among others, of which these bytes cannot be read: it is set aside, all else arrives, once. */
static unsigned
lost_with(off_t from, off_t to, const char *suffix)
{
	struct place *p = with(STREAM_BUNDLE, 2, 3);
	unsigned lost = 0;

	place_add(p, LIFE_HOUR + 7, 400, suffix);
	place_add(p, LIFE_HOUR + 900, 3, "");
	assert_int_equal(file_each(p->dir, find_file, p->dir), 0);
	bad.from = from;
	bad.to = to;
	p->pread = failing_pread;
	ship_read_patience = 30 * NS_PER_MS;
	assert_int_equal(place_live(p), 0);
	model_land(p->m, true);
	for (unsigned r = 0; r < p->records; r++) {
		assert_true(model_count(p->m, r) <= 1);
		lost += model_count(p->m, r) == 0;
	}
	assert_int_equal(place_files(p, ""), 0);
	assert_int_equal(place_files(p, "aggregation"), 0);
	assert_int_equal(place_files(p, "corrupt"), 1);
	place_free(p);
	return lost;
}

static void
what_the_disk_cannot_read_is_given_up_after_a_while(void **state)
{
	static const char *const suffixes[] = { "", ".open" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		/* A block holds some 60 records; those at its ends reach into others. */
		assert_in_range(lost_with(4096, 8192, suffixes[i]), 40, 100);
		assert_in_range(lost_with(4096, 4097, suffixes[i]), 40, 100);
		assert_in_range(lost_with(8192, 1 << 20, suffixes[i]), 150, 350);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundles_arrive),
		cmocka_unit_test(hours_go_to_objects_of_their_own),
		cmocka_unit_test(long_backlogs_are_worked_off),
		cmocka_unit_test(objects_arrive_under_their_keys),
		cmocka_unit_test(taken_keys_get_the_next_number),
		cmocka_unit_test(lost_disk_and_two_servers_of_one_name),
		cmocka_unit_test(failed_uploads_are_tried_again),
		cmocka_unit_test(stores_without_conditions_lose_nothing),
		cmocka_unit_test(breaker_spaces_attempts),
		cmocka_unit_test(drain_ends_at_its_deadline_with_a_count),
		cmocka_unit_test(side_files_do_not_stay),
		cmocka_unit_test(times_to_come_hold_nothing),
		cmocka_unit_test(unreadable_segment_holds_up_no_other),
		cmocka_unit_test(what_the_disk_cannot_read_is_given_up_after_a_while),
	};

	log_threshold = LOG_ERROR + 1; /* faults are what it is about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Appending as a worker does: order, rolling, sealing, room, waiting for space, cancelling, stopping.
 */
#include "folder.h"

static int64_t fake_wall;
static uint64_t fake_room;
static unsigned sealed_calls, orphaned_calls;
static uint64_t added_bytes, committed_records, committed_bytes, sealed_records, orphaned_records;
static struct spool_commit last_commit;

static int64_t
wall(void *arg)
{
	(void)arg;
	return fake_wall;
}

static uint64_t
room(void *arg)
{
	(void)arg;
	return fake_room;
}

static void
count_sealed(void *arg, uint64_t records)
{
	(void)arg;
	sealed_calls++;
	sealed_records += records;
}

static void
count_orphaned(void *arg, uint64_t records)
{
	(void)arg;
	orphaned_records += records;
	orphaned_calls++;
}

static void
count_added(void *arg, uint64_t bytes)
{
	(void)arg;
	added_bytes += bytes;
}

static void
count_committed(void *arg, const struct spool_commit *c)
{
	(void)arg;
	assert_true(c->ns > 0);
	committed_records += c->records;
	committed_bytes += c->bytes;
	last_commit = *c;
}

static struct spool *
open_spool(struct spool_options opt)
{
	struct spool *s;

	opt.sealed = count_sealed;
	opt.orphaned = count_orphaned;
	opt.added = count_added;
	opt.committed = count_committed;
	sealed_calls = orphaned_calls = 0;
	added_bytes = committed_records = committed_bytes = 0;
	sealed_records = orphaned_records = 0;
	assert_int_equal(spool_prepare(opt.dir, opt.object), 0);
	assert_int_equal(spool_new(&opt, &s), 0);
	return s;
}

static void
close_spool(struct spool *s)
{
	struct spool_record r = record("u", "late");

	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	assert_int_equal(spool_append(s, &r), ERR_STOPPING);
	folder_close(s);
}

static int
append(struct spool *s, const char *body)
{
	struct spool_record r = record("u", body);

	return spool_append(s, &r);
}

static void
many(void *arg)
{
	static struct writers w;
	struct spool *s = open_spool(options(tmp.dir));
	struct spool_stats st;

	(void)arg;
	writers_run(&w, s, 64, 50);
	for (unsigned i = 0; i < w.n; i++)
		for (unsigned k = 0; k < w.each; k++)
			assert_int_equal(w.result[i][k], 0);
	st = spool_get_stats(s);
	assert_int_equal(st.records, 64 * 50);
	assert_int_equal(committed_records, 64 * 50);
	assert_true(st.commits < 64 * 50 / 4); /* that is what a group commit is for */
	close_spool(s);
	assert_int_equal(sealed_calls, 1);
	assert_int_equal(sealed_records, 64 * 50);
	assert_int_equal(orphaned_records, 0);
}

static void
test_many(void **state)
{
	static struct writers w = { .n = 64, .each = 50 };
	struct harvest h;
	struct stat st;
	char path[512];

	(void)state;
	run(many, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.files, 1);
	assert_int_equal(h.n, 64 * 50);
	check_writers(&w, &h);
	for (size_t i = 0; i < h.n; i++) {
		assert_int_equal(h.at[i].frame.number, i);
		assert_true(i == 0 || h.at[i].frame.time >= h.at[i - 1].frame.time);
		assert_int_equal(h.at[i].header.slot, 3);
		assert_int_equal(h.at[i].header.generation, 7);
	}
	snprintf(path, sizeof(path), "%s/%s", tmp.dir, h.names[0]);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(st.st_size, added_bytes); /* cut to what it holds */
	harvest_free(&h);
}

static void
rolls(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	char *body = calloc(1, SPOOL_GATHER_MAX + 1);
	struct spool *s;

	(void)arg;
	opt.segment_size = 128 * 1024;
	s = open_spool(opt);
	memset(body, 'x', SPOOL_GATHER_MAX);
	for (int i = 0; i < 20; i++) {
		memcpy(body, (char[]){ (char)('a' + i), '.' }, 2);
		assert_int_equal(append(s, body), 0);
	}
	close_spool(s);
	assert_int_equal(sealed_calls, 10);
	assert_int_equal(sealed_records, 20);
	assert_int_equal(committed_records, 20);
	assert_int_equal(committed_bytes, 20 * SPOOL_GATHER_MAX);
	free(body);
}

static void
test_size(void **state)
{
	struct harvest h;

	(void)state;
	run(rolls, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.files, 10);
	assert_int_equal(h.n, 20);
	for (size_t i = 0; i < h.n; i++) {
		assert_int_equal(h.at[i].body[0], 'a' + (int)i);
		assert_int_equal(h.at[i].body_n, SPOOL_GATHER_MAX);
		assert_int_equal(h.at[i].frame.number, i % 2);
	}
	harvest_free(&h);
}

/* ---- places ---- */

#define PLACED 12

struct placed {
	struct spool_place place[PLACED];
	uint64_t sequence[PLACED], end[PLACED]; /* what was on disk when its append returned */
};

static void
note_places(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct placed *p = arg;
	struct spool *s;

	opt.segment_size = 200;
	s = open_spool(opt);
	for (unsigned i = 0; i < PLACED; i++) {
		char body[16];
		struct spool_record r;

		snprintf(body, sizeof(body), "body %u", i);
		r = record("u", body);
		r.place = &p->place[i];
		assert_int_equal(spool_append(s, &r), 0);
		p->sequence[i] = last_commit.sequence;
		p->end[i] = last_commit.end;
	}
	close_spool(s);
}

static void
test_places(void **state)
{
	static struct placed p;
	struct harvest h;

	(void)state;
	run(note_places, &p);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.n, PLACED);
	assert_true(h.files > 2);
	for (size_t i = 0; i < h.n; i++) {
		size_t total = segment_frame_total(&h.at[i].frame);

		assert_memory_equal(&h.at[i].header.id, &p.place[i].segment, sizeof(struct id));
		assert_int_equal(h.at[i].frame.number, p.place[i].number);
		assert_int_equal(h.at[i].header.sequence, p.sequence[i]);
		/* All frames are of the same length but two. */
		assert_true(p.end[i] >= SEGMENT_HEADER_LEN + (p.place[i].number + 1) * (total - 1));
		assert_true(p.end[i] <= SEGMENT_HEADER_LEN + (p.place[i].number + 1) * total);
	}
	harvest_free(&h);
}

static void
place_together(void *arg)
{
	struct spool *s = arg;
	struct spool_place place = { .number = 99 };
	struct spool_record r = record("u", "together");
	static unsigned next;

	r.place = &place;
	assert_int_equal(spool_append(s, &r), 0);
	assert_int_equal(place.number, next++); /* of one batch: in the order of their appends */
}

static void
several_places(void *arg)
{
	struct spool *s = open_spool(options(tmp.dir));

	(void)arg;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(task_go("append", place_together, s, NULL), 0);
	while (committed_records < 20)
		task_yield();
	assert_true(spool_get_stats(s).commits < 20);
	close_spool(s);
}

static void
test_places_of_a_batch(void **state)
{
	(void)state;
	run(several_places, NULL);
}

static void
hours(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	(void)arg;
	opt.wall = wall;
	fake_wall = 3600 * NS_PER_S * 400000 - 60 * NS_PER_S;
	s = open_spool(opt);
	assert_int_equal(append(s, "last of the hour"), 0);
	fake_wall += 1;
	assert_int_equal(append(s, "still"), 0);
	fake_wall += 60 * NS_PER_S - 1;
	assert_int_equal(append(s, "first of the next"), 0);
	fake_wall -= 10; /* slewed: no new segment, and time does not fall */
	assert_int_equal(append(s, "slew"), 0);
	fake_wall -= 5 * NS_PER_S; /* stepped back, into the hour before */
	assert_int_equal(append(s, "step"), 0);
	fake_wall -= 5 * NS_PER_S; /* and within that hour */
	assert_int_equal(append(s, "again"), 0);
	close_spool(s);
}

static void
test_hours(void **state)
{
	struct harvest h;

	(void)state;
	run(hours, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.files, 4);
	assert_int_equal(h.n, 6);
	for (size_t i = 0; i < h.n; i++) {
		int64_t hour = h.at[i].header.created / (3600 * NS_PER_S);

		assert_int_equal(h.at[i].frame.time / (3600 * NS_PER_S), hour);
		assert_true(h.at[i].frame.time >= h.at[i].header.created);
		if (h.at[i].frame.number > 0)
			assert_true(h.at[i].frame.time >= h.at[i - 1].frame.time);
	}
	assert_int_equal(occurrences(&h, "step"), 1);
	harvest_free(&h);
}

/* Two records of different hours, appended in one turn, meet in no batch. */
static void
append_next_hour(void *arg)
{
	fake_wall += 3600 * NS_PER_S;
	assert_int_equal(append(arg, "b"), 0);
}

static void
append_this_hour(void *arg)
{
	assert_int_equal(append(arg, "a"), 0);
}

static void
hour_in_one_turn(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;
	struct task_handle h;

	(void)arg;
	opt.wall = wall;
	fake_wall = 3600 * NS_PER_S * 400000;
	s = open_spool(opt);
	assert_int_equal(task_go("a", append_this_hour, s, NULL), 0);
	assert_int_equal(task_go("b", append_next_hour, s, &h), 0);
	assert_int_equal(task_join(h, CLOCK_NEVER), 0);
	close_spool(s);
}

static void
test_hour_in_one_turn(void **state)
{
	struct harvest h;

	(void)state;
	run(hour_in_one_turn, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.files, 2);
	assert_string_equal(h.at[0].body, "a");
	assert_string_equal(h.at[1].body, "b");
	assert_int_not_equal(
	    h.at[0].header.created / (3600 * NS_PER_S), h.at[1].header.created / (3600 * NS_PER_S));
	harvest_free(&h);
}

static void
intervals(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	(void)arg;
	opt.seal_interval = 30 * NS_PER_MS;
	s = open_spool(opt);
	assert_int_equal(append(s, "one"), 0);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN), 1);
	while (sealed_calls == 0)
		assert_int_equal(task_sleep_until(clock_mono() + NS_PER_MS), 0);
	assert_int_equal(count_files(tmp.dir, NAME_OPEN), 0);
	assert_int_equal(append(s, "two"), 0);
	close_spool(s);
	assert_int_equal(sealed_calls, 2);
}

static void
test_interval(void **state)
{
	struct harvest h;

	(void)state;
	run(intervals, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.files, 2);
	assert_int_equal(h.n, 2);
	harvest_free(&h);
}

static void
limits(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	char *big = calloc(1, SPOOL_GATHER_MAX + 2);
	struct spool_record r;
	struct spool *s;

	(void)arg;
	opt.room = room;
	fake_room = 1000;
	s = open_spool(opt);
	memset(big, 'x', SPOOL_GATHER_MAX + 1);
	assert_int_equal(append(s, big), ERR_TOO_LARGE);
	r = (struct spool_record){ .user = str_make(big, SEGMENT_META_MAX), .attrs = STR("a") };
	assert_int_equal(spool_append(s, &r), ERR_TOO_LARGE);
	big[1000] = '\0';
	assert_int_equal(append(s, big), ERR_NOSPACE);
	big[1000 - SEGMENT_FRAME_LEN - 1] = '\0';
	assert_int_equal(append(s, big), 0);
	fake_room = 0;
	assert_int_equal(append(s, ""), ERR_NOSPACE);
	fake_room = 1 << 20;
	assert_int_equal(append(s, "again"), 0);
	close_spool(s);
	free(big);
}

static void
test_limits(void **state)
{
	(void)state;
	run(limits, NULL);
}

/* More than a batch holds at once: some wait for space, all are stored, in order of their coming. */
#define BIG_TASKS 60

static unsigned big_left;
static struct waitq big_done;
static int big_result[BIG_TASKS];

struct big_arg {
	struct spool *s;
	int i;
};

static void
append_big(void *arg)
{
	struct big_arg *a = arg;
	char *body = calloc(1, SPOOL_GATHER_MAX + 1);

	memset(body, '.', SPOOL_GATHER_MAX);
	body[0] = (char)('0' + a->i);
	big_result[a->i] = append(a->s, body);
	free(body);
	free(a);
	if (--big_left == 0)
		waitq_wake_all(&big_done);
}

static void
start_big(struct spool *s, struct task_handle *handles)
{
	waitq_init(&big_done);
	big_left = BIG_TASKS;
	for (int i = 0; i < BIG_TASKS; i++) {
		struct big_arg *a = malloc(sizeof(*a));

		*a = (struct big_arg){ s, i };
		assert_int_equal(task_go("big", append_big, a, &handles[i]), 0);
	}
}

static void
full(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct task_handle handles[BIG_TASKS];
	struct spool *s;

	(void)arg;
	opt.segment_size = 64 << 20;
	s = open_spool(opt);
	start_big(s, handles);
	while (big_left)
		assert_int_equal(waitq_park(&big_done, CLOCK_NEVER), 0);
	close_spool(s);
}

static void
test_full_batch(void **state)
{
	struct harvest h;

	(void)state;
	run(full, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.n, BIG_TASKS);
	for (int i = 0; i < BIG_TASKS; i++) {
		assert_int_equal(big_result[i], 0);
		assert_int_equal(h.at[i].body[0], '0' + i);
	}
	harvest_free(&h);
}

/* Every third one is cancelled at some moment of its wait; the others neither notice nor starve. */
static void
cancelling(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	struct task_handle handles[BIG_TASKS];
	int delay = *(int *)arg;
	struct spool *s;

	opt.segment_size = 64 << 20;
	s = open_spool(opt);
	start_big(s, handles);
	for (int i = 0; i < delay; i++)
		assert_int_equal(task_yield(), 0);
	for (int i = 0; i < BIG_TASKS; i += 3)
		task_cancel(handles[i]);
	while (big_left)
		assert_int_equal(waitq_park(&big_done, CLOCK_NEVER), 0);
	close_spool(s);
}

static void
test_cancel(void **state)
{
	(void)state;
	for (int delay = 0; delay < 12; delay++) {
		struct harvest h;

		folder_again();
		run(cancelling, &delay);
		h = harvest(tmp.dir, NAME_SEALED);
		assert_int_equal(h.err, 0);
		for (int i = 0; i < BIG_TASKS; i++) {
			size_t times = 0;

			for (size_t k = 0; k < h.n; k++)
				times += h.at[k].body[0] == '0' + i;
			if (i % 3)
				assert_int_equal(big_result[i], 0);
			if (big_result[i] == 0)
				assert_int_equal(times, 1);
			else
				assert_int_equal(big_result[i], ERR_CANCELLED);
			assert_true(times <= 1);
		}
		harvest_free(&h);
	}
}

/* A stream that is never used leaves nothing behind, and an empty segment is no segment. */
static void
idle(void *arg)
{
	(void)arg;
	close_spool(open_spool(options(tmp.dir)));
	assert_int_equal(sealed_calls, 0);
}

static void
test_idle(void **state)
{
	(void)state;
	run(idle, NULL);
	assert_int_equal(count_files(tmp.dir, NAME_SEALED), 0);
}

static void
without_sync(void *arg)
{
	struct spool_options opt = options(tmp.dir);
	static struct writers w;
	struct spool *s;

	(void)arg;
	opt.sync = false;
	s = open_spool(opt);
	writers_run(&w, s, 10, 10);
	close_spool(s);
}

static void
test_without_sync(void **state)
{
	struct harvest h;

	(void)state;
	run(without_sync, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	assert_int_equal(h.n, 100);
	harvest_free(&h);
}

/* Closing while appends wait: they end well, or are told. */
static void
close_busy(void *arg)
{
	struct task_handle handles[BIG_TASKS];
	struct spool *s = open_spool(options(tmp.dir));

	(void)arg;
	start_big(s, handles);
	assert_int_equal(task_yield(), 0);
	close_spool(s);
	assert_int_equal(big_left, 0);
}

static void
test_close_busy(void **state)
{
	struct harvest h;
	size_t good = 0;

	(void)state;
	run(close_busy, NULL);
	h = harvest(tmp.dir, NAME_SEALED);
	for (int i = 0; i < BIG_TASKS; i++) {
		good += big_result[i] == 0;
		assert_true(big_result[i] == 0 || big_result[i] == ERR_STOPPING);
	}
	assert_true(good > 0);
	assert_int_equal(h.n, good);
	harvest_free(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(test_many),
		FOLDER_TEST(test_size),
		FOLDER_TEST(test_places),
		FOLDER_TEST(test_places_of_a_batch),
		FOLDER_TEST(test_hours),
		FOLDER_TEST(test_hour_in_one_turn),
		FOLDER_TEST(test_interval),
		FOLDER_TEST(test_limits),
		FOLDER_TEST(test_full_batch),
		FOLDER_TEST(test_cancel),
		FOLDER_TEST(test_idle),
		FOLDER_TEST(test_without_sync),
		FOLDER_TEST(test_close_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

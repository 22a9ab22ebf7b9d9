/*
 * The zone file over restarts: what is kept, whatever the number of slots and the size; and files that are not what they should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "unit/tmp.h"
#include "unit/zone/zone_test.h"
#include "zone/directory.h"
#include "zone/zone_priv.h"

static struct tmp tmp;

static int
make_folder(void **state)
{
	(void)state;
	tmp_init(&tmp);
	return 0;
}

static int
drop_folder(void **state)
{
	(void)state;
	file_calls = &file_calls_real;
	series_detach();
	tmp_fini(&tmp);
	return 0;
}

static struct zone *
open_with(unsigned slots, uint64_t size)
{
	struct zone_options opt = {
		.path = tmp_path(&tmp, "zone"), .slots = slots, .name = STR("main"), .size = size
	};
	struct zone *z = zone_open(&opt);

	assert_non_null(z);
	return z;
}

static struct zone *
open_zone(void)
{
	return open_with(TEST_SLOTS, 1 << 20);
}

static bool
is_there(const char *name)
{
	return access(tmp_path(&tmp, name), F_OK) == 0;
}

/* As slot: adds n to the counter of key. */
static void
count_as(struct zone *z, unsigned slot, const char *key, uint64_t n)
{
	assert_int_equal(series_attach(z, slot), 0);
	series_add(series_get(&test_words, str_of(key)), TEST_COUNT, n);
}

/* The counter of key as any process sees it. */
static uint64_t
counted(struct zone *z, const char *key)
{
	struct series_view v;

	assert_int_equal(series_attach(z, ZONE_SLOT_WORKER), 0);
	return series_find(&test_words, str_of(key), &v) ? series_value(&test_words, &v, TEST_COUNT)
							 : 0;
}

/* A counter of the zone about itself. */
static uint64_t
own_count(struct zone *z, const char *row)
{
	const struct metric_set *set = metric_set(1);
	struct series_view v;

	assert_string_equal(set->name, "zone");
	assert_int_equal(series_attach(z, ZONE_SLOT_WORKER), 0);
	assert_true(series_find(set, STR(""), &v));
	for (unsigned i = 0; i < set->n_rows; i++)
		if (strcmp(set->rows[i].name, row) == 0)
			return series_value(set, &v, i);
	fail();
	return 0;
}

static void
put_four(_Atomic uint64_t *words, void *arg)
{
	(void)arg;
	atomic_store(&words[0], 4);
}

static void
fold_larger(uint64_t *into, const uint64_t *from)
{
	for (int i = 0; i < 2; i++)
		into[i] = MAX(into[i], from[i]);
}

/* ---- what is kept ---- */

static void
keeps_counts_over_restarts(void **state)
{
	struct zone *z = open_zone();
	struct stat st;

	(void)state;
	assert_true(zone_has_file(z));
	assert_int_equal(stat(tmp_path(&tmp, "zone"), &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0027, 0640);
	assert_false(is_there("zone.tmp"));
	count_as(z, 3, "a", 5);
	count_as(z, 4, "a", 7);
	count_as(z, 4, "b", 1);
	zone_free(z);
	for (int i = 0; i < 3; i++) {
		z = open_zone();
		assert_int_equal(counted(z, "a"), 12 + i);
		assert_int_equal(counted(z, "b"), 1);
		count_as(z, 3, "a", 1);
		zone_free(z);
	}
	assert_false(is_there("zone.bad"));
}

static void
keeps_counts_over_other_slots_and_sizes(void **state)
{
	static const unsigned slots[] = { 8, 300, 4, 36 };
	static const uint64_t sizes[] = { 1 << 20, 1 << 20, 3 << 20, 2 << 20 };
	struct zone *z;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(slots); i++) {
		z = open_with(slots[i], sizes[i]);
		assert_int_equal(counted(z, "a"), 10 * i);
		count_as(z, slots[i] - 1, "a", 10);
		zone_free(z);
	}
}

static void
forgets_gauges_and_keeps_baselines(void **state)
{
	struct zone *z = open_zone();
	struct series_view v;
	struct series *s;

	(void)state;
	assert_int_equal(series_attach(z, 3), 0);
	s = series_get(&test_words, STR("a"));
	series_add(s, TEST_COUNT, 5);
	series_set(s, TEST_GAUGE, 5);
	series_observe(s, TEST_LATENCY, 2 * NS_PER_MS);
	series_add(s, TEST_RAW, 5);
	assert_true(series_find(&test_words, STR("a"), &v));
	assert_int_equal(series_edit(&test_words, &v, SERIES_BASELINE, put_four, NULL), 0);
	zone_free(z);
	for (int i = 0; i < 2; i++) {
		uint64_t counts[13], sum;

		z = open_with(TEST_SLOTS + (unsigned)i, 1 << 20);
		assert_int_equal(series_attach(z, 4), 0);
		assert_true(series_find(&test_words, STR("a"), &v));
		assert_int_equal(series_value(&test_words, &v, TEST_COUNT), 5);
		assert_int_equal(series_value(&test_words, &v, TEST_GAUGE), 0);
		series_histogram(&test_words, &v, TEST_LATENCY, counts, &sum);
		assert_int_equal(counts[1], 1);
		assert_int_equal(sum, 2 * NS_PER_MS);
		assert_int_equal(series_block(&test_words, &v, SERIES_BASELINE)[0], 4);
		assert_int_equal(series_block(&test_words, &v, SERIES_RESTORED)[0], 5);
		assert_int_equal(
		    series_block(&test_words, &v, SERIES_RESTORED)[test_words.at[TEST_RAW]], 0);
		assert_true(v.seen > 0);
		zone_free(z);
	}
}

/* Another version of the program: its tables differ in all ways they may. Each half runs in a child, as sets are registered once a process. */
static void
old_program(void)
{
	static const struct metric_row rows[] = {
		{ .name = "stays_total", .type = METRIC_COUNTER },
		{ .name = "goes_total", .type = METRIC_COUNTER },
		{ .name = "bounds_seconds",
		    .type = METRIC_HISTOGRAM,
		    .bounds = metric_latency_bounds,
		    .n_bounds = 12 },
		{ .type = METRIC_COUNTER },
		{ .type = METRIC_COUNTER },
		{ .type = METRIC_RAW, .words = 2, .fold = fold_larger },
	};
	static struct metric_set gone = { .name = "gone", .rows = rows, .n_rows = 1 };
	static struct metric_set set = {
		.name = "changed", .labels = { "x" }, .rows = rows, .n_rows = 6
	};
	struct zone *z;

	metric_register(&gone);
	metric_register(&set);
	z = open_zone();
	for (unsigned slot = 3; slot < 5; slot++) {
		struct series *s;

		assert_int_equal(series_attach(z, slot), 0);
		series_add(series_get(&gone, STR("")), 0, 1);
		s = series_get(&set, STR("k"));
		for (unsigned row = 0; row < 5; row++)
			series_add(s, row, row + 1);
		series_set(s, 5, 100 + slot);
	}
}

static void
new_program(void)
{
	static const struct metric_row rows[] = {
		{ .name = "new_total", .type = METRIC_COUNTER },
		{ .type = METRIC_RAW, .words = 2, .fold = fold_larger },
		{ .name = "bounds_seconds",
		    .type = METRIC_HISTOGRAM,
		    .bounds = metric_latency_bounds,
		    .n_bounds = 11 },
		{ .name = "stays_total", .type = METRIC_COUNTER },
		{ .type = METRIC_COUNTER },
	};
	static const uint64_t is[] = { 0, 104, 0, 2, 0 };
	static struct metric_set set = {
		.name = "changed", .labels = { "x" }, .rows = rows, .n_rows = 5
	};
	static struct metric_set more = { .name = "more", .rows = rows, .n_rows = 1 };
	struct series_view v;
	struct zone *z;

	metric_register(&more);
	metric_register(&set);
	z = open_zone();
	assert_int_equal(series_attach(z, 3), 0);
	assert_true(series_find(&set, STR("k"), &v));
	/* There were two rows without a name and now is one: which it was nobody knows. */
	for (unsigned row = 0; row < 5; row++)
		assert_int_equal(series_block(&set, &v, SERIES_RESTORED)[set.at[row]], is[row]);
	assert_int_equal(series_count(&more), 0);
}

static void
in_child(void (*fn)(void))
{
	int status;

	if (fork() == 0) {
		fn();
		_exit(0);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
}

static void
keeps_rows_that_stay_the_same(void **state)
{
	(void)state;
	in_child(old_program);
	in_child(new_program);
	assert_false(is_there("zone.bad"));
}

/* What does not fit a smaller zone is added up in `other`. */
static void
loses_no_count_in_a_smaller_zone(void **state)
{
	struct zone *z = open_with(TEST_SLOTS, 4 << 20);
	uint64_t sum = 0, n = 6000;
	struct series_view v;
	uint32_t cursor = 0;

	(void)state;
	assert_int_equal(series_attach(z, 3), 0);
	for (unsigned i = 0; i < n; i++)
		series_add(series_get(&test_words, str_make(&i, sizeof(i))), TEST_COUNT, 1);
	assert_int_equal(series_count(&test_words), n);
	zone_free(z);
	z = open_zone();
	assert_int_equal(series_attach(z, 3), 0);
	assert_in_range(series_count(&test_words), 1000, n - 1000);
	while (series_next(&test_words, &cursor, &v))
		sum += series_value(&test_words, &v, TEST_COUNT);
	assert_int_equal(sum, n);
	assert_true(series_find(&test_words, STR("other\0other"), &v));
	assert_int_equal(
	    series_value(&test_words, &v, TEST_COUNT), n + 1 - series_count(&test_words));
	zone_free(z);
}

/* ---- areas ---- */

static void
keeps_areas(void **state)
{
	struct zone *z = open_zone();
	bool fresh;
	char *a = zone_area(z, "limits", 1, 100000, &fresh), *b;
	size_t size;

	(void)state;
	assert_non_null(a);
	assert_true(fresh);
	assert_int_equal(a[0] | a[99999], 0);
	a[0] = 1;
	a[99999] = 2;
	assert_ptr_equal(zone_area(z, "limits", 1, 100000, &fresh), a);
	assert_false(fresh);
	assert_null(zone_area(z, "limits", 1, 100001, &fresh));
	assert_int_equal(errno, EEXIST);
	b = zone_area(z, "cache", 1, 10, &fresh);
	b[0] = 3;
	zone_free(z);

	z = open_zone();
	assert_null(zone_area_find(z, "limits", NULL));
	a = zone_area(z, "limits", 1, 100000, &fresh);
	assert_false(fresh);
	assert_ptr_equal(zone_area_find(z, "limits", &size), a);
	assert_int_equal(size, 100000);
	assert_int_equal(a[0], 1);
	assert_int_equal(a[99999], 2);
	b = zone_area(z, "cache", 2, 10, &fresh); /* another version */
	assert_true(fresh);
	assert_int_equal(b[0], 0);
	zone_free(z);
}

static void
drops_areas_nobody_asks_for(void **state)
{
	struct zone *z = open_zone();
	struct stat before, after;
	bool fresh;

	(void)state;
	((char *)zone_area(z, "old", 1, 1 << 20, &fresh))[0] = 1;
	zone_free(z);
	for (int i = 0; i < 2; i++)
		zone_free(open_zone());
	z = open_zone(); /* asked for in time */
	assert_int_equal(((char *)zone_area(z, "old", 1, 1 << 20, &fresh))[0], 1);
	assert_false(fresh);
	zone_free(z);
	assert_int_equal(stat(tmp_path(&tmp, "zone"), &before), 0);
	for (int i = 0; i < 4; i++)
		zone_free(open_zone());
	assert_int_equal(stat(tmp_path(&tmp, "zone"), &after), 0);
	assert_true(after.st_size <= before.st_size - (1 << 20));
	z = open_zone();
	(void)zone_area(z, "old", 1, 1 << 20, &fresh);
	assert_true(fresh);
	zone_free(z);
}

/* ---- files that are not what they should be ---- */

static void
spoil_truncated(const char *path)
{
	assert_int_equal(truncate(path, 100000), 0);
}

static void
spoil_short(const char *path)
{
	assert_int_equal(truncate(path, 20), 0);
}

static void
spoil_empty(const char *path)
{
	assert_int_equal(truncate(path, 0), 0);
}

static void
write_into(const char *path, off_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, p, n, at), n);
	assert_int_equal(pwrite(fd, p, n, at + ZONE_HEAD_BLOCK), n);
	close(fd);
}

static void
spoil_foreign(const char *path)
{
	write_into(path, 0, "#!/bin/sh", 9);
}

static void
spoil_version(const char *path)
{
	uint32_t version = ZONE_VERSION + 1;

	write_into(path, offsetof(struct zone_file_head, version), &version, sizeof(version));
}

static void
spoil_order(const char *path)
{
	uint32_t order = 0x04030201;

	write_into(path, offsetof(struct zone_file_head, order), &order, sizeof(order));
}

static void
spoil_torn(const char *path)
{
	write_into(path, offsetof(struct zone_file_head, areas) + 70, "torn", 4);
}

static void
spoil_link(const char *path)
{
	assert_int_equal(rename(path, tmp_path(&tmp, "elsewhere")), 0);
	assert_int_equal(symlink(tmp_path(&tmp, "elsewhere"), path), 0);
}

static void
spoil_folder(const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void
spoil_fifo(const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void
sets_aside_what_is_not_its_own(void **state)
{
	static void (*const spoil[])(const char *path) = { spoil_truncated, spoil_short,
		spoil_empty, spoil_foreign, spoil_version, spoil_order, spoil_torn, spoil_link,
		spoil_folder, spoil_fifo };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(spoil); i++) {
		struct zone *z = open_zone();

		count_as(z, 3, "a", 1);
		zone_free(z);
		spoil[i](tmp_path(&tmp, "zone"));
		z = open_zone();
		assert_true(zone_has_file(z));
		assert_true(is_there("zone.bad") || spoil[i] == spoil_link);
		assert_int_equal(counted(z, "a"), 0);
		assert_int_equal(own_count(z, "sluice_zone_set_aside_total"), 1);
		count_as(z, 3, "a", 2);
		zone_free(z);
		z = open_zone();
		assert_int_equal(counted(z, "a"), 2);
		zone_free(z);
		unlink(tmp_path(&tmp, "zone"));
		remove(tmp_path(&tmp, "zone.bad"));
	}
}

static void
one_torn_header_is_no_harm(void **state)
{
	struct zone *z;

	(void)state;
	for (int i = 0; i < 2; i++) {
		int fd;

		z = open_zone();
		count_as(z, 3, "a", 1);
		zone_free(z);
		fd = open(tmp_path(&tmp, "zone"), O_WRONLY);
		assert_int_equal(pwrite(fd, "????", 4, i * ZONE_HEAD_BLOCK + 100), 4);
		close(fd);
	}
	z = open_zone();
	assert_int_equal(counted(z, "a"), 2);
	assert_false(is_there("zone.bad"));
	zone_free(z);
}

/* Whatever the bytes say, the next start does not crash and has a zone that works; what is in it is its own. */
static void
survives_corruption(void **state)
{
	const char *path = tmp_path(&tmp, "zone"), *copy = tmp_path(&tmp, "copy");
	struct zone *z = open_zone();
	char key[32];
	char *bytes;
	size_t n;

	(void)state;
	for (unsigned slot = 3; slot < 6; slot++)
		for (unsigned i = 0; i < 100; i++) {
			snprintf(key, sizeof(key), "key %u", i);
			count_as(z, slot, key, i);
		}
	zone_free(z);
	assert_int_equal(file_read_all(path, 16 << 20, &bytes, &n), 0);
	srandom(17);
	for (unsigned round = 0; round < 40; round++) {
		/* After the headers; most in the tables, which come first. */
		size_t from = ZONE_ALIGN, within = round % 3 ? (size_t)256 << 10 : n - ZONE_ALIGN;
		int fd = open(copy, O_RDWR | O_CREAT | O_TRUNC, 0600);

		assert_int_equal(write(fd, bytes, n), n);
		for (unsigned i = 0; i < 1u << round % 12; i++) {
			uint32_t junk = (uint32_t)random();
			size_t len = 1u << random() % 3;

			if (round % 5 == 0)
				junk &= 0xff;
			assert_int_equal(
			    pwrite(fd, &junk, len, (off_t)(from + (size_t)random() % (within - 8))),
			    len);
		}
		close(fd);
		assert_int_equal(rename(copy, path), 0);
		z = open_zone();
		assert_true(zone_has_file(z));
		count_as(z, 3, "fine", 1);
		assert_in_range(counted(z, "fine"), 1, 1);
		zone_free(z);
	}
	free(bytes);
}

/* ---- no file to be had ---- */

static struct file_ops failing;
static int calls_until_failure, failure;

static int
fail_now(void)
{
	return calls_until_failure-- == 0;
}

static int
failing_allocate(int fd, off_t at, off_t n)
{
	return fail_now() ? failure : file_calls_real.allocate(fd, at, n);
}

static int
failing_fsync(int fd)
{
	if (!fail_now())
		return file_calls_real.fsync(fd);
	errno = failure;
	return -1;
}

static int
failing_rename(const char *from, const char *to)
{
	if (!fail_now())
		return file_calls_real.rename(from, to);
	errno = failure;
	return -1;
}

static ssize_t
failing_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (!fail_now())
		return file_calls_real.pwrite(fd, p, n, at);
	errno = failure;
	return -1;
}

static void
count_without_a_file(uint64_t restored)
{
	struct zone *z = open_zone();

	assert_false(zone_has_file(z));
	assert_false(is_there("zone.tmp"));
	assert_int_equal(counted(z, "a"), restored);
	count_as(z, 3, "a", 10);
	assert_int_equal(counted(z, "a"), restored + 10);
	assert_int_equal(own_count(z, "sluice_zone_fallbacks_total"), 1);
	zone_free(z);
}

/* Each step of making the file fails in turn: memory instead, with the counts so far; and the old file stays what it was. */
static void
works_in_memory_when_the_disk_fails(void **state)
{
	struct zone *z = open_zone();

	(void)state;
	count_as(z, 3, "a", 1);
	zone_free(z);
	for (int call = 0; call < 3 + 1 + 1 + 2; call++) {
		failing = file_calls_real;
		failure = ENOSPC;
		calls_until_failure = call;
		if (call < 3) {
			failing.allocate = failing_allocate; /* headers, slots, series */
		} else if (call == 3) {
			calls_until_failure = 0;
			failing.fsync = failing_fsync;
		} else if (call == 4) {
			calls_until_failure = 0;
			failing.rename = failing_rename;
		} else {
			calls_until_failure = call - 5;
			failing.pwrite = failing_pwrite; /* both headers */
		}
		file_calls = &failing;
		count_without_a_file(1);
		assert_true(calls_until_failure < 0);
		file_calls = &file_calls_real;
		z = open_zone();
		assert_int_equal(counted(z, "a"), 1);
		zone_free(z);
	}
}

static int
failing_open(const char *path, int flags, mode_t mode)
{
	if (!fail_now())
		return file_calls_real.open(path, flags, mode);
	errno = failure;
	return -1;
}

/* What could not be opened for now is no reason to give it up. */
static void
leaves_alone_what_it_cannot_open(void **state)
{
	struct zone *z = open_zone();

	(void)state;
	count_as(z, 3, "a", 1);
	zone_free(z);
	failing = file_calls_real;
	failing.open = failing_open;
	failure = EMFILE;
	for (int call = 0; call < 2; call++) {
		calls_until_failure = call; /* the old one, the new one */
		file_calls = &failing;
		count_without_a_file(call == 0 ? 0 : 1);
		file_calls = &file_calls_real;
		assert_false(is_there("zone.bad"));
	}
	z = open_zone();
	assert_int_equal(counted(z, "a"), 1);
	zone_free(z);
}

static void
an_area_without_room_is_kept_in_memory(void **state)
{
	struct zone *z = open_zone();
	bool fresh;
	char *a;

	(void)state;
	failing = file_calls_real;
	failing.allocate = failing_allocate;
	failure = ENOSPC;
	calls_until_failure = 0;
	file_calls = &failing;
	a = zone_area(z, "late", 1, 1000, &fresh);
	file_calls = &file_calls_real;
	assert_non_null(a);
	assert_true(fresh);
	a[0] = 1;
	((char *)zone_area(z, "later", 1, 1000, &fresh))[0] = 2;
	count_as(z, 3, "a", 1);
	zone_free(z);
	z = open_zone();
	assert_int_equal(((char *)zone_area(z, "late", 1, 1000, &fresh))[0], 0);
	assert_true(fresh);
	assert_int_equal(((char *)zone_area(z, "later", 1, 1000, &fresh))[0], 2);
	assert_false(fresh);
	assert_int_equal(counted(z, "a"), 1);
	zone_free(z);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(keeps_rows_that_stay_the_same),
		IN_FOLDER(keeps_counts_over_restarts),
		IN_FOLDER(keeps_counts_over_other_slots_and_sizes),
		IN_FOLDER(forgets_gauges_and_keeps_baselines),
		IN_FOLDER(loses_no_count_in_a_smaller_zone),
		IN_FOLDER(keeps_areas),
		IN_FOLDER(drops_areas_nobody_asks_for),
		IN_FOLDER(sets_aside_what_is_not_its_own),
		IN_FOLDER(one_torn_header_is_no_harm),
		IN_FOLDER(survives_corruption),
		IN_FOLDER(works_in_memory_when_the_disk_fails),
		IN_FOLDER(leaves_alone_what_it_cannot_open),
		IN_FOLDER(an_area_without_room_is_kept_in_memory),
	};

	test_register();
	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

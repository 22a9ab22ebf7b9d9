/*
 * The zone file over restarts: what is kept, whatever the number of slots and the size; and files that are not what they should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

#include "base/file.h"
#include "base/hash.h"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    keeps_counts_over_restarts, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
		    keeps_counts_over_other_slots_and_sizes, make_folder, drop_folder),
	};

	test_register();
	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

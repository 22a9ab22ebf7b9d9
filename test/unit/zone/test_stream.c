/*
 * Rows of streams stay with their names over reloads; a row that changes hands begins at nothing.
 */
#include <stdio.h>

#include "unit/unit.h"

#include "zone/zone.h"

static uint64_t
on_disk(struct zone *z, unsigned row)
{
	return atomic_load(&zone_stream(z, row)->disk_base) + zone_added(z, row);
}

static void
rows_stay_with_their_names(void **state)
{
	struct zone *z = zone_new(4);
	unsigned usage, error, third;

	(void)state;
	usage = zone_stream_claim(z, STR("usage"), 1);
	error = zone_stream_claim(z, STR("error"), 1);
	assert_int_not_equal(usage, error);
	atomic_store(&zone_slot(z, 3)->added[usage], 100);
	atomic_store(&zone_stream(z, usage)->orphaned, 2);
	third = zone_stream_claim(z, STR("third"), 2);
	assert_int_equal(zone_stream_claim(z, STR("error"), 2), error);
	assert_int_equal(zone_stream_claim(z, STR("usage"), 2), usage);
	assert_true(third != error && third != usage);
	assert_int_equal(on_disk(z, usage), 100);
	assert_int_equal(atomic_load(&zone_stream(z, usage)->orphaned), 2);
	zone_free(z);
}

static void
the_row_unused_for_longest_changes_hands(void **state)
{
	struct zone *z = zone_new(4);
	char name[ZONE_STREAM_NAME_MAX + 1];
	unsigned row;

	(void)state;
	for (unsigned i = 0; i < ZONE_MAX_STREAMS; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		row = zone_stream_claim(z, str_of(name), 1);
		assert_int_equal(row, i);
		atomic_store(&zone_slot(z, 3)->added[row], 1000);
		atomic_store(&zone_stream(z, row)->orphaned, 1);
	}
	/* All but s5 go on, then all but s5 and s6. */
	for (unsigned number = 2; number < 4; number++)
		for (unsigned i = 0; i < ZONE_MAX_STREAMS; i++) {
			snprintf(name, sizeof(name), "s%u", i);
			if (i != 5 && (i != 6 || number == 2))
				assert_int_equal(zone_stream_claim(z, str_of(name), number), i);
		}
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(zone_stream_claim(z, str_of(name), 4), 5);
	assert_int_equal(on_disk(z, 5), 0);
	assert_int_equal(atomic_load(&zone_stream(z, 5)->orphaned), 0);
	/* s5 comes again, elsewhere; what is put into it now counts. */
	assert_int_equal(zone_stream_claim(z, STR("s5"), 5), 6);
	atomic_fetch_add(&zone_slot(z, 3)->added[6], 7);
	assert_int_equal(on_disk(z, 6), 7);
	assert_int_equal(zone_stream_claim(z, str_of(name), 5), 5);
	zone_free(z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_stay_with_their_names),
		cmocka_unit_test(the_row_unused_for_longest_changes_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

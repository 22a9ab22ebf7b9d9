/*
 * Reports of the shipper: whole or not at all for readers, whoever dies.
 */
#include "zone/delivery.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

static void
reads_what_was_written(void **state)
{
	struct zone *z = *state;
	struct delivery d = { .waiting_bytes = 7, .breaker = DELIVERY_OPEN, .held = true }, got;

	assert_false(delivery_read(z, 1, STR("usage"), &got));
	memset(d.why, 'x', sizeof(d.why));
	delivery_report(z, 1, STR("usage"), &d);
	assert_true(delivery_read(z, 1, STR("usage"), &got));
	assert_int_equal(got.waiting_bytes, 7);
	assert_int_equal(got.breaker, DELIVERY_OPEN);
	assert_true(got.held && got.at > 0);
	assert_int_equal(strlen(got.why), DELIVERY_WHY_MAX - 1);
	/* After a reload the place may be another stream's. */
	assert_false(delivery_read(z, 1, STR("error"), &got));
}

/* Died in the middle of a report: readers go on, and the next report is whole again. */
static void
survives_a_writer_that_died(void **state)
{
	struct zone *z = *state;
	struct delivery d = { .failures = 1 }, got;

	delivery_report(z, 2, STR("s"), &d);
	memset(
	    (void *)zone_stream(z, 2)->delivery[0], 0x5a, sizeof(zone_stream(z, 2)->delivery[0]));
	assert_true(delivery_read(z, 2, STR("s"), &got));
	assert_int_equal(got.failures, 1);
	d.failures = 2;
	delivery_report(z, 2, STR("s"), &d);
	assert_true(delivery_read(z, 2, STR("s"), &got));
	assert_int_equal(got.failures, 2);
}

/* While another process writes as fast as it can, no reader sees half of a report. */
static void
never_half_a_report(void **state)
{
	struct zone *z = *state;
	struct delivery d = { 0 }, got;
	pid_t writer;

	delivery_report(z, 3, STR("s"), &d);
	writer = fork();
	if (writer == 0)
		for (uint64_t i = 1;; i++) {
			d = (struct delivery){ .waiting_bytes = i, .failures = i, .sent_bytes = i };
			memset(d.why, 'a' + (int)(i % 26), sizeof(d.why) - 1);
			delivery_report(z, 3, STR("s"), &d);
			for (volatile int pause = 0; pause < 500;)
				pause++;
		}
	for (int i = 0; i < 20000; i++) {
		assert_true(delivery_read(z, 3, STR("s"), &got));
		assert_int_equal(got.waiting_bytes, got.failures);
		assert_int_equal(got.waiting_bytes, got.sent_bytes);
		assert_int_equal(got.why[0], got.why[DELIVERY_WHY_MAX - 2]);
	}
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
}

int
main(void)
{
	struct zone *z = zone_new(4);
	int failed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(reads_what_was_written, z),
		cmocka_unit_test_prestate(survives_a_writer_that_died, z),
		cmocka_unit_test_prestate(never_half_a_report, z),
	};

	if (z == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	zone_free(z);
	return failed;
}

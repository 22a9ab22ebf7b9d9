/*
 * How far a segment is on disk: told to who names slot, generation and sequence of its writer, and to nobody else.
 */
#include "unit/unit.h"

#include "zone/durable.h"

#define SLOT 3
#define STREAM 5

static enum durable
ask(struct zone *z, uint32_t generation, uint64_t sequence, uint64_t *end)
{
	*end = 0;
	return durable_end(z, SLOT, generation, STREAM, sequence, end);
}

static void
a_segment_is_known_by_its_sequence(void **state)
{
	struct zone *z = zone_new(4);
	uint64_t end;

	(void)state;
	atomic_store(&zone_slot(z, SLOT)->generation, 7);
	assert_int_equal(ask(z, 7, 0, &end), DURABLE_UNKNOWN); /* nothing was published */
	durable_publish(z, SLOT, STREAM, 4, 1000);
	assert_int_equal(ask(z, 7, 4, &end), DURABLE_OPEN);
	assert_int_equal(end, 1000);
	assert_int_equal(ask(z, 7, 3, &end), DURABLE_PAST);
	assert_int_equal(ask(z, 7, 5, &end), DURABLE_UNKNOWN);
	durable_publish(z, SLOT, STREAM, 4, (UINT64_C(1) << 40) - 1);
	assert_int_equal(ask(z, 7, 4, &end), DURABLE_OPEN);
	assert_int_equal(end, (UINT64_C(1) << 40) - 1);
	/* Of another stream, slot, or one there is not. */
	assert_int_equal(durable_end(z, SLOT, 7, STREAM + 1, 4, &end), DURABLE_UNKNOWN);
	assert_int_equal(durable_end(z, SLOT - 1, 0, STREAM, 4, &end), DURABLE_UNKNOWN);
	assert_int_equal(durable_end(z, 4, 7, STREAM, 4, &end), DURABLE_UNKNOWN);
	assert_int_equal(durable_end(z, SLOT, 7, ZONE_MAX_STREAMS, 4, &end), DURABLE_UNKNOWN);
	zone_free(z);
}

static void
sequences_count_on_beyond_24_bits(void **state)
{
	struct zone *z = zone_new(4);
	uint64_t end;

	(void)state;
	durable_publish(z, SLOT, STREAM, 0xffffff, 64);
	assert_int_equal(ask(z, 0, 0xffffff, &end), DURABLE_OPEN);
	assert_int_equal(ask(z, 0, 0x1000000, &end), DURABLE_UNKNOWN);
	durable_publish(z, SLOT, STREAM, 0x1000001, 65);
	assert_int_equal(ask(z, 0, 0x1000001, &end), DURABLE_OPEN);
	assert_int_equal(end, 65);
	assert_int_equal(ask(z, 0, 0xffffff, &end), DURABLE_PAST);
	assert_int_equal(ask(z, 0, 0x1000002, &end), DURABLE_UNKNOWN);
	zone_free(z);
}

static void
a_new_process_does_not_vouch_for_the_dead_one(void **state)
{
	struct zone *z = zone_new(4);
	uint64_t end;

	(void)state;
	atomic_store(&zone_slot(z, SLOT)->generation, 7);
	durable_publish(z, SLOT, STREAM, 4, 1000);
	/* As the master buries it. */
	atomic_store(&zone_slot(z, SLOT)->generation, 8);
	assert_int_equal(ask(z, 7, 4, &end), DURABLE_UNKNOWN);
	durable_clear(z, SLOT);
	assert_int_equal(ask(z, 8, 4, &end), DURABLE_UNKNOWN);
	/* And starts the next. */
	atomic_store(&zone_slot(z, SLOT)->generation, 9);
	assert_int_equal(ask(z, 9, 4, &end), DURABLE_UNKNOWN);
	durable_publish(z, SLOT, STREAM, 4, 500);
	assert_int_equal(ask(z, 7, 4, &end), DURABLE_UNKNOWN);
	assert_int_equal(ask(z, 9, 4, &end), DURABLE_OPEN);
	assert_int_equal(end, 500);
	zone_free(z);
}

static void
a_stream_is_marked_by_what_is_published_of_it(void **state)
{
	struct zone *z = zone_new(4);
	uint64_t mark = durable_mark(z, STREAM), other = durable_mark(z, STREAM + 1);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		durable_publish(z, SLOT, STREAM, i, 1000 - i);
		assert_true(durable_mark(z, STREAM) != mark);
		mark = durable_mark(z, STREAM);
	}
	durable_publish(z, SLOT - 1, STREAM, 0, 64);
	assert_true(durable_mark(z, STREAM) != mark);
	assert_true(durable_mark(z, STREAM + 1) == other);
	zone_free(z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_known_by_its_sequence),
		cmocka_unit_test(sequences_count_on_beyond_24_bits),
		cmocka_unit_test(a_stream_is_marked_by_what_is_published_of_it),
		cmocka_unit_test(a_new_process_does_not_vouch_for_the_dead_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

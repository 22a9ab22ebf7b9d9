/*
 * Counting a segment's records from its end: as many as a reader finds, whatever is in them.
 */
#include "folder.h"

#include "spool/tally.h"

/* A segment of these bodies, sealed, under path. */
struct making {
	const struct str *bodies;
	size_t n;
	bool object;
};

static void
make(void *arg)
{
	const struct making *m = arg;
	struct spool_options opt = options(tmp.dir);
	struct spool *s;

	opt.object = m->object;
	assert_int_equal(spool_prepare(opt.dir, opt.object), 0);
	assert_int_equal(spool_new(&opt, &s), 0);
	for (size_t i = 0; i < m->n; i++) {
		struct spool_record r = { .user = STR("u"), .body = m->bodies[i] };

		assert_int_equal(spool_append(s, &r), 0);
	}
	assert_int_equal(spool_close(s, CLOCK_NEVER), 0);
	spool_free(s);
}

static char path[512];

static int
note_sealed(const char *name, void *arg)
{
	(void)arg;
	if (name_kind(str_of(name)) == NAME_SEALED)
		snprintf(path, sizeof(path), "%s/%s", tmp.dir, name);
	return 0;
}

static uint64_t
tally(const struct str *bodies, size_t n, bool object)
{
	struct making m = { bodies, n, object };
	uint64_t records = 99;

	run(make, &m);
	assert_int_equal(file_each(tmp.dir, note_sealed, NULL), 0);
	assert_int_equal(tally_records(path, &records), 0);
	return records;
}

static void
counts_small_ones(void **state)
{
	struct str bodies[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		bodies[i] = STR("{\"a\":1}");
	assert_int_equal(tally(bodies, ARRAY_LEN(bodies), false), 300);
}

static void
counts_one(void **state)
{
	struct str body = STR("x");

	(void)state;
	assert_int_equal(tally(&body, 1, false), 1);
}

static void
counts_those_that_end_long(void **state)
{
	char *big = malloc(SPOOL_GATHER_MAX);
	struct str bodies[3] = { STR("a"), STR("b") };

	(void)state;
	assert_non_null(big);
	memset(big, 'S', SPOOL_GATHER_MAX);
	bodies[2] = str_make(big, SPOOL_GATHER_MAX);
	assert_int_equal(tally(bodies, 3, false), 3);
	free(big);
}

static void
counts_an_object(void **state)
{
	struct str body = STR("object");

	(void)state;
	assert_int_equal(tally(&body, 1, true), 1);
}

/* A body that holds a whole frame, the last one of another segment even, is not taken for one. */
static void
is_not_deceived(void **state)
{
	unsigned char frame[SEGMENT_FRAME_LEN + 4] = { 0 };
	struct segment_frame f = { .time = 1, .body_len = 4, .number = 41 };
	struct str bodies[2] = { STR("a") };
	struct id id = { { 0 } };

	(void)state;
	segment_encode_frame(&f, frame);
	memcpy(frame + SEGMENT_FRAME_LEN, "body", 4);
	segment_bind_frame(frame, &id, SEGMENT_HEADER_LEN, 41);
	bodies[1] = str_make(frame, sizeof(frame));
	assert_int_equal(tally(bodies, 2, false), 2);
}

/* Then as many as can be read. */
static void
counts_up_to_the_damage(void **state)
{
	struct str bodies[5] = { STR("a"), STR("b"), STR("c"), STR("d"), STR("e") };
	uint64_t records;
	struct stat st;

	(void)state;
	assert_int_equal(tally(bodies, 5, false), 5);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	assert_int_equal(tally_records(path, &records), 0);
	assert_int_equal(records, 4);
}

static void
tells_what_is_no_segment(void **state)
{
	uint64_t records = 5;

	(void)state;
	snprintf(path, sizeof(path), "%s/none", tmp.dir);
	assert_int_equal(tally_records(path, &records), ERR_NOT_FOUND);
	assert_int_equal(file_replace(path, "rubbish", 7), 0);
	assert_int_equal(tally_records(path, &records), ERR_CORRUPT);
	assert_int_equal(records, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(counts_small_ones),
		FOLDER_TEST(counts_one),
		FOLDER_TEST(counts_those_that_end_long),
		FOLDER_TEST(counts_an_object),
		FOLDER_TEST(is_not_deceived),
		FOLDER_TEST(counts_up_to_the_damage),
		FOLDER_TEST(tells_what_is_no_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

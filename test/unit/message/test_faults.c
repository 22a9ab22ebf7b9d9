/*
 * Delivery of messages when file calls fail, and when the process is killed at any of its crash points: nothing is lost, no dead letter is
 * there twice, nothing is sent for ever.
 */
#include "life_test.h"

#include "dlq/points.h"

static const char *const words[] = { "ok", "twice", "never", "bad", "ok", "slow", "never", "ok" };
/* Attempts that a kill may forget of one message: retries here come sooner than the journal is written. */
#define LOST_MAX 4
#define WORDS ((unsigned)ARRAY_LEN(words))

static struct place *
place_with_records(void)
{
	struct place *p = place_new();

	place_add(p, WORDS / 2, words);
	place_add(p, WORDS - WORDS / 2, words + WORDS / 2);
	return p;
}

static void
test_well(void **state)
{
	struct place *p = place_with_records();

	(void)state;
	assert_int_equal(place_live(p), 0);
	place_check(p, words, 0);
	assert_true(p->peer->most_at_once <= 3);
	assert_int_equal(place_live(p), 0);
	place_check(p, words, 0);
	place_free(p);
}

/* The Nth file call fails, once; the next life finishes what that left. */
static void
fail_calls(const char *call, const char *error, unsigned step)
{
	for (unsigned n = 1;; n += step) {
		struct place *p = place_with_records();
		char value[64];
		int first;

		snprintf(value, sizeof(value), "%s:%u:%s", call, n, error);
		first = place_live_with(p, "SLUICE_FAIL", value);
		if (first != 0)
			assert_int_equal(place_live(p), 0);
		place_check(p, words, first == 0 ? 0 : 2);
		place_free(p);
		/* More than a life without a fault makes. */
		if (n > 100)
			break;
	}
}

static void
test_calls_fail(void **state)
{
	(void)state;
	fail_calls("*", "EIO", 5);
	fail_calls("*", "ENOSPC", 17);
}

static void
test_kills_at_calls(void **state)
{
	unsigned killed = 0;

	(void)state;
	for (unsigned n = 1; n < 100; n += 4) {
		struct place *p = place_with_records();
		char value[64];
		int first;

		snprintf(value, sizeof(value), "@*:%u", n);
		first = place_live_with(p, "SLUICE_CRASH", value);
		killed += first == -1;
		assert_int_equal(place_live(p), 0);
		place_check(p, words, first == -1 ? LOST_MAX : 0);
		place_free(p);
	}
	assert_true(killed >= 10);
}

#define POINT(name) name,
static const char *const points[] = { MESSAGE_POINTS_SEND(POINT) MESSAGE_POINTS_JOURNAL(POINT) };

/* Killed before the journal says so, it is a dead letter all the same, and not sent again before anybody decides on it. */
static void
test_a_letter_is_known_without_the_journal(void **state)
{
	static const char *const once[] = { "once" };
	struct place *p = place_new();
	struct letters l;

	(void)state;
	place_add(p, 1, once);
	assert_int_equal(place_live_with(p, "SLUICE_CRASH", "message.buried:1"), -1);
	for (unsigned life = 0; life < 2; life++) {
		assert_int_equal(place_live(p), 0);
		l = place_letters(p);
		assert_int_equal(l.of[0], 1);
		assert_int_equal(p->peer->tries[0], 1);
		assert_int_equal(place_files(p, ""), 0);
	}
	place_free(p);
}

static void
test_kills_at_points(void **state)
{
	unsigned killed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		for (unsigned n = 1; n <= 3; n++) {
			struct place *p = place_with_records();
			char value[64];
			int first;

			snprintf(value, sizeof(value), "%s:%u", points[i], n);
			first = place_live_with(p, "SLUICE_CRASH", value);
			killed += first == -1;
			if (n == 1 && first != -1 && strncmp(points[i], "message", 7) == 0)
				fail_msg("%s is not passed", points[i]);
			assert_int_equal(place_live(p), 0);
			place_check(p, words, first == -1 ? LOST_MAX : 0);
			place_free(p);
		}
	assert_true(killed >= ARRAY_LEN(points));
}

/* A damaged record: it is told once, and its segment is kept, wherever we die. */
static void
test_kills_with_damage(void **state)
{
	static const char *const at[] = { "message.set_aside:1", "message.folder_synced:1",
		"message.dead:1", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct place *p = place_new();
		struct made m;
		uint64_t bad;

		made_init(&m, clock_wall() - NS_PER_S, 3, 1);
		made_frame(&m, m.header.created, "u", STR(""), STR("ok 0"));
		bad = m.bytes.n;
		made_frame(&m, m.header.created, "u", STR(""), STR("ok 1"));
		made_frame(&m, m.header.created, "u", STR(""), STR("bad 2"));
		m.bytes.p[bad + 42] ^= 1;
		made_write(&m, p->dir, "20261122T010000000000001Z.1.1");
		assert_int_equal(place_live_with(p, "SLUICE_CRASH", at[i]), *at[i] ? -1 : 0);
		assert_int_equal(place_live(p), 0);
		assert_int_equal(p->peer->taken[0], 1);
		assert_int_equal(p->peer->tries[1], 0);
		assert_int_equal(place_letters(p).of[2], 1);
		assert_int_equal(place_files(p, ""), 0);
		assert_int_equal(place_files(p, "/corrupt"), 1);
		place_free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_calls_fail),
		cmocka_unit_test(test_kills_at_calls),
		cmocka_unit_test(test_kills_at_points),
		cmocka_unit_test(test_a_letter_is_known_without_the_journal),
		cmocka_unit_test(test_kills_with_damage),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

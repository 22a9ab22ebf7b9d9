/*
 * The shipper among failing file calls, and killed: at each file call, at each crash point. Whatever happened, in the end each record is in
 * the store once. The auditor of life.h watches meanwhile that nothing is sent or deleted before what it rests on is durable.
 */
#include "unit/ship/life.h"

#include "ship/points.h"

/* Lives are dear under a sanitizer: there every third call is tried, beginning anywhere. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STEP 3
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define STEP 3
#endif
#ifndef STEP
#define STEP 1
#endif

static unsigned
first_call(void)
{
	return 1 + (unsigned)(random_u64() % STEP);
}

/* Three bundles or six objects, one key taken by somebody else, an orphan. */
static struct place *
scene(int mode)
{
	struct place *p = place_new(mode);
	char host[64], key[200];

	sink_host_name(host, sizeof(host));
	snprintf(key, sizeof(key), "p/2026/11/22/01/2026112201.%s.jsonl.gz", host);
	model_put_foreign(p->m, key);
	for (int i = 0; i < 5; i++)
		place_add(p, LIFE_HOUR + i % 3 * 3600 * NS_PER_S + i, 1, "");
	place_add(p, LIFE_HOUR + 9, 1, ".open");
	return p;
}

/* The number of file calls that a life without faults makes, and some more for what faults lead to. */
static unsigned
calls_of(int mode)
{
	static unsigned known[3];
	unsigned high = 4096, low = 1;

	if (known[mode] > 0)
		return known[mode];

	/* The highest call that a kill can come before. */
	while (low < high) {
		unsigned middle = (low + high + 1) / 2;
		struct place *p = scene(mode);
		char value[32];

		snprintf(value, sizeof(value), "@*:%u", middle);
		if (place_live_with(p, "SLUICE_CRASH", value) == -1)
			low = middle;
		else
			high = middle - 1;
		place_free(p);
	}
	return known[mode] = low;
}

/* One call fails; or it and all after it. */
static void
fail_each_call(int mode, const char *error, bool onwards)
{
	unsigned calls = calls_of(mode);

	assert_true(calls > 50 && calls < 1000);
	for (unsigned n = first_call(); n <= calls + 10; n += STEP) {
		struct place *p = scene(mode);
		char value[48];
		int status;

		snprintf(value, sizeof(value), "*:%u%s:%s", n, onwards ? "+" : "", error);
		if (onwards)
			p->patience = 15 * NS_PER_MS;
		status = place_live_with(p, "SLUICE_FAIL", value);
		/* Without its lock it does not start; and one call that fails keeps nothing waiting. */
		if (status == 2 || onwards)
			assert_true(status == 0 || status == 2 || status == 3);
		else
			assert_int_equal(status, 0);
		p->patience = 20 * NS_PER_S;
		assert_int_equal(place_live(p), 0);
		place_check(p);
		place_free(p);
	}
}

static void
one_failed_call(void **state)
{
	(void)state;
	fail_each_call(STREAM_BUNDLE, "EIO", false);
	fail_each_call(STREAM_OBJECT, "EIO", false);
}

static void
no_call_works_from_one_on(void **state)
{
	(void)state;
	fail_each_call(STREAM_BUNDLE, "ENOSPC", true);
	fail_each_call(STREAM_OBJECT, "EIO", true);
}

static void
short_writes(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 24; n++)
		for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
			struct place *p = scene(mode);
			char value[48];

			snprintf(value, sizeof(value), "pwrite:%u:ENOSPC:short", n);
			assert_int_equal(place_live_with(p, "SLUICE_FAIL", value), 0);
			place_check(p);
			place_free(p);
		}
}

static void
killed_before_each_call(void **state)
{
	(void)state;
	for (int mode = STREAM_BUNDLE; mode <= STREAM_OBJECT; mode++) {
		unsigned calls = calls_of(mode);

		for (unsigned n = first_call(); n <= calls; n += STEP) {
			struct place *p = scene(mode);
			char value[48];

			snprintf(value, sizeof(value), "@*:%u", n);
			(void)place_live_with(p, "SLUICE_CRASH", value);
			(void)place_live_with(p, "SLUICE_CRASH", "@*:60");
			assert_int_equal(place_live(p), 0);
			place_check(p);
			place_free(p);
		}
	}
}

/* Every named point is reached, and every passing of it survived. */
static void
killed_at_each_point(void **state)
{
	static const struct {
		int mode;
		const char *name;
	} points[] = {
#define BUNDLE(name) { STREAM_BUNDLE, name },
#define OBJECT(name) { STREAM_OBJECT, name },
		SHIP_POINTS_PACK(BUNDLE) SHIP_POINTS_SEND(BUNDLE) SHIP_POINTS_OBJECT(OBJECT)
#undef BUNDLE
#undef OBJECT
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(points); i++)
		for (unsigned n = 1, killed = 1; killed; n++) {
			struct place *p = scene(points[i].mode);
			char value[64];

			snprintf(value, sizeof(value), "%s:%u", points[i].name, n);
			killed = place_live_with(p, "SLUICE_CRASH", value) == -1;
			if (n == 1 && !killed)
				fail_msg("%s is never reached", points[i].name);
			assert_int_equal(place_live(p), 0);
			place_check(p);
			place_free(p);
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

		TEST(one_failed_call),
		TEST(no_call_works_from_one_on),
		TEST(short_writes),
		TEST(killed_before_each_call),
		TEST(killed_at_each_point),
	};

	log_threshold = LOG_ERROR + 1; /* faults are what it is about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

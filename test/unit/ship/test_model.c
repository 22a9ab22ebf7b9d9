/*
 * Delivery, at random: stores that refuse, lose answers and apply requests late, two servers of one name in turn, a lost disk, file calls that
 * fail, kills at any of them; then a quiet end, after which each record is in the store once. SHIP_SEED=N runs one case again, SHIP_SECONDS
 * changes for how long cases are tried.
 */
#include "unit/ship/life.h"

static uint64_t seed_state;

/* xorshift64*: the same numbers for the same seed. */
static unsigned
rnd(unsigned below)
{
	seed_state ^= seed_state >> 12;
	seed_state ^= seed_state << 25;
	seed_state ^= seed_state >> 27;
	return (unsigned)((seed_state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

static void
add_some(struct place *p)
{
	unsigned n = 1 + rnd(8), records = p->conf.mode == STREAM_OBJECT ? 1 : 1 + rnd(20);

	for (unsigned i = 0; i < n; i++)
		place_add(p, LIFE_HOUR + rnd(3) * 3600 * NS_PER_S + rnd(1000000000), records,
		    rnd(6) == 0 ? ".open" : "");
}

static void
live_badly(struct place *p)
{
	static const char *const errors[] = { "EIO", "ENOSPC", "EIO:short" };
	char value[64];

	switch (rnd(4)) {
	case 0:
		snprintf(value, sizeof(value), "@*:%u", 1 + rnd(250));
		(void)place_live_with(p, "SLUICE_CRASH", value);
		break;
	case 1:
		snprintf(value, sizeof(value), "*:%u:%s", 1 + rnd(200), errors[rnd(2)]);
		(void)place_live_with(p, "SLUICE_FAIL", value);
		break;
	case 2:
		snprintf(value, sizeof(value), "pwrite:%u:%s", 1 + rnd(10), errors[2]);
		(void)place_live_with(p, "SLUICE_FAIL", value);
		break;
	default:
		(void)place_live(p);
		break;
	}
}

static struct place *
random_place(void)
{
	struct place *p = place_new(rnd(3) == 0 ? STREAM_OBJECT : STREAM_BUNDLE);

	p->m->conditional = rnd(4) != 0;
	p->m->fault_every = rnd(3) == 0 ? 0 : 2 + rnd(4);
	p->m->probe_error = ERR_TIMEOUT;
	p->m->probe_errors = rnd(3);
	p->m->put_ns = rnd(2) ? 0 : rnd(500) * NS_PER_US;
	p->conf.concurrency = 1 + rnd(4);
	p->conf.bundle_size = rnd(2) ? 1 << 20 : 600;
	p->conf.gzip_level = (int)rnd(10);
	p->patience = 20 * NS_PER_MS + rnd(100) * NS_PER_MS;
	return p;
}

/* Two servers of one name, or one: each place has a disk of its own, the first one's model is the store of both. */
static void
run_case(uint64_t seed)
{
	struct place *places[2];
	unsigned n, lives;

	seed_state = seed * 2 + 1;
	n = 1 + rnd(2);
	lives = 2 + rnd(6);
	places[0] = random_place();
	for (unsigned i = 1; i < n; i++) {
		places[i] = place_new(places[0]->conf.mode);
		model_free(places[i]->m);
		places[i]->m = places[0]->m;
	}
	for (unsigned life = 0; life < lives; life++) {
		struct place *p = places[rnd(n)];

		p->records = places[0]->records;
		add_some(p);
		places[0]->records = p->records;
		live_badly(p);
	}
	places[0]->m->fault_every = 0;
	for (unsigned i = 0; i < n; i++) {
		places[i]->patience = 20 * NS_PER_S;
		assert_int_equal(place_live(places[i]), 0);
	}
	for (unsigned i = n; i-- > 0;) {
		places[i]->records = i == 0 ? places[0]->records : 0;
		place_check(places[i]);
	}
	if (n == 2) {
		places[1]->m = model_new();
		place_free(places[1]);
	}
	place_free(places[0]);
}

static void
any_history_ends_well(void **state)
{
	const char *one = getenv("SHIP_SEED"), *seconds = getenv("SHIP_SECONDS");
	int64_t end = clock_mono() + (seconds ? atoi(seconds) : 8) * NS_PER_S;
	uint64_t seed = one ? strtoull(one, NULL, 10) : random_u64() % 1000000;
	unsigned cases = 0;

	(void)state;
	do {
		/* Said before, so that it is known when it fails. */
		fprintf(stderr, "SHIP_SEED=%llu\r", (unsigned long long)seed);
		run_case(seed++);
		cases++;
	} while (!one && clock_mono() < end);
	fprintf(stderr, "%u histories\n", cases);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(any_history_ends_well) };

	log_threshold = LOG_ERROR + 1; /* faults are what it is about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

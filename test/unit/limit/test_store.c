/*
 * Limits on shared cells: verdicts, punishment, orders to forget, counts, the clock; several processes at once.
 */
#include "unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "limit/counts.h"
#include "limit/store_priv.h"
#include "unit/tmp.h"
#include "zone/zone.h"

#define S NS_PER_S
#define MIB ((uint64_t)1 << 20)

static struct zone *zone;

static struct limit_store
attached(unsigned slot)
{
	struct limit_store s;

	assert_int_equal(limit_store_attach(&s, zone, slot), 0);
	return s;
}

static int
make_zone(void **state)
{
	(void)state;
	zone = zone_new(32);
	return zone && limit_store_make(zone, 8 * MIB) == 0 ? 0 : -1;
}

static int
free_zone(void **state)
{
	(void)state;
	zone_free(zone);
	return 0;
}

static struct limit_rate
bucket(uint64_t count, int64_t period)
{
	struct limit_rate r = { .sliding = false };

	assert_int_equal(gcra_init(&r.gcra, count, period, count), 0);
	return r;
}

static struct limit_rate
sliding(uint64_t count, int64_t length)
{
	struct limit_rate r = { .sliding = true };

	assert_int_equal(window_init(&r.window, count, length), 0);
	return r;
}

static struct str
name_of(void *arg)
{
	return str_of(arg);
}

static enum limit_verdict
take(struct limit_store *s, const struct limit_rate *rate, const char *who, int64_t now,
    struct limit_result *out)
{
	struct limit_result unused;

	return limit_take(s, rate, limit_hash(s, 1, str_of(who)), 65536, now, name_of,
	    (void *)(uintptr_t)who, out ? out : &unused);
}

static void
limits_are_kept_apart(void **state)
{
	struct limit_store s = attached(3);
	struct limit_rate rates[] = { bucket(3, 60 * S), sliding(3, 60 * S) };
	int64_t now = limit_now(&s);

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rates); k++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(take(&s, &rates[k], "a", now, NULL), LIMIT_PASSED);
		assert_int_equal(take(&s, &rates[k], "a", now, NULL), LIMIT_EXCEEDED);
		assert_int_equal(take(&s, &rates[k], "b", now, NULL), LIMIT_PASSED);
	}
}

static void
a_refund_is_as_if_never_asked(void **state)
{
	struct limit_store s = attached(3);
	struct limit_rate rates[] = { bucket(3, 60 * S), sliding(3, 60 * S) };
	int64_t now = limit_now(&s);
	struct limit_result r;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rates); k++) {
		for (int i = 0; i < 50; i++) {
			assert_int_equal(take(&s, &rates[k], "r", now, &r), LIMIT_PASSED);
			assert_int_equal(r.remaining, 2);
			limit_refund(&s, &rates[k], limit_hash(&s, 1, STR("r")), 65536, now);
		}
		limit_refund(&s, &rates[k], limit_hash(&s, 1, STR("nobody")), 65536, now);
	}
}

static void
punished_for_a_time(void **state)
{
	struct limit_store s = attached(3);
	struct limit_rate rates[] = { bucket(2, S), sliding(2, S) };
	int64_t now = limit_now(&s);
	struct limit_result r;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rates); k++) {
		rates[k].after = 3;
		rates[k].for_ns = 600 * S;
		for (int i = 0; i < 2; i++)
			take(&s, &rates[k], "p", now, NULL);
		assert_int_equal(take(&s, &rates[k], "p", now, NULL), LIMIT_EXCEEDED);
		assert_int_equal(take(&s, &rates[k], "p", now, NULL), LIMIT_EXCEEDED);
		assert_int_equal(take(&s, &rates[k], "p", now, &r), LIMIT_PUNISHED);
		assert_int_equal(r.wait, 600 * S);
		assert_int_equal(take(&s, &rates[k], "p", now + 599 * S, &r), LIMIT_PUNISHED);
		assert_in_range(r.wait, S, S + 1); /* it ends within a nanosecond of the time */
		assert_int_equal(r.remaining, 0);
		assert_int_equal(take(&s, &rates[k], "p", now + 600 * S + 1, NULL), LIMIT_PASSED);
		/* A rest until nothing is used is forgiven; refusals after it count from the start. */
		for (int i = 0; i < 3; i++)
			take(&s, &rates[k], "p", now + 601 * S, NULL);
		assert_int_equal(take(&s, &rates[k], "p", now + 700 * S, NULL), LIMIT_PASSED);
		for (int i = 0; i < 3; i++)
			assert_int_not_equal(
			    take(&s, &rates[k], "p", now + 700 * S, NULL), LIMIT_PUNISHED);
		assert_int_equal(take(&s, &rates[k], "p", now + 700 * S, NULL), LIMIT_PUNISHED);
		limit_forget(&s, limit_hash(&s, 1, STR("p")));
		assert_int_equal(take(&s, &rates[k], "p", now + 700 * S, NULL), LIMIT_PASSED);
	}
}

static void
half_of_a_limit(void **state)
{
	struct limit_store s = attached(3);
	struct limit_rate rates[] = { bucket(10, 60 * S), sliding(10, 60 * S) };
	int64_t now = limit_now(&s);
	struct limit_result r;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rates); k++) {
		int passed = 0;

		for (int i = 0; i < 20; i++)
			passed += limit_take(&s, &rates[k], limit_hash(&s, 2, STR("h")), 32768, now,
				      name_of, (void *)(uintptr_t) "h", &r) == LIMIT_PASSED;
		assert_int_equal(passed, 5);
		assert_int_equal(r.limit, 5);
	}
}

static void
orders_to_forget(void **state)
{
	struct limit_store s = attached(3);
	struct limit_rate rate = bucket(1, 3600 * S);
	int64_t now = limit_now(&s);
	char name[32];

	(void)state;
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.1", now, NULL), LIMIT_PASSED);
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.1.1", now, NULL), LIMIT_PASSED);
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.1", now, NULL), LIMIT_EXCEEDED);
	assert_int_equal(resets_add(s.resets, STR("ratelimit:a:10.0.0.*")), 0);
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.1", now, NULL), LIMIT_PASSED);
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.1", now, NULL), LIMIT_EXCEEDED);
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.1.1", now, NULL), LIMIT_EXCEEDED);
	/* An order is about what was before it. */
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.2", now, NULL), LIMIT_PASSED);
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.2", now, NULL), LIMIT_EXCEEDED);
	/* More orders than are kept: who was not looked at meanwhile is forgotten. */
	for (int i = 0; i < RESETS_KEPT - 1; i++)
		resets_add(s.resets, STR("ratelimit:x*"));
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.2", now, NULL), LIMIT_EXCEEDED);
	for (int i = 0; i < RESETS_KEPT; i++) {
		snprintf(name, sizeof(name), "ratelimit:y%d*", i);
		resets_add(s.resets, str_of(name));
	}
	assert_int_equal(take(&s, &rate, "ratelimit:a:10.0.0.2", now, NULL), LIMIT_PASSED);
	assert_int_equal(resets_add(s.resets, str_make(name, RESETS_PATTERN_MAX)), ERR_TOO_LARGE);
}

/* A process died between an order's number and its text: those behind it wait, and are not followed over and over. */
static void
an_order_that_is_not_whole(void **state)
{
	static struct resets r;
	uint16_t seen = 0;

	(void)state;
	assert_int_equal(resets_add(&r, STR("a*")), 0);
	assert_true(resets_apply(&r, &seen, STR("a1")));
	assert_false(resets_apply(&r, &seen, STR("a1")));
	atomic_fetch_add(&r.count, 1);
	assert_int_equal(resets_add(&r, STR("a*")), 0);
	assert_false(resets_apply(&r, &seen, STR("a1")));
	assert_int_equal(seen, 1);
	atomic_store(&r.orders[2].number, 2);
	assert_true(resets_apply(&r, &seen, STR("a1")));
	assert_false(resets_apply(&r, &seen, STR("a1")));
}

static void
patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} cases[] = {
		{ "", "", true },
		{ "*", "", true },
		{ "a", "a", true },
		{ "a", "ab", false },
		{ "a*", "abc", true },
		{ "*c", "abc", true },
		{ "a*c", "abc", true },
		{ "a*c", "abcd", false },
		{ "*b*", "abc", true },
		{ "a**c", "ac", true },
		{ "*ab*ab", "abxab", true },
		{ "*ab*ab", "abx", false },
		{ "a?c", "abc", false },
		{ "ratelimit:*:user:*", "ratelimit:x:user:u1", true },
		{ "ratelimit:*:user:*", "ratelimit:x:10.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    resets_match(str_of(cases[i].pattern), str_of(cases[i].text)), cases[i].match);
}

/* ---- several processes ---- */

struct sums {
	_Atomic uint64_t ready, passed;
};

static struct sums *
share_sums(void)
{
	return mmap(
	    NULL, sizeof(struct sums), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* All processes ask at once, each more often than there is to have: exactly the limit passes (never more; of a window, where two may turn each other
 * away at its border, hardly less). */
static void
together_never_more(void **state)
{
	enum { PROCESSES = 4, LIMIT = 500, CLIENTS = 20 };
	struct limit_rate rates[] = { bucket(LIMIT, 86400 * S), sliding(LIMIT, 86400 * S) };
	struct limit_store first = attached(3);
	int64_t now = limit_now(&first);
	char who[32];

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rates); k++)
		for (int client = 0; client < CLIENTS; client++) {
			struct sums *sums = share_sums();

			snprintf(who, sizeof(who), "together%zu.%d", k, client);
			for (unsigned p = 0; p < PROCESSES; p++)
				if (fork() == 0) {
					struct limit_store s = attached(3 + p);
					unsigned passed = 0;

					atomic_fetch_add(&sums->ready, 1);
					while (atomic_load(&sums->ready) < PROCESSES)
						;
					for (int i = 0; i < LIMIT; i++)
						passed += take(&s, &rates[k], who, now, NULL) ==
							  LIMIT_PASSED;
					atomic_fetch_add(&sums->passed, passed);
					_exit(0);
				}
			for (unsigned p = 0; p < PROCESSES; p++)
				wait(NULL);
			if (rates[k].sliding)
				assert_in_range(sums->passed, LIMIT - PROCESSES, LIMIT);
			else
				assert_int_equal(sums->passed, LIMIT);
			munmap(sums, sizeof(*sums));
		}
}

static void
counts_come_and_go(void **state)
{
	struct limit_store a = attached(3), b = attached(20);
	struct limit_entry entries[3], other;
	uint64_t hash = limit_hash(&a, 3, STR("c"));
	int64_t now = limit_now(&a);

	(void)state;
	assert_int_equal(limit_enter(&a, hash, 3, now, &entries[0]), LIMIT_PASSED);
	assert_int_equal(limit_enter(&b, hash, 3, now, &entries[1]), LIMIT_PASSED);
	assert_int_equal(limit_enter(&a, hash, 3, now, &entries[2]), LIMIT_PASSED);
	assert_int_equal(limit_enter(&b, hash, 3, now, &other), LIMIT_EXCEEDED);
	assert_null(other.cell);
	assert_int_equal(limit_inside(&a, hash), 3);
	limit_leave(&b, &entries[1]);
	assert_int_equal(limit_inside(&a, hash), 2);
	assert_int_equal(limit_enter(&b, hash, 3, now, &entries[1]), LIMIT_PASSED);
	/* The process of slot 20 dies: the master gives the slot a new generation. */
	atomic_fetch_add(&zone_slot(zone, 20)->generation, 1);
	assert_int_equal(limit_inside(&a, hash), 2);
	assert_int_equal(limit_enter(&b, hash, 3, now, &entries[1]), LIMIT_PASSED);
	limit_leave(&b, &entries[1]);
	limit_leave(&b, &entries[1]); /* once is enough */
	limit_leave(&a, &entries[0]);
	limit_leave(&a, &entries[2]);
	assert_int_equal(limit_inside(&a, hash), 0);
}

/* Processes come and go in a cell while others do, and are killed: never more inside than allowed, nothing left in the end. */
static void
counts_survive_kills(void **state)
{
	enum { PROCESSES = 3, MOST = 2, ROUNDS = 20 };
	struct limit_store own = attached(3);
	uint64_t hash = limit_hash(&own, 3, STR("kill"));
	struct sums *sums = share_sums();

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct timespec pause = { 0, 500000 + (long)(random_u64() % 1000000) };
		pid_t pids[PROCESSES];

		for (unsigned p = 0; p < PROCESSES; p++) {
			pids[p] = fork();
			if (pids[p] == 0) {
				struct limit_store s = attached(4 + p);
				struct limit_entry e;

				for (;;) {
					if (limit_enter(&s, hash, MOST, limit_now(&s), &e) !=
					    LIMIT_PASSED)
						continue;
					if (limit_inside(&s, hash) > MOST + PROCESSES)
						atomic_fetch_add(&sums->passed, 1);
					limit_leave(&s, &e);
				}
			}
		}
		nanosleep(&pause, NULL);
		for (unsigned p = 0; p < PROCESSES; p++) {
			kill(pids[p], SIGKILL);
			waitpid(pids[p], NULL, 0);
			atomic_fetch_add(&zone_slot(zone, 4 + p)->generation, 1);
		}
		assert_int_equal(limit_inside(&own, hash), 0);
	}
	assert_int_equal(sums->passed, 0);
	munmap(sums, sizeof(*sums));
}

/* ---- who talks most ---- */

static void
note(struct limit_store *s, uint64_t key, const char *text, unsigned times, int64_t now)
{
	for (unsigned i = 0; i < times; i++) {
		bool is_new;
		struct talker_cell *cell = talkers_note(&s->talkers[s->slot], key, now, &is_new);

		if (is_new)
			talkers_name(&s->talkers[s->slot], cell, key, str_of(text));
	}
}

static void
who_talks_most(void **state)
{
	struct limit_store a = attached(10), b = attached(11);
	struct talker top[3];
	int64_t now = limit_now(&a);

	(void)state;
	note(&a, hash_siphash13((uint64_t[]){ 1, 1 }, STR("loud")), "loud", 3000, now);
	for (uint64_t i = 1; i < 100000; i++)
		note(&a, hash_siphash13((uint64_t[]){ 1, 1 }, str_make(&i, 8)), "noise", 1, now);
	note(&a, hash_siphash13((uint64_t[]){ 1, 1 }, STR("both")), "both", 3000, now);
	note(&b, hash_siphash13((uint64_t[]){ 1, 1 }, STR("both")), "both", 2000, now + 1);
	note(&b, hash_siphash13((uint64_t[]){ 1, 1 }, STR("loud")), "loud", 1000, now + 1);
	assert_int_equal(talkers_top(a.talkers, a.slots, top, 3), 3);
	assert_string_equal(top[0].text, "both");
	assert_string_equal(top[1].text, "loud");
	assert_int_equal(top[0].requests, 5000);
	assert_int_equal(top[0].seen, now + 1);
	assert_int_equal(talkers_top(a.talkers, a.slots, top, 0), 0);
	/* An hour later they are history. */
	note(&b, hash_siphash13((uint64_t[]){ 1, 1 }, STR("late")), "late", 2, now + 3600 * S);
	note(&a, hash_siphash13((uint64_t[]){ 1, 1 }, STR("late")), "late", 2, now + 3600 * S);
	assert_int_equal(talkers_top(a.talkers, a.slots, top, 1), 1);
	assert_string_equal(top[0].text, "late");
	assert_int_equal(top[0].score, 4);
}

/* ---- making, the clock ---- */

static void
what_there_is_not(void **state)
{
	struct zone *z = zone_new(8);
	struct limit_store s;

	(void)state;
	assert_int_equal(limit_store_attach(&s, z, 3), ERR_NOT_FOUND);
	assert_false(s.ready);
	assert_int_equal(limit_store_make(z, 300000), ERR_TOO_LARGE);
	assert_int_equal(limit_store_make(z, UINT64_C(1) << 60), ERR_NOMEM);
	assert_int_equal(limit_store_make(z, LIMIT_STORE_MIN), 0);
	assert_int_equal(limit_store_make(z, 2 * LIMIT_STORE_MIN), 0); /* a reload: it stays */
	assert_int_equal(limit_store_attach(&s, z, 3), 0);
	zone_free(z);
}

static void
the_clock_goes_on(void **state)
{
	const uint64_t boot[2] = { 1, 2 }, other[2] = { 3, 4 };
	struct limit_clock c = {
		.boot = { 1, 2 }, .offset = 100 * S, .mono = 50 * S, .wall = 5000 * S
	};

	(void)state;
	/* The same start of the machine: the date may say what it likes. */
	limit_clock_resume(&c, boot, 60 * S, 0);
	assert_int_equal(c.offset, 100 * S);
	limit_clock_resume(&c, boot, 60 * S, INT64_MAX / 2);
	assert_int_equal(c.offset, 100 * S);
	/* Started anew: what the date says has passed. It stood at 150 s. */
	limit_clock_resume(&c, other, 2 * S, 5040 * S);
	assert_int_equal(2 * S + c.offset, 190 * S);
	assert_int_equal(c.boot[0], 3);
	/* The date went back by hours: nobody waits longer than was left. */
	limit_clock_resume(&c, boot, S, 10 * S);
	assert_int_equal(S + c.offset, 190 * S);
	/* It is years ahead: a day has passed. */
	limit_clock_resume(&c, other, S, 1000000000 * S);
	assert_int_equal(S + c.offset, (190 + 86400) * S);
	/* Where the kernel does not tell, a monotonic clock that stands before the one noted means a start. */
	c = (struct limit_clock){ .offset = 100 * S, .mono = 50 * S, .wall = 5000 * S };
	limit_clock_resume(&c, NULL, 60 * S, 0);
	assert_int_equal(c.offset, 100 * S);
	limit_clock_resume(&c, NULL, 40 * S, 5001 * S);
	assert_int_equal(40 * S + c.offset, 151 * S);
}

/* A crash of the machine leaves anything in the cells: answers stay within bounds, and all works once they are used again. */
static void
torn_cells(void **state)
{
	struct limit_store s = attached(3);
	struct limit_rate rates[2] = { bucket(10, S), sliding(10, S) };
	struct limit_result r;
	struct limit_entry e;

	(void)state;
	s.wide.arg = &s; /* it was attached in another place */
	for (unsigned k = 0; k < 2; k++)
		rates[k].after = 2, rates[k].for_ns = S;
	random_bytes((void *)s.narrow.base, cells_size(s.narrow.mask + 1, LIMIT_NARROW));
	random_bytes((void *)s.wide.base, cells_size(s.wide.mask + 1, LIMIT_WIDE));
	for (uint64_t i = 0; i < 40000; i++) {
		const struct cells *t = i % 2 ? &s.wide : &s.narrow;
		uint64_t set = random_u64() & t->mask;
		/* Every fourth one is that of a cell as it is there. */
		uint64_t hash = i % 8 < 2 ? atomic_load(&t->base[set * t->stride]) : random_u64();
		int64_t now = limit_now(&s);

		hash = (hash & ~t->mask) | set;
		if (i % 8 < 2) /* in use */
			atomic_store(&t->base[set * t->stride], (hash & ~UINT64_C(3)) | 1);
		if (i % 16 < 2)
			atomic_store(&t->base[set * t->stride + CELLS_WAYS + CELL_HOLD],
			    UINT64_C(1) << 63 | 1);
		if (limit_take(&s, &rates[i % 2], hash, 65536, now, name_of,
			(void *)(uintptr_t) "h", &r) == LIMIT_NO_ROOM)
			continue;
		assert_in_range(r.remaining, 0, 10);
		assert_in_range(r.wait, 0, CELLS_HOLD_MAX);
		assert_in_range(r.full, 0, 3 * S);
		limit_refund(&s, &rates[i % 2], hash, 65536, now);
		if (limit_enter(&s, hash, 2, now, &e) == LIMIT_PASSED)
			limit_leave(&s, &e);
	}
}

/* The server starts, without ticking: the time of its clock. */
static int64_t
start(const char *path)
{
	const struct zone_options opt = {
		.path = path, .slots = 8, .name = STR("main"), .size = MIB
	};
	struct zone *z = zone_open(&opt);
	struct limit_store s;
	int64_t now;

	assert_non_null(z);
	assert_int_equal(limit_store_make(z, 8 * MIB), 0);
	assert_int_equal(limit_store_attach(&s, z, 1), 0);
	now = limit_now(&s);
	/* As if the machine had been up for long, and started anew since. */
	if (s.head->life == 1) {
		s.head->boot[0]++;
		atomic_store(&s.head->noted_mono, clock_mono() + 1000 * 3600 * S);
		now += 1000 * 3600 * S;
	}
	zone_free(z);
	return now;
}

static void
the_clock_goes_on_over_two_starts(void **state)
{
	struct tmp tmp;
	int64_t first, second, third;
	const char *path;

	(void)state;
	tmp_init(&tmp);
	path = tmp_path(&tmp, "zone");
	first = start(path);
	second = start(path);
	third = start(path);
	assert_in_range(second - first, 0, 600 * S);
	assert_in_range(third - second, 0, 600 * S);
	tmp_fini(&tmp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_goes_on_over_two_starts),
		cmocka_unit_test(an_order_that_is_not_whole),
		cmocka_unit_test(limits_are_kept_apart),
		cmocka_unit_test(a_refund_is_as_if_never_asked),
		cmocka_unit_test(punished_for_a_time),
		cmocka_unit_test(half_of_a_limit),
		cmocka_unit_test(orders_to_forget),
		cmocka_unit_test(patterns),
		cmocka_unit_test(together_never_more),
		cmocka_unit_test(counts_come_and_go),
		cmocka_unit_test(counts_survive_kills),
		cmocka_unit_test(who_talks_most),
		cmocka_unit_test(what_there_is_not),
		cmocka_unit_test(the_clock_goes_on),
		cmocka_unit_test(torn_cells),
	};

	return cmocka_run_group_tests(tests, make_zone, free_zone);
}

/*
 * What a check of a rate limit costs: nanoseconds of CPU a call, best of several rounds, among a million keys that are asked in no order, so that
 * nothing is in a cache but by chance; the same with few keys, which is the arithmetic alone; a whole flood of new keys; and a look for
 * each of its parts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "limit/counts.h"
#include "zone/zone.h"

#define ROUNDS 5
#define CALLS 2000000u
#define KEYS (1u << 20)

static struct limit_store store;
static struct limit_rate bucket, sliding;
static const char *only = ""; /* the first argument: measure what has this in its name */

static struct str
no_name(void *arg)
{
	(void)arg;
	return STR("");
}

/* As a busy server has it: read once a turn of the loop, of some requests each. */
static int64_t
now_of(void)
{
	static unsigned calls;

	if (calls++ % 16 == 0)
		clock_refresh();
	return limit_now(&store);
}

/* A permutation of the numbers below 2^20: every key as often, in no order. */
static uint32_t
scatter(uint32_t i)
{
	return (i * 2654435761u + 12345u) & (KEYS - 1);
}

static void
take(const struct limit_rate *rate, uint64_t id)
{
	uint64_t hash = limit_hash(&store, 7, str_make(&id, sizeof(id)));
	struct limit_result r;

	limit_prefetch(&store, rate, hash);
	limit_take(&store, rate, hash, 65536, now_of(), no_name, NULL, &r);
}

static void
among_a_million(unsigned calls)
{
	for (uint32_t i = 0; i < calls; i++)
		take(&bucket, scatter(i));
}

static void
among_a_hundred(unsigned calls)
{
	for (uint32_t i = 0; i < calls; i++)
		take(&bucket, i % 100);
}

static void
window_of_a_hundred(unsigned calls)
{
	for (uint32_t i = 0; i < calls; i++)
		take(&sliding, i % 100);
}

static void
a_flood(unsigned calls)
{
	static uint64_t next = KEYS;

	for (uint32_t i = 0; i < calls; i++)
		take(&bucket, next++);
}

static void
hash_alone(unsigned calls)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < calls; i++)
		sum += limit_hash(&store, 7, str_make(&i, sizeof(i)));
	__asm__ volatile("" : : "r"(sum));
}

static void
clock_alone(unsigned calls)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += clock_mono();
	__asm__ volatile("" : : "r"(sum));
}

static void
talkers_alone(unsigned calls)
{
	bool is_new;

	for (uint64_t i = 0; i < calls; i++)
		talkers_note(&store.talkers[store.slot],
		    (i % 200 + 1) * UINT64_C(0x9e3779b97f4a7c15), store.offset, &is_new);
}

static void
count_in_and_out(unsigned calls)
{
	struct limit_entry e;

	for (uint64_t i = 0; i < calls; i++) {
		uint64_t id = i % 1000;

		limit_enter(
		    &store, limit_hash(&store, 9, str_make(&id, sizeof(id))), 10, store.offset, &e);
		limit_leave(&store, &e);
	}
}

static double
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void
measure(const char *name, void (*run)(unsigned calls))
{
	double best = 0;

	if (!strstr(name, only))
		return;
	run(CALLS / 2);
	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_now(), ns;

		run(CALLS);
		ns = (cpu_now() - began) / CALLS;
		if (round == 0 || ns < best)
			best = ns;
	}
	printf("%-24s %8.1f ns\n", name, best);
}

int
main(int argc, char **argv)
{
	struct zone *z = zone_new(16);

	if (argc > 1)
		only = argv[1];
	if (!z || limit_store_make(z, (uint64_t)128 << 20) != 0 ||
	    limit_store_attach(&store, z, ZONE_SLOT_WORKER) != 0) {
		fprintf(stderr, "bench_limit: no store\n");
		return 1;
	}
	gcra_init(&bucket.gcra, 1000000, NS_PER_S, 1000000);
	sliding.sliding = true;
	window_init(&sliding.window, 1000000, 60 * NS_PER_S);
	measure("check_million", among_a_million);
	measure("check_hundred", among_a_hundred);
	measure("check_window", window_of_a_hundred);
	measure("check_flood", a_flood);
	measure("hash", hash_alone);
	measure("clock", clock_alone);
	measure("talkers", talkers_alone);
	measure("count", count_in_and_out);
	zone_free(z);
	return 0;
}

/*
 * What counting costs: nanoseconds for each step, best of several rounds. In a zone in a file, with four slots that have counted before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "unit/tmp.h"
#include "zone/series.h"
#include "zone/zone.h"

#define ROUNDS 400 /* short ones: some are left alone by the rest of the machine */
#define SLOTS 8
#define KEYS 10000

static const char *only = ""; /* the first argument: measure what has this in its name */
static unsigned steps;
static struct series *one;
static struct str keys[KEYS];
static volatile uint64_t sink;

enum { REQUESTS, SECONDS };

static const struct metric_row rows[] = {
	[REQUESTS] = { .name = "bench_requests_total", .type = METRIC_COUNTER },
	[SECONDS] = { .name = "bench_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = metric_latency_bounds,
	    .n_bounds = 12 },
};

static struct metric_set set = {
	.name = "bench", .labels = { "host" }, .rows = rows, .n_rows = ARRAY_LEN(rows)
};
static struct metric_set full = {
	.name = "bench_full", .labels = { "host" }, .rows = rows, .n_rows = 1, .max_series = 1000
};

static void
fail(const char *what)
{
	fprintf(stderr, "bench_zone: %s\n", what);
	exit(1);
}

static void
adds(void)
{
	for (unsigned i = 0; i < steps; i++) {
		series_add(one, REQUESTS, i);
		atomic_signal_fence(memory_order_seq_cst);
	}
}

static void
observes(void)
{
	for (unsigned i = 0; i < steps; i++)
		series_observe(one, SECONDS, (int64_t)(i * UINT64_C(2654435761) % 4000000000));
}

static void
gets_one(void)
{
	for (unsigned i = 0; i < steps; i++)
		sink += series_get(&set, keys[0])->index;
}

static void
gets_many(void)
{
	for (unsigned i = 0; i < steps; i++)
		sink += series_get(&set, keys[i * 7919u % KEYS])->index;
}

/* A flood of names that no longer fit. */
static void
floods(void)
{
	char key[32] = "";

	for (unsigned i = 0; i < steps; i++) {
		memcpy(key, &i, sizeof(i));
		sink += series_get(&full, str_make(key, 20))->index;
	}
}

static void
reads(void)
{
	struct series_view v;
	uint32_t cursor = 0;
	uint64_t words[64];

	for (unsigned i = 0; i < steps; i++) {
		if (!series_next(&set, &cursor, &v)) {
			cursor = 0;
			continue;
		}
		series_sum(&set, &v, words);
		sink += words[0];
	}
}

static void
measure(const char *what, void (*fn)(void), unsigned n)
{
	int64_t best = INT64_MAX;

	if (!strstr(what, only))
		return;
	steps = n;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_mono();

		fn();
		best = MIN(best, clock_mono() - start);
	}
	printf("%-48s %8.2f ns\n", what, (double)best / n);
}

static void
make_keys(void)
{
	for (unsigned i = 0; i < KEYS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "host-%05u.example.org", i);
		keys[i] = str_of(strdup(text));
	}
}

int
main(int argc, char **argv)
{
	struct zone_options opt = { .slots = SLOTS, .name = STR("bench"), .size = 64 << 20 };
	struct zone *z;
	struct tmp tmp;

	if (argc > 1)
		only = argv[1];
	log_threshold = LOG_ERROR;
	series_register();
	metric_register(&set);
	metric_register(&full);
	tmp_init(&tmp);
	opt.path = tmp_path(&tmp, "zone");
	z = zone_open(&opt);
	if (z == NULL)
		fail("zone_open");
	make_keys();
	for (unsigned slot = ZONE_SLOT_WORKER; slot < ZONE_SLOT_WORKER + 4; slot++) {
		if (series_attach(z, slot) != 0)
			fail("series_attach");
		for (unsigned i = 0; i < KEYS; i++)
			series_add(series_get(&set, keys[i]), REQUESTS, 1);
	}
	one = series_pin(&set, keys[0]);
	measure("increment", adds, 200000);
	measure("observation", observes, 100000);
	measure("get a known key of 21 bytes", gets_one, 50000);
	measure("get one of 10000 known keys", gets_many, KEYS);
	measure("get a key that no longer fits", floods, 20000);
	measure("read all of a series, 4 slots", reads, KEYS + 1);
	zone_free(z);
	tmp_fini(&tmp);
	return 0;
}

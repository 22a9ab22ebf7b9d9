/*
 * What a line of an exposition costs: 10,000 series of 20 lines each, counted by two processes, are taken and written; best of several
 * rounds. And the longest stretch of CPU that another task has to wait for meanwhile; median of the rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "status/prom.h"
#include "task/loop.h"
#include "unit/tmp.h"
#include "zone/series.h"
#include "zone/zone.h"

#define ROUNDS 30
#define SERIES 10000
#define SLOTS 8

#define CLASS(class)                                                          \
	{                                                                     \
		.name = "bench_responses_total", .type = METRIC_COUNTER,      \
		.labels = "code=\"" class "\"", .help = "Responses by class." \
	}

static const struct metric_row rows[] = {
	{ .name = "bench_requests_total", .type = METRIC_COUNTER, .help = "Requests." },
	CLASS("1xx"),
	CLASS("2xx"),
	CLASS("4xx"),
	CLASS("5xx"),
	{ .name = "bench_request_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = metric_latency_bounds,
	    .n_bounds = 12,
	    .help = "Time." },
};

static struct metric_set set = {
	.name = "bench", .labels = { "host" }, .rows = rows, .n_rows = ARRAY_LEN(rows)
};

static uint64_t lines, bytes;

static int
count(void *arg, const void *p, size_t n)
{
	(void)arg;
	bytes += n;
	for (const char *at = p; (at = memchr(at, '\n', n - (size_t)(at - (const char *)p))); at++)
		lines++;
	return 0;
}

static int
discard(void *arg, const void *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
	return 0;
}

static int64_t
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* CPU it took, ns. */
static int64_t
render(prom_write_fn *write)
{
	int64_t start = cpu_now();
	struct prom p;

	prom_init(&p, write, NULL);
	prom_put_set(&p, &set);
	if (prom_fini(&p) != 0)
		exit(1);
	return cpu_now() - start;
}

/* ---- the longest stretch ---- */

static bool over;
static int64_t longest;

static void
render_task(void *arg)
{
	(void)arg;
	render(discard);
	over = true;
}

/* Wants its turn all the time. */
static void
watch_task(void *arg)
{
	int64_t before = cpu_now();

	(void)arg;
	longest = 0;
	while (!over && task_give_way() == 0) {
		int64_t now = cpu_now();

		longest = MAX(longest, now - before);
		before = now;
	}
}

static int64_t
stretch(void)
{
	over = false;
	if (loop_init(NULL) != 0 || task_go("watch", watch_task, NULL, NULL) != 0 ||
	    task_go("render", render_task, NULL, NULL) != 0 || loop_run_until_idle() != 0)
		exit(1);
	loop_fini();
	return longest;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t
median_stretch(void)
{
	int64_t each[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++)
		each[i] = stretch();
	qsort(each, ROUNDS, sizeof(each[0]), by_size);
	return each[ROUNDS / 2];
}

static void
fill(struct zone *z)
{
	for (unsigned slot = ZONE_SLOT_WORKER; slot < ZONE_SLOT_WORKER + 2; slot++) {
		if (series_attach(z, slot) != 0)
			exit(1);
		for (unsigned i = 0; i < SERIES; i++) {
			char name[40];
			struct series *s;

			snprintf(name, sizeof(name), "host-%05u.example.org", i);
			s = series_get(&set, str_of(name));
			for (unsigned row = 0; row < 5; row++)
				series_add(s, row, i * UINT64_C(977) % 1000000);
			for (unsigned n = 0; n < 20; n++)
				series_observe(s, 5, (int64_t)n * n * n * 1234567);
		}
	}
}

int
main(void)
{
	struct zone_options opt = { .slots = SLOTS, .name = STR("bench"), .size = 64 << 20 };
	int64_t best = INT64_MAX;
	struct zone *z;
	struct tmp tmp;

	log_threshold = LOG_ERROR;
	series_register();
	metric_register(&set);
	tmp_init(&tmp);
	opt.path = tmp_path(&tmp, "zone");
	z = zone_open(&opt);
	if (z == NULL)
		exit(1);
	fill(z);
	render(count);
	for (unsigned round = 0; round < ROUNDS; round++)
		best = MIN(best, render(discard));
	printf("line: %.1f ns\n", (double)best / (double)lines);
	printf("stretch: %.0f us\n", (double)median_stretch() / 1e3);
	printf("lines: %llu, bytes: %llu\n", (unsigned long long)lines, (unsigned long long)bytes);
	zone_free(z);
	tmp_fini(&tmp);
	return 0;
}

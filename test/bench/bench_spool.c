/*
 * Rate of durable appends by N tasks at once, each with some CPU work between (standing for a request's parsing and answering).
 *
 *	bench_spool [tasks] [seconds] [body bytes] [work ns] [folder]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "spool/spool.h"
#include "task/loop.h"
#include "unit/tmp.h"

static struct spool *spool;
static int64_t end, work_ns;
static char *body;
static size_t body_n;
static unsigned left;
static struct waitq done;
static uint64_t errors;
static int64_t loop_cpu;

static int64_t
cpu(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void
work(void)
{
	int64_t until = clock_mono() + work_ns;

	while (clock_mono() < until)
		continue;
}

static void
appender(void *arg)
{
	struct spool_record r = { .user = STR("u1"), .body = str_make(body, body_n) };

	(void)arg;
	while (clock_mono() < end) {
		if (work_ns)
			work();
		if (spool_append(spool, &r) != 0)
			errors++;
	}
	if (--left == 0)
		waitq_wake_all(&done);
}

static void
bench(void *arg)
{
	int64_t start = clock_mono(), took, process;
	struct spool_stats st;
	unsigned n = left;

	(void)arg;
	waitq_init(&done);
	loop_cpu = cpu(CLOCK_THREAD_CPUTIME_ID);
	process = cpu(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < n; i++)
		if (task_go("append", appender, NULL, NULL))
			abort();
	while (left)
		(void)waitq_park(&done, CLOCK_NEVER);
	took = clock_mono() - start;
	loop_cpu = cpu(CLOCK_THREAD_CPUTIME_ID) - loop_cpu;
	process = cpu(CLOCK_PROCESS_CPUTIME_ID) - process;
	st = spool_get_stats(spool);
	printf("%u tasks, %zu bytes: %.0f records/s, %.0f commits/s of %.1f, %.0f MB/s, "
	       "loop %.2f us a record, process %.2f us, errors %llu\n",
	    n, body_n, (double)st.records * 1e9 / (double)took,
	    (double)st.commits * 1e9 / (double)took, (double)st.records / (double)st.commits,
	    (double)st.bytes * 1e3 / (double)took, (double)loop_cpu / 1e3 / (double)st.records,
	    (double)process / 1e3 / (double)st.records, (unsigned long long)errors);
	(void)spool_close(spool, CLOCK_NEVER);
	spool_free(spool);
}

static void
setup(void *arg)
{
	struct spool_options opt = {
		.dir = arg,
		.sync = true,
		.segment_size = 64 << 20,
		.seal_interval = 600 * NS_PER_S,
	};

	if (spool_prepare(arg, false) || spool_new(&opt, &spool))
		abort();
	bench(NULL);
}

int
main(int argc, char **argv)
{
	struct tmp tmp;
	char dir[300];

	left = argc > 1 ? (unsigned)atoi(argv[1]) : 64;
	end = clock_mono() + (argc > 2 ? atoi(argv[2]) : 2) * NS_PER_S;
	body_n = argc > 3 ? (size_t)atoi(argv[3]) : 1024;
	work_ns = argc > 4 ? atoi(argv[4]) : 0;
	body = malloc(body_n);
	memset(body, 'x', body_n);
	tmp_init(&tmp);
	snprintf(dir, sizeof(dir), "%s/stream", argc > 5 ? argv[5] : tmp.dir);
	if (loop_init(NULL) || task_go("bench", setup, dir, NULL) || loop_run_until_idle())
		return 1;
	loop_fini();
	tmp_fini(&tmp);
	free(body);
	return errors > 0;
}

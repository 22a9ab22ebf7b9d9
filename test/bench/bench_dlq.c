/*
 * The dead letters with N entries: what a list, a search and a count cost, and how many state changes a second are durable, asked one by one by many
 * tasks at once, and many in one call.
 *
 *	bench_dlq [entries] [tasks] [folder]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dlq/dlq.h"
#include "task/loop.h"
#include "unit/tmp.h"

#define ROUNDS 50

static struct dlq *store;
static unsigned entries = 10000, tasks = 64;
static const char *dir;
static unsigned next, left;
static struct waitq done;

static struct id
id_of(unsigned n)
{
	struct id id = { { 0 } };

	memcpy(id.b, &n, sizeof(n));
	return id;
}

static void
check(int err)
{
	if (err) {
		fprintf(stderr, "%s\n", err_text(err));
		exit(1);
	}
}

/* ---- many tasks, one change each at a time */

static void
add_one(unsigned n)
{
	static const char *const why[] = { "503 Service Unavailable from worker.example.org:8080",
		"connect to mail.example.org:25: timed out after 10 s",
		"422 Unprocessable Entity: field \"number\" is missing" };
	struct dlq_letter l = { .id = id_of(n), .why = why[n % 3], .records = 1, .attempts = 4 };
	static char body[1024];

	l.type = n % 3 == 2 ? DLQ_PERMANENT : DLQ_TRANSIENT;
	snprintf(l.m.id, sizeof(l.m.id), "%032x", n);
	l.m.stream = n % 5 ? STR("primecheck") : STR("mail");
	l.m.method = STR("POST");
	l.m.user = STR("user-of-the-bench");
	l.m.content_type = STR("application/json");
	l.m.body = str_make(body, sizeof(body));
	check(dlq_add(store, &l));
}

static void
reprocess_one(unsigned n)
{
	struct dlq_decision how = { .by = STR("bench"), .reason = STR("to be measured") };
	struct id id = id_of(n);
	int result = 0;

	check(dlq_reprocess(store, &id, 1, &how, &result));
	check(result);
}

static void
deliver_one(unsigned n)
{
	struct sink_result r = { .outcome = SINK_CONFIRMED, .status = 200 };
	struct dlq_entry e;
	int64_t due;

	if (!dlq_take(store, n % 5 ? STR("primecheck") : STR("mail"), INT64_MAX, &e, &due))
		check(ERR_NOT_FOUND);
	dlq_attempt(store, e.id, &r, clock_wall(), 1);
	check(dlq_end(store, e.id, DLQ_DELIVERED, &r));
}

static void
work(void *arg)
{
	void (*one)(unsigned n) = *(void (**)(unsigned))arg;

	while (next < entries)
		one(next++);
	if (--left == 0)
		waitq_wake_all(&done);
}

static void
by_tasks(const char *what, void (*one)(unsigned n))
{
	int64_t start = clock_mono();

	next = 0;
	left = tasks;
	waitq_init(&done);
	for (unsigned i = 0; i < tasks; i++)
		check(task_go("bench", work, &one, NULL));
	while (left)
		(void)waitq_park(&done, CLOCK_NEVER);
	printf("%s, %u tasks: %.0f a second\n", what, tasks,
	    entries / ((double)(clock_mono() - start) / NS_PER_S));
}

/* ---- questions */

static void
visit(void *arg, const struct dlq_entry *e)
{
	*(uint64_t *)arg += e->size;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
list(const char *what, struct dlq_filter f)
{
	uint64_t skip = entries > 5000 ? 4950 : 0, bytes = 0, fit = 0;
	int64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		int64_t start = clock_mono();

		fit = dlq_list(store, &f, skip, 50, visit, &bytes);
		took[i] = clock_mono() - start;
	}
	qsort(took, ROUNDS, sizeof(took[0]), by_size);
	printf("page 100 of %u, %s: %.3f ms, worst %.3f ms, %llu fit\n", entries, what,
	    (double)took[ROUNDS / 2] / NS_PER_MS, (double)took[ROUNDS - 1] / NS_PER_MS,
	    (unsigned long long)fit);
}

static void
lists(void)
{
	struct dlq_filter all = { .state = -1, .type = -1 }, f;

	list("all", all);
	f = all;
	f.stream = STR("mail");
	f.state = DLQ_RESOLVED;
	f.type = DLQ_TRANSIENT;
	list("by stream, status and type", f);
	f = all;
	f.q = STR("TIMED OUT");
	list("search", f);
	f.q = STR("x");
	list("search of one letter", f);
	f.q = STR("no such text anywhere");
	list("search in vain", f);
	f.q = STR("abc");
	list("search in ids", f);
}

/* ---- all at once */

static void
decide_all(const char *what, int (*decide)(struct dlq *d, const struct id *ids, size_t n,
				 const struct dlq_decision *how, int *results))
{
	struct dlq_decision how = { .by = STR("bench"), .reason = STR("all"), .force = true };
	struct id *ids = malloc(entries * sizeof(*ids));
	int *results = malloc(entries * sizeof(*results));
	int64_t start;

	for (unsigned i = 0; i < entries; i++)
		ids[i] = id_of(i);
	start = clock_mono();
	check(decide(store, ids, entries, &how, results));
	printf("%s of %u in one call: %.1f ms\n", what, entries,
	    (double)(clock_mono() - start) / NS_PER_MS);
	free(ids);
	free(results);
}

static void
reopen(void)
{
	int64_t start;

	dlq_close(store);
	start = clock_mono();
	check(dlq_open(dir, &(struct dlq_limits){ 0 }, &store));
	printf("open: %.1f ms\n", (double)(clock_mono() - start) / NS_PER_MS);
}

static void
bench(void *arg)
{
	(void)arg;
	check(dlq_open(dir, &(struct dlq_limits){ 0 }, &store));
	by_tasks("letters added", add_one);
	by_tasks("marked to be sent again", reprocess_one);
	by_tasks("taken, tried, resolved", deliver_one);
	lists();
	decide_all("reprocessing", dlq_reprocess);
	decide_all("discarding", dlq_discard);
	reopen();
	dlq_close(store);
}

int
main(int argc, char **argv)
{
	struct tmp t;
	char path[128];

	if (argc > 1)
		entries = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		tasks = (unsigned)strtoul(argv[2], NULL, 10);
	tmp_init(&t);
	snprintf(path, sizeof(path), "%s/dlq", t.dir);
	dir = argc > 3 ? argv[3] : path;
	if (loop_init(NULL) || task_go("bench", bench, NULL, NULL) || loop_run_until_idle())
		return 1;
	loop_fini();
	tmp_fini(&t);
	return 0;
}

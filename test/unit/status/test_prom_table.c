/*
 * Tables of series: each row a family over all series, whatever their keys, however many slots count, while others come and go.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "status/metrics.h"
#include "status/procfs.h"
#include "task/loop.h"
#include "zone/series.h"
#include "zone/zone.h"

#define SLOTS 8

enum { HITS, NOW, TIME, HIDDEN };

static const int64_t bounds[] = { 1000000, 1000000000 };
static const struct metric_row rows[] = {
	[HITS] = { .name = "t_hits_total", .type = METRIC_COUNTER, .help = "Hits." },
	[NOW] = { .name = "t_now", .type = METRIC_GAUGE, .labels = "state=\"x\"", .help = "Now." },
	[TIME] = { .name = "t_seconds",
	    .type = METRIC_HISTOGRAM,
	    .scale = 1e-9,
	    .bounds = bounds,
	    .n_bounds = 2,
	    .help = "Time." },
	[HIDDEN] = { .type = METRIC_COUNTER },
};
static struct metric_set set = {
	.name = "t", .labels = { "host", "path" }, .rows = rows, .n_rows = ARRAY_LEN(rows)
};
static struct metric_set empty = { .name = "t_empty", .rows = rows, .n_rows = 1 };

static struct zone *zone;
static struct buf text;

/* slow: each piece takes longer than a task's slice. */
static bool slow;

static int
keep(void *arg, const void *p, size_t n)
{
	int64_t until = clock_mono() + (slow ? 2 * NS_PER_MS : 0);

	(void)arg;
	while (clock_mono() < until)
		continue;
	buf_put(&text, p, n);
	return buf_failed(&text);
}

static int
begin(void **state)
{
	(void)state;
	buf_init(&text, 0);
	zone = zone_new(SLOTS);
	return zone == NULL || series_attach(zone, ZONE_SLOT_WORKER);
}

static int
end(void **state)
{
	(void)state;
	buf_fini(&text);
	zone_free(zone);
	return 0;
}

#define TABLE_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static struct series *
get(struct str host, struct str path)
{
	struct str values[] = { host, path };

	return series_get_labels(&set, values);
}

/* ---- a set as it is ---- */

static void
each_row_is_a_family(void **state)
{
	struct prom p;

	(void)state;
	series_add(get(STR("a"), STR("/")), HITS, 2);
	series_observe(get(STR("a"), STR("/")), TIME, 5000000);
	series_set(get(STR("b\""), STR("\\")), NOW, -3);
	assert_int_equal(series_attach(zone, ZONE_SLOT_WORKER + 1), 0);
	series_add(get(STR("a"), STR("/")), HITS, 40);
	prom_init(&p, keep, NULL);
	prom_put_set(&p, &set);
	assert_int_equal(prom_fini(&p), 0);
	assert_string_equal(buf_cstr(&text),
	    "# HELP t_hits_total Hits.\n# TYPE t_hits_total counter\n"
	    "t_hits_total{host=\"a\",path=\"/\"} 42\n"
	    "t_hits_total{host=\"b\\\"\",path=\"\\\\\"} 0\n"
	    "# HELP t_now Now.\n# TYPE t_now gauge\n"
	    "t_now{host=\"a\",path=\"/\",state=\"x\"} 0\n"
	    "t_now{host=\"b\\\"\",path=\"\\\\\",state=\"x\"} -3\n"
	    "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n"
	    "t_seconds_bucket{host=\"a\",path=\"/\",le=\"0.001\"} 0\n"
	    "t_seconds_bucket{host=\"a\",path=\"/\",le=\"1\"} 1\n"
	    "t_seconds_bucket{host=\"a\",path=\"/\",le=\"+Inf\"} 1\n"
	    "t_seconds_sum{host=\"a\",path=\"/\"} 0.005\n"
	    "t_seconds_count{host=\"a\",path=\"/\"} 1\n"
	    "t_seconds_bucket{host=\"b\\\"\",path=\"\\\\\",le=\"0.001\"} 0\n"
	    "t_seconds_bucket{host=\"b\\\"\",path=\"\\\\\",le=\"1\"} 0\n"
	    "t_seconds_bucket{host=\"b\\\"\",path=\"\\\\\",le=\"+Inf\"} 0\n"
	    "t_seconds_sum{host=\"b\\\"\",path=\"\\\\\"} 0\n"
	    "t_seconds_count{host=\"b\\\"\",path=\"\\\\\"} 0\n");
}

static void
no_series_is_a_family_without_samples(void **state)
{
	struct prom p;

	(void)state;
	prom_init(&p, keep, NULL);
	prom_put_set(&p, &empty);
	assert_int_equal(prom_fini(&p), 0);
	assert_string_equal(
	    buf_cstr(&text), "# HELP t_hits_total Hits.\n# TYPE t_hits_total counter\n");
}

/* ---- a table of one's own ---- */

/* Only hosts that begin with h; the path is left out, and a computed column added. */
static bool
read_host(const struct series_view *v, struct str *values, uint64_t *columns, void *arg)
{
	uint64_t *words = arg;

	if (!str_starts(v->key, STR("h")))
		return false;
	values[0] = str_make(v->key.p, 2);
	series_sum(&set, v, words);
	columns[0] = words[set.at[HITS]];
	columns[1] = columns[0] / 2;
	return true;
}

static void
columns_are_the_readers(void **state)
{
	static const char *const labels[] = { "zone" };
	static const struct prom_row table[] = {
		{ .name = "z_total", .type = METRIC_COUNTER, .column = 0, .help = "Z." },
		{ .name = "z_half",
		    .type = METRIC_GAUGE,
		    .column = 1,
		    .decimals = 1,
		    .skip_zero = true,
		    .help = "H." },
	};
	uint64_t words[64];
	const struct prom_source src = { .set = &set,
		.labels = labels,
		.n_labels = 1,
		.n_columns = 2,
		.read = read_host,
		.arg = words };
	struct prom_snapshot s;
	struct prom p;

	(void)state;
	series_add(get(STR("h1"), STR("/")), HITS, 30);
	series_add(get(STR("x1"), STR("/")), HITS, 7);
	series_add(get(STR("h2"), STR("/")), HITS, 1);
	assert_int_equal(prom_take(&s, &src), 0);
	assert_int_equal(s.n, 2);
	/* What comes later is not in the picture. */
	series_add(get(STR("h1"), STR("/")), HITS, 100);
	prom_init(&p, keep, NULL);
	prom_put(&p, &s, table, ARRAY_LEN(table));
	assert_int_equal(prom_fini(&p), 0);
	prom_drop(&s);
	assert_string_equal(buf_cstr(&text), "# HELP z_total Z.\n# TYPE z_total counter\n"
					     "z_total{zone=\"h1\"} 30\nz_total{zone=\"h2\"} 1\n"
					     "# HELP z_half H.\n# TYPE z_half gauge\n"
					     "z_half{zone=\"h1\"} 1.5\n");
}

/* ---- many, with others having their turn ---- */

#define MANY 1500

static unsigned turns;
static bool done;

/* Counts its turns, makes a few more series while a snapshot is taken. */
static void
other(void *arg)
{
	(void)arg;
	while (!done) {
		char name[16];

		snprintf(name, sizeof(name), "late%u", turns++ % 10);
		series_add(get(str_of(name), STR("/")), HITS, 1);
		if (task_yield() != 0)
			return;
	}
}

static void
render(void *arg)
{
	struct prom p;

	(void)arg;
	prom_init(&p, keep, NULL);
	prom_put_set(&p, &set);
	assert_int_equal(prom_fini(&p), 0);
	done = true;
}

static void
others_have_their_turn(void **state)
{
	unsigned lines = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "h%u", i);
		series_add(get(str_of(name), STR("/")), HITS, i);
	}
	done = false;
	slow = true;
	turns = 0;
	assert_int_equal(loop_init(NULL), 0);
	assert_int_equal(task_go("render", render, NULL, NULL), 0);
	assert_int_equal(task_go("other", other, NULL, NULL), 0);
	assert_int_equal(loop_run_until_idle(), 0);
	loop_fini();
	slow = false;
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	/* Of each series 1 + 1 + 5 lines, and two a family. */
	assert_true(lines >= 7 * MANY + 6 && lines <= 7 * (MANY + 10) + 6);
	assert_non_null(strstr(buf_cstr(&text), "t_hits_total{host=\"h1499\",path=\"/\"} 1499\n"));
	assert_true(turns > 10);
}

/* ---- what the kernel says ---- */

static void
stat_lines_are_read(void **state)
{
	struct procfs of = { -1, -1, -1, -1, -1 };

	(void)state;
	procfs_parse_stat(STR("4711 (a) R (b) S 1 2 3 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 3 0 "
			      "999 8192 17 1\n"),
	    100, 4096, &of);
	assert_int_equal(of.cpu_ms, 4000);
	assert_int_equal(of.threads, 3);
	assert_int_equal(of.virtual, 8192);
	assert_int_equal(of.resident, 17 * 4096);
	assert_int_equal(of.fds, -1);
}

static void
odd_stat_lines_say_nothing(void **state)
{
	static const char *const odd[] = { "", "1", "1 (a", "1 (a)",
		"1 (a) R 1 2 3 x x x x x x x x x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct procfs of = { -1, -1, -1, -1, -1 };

		procfs_parse_stat(str_of(odd[i]), 100, 4096, &of);
		assert_int_equal(of.cpu_ms, -1);
		assert_int_equal(of.resident, -1);
	}
}

static void
this_process_can_be_read(void **state)
{
	struct procfs of;

	(void)state;
	procfs_read(getpid(), &of);
	assert_true(of.resident > 0 && of.virtual > of.resident && of.threads == 1 && of.fds > 2);
	procfs_read(INT32_MAX, &of);
	assert_true(of.resident == -1 && of.fds == -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(each_row_is_a_family),
		TABLE_TEST(no_series_is_a_family_without_samples),
		TABLE_TEST(columns_are_the_readers),
		TABLE_TEST(others_have_their_turn),
		cmocka_unit_test(stat_lines_are_read),
		cmocka_unit_test(odd_stat_lines_say_nothing),
		cmocka_unit_test(this_process_can_be_read),
	};

	series_register();
	metric_register(&set);
	metric_register(&empty);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

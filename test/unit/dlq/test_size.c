/*
 * Ten thousand entries: they take no more memory than they should, are all there after a restart, and a decision on all of them is one commit.
 */
#include <malloc.h>

#include "unit/dlq/harness.h"

#define ENTRIES 10000u
#define MEMORY (20u * 1024 * 1024)

static struct tmp tmp;

/* Bytes of the heap in use; where the library does not tell (under sanitizers): 0. */
static size_t
in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

struct adding {
	struct dlq *d;
	unsigned next, left;
	struct waitq done;
};

static void
add_some(void *arg)
{
	struct adding *a = arg;
	unsigned n;

	while ((n = a->next++) < ENTRIES) {
		struct dlq_letter l = letter(n, n % 2 ? "mail" : "orders", "");
		char body[400];

		memset(body, 'b', sizeof(body));
		l.m.body = str_make(body, sizeof(body));
		l.why = "connect to mail.example.org:25: network is unreachable, and it was so "
			"the last three times, too, so here it is";
		assert_int_equal(dlq_add(a->d, &l), 0);
	}
	if (--a->left == 0)
		waitq_wake_all(&a->done);
}

static void
add_all(struct dlq *d)
{
	struct adding a = { .d = d, .left = 100 };

	waitq_init(&a.done);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(task_go("add", add_some, &a, NULL), 0);
	while (a.left > 0)
		assert_int_equal(waitq_park(&a.done, CLOCK_NEVER), 0);
}

static void
reprocess_all(struct dlq *d)
{
	struct dlq_decision how = by("an operator", "the mail server is back, so all of it again");
	struct id *ids = malloc(ENTRIES * sizeof(*ids));
	int *results = malloc(ENTRIES * sizeof(*results));

	for (unsigned i = 0; i < ENTRIES; i++)
		ids[i] = id_of(i);
	assert_int_equal(dlq_reprocess(d, ids, ENTRIES, &how, results), 0);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(results[i], 0);
	free(ids);
	free(results);
}

static void
check(struct dlq *d, size_t before)
{
	struct dlq_filter f = all();
	struct dlq_counts c;
	struct words w = { "" };

	if (before > 0)
		assert_true(in_use() - before < MEMORY);
	dlq_count(d, STR("orders"), &c);
	assert_int_equal(c.by_state[DLQ_REPROCESSING], ENTRIES / 2);
	assert_int_equal(dlq_list(d, &f, 9990, 5, add_number, &w), ENTRIES);
	assert_int_equal(strlen(w.s) > 0, 1);
}

static void
many(void *arg)
{
	size_t before = in_use();
	struct dlq *d = open_with(&tmp, (struct dlq_limits){ ENTRIES, 0 });
	uint32_t logs;

	(void)arg;
	add_all(d);
	logs = d->next_number;
	reprocess_all(d);
	assert_true(d->next_number <= logs + 1); /* one batch, so one file */
	check(d, before);
	dlq_close(d);
	d = open_store(&tmp);
	check(d, before);
	dlq_close(d);
}

static void
ten_thousand(void **state)
{
	(void)state;
	tmp_init(&tmp);
	run(many, NULL);
	tmp_fini(&tmp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ten_thousand) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

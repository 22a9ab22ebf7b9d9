/*
 * Delivery of messages as a whole, without faults: dead letters that are sent again, purging, order, the breaker.
 */
#include "life_test.h"

#include "zone/durable.h"

static bool
wait_for(bool (*is)(struct place *p, struct dlq *d), struct place *p, struct dlq *d)
{
	int64_t end = clock_mono() + p->patience;

	while (!is(p, d) && clock_mono() < end)
		(void)task_sleep_until(clock_mono() + NS_PER_MS);
	return is(p, d);
}

/* ---- dead letters ---- */

static void
collect(void *arg, const struct dlq_entry *e)
{
	(void)arg;
	counting.ids[counting.n++] = e->id;
}

static bool
all_decided(struct place *p, struct dlq *d)
{
	struct dlq_counts c;

	(void)p;
	dlq_count(d, STR(""), &c);
	return c.by_state[DLQ_REPROCESSING] == 0;
}

/* All of them once more, one of which is poison and needs force. */
static void
send_again(struct place *p, struct message_stream *s, struct dlq *d)
{
	struct dlq_filter all = { .state = -1, .type = -1 };
	struct dlq_decision how = { .by = STR("test"), .reason = STR("again"), .force = true };
	int results[RECORDS];
	struct dlq_counts c;

	counting.n = 0;
	(void)dlq_list(d, &all, 0, RECORDS, collect, NULL);
	if (dlq_reprocess(d, counting.ids, counting.n, &how, results) != 0)
		p->peer->broken = true;
	message_wake(s);
	if (!wait_for(all_decided, p, d))
		p->peer->broken = true;
	dlq_count(d, STR("jobs"), &c);
	if (c.by_state[DLQ_RESOLVED] != 2 || c.by_state[DLQ_PENDING] != 1)
		p->peer->broken = true;
}

static void
test_letters_again(void **state)
{
	static const char *const words[] = { "later", "ok", "bad", "later" };
	struct place *p = place_new();
	struct letters l;

	(void)state;
	place_add(p, ARRAY_LEN(words), words);
	assert_int_equal(place_live(p), 0);
	l = place_letters(p);
	assert_int_equal(l.of[0] + l.of[2] + l.of[3], 3);
	assert_int_equal(p->peer->tries[0], 4);
	assert_int_equal(p->peer->tries[2], 1);
	p->act = send_again;
	assert_int_equal(place_live(p), 0);
	assert_false(p->peer->broken);
	assert_int_equal(p->peer->taken[0], 1);
	assert_int_equal(p->peer->taken[3], 1);
	assert_int_equal(p->peer->tries[0], 5);
	assert_int_equal(p->peer->tries[1], 1);
	assert_int_equal(p->peer->tries[2], 2);
	assert_int_equal(place_letters(p).attempts[0], 5);
	place_free(p);
}

/* ---- purging ---- */

static void
purge(struct place *p, struct message_stream *s, struct dlq *d)
{
	uint64_t n = 0;

	(void)d;
	if (message_purge(s, STR("ann"), STR("not wanted"), &n) != 0)
		p->peer->broken = true;
	p->peer->told = (unsigned)n;
	p->peer->away = false;
}

static void
test_purge(void **state)
{
	static const char *words[200];
	struct place *p = place_new();
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		words[i] = "ok";
	place_add(p, 100, words);
	place_add(p, 100, words);
	p->peer->away = true;
	p->conf.breaker_failures = 2;
	p->conf.retry.initial = p->conf.retry.max_interval = 20 * NS_PER_MS;
	p->act = purge;
	assert_int_equal(place_live(p), 0);
	assert_false(p->peer->broken);
	for (unsigned i = 0; i < 200; i++)
		taken += p->peer->taken[i];
	assert_int_equal(p->peer->told + taken, 200);
	assert_true(p->peer->told >= 197); /* but for those on their way */
	assert_int_equal(place_files(p, ""), 0);
	/* It is on record: nothing comes back. */
	p->act = NULL;
	assert_int_equal(place_live(p), 0);
	for (unsigned i = 0; i < 200; i++)
		taken -= p->peer->taken[i];
	assert_int_equal(taken, 0);
	place_free(p);
}

#define YOUNG 150
#define LONG 60000

/* Taken in after the purge began, and more than there is memory for. */
static void
add_younger(struct place *p)
{
	int64_t then = clock_wall() + 60 * NS_PER_S;
	char name[NAME_CAP + 8], *body = malloc(LONG);
	struct made m;

	assert_non_null(body);
	made_init(&m, then, 3, p->segments + 1);
	memset(body, ' ', LONG);
	for (unsigned i = 0; i < YOUNG; i++) {
		body[snprintf(body, LONG, "ok %u", p->records++)] = ' ';
		made_frame(&m, then + i, "ann", STR(""), str_make(body, LONG));
	}
	free(body);
	name_make(name, then, p->segments++);
	made_write(&m, p->dir, name);
}

/* A purge comes to its end though the destination is away and more and more waits behind what it was for. */
static void
test_purge_ends(void **state)
{
	static const char *const words[] = { "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok" };
	struct place *p = place_new();

	(void)state;
	place_add(p, ARRAY_LEN(words), words);
	add_younger(p);
	p->peer->away = true;
	p->conf.breaker_failures = 1;
	p->conf.retry.initial = p->conf.retry.max_interval = 20 * NS_PER_MS;
	p->act = purge;
	assert_int_equal(place_live(p), 0);
	assert_false(p->peer->broken);
	assert_true(p->peer->told <= ARRAY_LEN(words));
	for (unsigned i = ARRAY_LEN(words); i < p->records; i++)
		assert_int_equal(p->peer->taken[i], 1);
	assert_int_equal(place_files(p, ""), 0);
	place_free(p);
}

/* ---- the breaker ---- */

static bool
tried_often(struct place *p, struct dlq *d)
{
	unsigned tries = 0;

	(void)d;
	for (unsigned i = 0; i < p->records; i++)
		tries += p->peer->tries[i];
	return tries >= 30;
}

static void
come_back(struct place *p, struct message_stream *s, struct dlq *d)
{
	struct message_status now;

	if (!wait_for(tried_often, p, d))
		p->peer->broken = true;
	message_get_status(s, &now);
	if (now.breaker->state == BREAKER_CLOSED || now.done > 0 || now.waiting != p->records)
		p->peer->broken = true;
	p->peer->away = false;
}

/* Probes, however many, are not counted against anybody, and go round. */
static void
test_outage(void **state)
{
	static const char *const words[] = { "ok", "ok", "ok", "ok", "ok", "ok" };
	struct place *p = place_new();

	(void)state;
	place_add(p, ARRAY_LEN(words), words);
	p->peer->away = true;
	p->conf.breaker_failures = 2;
	p->act = come_back;
	assert_int_equal(place_live(p), 0);
	assert_false(p->peer->broken);
	for (unsigned i = 0; i < p->records; i++) {
		assert_int_equal(p->peer->taken[i], 1);
		assert_int_equal(place_letters(p).of[i], 0);
	}
	place_free(p);
}

/* ---- more than fits the window ---- */

static void
test_many_waiting(void **state)
{
	static const char *words[RECORDS];
	struct place *p = place_new();

	(void)state;
	for (unsigned i = 0; i < RECORDS; i++)
		words[i] = i % 5 == 0 ? "twice" : i % 7 == 0 ? "bad" : "ok";
	for (unsigned i = 0; i < RECORDS; i += 32)
		place_add(p, 32, words + i);
	p->conf.concurrency = 16;
	p->conf.order_by.kind = ORDER_USER;
	assert_int_equal(place_live(p), 0);
	place_check(p, words, 0);
	assert_true(p->peer->most_at_once <= 2); /* two users */
	place_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters_again),
		cmocka_unit_test(test_purge),
		cmocka_unit_test(test_purge_ends),
		cmocka_unit_test(test_outage),
		cmocka_unit_test(test_many_waiting),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* dlq/rules: what is sent again by itself, when, how often, and how much of it at a time. */
#include "dlq/rules.h"
#include "unit/dlq/harness.h"
#include "zone/series.h"

#define PATIENCE (20 * NS_PER_S)

static struct stream_conf streams[2] = { { .next = &streams[1], .name = STR_INIT("mail") },
	{ .name = STR_INIT("other") } };

struct stage {
	struct dlq *d;
	struct dlq_conf conf;
	struct dlq_rule rules[4];
	struct rules *running;
};

static void
add_rule(struct stage *s, struct dlq_rule rule, const char *pattern)
{
	struct dlq_rule *r = &s->rules[s->conf.n_rules];
	const char *why;

	*r = rule;
	r->pattern = str_of(pattern);
	assert_int_equal(expr_new(r->pattern, rule.icase, &r->expr, &why), 0);
	if (s->conf.n_rules > 0)
		s->rules[s->conf.n_rules - 1].next = r;
	s->conf.rules = s->rules;
	s->conf.n_rules++;
}

static struct dlq_rule
rule(int type, unsigned max, unsigned batch)
{
	return (
	    struct dlq_rule){ .type = type, .max = max, .batch = batch, .wait = 100 * NS_PER_MS };
}

static void
start(struct stage *s, struct tmp *t)
{
	s->d = open_store(t);
	assert_int_equal(rules_open(s->d, &s->conf, streams, &s->running), 0);
}

static void
end(struct stage *s)
{
	rules_close(s->running);
	dlq_close(s->d);
	for (unsigned i = 0; i < s->conf.n_rules; i++)
		expr_free(s->rules[i].expr);
}

static void
add_letter(struct stage *s, unsigned n, const char *stream, enum dlq_type type, const char *why)
{
	struct dlq_letter l = letter(n, stream, "body");

	l.type = type;
	l.why = why;
	assert_int_equal(dlq_add(s->d, &l), 0);
}

static void
wait_state(struct stage *s, unsigned n, int state)
{
	int64_t end = clock_mono() + PATIENCE;

	while (state_of(s->d, n) != state) {
		assert_true(clock_mono() < end);
		assert_int_equal(task_sleep_until(clock_mono() + 2 * NS_PER_MS), 0);
	}
}

/* The letter n goes out and comes back. */
static void
come_back(struct stage *s, unsigned n, const char *why)
{
	struct sink_result r = result(SINK_AGAIN, 503, why);
	struct dlq_entry e;
	int64_t next;

	wait_state(s, n, DLQ_REPROCESSING);
	assert_true(dlq_take(s->d, STR("mail"), clock_wall(), &e, &next));
	assert_true(id_eq(e.id, id_of(n)));
	dlq_attempt(s->d, e.id, &r, clock_wall(), 1);
	assert_int_equal(dlq_end(s->d, e.id, DLQ_FAILED, &r), 0);
}

/* The example of the requirements, with a shorter wait. */
TEST(sends_again_so_often_and_no_more)
{
	struct stage s = { .conf.n_rules = 0 };
	struct rules_status status;
	struct dlq_entry e;

	add_rule(&s, rule(-1, 2, 100), "network.*timeout");
	start(&s, arg);
	add_letter(&s, 1, "mail", DLQ_TRANSIENT, "network: read timeout");
	assert_int_equal(dlq_find(s.d, id_of(1), &e), 0);
	come_back(&s, 1, "network timeout");
	assert_int_equal(dlq_find(s.d, id_of(1), &e), 0);
	assert_int_equal(e.by_rule, 1);
	assert_true(e.since - e.dead >= 100 * NS_PER_MS);
	come_back(&s, 1, "a network connect timeout");
	/* Later ones have their turn, this one has had it. */
	add_letter(&s, 2, "mail", DLQ_TRANSIENT, "network timeout");
	wait_state(&s, 2, DLQ_REPROCESSING);
	assert_int_equal(state_of(s.d, 1), DLQ_PENDING);
	assert_true(rules_get(s.running, 0, &status));
	assert_true(status.rule == &s.rules[0]);
	assert_true(status.last_run > 0);
	assert_false(rules_get(s.running, 1, &status));
	end(&s);
}

/* What a socket was told is about the network; what an answer says is not. */
TEST(no_answer_is_a_matter_of_the_network)
{
	static const char *const errors[] = { "connect to 127.0.0.1:9: timed out",
		"503 upstream timed out", "connect to 127.0.0.1:9: connection refused",
		"timed out" };
	struct stage s = { .conf.n_rules = 0 };

	add_rule(&s, rule(-1, 1, 100), "network.*timeout");
	add_rule(&s, rule(-1, 1, 100), "^network: connect");
	start(&s, arg);
	for (unsigned n = 0; n < ARRAY_LEN(errors); n++) {
		struct dlq_letter l = letter(n, "mail", "body");

		l.why = errors[n];
		l.status = n == 1 ? 503 : 0;
		assert_int_equal(dlq_add(s.d, &l), 0);
	}
	wait_state(&s, 0, DLQ_REPROCESSING);
	wait_state(&s, 2, DLQ_REPROCESSING);
	wait_state(&s, 3, DLQ_REPROCESSING);
	assert_int_equal(state_of(s.d, 1), DLQ_PENDING);
	end(&s);
}

/* The first that fits has it, even if another would be quicker; what fits none stays. */
TEST(chooses_by_error_stream_and_type)
{
	struct sink_result done = result(SINK_CONFIRMED, 200, "");
	struct stage s = { .conf.n_rules = 0 };
	struct dlq_entry e;
	int64_t next;

	add_rule(&s, rule(-1, 1, 100), "^never$");
	s.rules[0].wait = 3600 * NS_PER_S;
	add_rule(&s, rule(DLQ_PERMANENT, 1, 100), "a");
	s.rules[1].stream = STR("mail");
	add_rule(&s, rule(DLQ_TRANSIENT, 1, 100), "[A-Z]{3}");
	s.rules[2].stream = STR("other");
	start(&s, arg);
	add_letter(&s, 1, "mail", DLQ_TRANSIENT, "never");
	add_letter(&s, 2, "mail", DLQ_TRANSIENT, "a");
	add_letter(&s, 3, "other", DLQ_PERMANENT, "a");
	add_letter(&s, 4, "other", DLQ_TRANSIENT, "abc");
	add_letter(&s, 5, "mail", DLQ_POISON, "a");
	add_letter(&s, 6, "mail", DLQ_PERMANENT, "xax");
	add_letter(&s, 7, "other", DLQ_TRANSIENT, "is ABC");
	wait_state(&s, 6, DLQ_REPROCESSING);
	wait_state(&s, 7, DLQ_REPROCESSING);
	/* All had been there before those two. */
	for (unsigned n = 1; n <= 5; n++)
		assert_int_equal(state_of(s.d, n), DLQ_PENDING);
	assert_true(dlq_take(s.d, STR("other"), clock_wall(), &e, &next));
	assert_int_equal(dlq_end(s.d, e.id, DLQ_DELIVERED, &done), 0);
	assert_int_equal(dlq_find(s.d, id_of(7), &e), 0);
	assert_true(str_is(e.resolved_by, "rule:[A-Z]{3}"));
	end(&s);
}

static unsigned
under_way(struct stage *s)
{
	struct dlq_counts c;

	dlq_count(s->d, STR("mail"), &c);
	return (unsigned)c.by_state[DLQ_REPROCESSING];
}

/* The oldest first; the next ones when some are through. */
TEST(a_batch_at_a_time)
{
	struct stage s = { .conf.n_rules = 0 };
	struct sink_result done = result(SINK_CONFIRMED, 200, "");

	add_rule(&s, rule(-1, 1, 2), ".");
	start(&s, arg);
	for (unsigned n = 1; n <= 5; n++)
		add_letter(&s, n, "mail", DLQ_TRANSIENT, "x");
	wait_state(&s, 2, DLQ_REPROCESSING);
	wait_state(&s, 1, DLQ_REPROCESSING);
	for (unsigned n = 1; n <= 5; n++) {
		struct dlq_entry e;
		int64_t next;

		wait_state(&s, n, DLQ_REPROCESSING);
		assert_in_range(under_way(&s), 1, 2);
		assert_true(dlq_take(s.d, STR("mail"), clock_wall(), &e, &next));
		dlq_attempt(s.d, e.id, &done, clock_wall(), 1);
		assert_int_equal(dlq_end(s.d, e.id, DLQ_DELIVERED, &done), 0);
	}
	assert_int_equal(under_way(&s), 0);
	end(&s);
}

/* What came before the rules ran, and what was under way then, counts. */
TEST(goes_on_after_a_restart)
{
	struct stage s = { .conf.n_rules = 0 };

	add_rule(&s, rule(-1, 1, 1), ".");
	start(&s, arg);
	add_letter(&s, 1, "mail", DLQ_TRANSIENT, "x");
	add_letter(&s, 2, "mail", DLQ_TRANSIENT, "x");
	wait_state(&s, 1, DLQ_REPROCESSING);
	rules_close(s.running);
	dlq_close(s.d);
	start(&s, arg);
	assert_int_equal(under_way(&s), 1);
	come_back(&s, 1, "x");
	wait_state(&s, 2, DLQ_REPROCESSING);
	assert_int_equal(state_of(s.d, 1), DLQ_PENDING);
	end(&s);
}

/* A stream that was taken out of the configuration: nobody would send what is left of it, and the batch would be full for ever. */
TEST(letters_of_no_stream_are_left_alone)
{
	struct stage s = { .conf.n_rules = 0 };

	add_rule(&s, rule(-1, 1, 1), ".");
	start(&s, arg);
	add_letter(&s, 1, "gone", DLQ_TRANSIENT, "x");
	add_letter(&s, 2, "mail", DLQ_TRANSIENT, "x");
	wait_state(&s, 2, DLQ_REPROCESSING);
	assert_int_equal(state_of(s.d, 1), DLQ_PENDING);
	end(&s);
}

TEST(no_rules_no_task)
{
	struct stage s = { .conf.n_rules = 0 };
	struct rules_status status;

	start(&s, arg);
	assert_false(rules_get(s.running, 0, &status));
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_again_so_often_and_no_more),
		cmocka_unit_test(no_answer_is_a_matter_of_the_network),
		cmocka_unit_test(chooses_by_error_stream_and_type),
		cmocka_unit_test(a_batch_at_a_time),
		cmocka_unit_test(goes_on_after_a_restart),
		cmocka_unit_test(letters_of_no_stream_are_left_alone),
		cmocka_unit_test(no_rules_no_task),
	};

	log_threshold = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* dlq/conf: the block as configured, defaults, and what each mistake is told. */
#include <stdio.h>

#include "base/clock.h"
#include "dlq/conf.h"
#include "http/conf.h"
#include "sink/stream.h"
#include "unit/unit.h"

static struct conf *c;

static int
load(const char *inside)
{
	struct buf text;
	int err;

	conf_free(c);
	c = conf_new();
	buf_init(&text, 0);
	buf_printf(&text, "http { stream usage { sink dir /x; } %s }", inside);
	err = conf_parse_text(c, "test.conf", buf_str(&text));
	if (!err)
		err = conf_check(c);
	if (!err)
		err = conf_apply(c);
	buf_fini(&text);
	return err;
}

static void
says(const char *message)
{
	struct str said = conf_messages(c);

	for (size_t i = 0; i + strlen(message) <= said.n; i++)
		if (memcmp(said.p + i, message, strlen(message)) == 0)
			return;
	fail_msg("\"%s\" is not in: %.*s", message, STR_ARG(said));
}

static void
refused(const char *inside, const char *message)
{
	if (load(inside) == 0)
		fail_msg("accepted: %s", inside);
	says(message);
}

static const struct dlq_conf *
accepted(const char *inside)
{
	if (load(inside))
		fail_msg("refused: %.*s", STR_ARG(conf_messages(c)));
	return dlq_conf(c);
}

static void
defaults(void **state)
{
	static const char *const texts[] = { "", "dlq { }" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct dlq_conf *d = accepted(texts[i]);

		assert_int_equal(d->limits.max_messages, 10000);
		assert_int_equal(d->limits.retention, 7 * 24 * 3600 * NS_PER_S);
		assert_int_equal(d->n_rules, 0);
		assert_null(d->rules);
	}
}

static void
rules_in_their_order(void **state)
{
	const struct dlq_conf *d = accepted(
	    "dlq { max_messages 50; retention 1h30m; rule \"network.*timeout\" wait=30m max=2; "
	    "rule ^5[0-9][0-9] stream=usage type=permanent batch=7 case=ignore max=9 wait=1s; "
	    "rule . ; }");
	const struct dlq_rule *r = d->rules;

	(void)state;
	assert_int_equal(d->limits.max_messages, 50);
	assert_int_equal(d->limits.retention, 5400 * NS_PER_S);
	assert_int_equal(d->n_rules, 3);
	assert_true(str_is(r->pattern, "network.*timeout"));
	assert_int_equal(r->wait, 1800 * NS_PER_S);
	assert_int_equal(r->max, 2);
	assert_int_equal(r->batch, 100);
	assert_int_equal(r->type, -1);
	assert_int_equal(r->stream.n, 0);
	assert_true(expr_match(r->expr, STR("a network read: timeout")));
	assert_false(expr_match(r->expr, STR("Network timeout")));
	r = r->next;
	assert_true(str_is(r->stream, "usage"));
	assert_int_equal(r->type, DLQ_PERMANENT);
	assert_int_equal(r->batch, 7);
	assert_int_equal(r->max, 9);
	assert_int_equal(r->wait, NS_PER_S);
	assert_true(r->icase);
	r = r->next;
	assert_int_equal(r->wait, 1800 * NS_PER_S);
	assert_null(r->next);
}

static void
mistakes_are_named(void **state)
{
	static const char *const arguments[] = { "wait=31d", "wait=0s", "wait=x", "max=0",
		"max=1001", "max=-1", "batch=0", "batch=10001", "type=poison", "type=x",
		"stream=", "case=on", "often=2", "x" };

	(void)state;
	assert_int_equal(load("dlq { rule a wait=100ms; }"), 0);
	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		char text[100], said[100];

		snprintf(text, sizeof(text), "dlq { rule a %s; }", arguments[i]);
		snprintf(said, sizeof(said),
		    "test.conf:1: invalid argument \"%s\" of \"rule\", allowed: wait=100ms to 30d",
		    arguments[i]);
		refused(text, said);
	}
	refused("dlq { rule a type=poison; }", "poison is never sent again by a rule");
	refused("dlq { max_messages 0; }", "max_messages");
	refused("dlq { retention 1ms; }", "retention");
	refused("dlq { rule; }", "rule");
	refused("dlq { } dlq { }", "duplicate");
	refused("dlq { rules a; }", "rule");
	refused("server { dlq { } }", "dlq");
}

static void
expressions_are_posix_and_bounded(void **state)
{
	(void)state;
	refused("dlq { rule 'code \\d+'; }", "write [0-9]");
	refused("dlq { rule '(?i)x'; }", "is Perl's");
	refused("dlq { rule '(a'; }", "bad expression \"(a\"");
	refused("dlq { rule ''; }", "bad expression \"\": empty");
	refused("dlq { rule '(((a{99}){99}){99}){99}'; }", "bad expression");
	accepted("dlq { rule '(a*)*b'; }");
	assert_false(
	    expr_match(dlq_conf(c)->rules->expr, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

static void
rules_that_cannot_fit_are_refused(void **state)
{
	(void)state;
	refused("dlq { rule a stream=usages; }", "there is no stream \"usages\"");
	refused("dlq { rule a; rule b; rule a stream=usage; }", "never has its turn");
	refused("dlq { rule a case=ignore; rule a type=permanent; }", "never has its turn");
	accepted("dlq { rule a stream=usage; rule a; }");
	accepted("dlq { rule a type=permanent; rule a type=transient; }");
	accepted("dlq { rule a; rule a case=ignore; }");
	accepted("dlq { retention 1h; rule a wait=1h; }");
	says("it sends none of them again");
}

static void
too_many_rules(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "dlq { ");
	for (int i = 0; i <= DLQ_RULES_MAX; i++)
		buf_printf(&b, "rule a%d; ", i);
	buf_puts(&b, "}");
	buf_putc(&b, '\0');
	refused(b.p, "more than 64 rules");
	buf_fini(&b);
}

static int
teardown(void **state)
{
	(void)state;
	conf_free(c);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(rules_in_their_order),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(expressions_are_posix_and_bounded),
		cmocka_unit_test(rules_that_cannot_fit_are_refused),
		cmocka_unit_test(too_many_rules),
	};

	http_conf_register();
	stream_conf_register();
	dlq_conf_register();
	return cmocka_run_group_tests(tests, NULL, teardown);
}

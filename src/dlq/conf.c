/*
 * The rows of `dlq`. Its fields are set in the struct of the block's own scope, then copied to the main scope's; what can only be said once the
 * streams are known is said in finish(): a rule that can never fit is a mistake, not a rule.
 */
#include "dlq/conf.h"

#include "http/conf.h"
#include "sink/stream.h"

#define MESSAGES_DEFAULT 10000
#define DAY (24 * 3600 * NS_PER_S)
#define RETENTION_DEFAULT (7 * DAY)

struct scope {
	struct dlq_conf conf;
	struct dlq_rule **end; /* of the list; NULL: it is empty */
};

static struct conf_module module;

static struct scope *
main_scope(struct conf *c)
{
	return conf_of(conf_main(c), &module);
}

const struct dlq_conf *
dlq_conf(struct conf *c)
{
	return &main_scope(c)->conf;
}

/* ---- setters ---- */

static int
set_dlq(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct conf_scope *inner;
	int err = conf_apply_block(c, node, scope, CONF_DLQ, &inner);

	(void)into;
	if (err != 0)
		return err;
	*main_scope(c) = *(struct scope *)conf_of(inner, &module);
	return 0;
}

static bool
parse_count(struct str s, uint64_t max, uint64_t *out)
{
	return str_to_u64(s, out) == 0 && *out >= 1 && *out <= max;
}

static bool
parse_wait(struct str s, int64_t *out)
{
	return conf_parse_time(s, out) == 0 && *out >= 100 * NS_PER_MS && *out <= 30 * DAY;
}

/* Poison cannot be read or parsed: only a person may want it tried again. */
static bool
parse_type(struct str s, int *out)
{
	*out = str_is(s, "permanent") ? DLQ_PERMANENT : DLQ_TRANSIENT;
	return str_is(s, "permanent") || str_is(s, "transient");
}

static bool
parse_argument(const struct conf_node *node, unsigned i, struct dlq_rule *r)
{
	struct str v;

	if (conf_arg_kv(node, i, "wait", &v))
		return parse_wait(v, &r->wait);
	if (conf_arg_kv(node, i, "max", &v))
		return parse_count(v, 1000, &r->max);
	if (conf_arg_kv(node, i, "batch", &v))
		return parse_count(v, 10000, &r->batch);
	if (conf_arg_kv(node, i, "type", &v))
		return parse_type(v, &r->type);
	if (conf_arg_kv(node, i, "case", &v)) {
		r->icase = str_is(v, "ignore");
		return r->icase;
	}
	return conf_arg_kv(node, i, "stream", &r->stream) && r->stream.n > 0;
}

static void
release(void *arg)
{
	expr_free(arg);
}

static int
compile(struct conf *c, const struct conf_node *node, struct dlq_rule *r)
{
	const char *why = "empty";

	if (http_check_pattern(c, node, r->pattern) != 0)
		return ERR_CONFIG;
	if (r->pattern.n == 0 || expr_new(r->pattern, r->icase, &r->expr, &why) != 0) {
		conf_error(c, node, "rule: bad expression \"%.*s\": %s", STR_ARG(r->pattern), why);
		return ERR_CONFIG;
	}
	return conf_on_free(c, release, r->expr);
}

static int
set_rule(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct scope *s = into;
	struct dlq_rule *r = arena_alloc(conf_arena(c), sizeof(*r));

	(void)scope;
	if (!r)
		return ERR_NOMEM;
	if (s->conf.n_rules == DLQ_RULES_MAX) {
		conf_error(c, node, "more than %d rules", DLQ_RULES_MAX);
		return ERR_CONFIG;
	}
	*r = (struct dlq_rule){ .node = node,
		.pattern = node->args[0],
		.type = -1,
		.wait = 30 * 60 * NS_PER_S,
		.max = 2,
		.batch = 100 };
	for (unsigned i = 1; i < node->n_args; i++)
		if (!parse_argument(node, i, r)) {
			conf_error(c, node,
			    "invalid argument \"%.*s\" of \"rule\", allowed: wait=100ms to 30d, "
			    "max=1 to 1000, batch=1 to 10000, stream=NAME, type=transient or "
			    "type=permanent (poison is never sent again by a rule), case=ignore",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
	*(s->end ? s->end : &s->conf.rules) = r;
	s->end = &r->next;
	s->conf.n_rules++;
	return compile(c, node, r);
}

/* ---- what must hold in the end ---- */

/* Whatever b fits, a fits, too. */
static bool
covers(const struct dlq_rule *a, const struct dlq_rule *b)
{
	return str_eq(a->pattern, b->pattern) && (a->icase || !b->icase) &&
	       (a->stream.n == 0 || str_eq(a->stream, b->stream)) &&
	       (a->type < 0 || a->type == b->type);
}

static int
check_rule(struct conf *c, const struct dlq_conf *conf, const struct dlq_rule *r)
{
	char wait[CONF_UNIT_LEN], retention[CONF_UNIT_LEN];

	if (r->stream.n > 0 && !stream_find(c, r->stream)) {
		conf_error(c, r->node, "rule: there is no stream \"%.*s\"", STR_ARG(r->stream));
		return ERR_CONFIG;
	}
	for (const struct dlq_rule *k = conf->rules; k != r; k = k->next)
		if (covers(k, r)) {
			conf_error(c, r->node,
			    "rule \"%.*s\" never has its turn: the one of line %u fits all that it "
			    "fits",
			    STR_ARG(r->pattern), k->node->line);
			return ERR_CONFIG;
		}
	if (r->wait < conf->limits.retention)
		return 0;
	conf_format_time(r->wait, wait);
	conf_format_time(conf->limits.retention, retention);
	conf_warn(c, r->node,
	    "rule \"%.*s\" waits %s, and messages are kept for %s only: it sends none of them "
	    "again",
	    STR_ARG(r->pattern), wait, retention);
	return 0;
}

static int
finish(struct conf *c)
{
	struct dlq_conf *conf = &main_scope(c)->conf;
	int err = 0;

	if (conf->limits.max_messages == 0) /* there is no dlq block */
		conf->limits = (struct dlq_limits){ MESSAGES_DEFAULT, RETENTION_DEFAULT };
	for (const struct dlq_rule *r = conf->rules; r; r = r->next)
		if (check_rule(c, conf, r) != 0)
			err = ERR_CONFIG;
	return err;
}

/* ---- rows ---- */

static const struct conf_bounds messages_bounds = { 1, 1000000 };
static const struct conf_bounds retention_bounds = { NS_PER_S, 3650 * DAY };

static const struct conf_row rows[] = {
	{ .name = "dlq",
	    .contexts = CONF_HTTP,
	    .flags = CONF_BLOCK | CONF_RELOAD,
	    .set = set_dlq,
	    .help = "dead letters: what could not be delivered" },
	{ .name = "max_messages",
	    .contexts = CONF_DLQ,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_count,
	    .offset = offsetof(struct scope, conf.limits.max_messages),
	    .default_ = "10000",
	    .unit = "count",
	    .extra = &messages_bounds,
	    .help = "how many messages are kept; beyond it the oldest goes, counted and logged. "
		    "Bundles and objects are kept whatever their number" },
	{ .name = "retention",
	    .contexts = CONF_DLQ,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_time,
	    .offset = offsetof(struct scope, conf.limits.retention),
	    .default_ = "7d",
	    .unit = "time",
	    .extra = &retention_bounds,
	    .help = "how long messages are kept, and what was resolved or discarded; bundles and "
		    "objects are kept until somebody decides on them" },
	{ .name = "rule",
	    .contexts = CONF_DLQ,
	    .min_args = 1,
	    .max_args = 7,
	    .flags = CONF_REPEAT | CONF_RELOAD,
	    .set = set_rule,
	    .unit = "PATTERN [wait=30m] [max=2] [batch=100] [stream=NAME] "
		    "[type=transient|permanent] [case=ignore]",
	    .help =
		"sends dead letters again whose last error the POSIX extended expression is "
		"found in (upper and lower case differ without case=ignore; where nobody answered, "
		"\"network: \" or \"network timeout: \" is thought before it), once they have "
		"waited, at most max times each, batch under way at a time; of several rules "
		"the first that fits has the letter" },
	{ .name = NULL },
};

static struct conf_module module = {
	.name = "dlq", .rows = rows, .size = sizeof(struct scope), .finish = finish
};

void
dlq_conf_register(void)
{
	conf_register(&module);
}

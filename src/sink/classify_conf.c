/*
 * `classify STATUS|STATUS-STATUS CLASS;` in a stream: the operator's own rules, in the order in which they stand. Called by the parser, and by
 * the sinks when they are opened.
 */
#include "sink/classify.h"

struct classify_scope {
	struct classify_rule *first;
};

static struct conf_module module;

static bool
parse_class(struct str word, enum sink_outcome *out)
{
	static const struct {
		const char *word;
		enum sink_outcome outcome;
	} classes[] = { { "done", SINK_CONFIRMED }, { "transient", SINK_AGAIN },
		{ "held", SINK_HELD }, { "permanent", SINK_PERMANENT }, { "poison", SINK_POISON } };

	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (str_is(word, classes[i].word)) {
			*out = classes[i].outcome;
			return true;
		}
	return false;
}

static bool
parse_status(struct str s, int *out)
{
	uint64_t v;

	if (s.n != 3 || str_to_u64(s, &v) || v < 100 || v > 599)
		return false;
	*out = (int)v;
	return true;
}

static bool
parse_range(struct str s, struct classify_rule *rule)
{
	struct str from = str_split(&s, '-');

	if (!parse_status(from, &rule->from))
		return false;
	rule->to = rule->from;
	return !s.p || (parse_status(s, &rule->to) && rule->to >= rule->from);
}

static int
set_classify(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct classify_scope *cs = into;
	struct classify_rule *rule = arena_alloc(conf_arena(c), sizeof(*rule)), **link;

	(void)scope;
	if (!rule)
		return ERR_NOMEM;
	*rule = (struct classify_rule){ 0 };
	if (!parse_range(node->args[0], rule)) {
		conf_error(c, node,
		    "invalid status \"%.*s\", allowed: 100 to 599, or two of them as 500-599",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	if (!parse_class(node->args[1], &rule->outcome)) {
		conf_error(c, node,
		    "unknown class \"%.*s\", allowed: done, transient, held, permanent, poison",
		    STR_ARG(node->args[1]));
		return ERR_CONFIG;
	}
	for (link = &cs->first; *link; link = &(*link)->next)
		;
	*link = rule;
	return 0;
}

static const struct conf_row rows[] = {
	{ "classify", CONF_STREAM, 2, 2, CONF_REPEAT | CONF_RELOAD, set_classify, 0, NULL,
	    "STATUS|STATUS-STATUS done|transient|held|permanent|poison",
	    "what an answer of this status means, instead of what it means by itself (sinks http "
	    "and smtp); of several the first that fits holds",
	    NULL },
	{ 0 },
};

static struct conf_module module = {
	.name = "classify",
	.rows = rows,
	.size = sizeof(struct classify_scope),
};

const struct classify_rule *
classify_rules(const struct conf_scope *scope)
{
	return ((const struct classify_scope *)conf_of(scope, &module))->first;
}

void
classify_conf_register(void)
{
	conf_register(&module);
}

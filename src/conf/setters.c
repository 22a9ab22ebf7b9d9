/*
 * The stock setters: one argument into one field. A wrong value is named together with what would
 * be right.
 */
#include <stdio.h>

#include "conf/conf_priv.h"

static void *
field(void *into, const struct conf_node *node)
{
	return (char *)into + node->row->offset;
}

static struct str
first_arg(const struct conf_node *node)
{
	return node->n_args ? node->args[0] : STR("");
}

static int
invalid(struct conf *c, const struct conf_node *node, const char *allowed)
{
	conf_error(c, node, "invalid value \"%.*s\" in \"%s\" directive, allowed: %s",
	    STR_ARG(first_arg(node)), node->row->name, allowed);
	return ERR_CONFIG;
}

static void
format_count(uint64_t v, char out[CONF_UNIT_LEN])
{
	snprintf(out, CONF_UNIT_LEN, "%llu", (unsigned long long)v);
}

static void
format_time(uint64_t v, char out[CONF_UNIT_LEN])
{
	conf_format_time((int64_t)v, out);
}

/* 0, or an error that names the row's bounds. */
static int
check_bounds(struct conf *c, const struct conf_node *node, uint64_t v,
    void (*format)(uint64_t, char[CONF_UNIT_LEN]))
{
	const struct conf_bounds *bounds = node->row->extra;
	char min[CONF_UNIT_LEN], max[CONF_UNIT_LEN];

	if (!bounds || (v >= bounds->min && v <= bounds->max))
		return 0;
	format(bounds->min, min);
	format(bounds->max, max);
	conf_error(c, node, "value \"%.*s\" in \"%s\" directive is out of range, allowed: %s to %s",
	    STR_ARG(first_arg(node)), node->row->name, min, max);
	return ERR_CONFIG;
}

int
conf_set_flag(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct str arg = first_arg(node);
	bool on = str_ieq(arg, STR("on"));

	(void)scope;
	if (!on && !str_ieq(arg, STR("off")))
		return invalid(c, node, "on, off");
	*(bool *)field(into, node) = on;
	return 0;
}

int
conf_set_size(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	uint64_t v;
	int err;

	(void)scope;
	if (conf_parse_size(first_arg(node), &v))
		return invalid(c, node, "a size such as 512, 8k, 10m, 2g");
	err = check_bounds(c, node, v, conf_format_size);
	if (!err)
		*(uint64_t *)field(into, node) = v;
	return err;
}

int
conf_set_time(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	int64_t ns;
	int err;

	(void)scope;
	if (conf_parse_time(first_arg(node), &ns))
		return invalid(c, node, "a time such as 30, 500ms, 10m, 1h30m, 7d");
	err = check_bounds(c, node, (uint64_t)ns, format_time);
	if (!err)
		*(int64_t *)field(into, node) = ns;
	return err;
}

int
conf_set_count(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	uint64_t v;
	int err;

	(void)scope;
	if (str_to_u64(first_arg(node), &v))
		return invalid(c, node, "a whole number");
	err = check_bounds(c, node, v, format_count);
	if (!err)
		*(uint64_t *)field(into, node) = v;
	return err;
}

int
conf_set_str(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)c;
	(void)scope;
	*(struct str *)field(into, node) = first_arg(node); /* the node lives in the arena, too */
	return 0;
}

int
conf_set_enum(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	const struct conf_word *words = node->row->extra;
	const char *allowed = NULL;

	(void)scope;
	for (const struct conf_word *w = words; w->word; w++) {
		if (str_is(first_arg(node), w->word)) {
			*(int *)field(into, node) = w->value;
			return 0;
		}
		allowed = arena_printf(
		    conf_arena(c), "%s%s%s", allowed ? allowed : "", allowed ? ", " : "", w->word);
	}
	return invalid(c, node, allowed ? allowed : "nothing");
}

int
conf_set_block(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	unsigned inner = conf_inner_context(node->name);

	(void)into;
	assert(inner); /* the row is a block of ours */
	return conf_apply_block(c, node, scope, inner, NULL);
}

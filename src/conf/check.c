/*
 * conf_check(): every node against the directive rows. All errors of a file are found in one run,
 * so nothing here stops at the first.
 */
#include <limits.h>
#include <stdlib.h>

#include "conf/conf_priv.h"

/* The directives met in the blocks that are open, to find the second of a kind. A block's entries
 * are those behind its start. */
struct seen {
	struct {
		const struct conf_row *row;
		const struct conf_node *first;
	} * entries;
	size_t n, cap;
};

static void check_block(
    struct conf *c, struct conf_node *first, unsigned context, struct seen *seen);

static const char *
contexts_text(struct conf *c, unsigned in)
{
	const char *text;
	struct buf out;

	buf_init(&out, 0);
	conf_put_contexts(&out, in);
	text = arena_strz(&c->arena, str_make(out.n ? out.p : "", out.n));
	buf_fini(&out);
	return text ? text : "";
}

struct listing {
	struct buf *out;
	unsigned context;
	unsigned n;
};

static void
list_name(const struct conf_row *row, const struct conf_module *module, void *arg)
{
	struct listing *l = arg;

	(void)module;
	if (!(row->contexts & l->context))
		return;
	buf_printf(l->out, "%s%s", l->n++ ? ", " : "", row->name);
}

/* The directives of a context by name, where they are few enough to read; else NULL. */
static const char *
names_text(struct conf *c, unsigned context)
{
	struct listing l = { .context = context };
	const char *text = NULL;
	struct buf out;

	buf_init(&out, 0);
	l.out = &out;
	conf_each_row(list_name, &l);
	if (l.n && l.n <= 32)
		text = arena_strz(&c->arena, str_make(out.p, out.n));
	buf_fini(&out);
	return text;
}

static void
unknown(struct conf *c, const struct conf_node *node, unsigned context)
{
	unsigned in = conf_contexts_of(node->name);
	const char *near, *names;

	if (in) {
		conf_error(c, node,
		    "\"%.*s\" directive is not allowed here (in %s), it is allowed in: %s",
		    STR_ARG(node->name), conf_context_name(context), contexts_text(c, in));
		return;
	}
	near = conf_suggest(node->name, context);
	names = near ? NULL : names_text(c, context);
	if (near)
		conf_error(c, node, "unknown directive \"%.*s\", did you mean \"%s\"?",
		    STR_ARG(node->name), near);
	else if (names)
		conf_error(c, node, "unknown directive \"%.*s\", allowed in %s: %s",
		    STR_ARG(node->name), conf_context_name(context), names);
	else
		conf_error(c, node, "unknown directive \"%.*s\"", STR_ARG(node->name));
}

static const char *
arity_text(struct conf *c, const struct conf_row *row)
{
	const char *text;

	if (row->max_args == 0)
		return "none";
	if (row->max_args == UINT_MAX)
		text = arena_printf(&c->arena, "%u or more", row->min_args);
	else if (row->min_args == row->max_args)
		text = arena_printf(&c->arena, "%u", row->min_args);
	else
		text = arena_printf(&c->arena, "%u to %u", row->min_args, row->max_args);
	return text ? text : "";
}

/* The form of a node: arguments, ";" or "{". */
static void
check_form(struct conf *c, const struct conf_node *node, const struct conf_row *row)
{
	if (node->n_args < row->min_args || node->n_args > row->max_args)
		conf_error(c, node, "invalid number of arguments in \"%s\" directive, it takes: %s",
		    row->name, arity_text(c, row));
	if (node->block && !(row->flags & CONF_BLOCK))
		conf_error(c, node, "directive \"%s\" is not terminated by \";\"", row->name);
	if (!node->block && (row->flags & CONF_BLOCK))
		conf_error(c, node, "directive \"%s\" has no opening \"{\"", row->name);
}

static void
check_duplicate(struct conf *c, const struct conf_node *node, const struct conf_row *row,
    struct seen *seen, size_t start)
{
	for (size_t i = start; i < seen->n; i++) {
		const struct conf_node *first = seen->entries[i].first;

		if (seen->entries[i].row != row)
			continue;
		conf_error(c, node, "\"%s\" directive is duplicate, the first is in %s:%u",
		    row->name, first->file ? first->file : "", first->line);
		return;
	}
	if (seen->n == seen->cap) {
		size_t cap = seen->cap ? seen->cap * 2 : 64;
		void *entries = realloc(seen->entries, cap * sizeof(*seen->entries));

		if (!entries) {
			conf_error(c, node, "out of memory");
			return;
		}
		seen->entries = entries;
		seen->cap = cap;
	}
	seen->entries[seen->n].row = row;
	seen->entries[seen->n++].first = node;
}

/* A directive of nginx that we lack. */
static void
check_nginx(struct conf *c, const struct conf_node *node, const struct conf_row *row)
{
	if (row->flags & CONF_REFUSE)
		conf_error(c, node, "\"%.*s\" directive of nginx is not supported: %s",
		    STR_ARG(node->name), row->help);
	else
		conf_warn(c, node, "\"%.*s\" directive is accepted and has no effect: %s",
		    STR_ARG(node->name), row->help);
}

static void
check_node(
    struct conf *c, struct conf_node *node, unsigned context, struct seen *seen, size_t start)
{
	struct conf_found found = conf_lookup(node->name, context);
	const struct conf_row *row = found.row;
	unsigned inner;

	node->row = row;
	if (!row) {
		unknown(c, node, context);
		return;
	}
	if (row->flags & (CONF_WARN | CONF_REFUSE)) {
		check_nginx(c, node, row);
		return;
	}
	check_form(c, node, row);
	if (!(row->flags & CONF_REPEAT))
		check_duplicate(c, node, row, seen, start);
	if (!node->block || (row->flags & CONF_FREE_FORM) || !(row->flags & CONF_BLOCK))
		return;
	inner = conf_inner_context(node->name);
	assert(inner); /* a block's name is in the table of contexts, or it is free-form */
	check_block(c, node->children, inner, seen);
}

static void
check_block(struct conf *c, struct conf_node *first, unsigned context, struct seen *seen)
{
	size_t start = seen->n;

	for (struct conf_node *node = first; node; node = node->next) {
		if (c->errors.n > CONF_MAX_MESSAGES)
			break;
		check_node(c, node, context, seen, start);
	}
	seen->n = start;
}

int
conf_check(struct conf *c)
{
	struct seen seen = { 0 };

	check_block(c, c->root.children, CONF_MAIN, &seen);
	free(seen.entries);
	return conf_errors(c) ? ERR_CONFIG : 0;
}

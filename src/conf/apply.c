/*
 * conf_apply(): runs the setters. A scope is made by copying its parent's structs, then its
 * defaults run, then its simple directives in order, then its blocks in order; so a block sees all
 * that stands around it, before or behind.
 */
#include "conf/conf_priv.h"

/* The copy, or for the outermost scope zeroed structs. */
static struct conf_scope *
make_scope(
    struct conf *c, struct conf_scope *parent, unsigned context, const struct conf_node *block)
{
	struct conf_scope *s = arena_alloc(&c->arena, sizeof(*s));
	unsigned n = conf_n_modules();

	if (!s)
		return NULL;
	*s = (struct conf_scope){ .parent = parent, .context = context, .node = block };
	s->of = arena_alloc(&c->arena, (n + 1) * sizeof(*s->of));
	if (!s->of)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		size_t size = conf_module_at(i)->size;

		if (size == 0)
			continue;
		s->of[i] = arena_alloc(&c->arena, size);
		if (!s->of[i])
			return NULL;
		if (parent)
			memcpy(s->of[i], parent->of[i], size);
	}
	return s;
}

static int
run_setter(struct conf *c, const struct conf_node *node, struct conf_scope *scope,
    const struct conf_row *row, const struct conf_module *module)
{
	unsigned before = conf_errors(c);
	int err;

	if (!row->set)
		return 0;
	err = row->set(c, node, scope, scope->of[module->index]);
	if (err && conf_errors(c) == before)
		conf_error(c, node, "\"%s\" directive: %s", row->name, err_text(err));
	return err;
}

/* A row's default belongs to the outermost scope where the row may stand: further in it is
 * inherited. */
static bool
default_belongs(const struct conf_row *row, const struct conf_scope *scope)
{
	if (!row->default_ || !row->default_[0] || !(row->contexts & scope->context))
		return false;
	for (const struct conf_scope *s = scope->parent; s; s = s->parent)
		if (row->contexts & s->context)
			return false;
	return true;
}

static int
run_default(struct conf *c, struct conf_scope *scope, const struct conf_row *row,
    const struct conf_module *module)
{
	char *text = arena_printf(&c->arena, "%s %s;", row->name, row->default_);
	struct conf_node *node = NULL;
	struct conf_lex lex;
	int kind;

	if (!text)
		return ERR_CONFIG;
	conf_lex_init(&lex, c, "default", str_of(text));
	kind = conf_lex_next(&lex, &node);
	conf_lex_fini(&lex);
	if (kind != CONF_LEX_DIRECTIVE)
		return ERR_CONFIG;
	node->row = row;
	return run_setter(c, node, scope, row, module);
}

static int
run_defaults(struct conf *c, struct conf_scope *scope)
{
	int err = 0;

	for (unsigned i = 0; i < conf_n_modules(); i++) {
		const struct conf_module *m = conf_module_at(i);

		for (const struct conf_row *row = m->rows; row && row->name; row++)
			if (default_belongs(row, scope) && run_default(c, scope, row, m))
				err = ERR_CONFIG;
	}
	return err;
}

/* The nodes of one kind: those that open a scope, or all others. */
static int
run_nodes(struct conf *c, const struct conf_node *first, struct conf_scope *scope, bool blocks)
{
	int err = 0;

	for (const struct conf_node *node = first; node; node = node->next) {
		struct conf_found found = conf_lookup(node->name, scope->context);

		if (!node->row || !found.module)
			continue; /* conf_check has complained, or nothing is to be done */
		if (blocks != (node->block && !(found.row->flags & CONF_FREE_FORM)))
			continue;
		if (run_setter(c, node, scope, found.row, found.module))
			err = ERR_CONFIG;
	}
	return err;
}

static int
run_scope(struct conf *c, const struct conf_node *first, struct conf_scope *scope)
{
	int err = run_defaults(c, scope);

	if (run_nodes(c, first, scope, false))
		err = ERR_CONFIG;
	if (run_nodes(c, first, scope, true))
		err = ERR_CONFIG;
	return err || c->arena.failed ? ERR_CONFIG : 0;
}

int
conf_apply_block(struct conf *c, const struct conf_node *block, struct conf_scope *parent,
    unsigned context, struct conf_scope **out)
{
	struct conf_scope *scope = make_scope(c, parent, context, block);

	if (!scope)
		return ERR_CONFIG;
	if (out)
		*out = scope;
	return run_scope(c, block->children, scope);
}

int
conf_apply(struct conf *c)
{
	int err;

	c->main = make_scope(c, NULL, CONF_MAIN, NULL);
	if (!c->main)
		return ERR_CONFIG;
	err = run_scope(c, c->root.children, c->main);
	for (unsigned i = 0; !err && i < conf_n_modules(); i++) {
		const struct conf_module *m = conf_module_at(i);
		unsigned before = conf_errors(c);

		if (m->finish && m->finish(c) && conf_errors(c) == before)
			conf_error(c, NULL, "module \"%s\" refuses the configuration", m->name);
	}
	return err || conf_errors(c) ? ERR_CONFIG : 0;
}

void *
conf_of(const struct conf_scope *s, const struct conf_module *m)
{
	return s->of[m->index];
}

bool
conf_first_here(struct conf *c, const struct conf_scope *scope, const struct conf_node *node)
{
	const struct conf_node *n = scope->node ? scope->node->children : c->root.children;

	while (n && !str_eq(n->name, node->name))
		n = n->next;
	return n == node;
}

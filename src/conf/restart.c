/*
 * On reload: which directives changed that take effect only with a restart. Two trees are compared
 * as sets of directives with their arguments; only those whose row lacks CONF_RELOAD count.
 */
#include "conf/conf_priv.h"

static bool
same_words(const struct conf_node *a, const struct conf_node *b)
{
	if (!str_eq(a->name, b->name) || a->n_args != b->n_args || a->block != b->block)
		return false;
	for (unsigned i = 0; i < a->n_args; i++)
		if (!str_eq(a->args[i], b->args[i]))
			return false;
	return true;
}

static const struct conf_node *
find_same(const struct conf_node *first, const struct conf_node *node)
{
	while (first && !same_words(first, node))
		first = first->next;
	return first;
}

static bool
needs_restart(const struct conf_node *node)
{
	return node->row && !node->block &&
	       !(node->row->flags & (CONF_RELOAD | CONF_WARN | CONF_REFUSE));
}

static bool
has_name(const struct conf_node *first, struct str name)
{
	while (first && !str_eq(first->name, name))
		first = first->next;
	return first != NULL;
}

/* Directives of now that next has not at all: back to their default. */
static void
compare_removed(struct conf *c, const struct conf_node *next, const struct conf_node *now)
{
	for (; now; now = now->next)
		if (needs_restart(now) && !has_name(next, now->name))
			conf_warn(c, now, "\"%s\" is gone, which takes effect only with a restart",
			    now->row->name);
}

static void
compare(struct conf *c, const struct conf_node *next, const struct conf_node *now)
{
	compare_removed(c, next, now);
	for (; next; next = next->next) {
		const struct conf_node *same = find_same(now, next);

		if (next->hidden)
			continue;
		if (next->block && same)
			compare(c, next->children, same->children);
		else if (!same && needs_restart(next))
			conf_warn(c, next,
			    "\"%s\" was changed, which takes effect only with a restart",
			    next->row->name);
	}
}

void
conf_warn_restart(struct conf *next, struct conf *now)
{
	compare(next, next->root.children, now->root.children);
}

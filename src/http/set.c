/*
 * `set $variable text;` in servers and locations. As with nginx, those of the server run first, then
 * those of the location that was reached, each in the order of the file; what a request did not set
 * is empty.
 */
#include "http/http_priv.h"

static struct str
get_set(struct http_request *r, struct str name, void *arg)
{
	const struct http_work *w = r->conn->work;
	size_t index = (size_t)(uintptr_t)arg;

	(void)name;
	return w->set_values && w->set_values[index].p ? w->set_values[index] : STR("");
}

/* The number of this variable, a new one for a new name. */
static int
number_of(struct conf *c, const struct conf_node *node, struct http_site *site, struct str name,
    unsigned *index)
{
	struct http_variable v;

	if (http_variable_find(c, name, &v) && v.get == get_set) {
		*index = (unsigned)(uintptr_t)v.arg;
		return 0;
	}
	*index = site->n_set;
	if (http_variable_define(c, node, name, get_set, (void *)(uintptr_t)*index) < 0)
		return ERR_CONFIG;
	site->n_set++;
	return 0;
}

int
http_set_variable(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct http_sets *sets = s->location ? &s->location->sets : &s->server->sets;
	struct str name = http_variable_name(c, node, node->args[0]);
	struct http_set *set = arena_alloc(conf_arena(c), sizeof(*set));

	(void)scope;
	if (!name.p || !set)
		return ERR_CONFIG;
	if (number_of(c, node, s->site, name, &set->index) < 0)
		return ERR_CONFIG;
	if (!sets->end)
		sets->end = &sets->first;
	*sets->end = set;
	sets->end = &set->next;
	return http_text_compile(c, node, node->args[1], &set->value);
}

static void
run_sets(struct http_work *w, const struct http_sets *sets)
{
	struct http_request *r = &w->req;
	unsigned n = w->route.server->scope->site->n_set;

	if (sets->first && !w->set_values)
		w->set_values = arena_alloc(&r->arena, n * sizeof(*w->set_values));
	if (!w->set_values)
		return;
	for (const struct http_set *s = sets->first; s; s = s->next)
		w->set_values[s->index] = http_text_expand(&s->value, r);
}

void
http_run_sets(struct http_work *w)
{
	run_sets(w, &w->route.server->sets);
	if (w->req.location)
		run_sets(w, &w->req.location->sets);
}

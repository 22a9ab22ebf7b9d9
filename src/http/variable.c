/*
 * The registry of variables: tables of modules, and what a configuration defines. See variable.h.
 */
#include "http/variable.h"

#include <stdlib.h>

#define TABLES_MAX 32

static const struct http_variable *tables[TABLES_MAX];
static unsigned n_tables;

/* One that a configuration defines. */
struct definition {
	struct definition *next;
	struct str name;
	struct http_variable v;
};

/* One that was not known when it was used. */
struct pending {
	struct pending *next;
	const struct conf_node *node;
	struct http_variable_use *use;
};

/* What hangs on the main scope. */
struct variables {
	struct definition *definitions;
	struct pending *pending, **pending_end;
	bool complete; /* nothing is defined any more */
};

static int resolve_all(struct conf *c);

struct conf_module http_variable_module = {
	.name = "variables", .size = sizeof(struct variables), .finish = resolve_all
};

void
http_variable_add(const struct http_variable *table)
{
	for (unsigned i = 0; i < n_tables; i++)
		if (tables[i] == table)
			return;
	assert(n_tables < TABLES_MAX);
	tables[n_tables++] = table;
}

static struct variables *
variables_of(struct conf *c)
{
	return conf_of(conf_main(c), &http_variable_module);
}

static struct definition *
find_definition(struct conf *c, struct str name)
{
	struct definition *d = variables_of(c)->definitions;

	while (d && !str_eq(d->name, name))
		d = d->next;
	return d;
}

static bool
is_family(struct str name)
{
	return str_ends(name, STR("_"));
}

/* Of the modules' tables: the one of this name, else the longest family. */
static const struct http_variable *
find_built_in(struct str name)
{
	const struct http_variable *best = NULL;
	size_t length = 0;

	for (unsigned i = 0; i < n_tables; i++)
		for (const struct http_variable *v = tables[i]; v->name; v++) {
			struct str own = str_of(v->name);

			if (!is_family(own) && str_eq(own, name))
				return v;
			if (is_family(own) && own.n > length && name.n > own.n &&
			    str_starts(name, own)) {
				best = v;
				length = own.n;
			}
		}
	return best;
}

bool
http_variable_find(struct conf *c, struct str name, struct http_variable *out)
{
	const struct definition *d = find_definition(c, name);
	const struct http_variable *v = d ? &d->v : find_built_in(name);

	if (v)
		*out = *v;
	return v != NULL;
}

int
http_variable_define(
    struct conf *c, const struct conf_node *node, struct str name, http_variable_fn *get, void *arg)
{
	struct variables *all = variables_of(c);
	const struct http_variable *v = find_built_in(name);
	struct definition *d = find_definition(c, name);

	if (d && d->v.get == get && d->v.arg == arg)
		return 0;
	if (d || (v && !is_family(str_of(v->name)))) {
		conf_error(c, node, "the variable \"$%.*s\" %s, so \"%.*s\" cannot define it",
		    STR_ARG(name), d ? "is defined by another directive" : "is the server's own",
		    STR_ARG(node->name));
		return ERR_CONFIG;
	}
	d = arena_alloc(conf_arena(c), sizeof(*d));
	if (!d)
		return ERR_NOMEM;
	d->name = arena_str(conf_arena(c), name);
	d->v = (struct http_variable){ .name = d->name.p, .get = get, .arg = arg };
	d->next = all->definitions;
	all->definitions = d;
	return d->name.p ? 0 : ERR_NOMEM;
}

/* ---- uses ---- */

static struct str
lower(struct conf *c, struct str name)
{
	struct str copy = arena_str(conf_arena(c), name);

	for (size_t i = 0; i < copy.n; i++)
		if (copy.p[i] >= 'A' && copy.p[i] <= 'Z')
			((char *)(uintptr_t)copy.p)[i] |= 0x20;
	return copy;
}

static void complain(struct conf *c, const struct conf_node *node, struct str name);

static bool
resolve(struct conf *c, struct http_variable_use *use)
{
	struct http_variable v;

	if (!http_variable_find(c, use->name, &v))
		return false;
	use->get = v.get;
	use->arg = v.arg;
	return true;
}

/* What is known by now may be hidden by a later definition, so all wait until the end, and are of
 * use already. */
int
http_variable_use(
    struct conf *c, const struct conf_node *node, struct str name, struct http_variable_use *use)
{
	struct variables *all = variables_of(c);
	struct pending *p = arena_alloc(conf_arena(c), sizeof(*p));

	use->name = lower(c, name);
	if (!p || !use->name.p)
		return ERR_NOMEM;
	if (!resolve(c, use) && all->complete) {
		complain(c, node, use->name);
		return ERR_CONFIG;
	}
	p->node = node;
	p->use = use;
	if (!all->pending_end)
		all->pending_end = &all->pending;
	*all->pending_end = p;
	all->pending_end = &p->next;
	return 0;
}

static void
complain(struct conf *c, const struct conf_node *node, struct str name)
{
	struct conf_nearest nearest;

	conf_nearest_init(&nearest, name);
	for (unsigned i = 0; i < n_tables; i++)
		for (const struct http_variable *v = tables[i]; v->name; v++)
			conf_nearest_offer(&nearest, v->name);
	for (const struct definition *d = variables_of(c)->definitions; d; d = d->next)
		conf_nearest_offer(&nearest, d->name.p);
	if (nearest.found)
		conf_error(c, node, "unknown variable \"$%.*s\"; did you mean \"$%s\"?",
		    STR_ARG(name), nearest.found);
	else
		conf_error(c, node,
		    "unknown variable \"$%.*s\"; known are those of the reference, and what set, "
		    "map and geo define",
		    STR_ARG(name));
}

static int
resolve_all(struct conf *c)
{
	int err = 0;

	variables_of(c)->complete = true;
	for (const struct pending *p = variables_of(c)->pending; p; p = p->next)
		if (!resolve(c, p->use)) {
			complain(c, p->node, p->use->name);
			err = ERR_CONFIG;
		}
	return err;
}

struct str
http_variable_name(struct conf *c, const struct conf_node *node, struct str arg)
{
	bool good = arg.n > 1 && arg.p[0] == '$' && (arg.p[1] < '0' || arg.p[1] > '9');

	for (size_t i = 1; i < arg.n && good; i++)
		good = arg.p[i] == '_' || (arg.p[i] >= 'a' && arg.p[i] <= 'z') ||
		       (arg.p[i] >= 'A' && arg.p[i] <= 'Z') || (arg.p[i] >= '0' && arg.p[i] <= '9');
	if (good)
		return lower(c, str_from(arg, 1));
	conf_error(c, node, "\"%.*s\" takes a variable such as $name, not \"%.*s\"",
	    STR_ARG(node->name), STR_ARG(arg));
	return str_make(NULL, 0);
}

/* ---- reference ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "$host", "$http_NAME" */
static void
put_variable(struct buf *out, bool mdoc, const char *name)
{
	buf_puts(out, mdoc ? ".Li $" : "`$");
	buf_puts(out, name);
	buf_puts(out, is_family(str_of(name)) ? "NAME" : "");
	buf_puts(out, mdoc ? "\n" : "` ");
}

void
http_variable_reference(struct buf *out, bool mdoc)
{
	static const char text[] =
	    "In texts, formats and keys, by nginx's names, in any case; set, map, geo and others "
	    "define more. What is not found is empty in a text and - in a log. Variables of what "
	    "the server does not do (upstream, proxy) are known and never found.";
	const char **names;
	size_t n = 0;

	for (unsigned i = 0; i < n_tables; i++)
		for (const struct http_variable *v = tables[i]; v->name; v++)
			n++;
	names = malloc((n + 1) * sizeof(*names));
	if (!names) {
		out->err = ERR_NOMEM;
		return;
	}
	n = 0;
	for (unsigned i = 0; i < n_tables; i++)
		for (const struct http_variable *v = tables[i]; v->name; v++)
			names[n++] = v->name;
	qsort(names, n, sizeof(*names), by_name);
	buf_puts(out, mdoc ? ".Ss Variables\n" : "\n### Variables\n\n");
	buf_printf(out, "%s\n%s", text, mdoc ? ".Pp\n" : "\n");
	for (size_t i = 0; i < n; i++)
		put_variable(out, mdoc, names[i]);
	buf_puts(out, mdoc ? "" : "\n");
	free(names);
}

/*
 * The registry: which modules there are, which row is in force for a name in a context, and the
 * contexts' names.
 */
#include "conf/conf_priv.h"

static struct conf_module *modules[CONF_MAX_MODULES];
static unsigned n_modules;

/* A context, as messages call it, and the block that opens it. */
static const struct {
	unsigned context;
	const char *name;
	const char *block;
} contexts[] = {
	{ CONF_MAIN, "main", NULL },
	{ CONF_EVENTS, "events", "events" },
	{ CONF_HTTP, "http", "http" },
	{ CONF_SERVER, "server", "server" },
	{ CONF_LOCATION, "location", "location" },
	{ CONF_UPSTREAM, "upstream", "upstream" },
	{ CONF_STORE, "store", "store" },
	{ CONF_STREAM, "stream", "stream" },
	{ CONF_DLQ, "dlq", "dlq" },
	{ CONF_POLICY, "limit_policy", "limit_policy" },
	{ CONF_IF, "if", "if" },
	{ CONF_TYPES, "types", "types" },
};

void
conf_register(struct conf_module *m)
{
	for (unsigned i = 0; i < n_modules; i++)
		if (modules[i] == m)
			return;
	assert(n_modules < CONF_MAX_MODULES);
	m->index = n_modules;
	modules[n_modules++] = m;
}

unsigned
conf_n_modules(void)
{
	return n_modules;
}

struct conf_module *
conf_module_at(unsigned i)
{
	return modules[i];
}

void
conf_each_row(void (*each)(const struct conf_row *, const struct conf_module *, void *), void *arg)
{
	for (unsigned i = 0; i < n_modules; i++)
		for (const struct conf_row *row = modules[i]->rows; row && row->name; row++)
			each(row, modules[i], arg);
}

/* A module's row of this name and one of these contexts. */
static struct conf_found
find_own(struct str name, unsigned in)
{
	for (unsigned i = 0; i < n_modules; i++)
		for (const struct conf_row *row = modules[i]->rows; row && row->name; row++)
			if ((row->contexts & in) && str_is(name, row->name))
				return (struct conf_found){ row, modules[i] };
	return (struct conf_found){ NULL, NULL };
}

struct conf_found
conf_lookup(struct str name, unsigned context)
{
	struct conf_found found = find_own(name, context);

	if (found.row)
		return found;
	found.row = conf_nginx_find(name, context);
	/* What a module has in part is its own: it says where it may stand. */
	if (found.row && find_own(name, found.row->contexts).row)
		found.row = NULL;
	return found;
}

const struct conf_row *
conf_find_row(struct str name, unsigned context)
{
	return conf_lookup(name, context).row;
}

unsigned
conf_contexts_of(struct str name)
{
	unsigned in = 0;

	for (size_t i = 0; i < ARRAY_LEN(contexts); i++)
		if (conf_lookup(name, contexts[i].context).row)
			in |= contexts[i].context;
	return in;
}

const char *
conf_context_name(unsigned context)
{
	for (size_t i = 0; i < ARRAY_LEN(contexts); i++)
		if (contexts[i].context == context)
			return contexts[i].name;
	return "unknown";
}

void
conf_put_contexts(struct buf *out, unsigned in)
{
	const char *between = "";

	for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
		if (!(in & contexts[i].context))
			continue;
		buf_printf(out, "%s%s", between, contexts[i].name);
		between = ", ";
	}
}

unsigned
conf_inner_context(struct str block_name)
{
	for (size_t i = 0; i < ARRAY_LEN(contexts); i++)
		if (contexts[i].block && str_is(block_name, contexts[i].block))
			return contexts[i].context;
	return 0;
}

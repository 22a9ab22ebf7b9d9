/*
 * See map.h: map.
 */
#include "gate/map.h"

#include <stdlib.h>

#include "base/expr.h"
#include "base/map.h"
#include "http/conf.h"
#include "http/text.h"

#define KEY_MAX 1024 /* longer texts are no exact keys */

struct entry {
	struct entry *next;
	struct str key; /* lower case; without the * of a hostname */
	struct expr *expr;
	struct http_text value;
};

struct mapping {
	struct http_text source;
	struct map exact;
	struct entry *suffixes, *prefixes; /* longest first */
	struct entry *exprs, **exprs_end;
	struct entry *fallback; /* NULL: empty */
	bool hostnames;
	bool busy; /* its value is being worked out: a map may lead back to itself */
};

static int set_map(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);

static const struct conf_row rows[] = {
	{ .name = "map",
	    .contexts = CONF_HTTP,
	    .min_args = 2,
	    .max_args = 2,
	    .flags = CONF_BLOCK | CONF_FREE_FORM | CONF_REPEAT | CONF_RELOAD,
	    .set = set_map,
	    .unit = "text $variable { value|~expression|default result; … }",
	    .help = "a variable that depends on a text; lines: a value in any case, ~ or ~* and an "
		    "expression, default; hostnames" },
	{ .name = NULL },
};

static struct conf_module module = { .name = "map", .rows = rows };

/* ---- reading ---- */

static void
release_keys(void *arg)
{
	map_fini(arg);
}

static void
release_expr(void *arg)
{
	expr_free(arg);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Into the list of hostnames, behind those that are longer. False: it is there. */
static bool
insert(struct entry **at, struct entry *e)
{
	for (; *at && (*at)->key.n >= e->key.n; at = &(*at)->next)
		if (str_eq((*at)->key, e->key))
			return false;
	e->next = *at;
	*at = e;
	return true;
}

static int
add_expr(struct conf *c, const struct conf_node *node, struct mapping *m, struct entry *e)
{
	bool icase = str_starts(e->key, STR("~*"));
	struct str pattern = str_from(e->key, icase ? 2 : 1);
	const char *why;

	if (http_check_pattern(c, node, pattern) < 0)
		return ERR_CONFIG;
	if (expr_new(pattern, icase, &e->expr, &why) < 0) {
		conf_error(c, node, "map: bad expression \"%.*s\": %s", STR_ARG(pattern), why);
		return ERR_CONFIG;
	}
	*m->exprs_end = e;
	m->exprs_end = &e->next;
	return conf_on_free(c, release_expr, e->expr);
}

/* A name with a * at one end. 1: taken. */
static int
add_hostname(struct mapping *m, struct entry *e)
{
	struct str key = e->key;

	if (str_starts(key, STR("*."))) {
		e->key = str_from(key, 1);
		return insert(&m->suffixes, e) ? 1 : ERR_EXISTS;
	}
	if (str_ends(key, STR(".*"))) {
		e->key = str_sub(key, 0, key.n - 1);
		return insert(&m->prefixes, e) ? 1 : ERR_EXISTS;
	}
	return 0;
}

static int
add_exact(struct mapping *m, struct entry *e)
{
	/* A \ takes away what a word would mean at this place. */
	if (str_starts(e->key, STR("\\")))
		e->key = str_from(e->key, 1);
	if (e->key.n > KEY_MAX)
		return ERR_TOO_LARGE;
	if (map_get(&m->exact, e->key))
		return ERR_EXISTS;
	return map_put(&m->exact, e->key, e);
}

/* ".example.org" is the name itself, too. */
static int
add_dotted(struct conf *c, struct mapping *m, struct entry *e)
{
	struct entry *twin = arena_alloc(conf_arena(c), sizeof(*twin));

	if (!twin)
		return ERR_NOMEM;
	*twin = *e;
	twin->key = str_from(e->key, 1);
	return insert(&m->suffixes, e) ? add_exact(m, twin) : ERR_EXISTS;
}

static int
add_key(struct conf *c, const struct conf_node *node, struct mapping *m, struct entry *e)
{
	char *key = arena_strz(conf_arena(c), node->name);
	int err = 0;

	if (!key)
		return ERR_NOMEM;
	e->key = str_make(key, node->name.n);
	if (key[0] == '~')
		return add_expr(c, node, m, e);
	for (size_t i = 0; i < node->name.n; i++)
		key[i] = lower(key[i]);
	if (m->hostnames && key[0] == '.')
		return add_dotted(c, m, e);
	if (m->hostnames)
		err = add_hostname(m, e);
	return err ? MIN(err, 0) : add_exact(m, e);
}

static int
add_line(struct conf *c, const struct conf_node *node, struct mapping *m)
{
	struct entry *e = arena_alloc(conf_arena(c), sizeof(*e));
	unsigned before = conf_errors(c);
	int err;

	if (!e)
		return ERR_NOMEM;
	if (node->n_args != 1 || node->block) {
		conf_error(c, node, "map: a line is a value and its result");
		return ERR_CONFIG;
	}
	if (http_text_compile(c, node, node->args[0], &e->value) < 0)
		return ERR_CONFIG;
	if (str_is(node->name, "default")) {
		err = m->fallback ? ERR_EXISTS : 0;
		m->fallback = e;
	} else {
		err = add_key(c, node, m, e);
	}
	if (err && conf_errors(c) == before)
		conf_error(c, node, "map: \"%.*s\": %s", STR_ARG(node->name),
		    err == ERR_EXISTS ? "is there already" : err_text(err));
	return err;
}

static bool
is_word(const struct conf_node *node, const char *word)
{
	return node->n_args == 0 && !node->block && str_is(node->name, word);
}

static struct str get_map(struct http_request *r, struct str name, void *arg);

static int
set_map(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct mapping *m = arena_alloc(conf_arena(c), sizeof(*m));
	struct str name = http_variable_name(c, node, node->args[1]);
	int err;

	(void)scope;
	(void)into;
	if (!m || !name.p)
		return ERR_CONFIG;
	map_init(&m->exact);
	m->exprs_end = &m->exprs;
	err = conf_on_free(c, release_keys, &m->exact);
	if (err == 0)
		err = http_text_compile(c, node, node->args[0], &m->source);
	for (const struct conf_node *n = node->children; n; n = n->next)
		m->hostnames |= is_word(n, "hostnames");
	for (const struct conf_node *n = node->children; n && err == 0; n = n->next)
		if (!is_word(n, "hostnames") && !is_word(n, "volatile"))
			err = add_line(c, n, m);
	return err ? err : http_variable_define(c, node, name, get_map, m);
}

/* ---- asking ---- */

static const struct entry *
find_hostname(const struct mapping *m, struct str text)
{
	for (const struct entry *e = m->suffixes; e; e = e->next)
		if (text.n > e->key.n && str_ends(text, e->key))
			return e;
	for (const struct entry *e = m->prefixes; e; e = e->next)
		if (text.n > e->key.n && str_starts(text, e->key))
			return e;
	return NULL;
}

static const struct entry *
find_plain(const struct mapping *m, struct str text)
{
	const struct entry *e;
	char key[KEY_MAX];

	if (text.n > sizeof(key))
		return NULL;
	for (size_t i = 0; i < text.n; i++)
		key[i] = lower(text.p[i]);
	text.p = key;
	if (m->hostnames && text.n && key[text.n - 1] == '.')
		text.n--;
	e = map_get(&m->exact, text);
	return e || !m->hostnames ? e : find_hostname(m, text);
}

static const struct entry *
find(const struct mapping *m, struct str text)
{
	const struct entry *e = find_plain(m, text);

	if (e)
		return e;
	for (e = m->exprs; e; e = e->next)
		if (expr_match(e->expr, text))
			return e;
	return m->fallback;
}

static struct str
get_map(struct http_request *r, struct str name, void *arg)
{
	struct mapping *m = arg;
	const struct entry *e;
	struct str value = STR("");

	(void)name;
	if (m->busy)
		return value;
	m->busy = true;
	e = find(m, http_text_expand(&m->source, r));
	if (e)
		value = http_text_expand(&e->value, r);
	m->busy = false;
	return value;
}

void
map_register(void)
{
	conf_register(&module);
}

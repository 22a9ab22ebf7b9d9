/*
 * `location`, `return`, `resolver`, and the handlers that other layers put into locations.
 */
#include <stdlib.h>

#include "http/conf_priv.h"

#define NESTING_MAX 8
#define STATUS_MAX 599

static const struct {
	const char *word;
	enum http_match match;
} modifiers[] = {
	/* longest first: they may stand right before the path */
	{ "^~", HTTP_MATCH_STOP },
	{ "~*", HTTP_MATCH_REGEX_I },
	{ "~", HTTP_MATCH_REGEX },
	{ "=", HTTP_MATCH_EXACT },
};

void
http_locations_init(struct http_locations *l)
{
	l->end = &l->first;
}

static bool
is_regex(const struct http_location *l)
{
	return l->match == HTTP_MATCH_REGEX || l->match == HTTP_MATCH_REGEX_I;
}

/* Modifier and name from one argument or two. */
static int
parse_name(struct conf *c, const struct conf_node *node, struct http_location *l)
{
	struct str first = node->args[0];

	l->match = HTTP_MATCH_PREFIX;
	l->name = first;
	for (size_t i = 0; i < ARRAY_LEN(modifiers); i++) {
		struct str word = str_of(modifiers[i].word);

		if (node->n_args == 2 ? !str_eq(first, word) : !str_starts(first, word))
			continue;
		l->match = modifiers[i].match;
		l->name = node->n_args == 2 ? node->args[1] : str_from(first, word.n);
		break;
	}
	if (node->n_args == 2 && l->match == HTTP_MATCH_PREFIX) {
		conf_error(c, node, "invalid location modifier \"%.*s\"; there are =, ~, ~*, ^~",
		    STR_ARG(first));
		return ERR_CONFIG;
	}
	if (l->name.n && l->name.p[0] == '@') {
		conf_error(c, node,
		    "named locations are not implemented: nothing leads to \"%.*s\"",
		    STR_ARG(l->name));
		return ERR_CONFIG;
	}
	return 0;
}

static int
check_nesting(struct conf *c, const struct conf_node *node, const struct http_location *l,
    const struct http_location *outer, unsigned depth)
{
	if (!outer)
		return 0;
	if (outer->match == HTTP_MATCH_EXACT)
		conf_error(c, node,
		    "location \"%.*s\" cannot be inside the exact location \"%.*s\"",
		    STR_ARG(l->name), STR_ARG(outer->name));
	else if (!is_regex(l) && !str_starts(l->name, outer->name))
		conf_error(c, node, "location \"%.*s\" is outside location \"%.*s\"",
		    STR_ARG(l->name), STR_ARG(outer->name));
	else if (depth > NESTING_MAX)
		conf_error(c, node, "locations are nested more than %d deep", NESTING_MAX);
	else
		return 0;
	return ERR_CONFIG;
}

static int
check_duplicate(struct conf *c, const struct http_locations *in, const struct http_location *l)
{
	for (const struct http_location *o = in->first; o; o = o->next) {
		bool both_prefix = !is_regex(l) && !is_regex(o) &&
				   (l->match == HTTP_MATCH_EXACT) == (o->match == HTTP_MATCH_EXACT);

		if (both_prefix && str_eq(o->name, l->name)) {
			conf_error(c, l->node, "duplicate location \"%.*s\", first at line %u",
			    STR_ARG(l->name), o->node->line);
			return ERR_CONFIG;
		}
	}
	return 0;
}

static unsigned
depth_of(const struct conf_scope *scope)
{
	unsigned depth = 1;

	for (; scope && scope->context == CONF_LOCATION; scope = scope->parent)
		depth++;
	return depth;
}

int
http_set_location(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct http_location *outer = s->location, *l = arena_alloc(conf_arena(c), sizeof(*l));
	struct http_locations *in = outer ? &outer->inner : &s->server->locations;
	struct conf_scope *own = NULL;
	int err;

	if (!l)
		return ERR_NOMEM;
	l->node = node;
	http_locations_init(&l->inner);
	if (parse_name(c, node, l) < 0 || check_nesting(c, node, l, outer, depth_of(scope)) < 0 ||
	    check_duplicate(c, in, l) < 0)
		return ERR_CONFIG;
	if (is_regex(l) &&
	    http_compile_pattern(c, node, l->name, l->match == HTTP_MATCH_REGEX_I, &l->regex) < 0)
		return ERR_CONFIG;
	*in->end = l;
	in->end = &l->next;
	/* The new scope is a copy of this one, so what it is to begin with is lent to this one. */
	s->location = l;
	err = conf_apply_block(c, node, scope, CONF_LOCATION, &own);
	s->location = outer;
	if (own) {
		l->scope = conf_of(own, &http_module);
		l->conf = own;
	}
	return err;
}

static int
longest_first(const void *a, const void *b)
{
	const struct http_location *const *x = a, *const *y = b;

	return ((*x)->name.n < (*y)->name.n) - ((*x)->name.n > (*y)->name.n);
}

/* Sorts what a block holds into the tables that route.c walks. */
int
http_locations_finish(struct conf *c, struct http_locations *l)
{
	unsigned n = 0;
	struct http_location **all;

	for (struct http_location *o = l->first; o; o = o->next)
		n++;
	all = arena_alloc(conf_arena(c), 3 * (n + 1) * sizeof(*all));
	if (!all)
		return ERR_NOMEM;
	l->prefix = all;
	l->exact = all + n + 1;
	l->regex = all + 2 * (n + 1);
	for (struct http_location *o = l->first; o; o = o->next) {
		if (is_regex(o))
			l->regex[l->n_regex++] = o;
		else if (o->match == HTTP_MATCH_EXACT)
			l->exact[l->n_exact++] = o;
		else
			l->prefix[l->n_prefix++] = o;
		if (o->default_body_size)
			o->scope->client_max_body_size = o->default_body_size;
		if (http_locations_finish(c, &o->inner) < 0)
			return ERR_NOMEM;
	}
	qsort(l->prefix, l->n_prefix, sizeof(*l->prefix), longest_first);
	return 0;
}

static bool
is_url(struct str s)
{
	return str_starts(s, STR("http://")) || str_starts(s, STR("https://")) ||
	       str_starts(s, STR("$scheme"));
}

int
http_set_return(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct http_return *ret = s->location ? &s->location->ret : &s->server->ret;
	struct str text = node->args[node->n_args - 1];
	uint64_t status = 302;

	(void)scope;
	if (node->n_args == 1 && is_url(text)) {
		ret->status = 302;
		return http_text_compile(c, node, text, &ret->text);
	}
	if (str_to_u64(node->args[0], &status) < 0 || status < 200 || status > STATUS_MAX) {
		conf_error(c, node,
		    "invalid return code \"%.*s\"; it takes 200 to %d, 444 to close, "
		    "or a URL",
		    STR_ARG(node->args[0]), STATUS_MAX);
		return ERR_CONFIG;
	}
	ret->status = (int)status;
	return node->n_args > 1 ? http_text_compile(c, node, text, &ret->text) : 0;
}

struct str
http_next_method(struct str *methods)
{
	struct str m = str_split(methods, ' ');

	if (str_ends(m, STR(",")))
		m.n--;
	return m;
}

/* "PUT POST" as Allow shows it; GET brings HEAD. */
static const char *
allow_of(struct conf *c, const char *methods)
{
	struct buf out;
	struct str rest = str_of(methods), m;
	const char *text;

	buf_init(&out, 0);
	while (rest.p) {
		m = http_next_method(&rest);
		if (out.n)
			buf_puts(&out, ", ");
		buf_put_str(&out, m);
		if (str_is(m, "GET"))
			buf_puts(&out, ", HEAD");
	}
	text = buf_failed(&out) ? NULL : arena_strz(conf_arena(c), buf_str(&out));
	buf_fini(&out);
	return text;
}

int
http_set_handler(struct conf *c, const struct conf_node *node, struct conf_scope *scope,
    http_handler_fn *fn, void *arg, const char *methods)
{
	struct http_scope *s = conf_of(scope, &http_module);
	struct http_location *l = s->location;

	assert(l);
	if (l->handler) {
		conf_error(c, node, "this location has a handler already: \"%.*s\" is one too many",
		    STR_ARG(node->name));
		return ERR_CONFIG;
	}
	l->handler = fn;
	l->arg = arg;
	l->methods = methods;
	l->allow = methods ? allow_of(c, methods) : NULL;
	return methods && !l->allow ? ERR_NOMEM : 0;
}

void
http_default_body_size(struct conf_scope *scope, uint64_t size)
{
	struct http_scope *s = conf_of(scope, &http_module);

	for (const struct conf_scope *o = scope; o && o->node; o = o->parent)
		for (const struct conf_node *n = o->node->children; n; n = n->next)
			if (str_is(n->name, "client_max_body_size"))
				return;
	s->location->default_body_size = size;
}

static int
add_name_server(
    struct conf *c, const struct conf_node *node, struct http_resolver_conf *r, struct str text)
{
	if (addr_parse(text, 53, &r->servers[r->n]) < 0) {
		conf_error(c, node, "resolver takes addresses, not \"%.*s\"", STR_ARG(text));
		return ERR_CONFIG;
	}
	r->n++;
	return 0;
}

int
http_set_resolver(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_resolver_conf *r = arena_alloc(conf_arena(c), sizeof(*r));
	struct http_scope *s = into;
	struct str value;
	int err = 0;

	(void)scope;
	if (!r || !(r->servers = arena_alloc(conf_arena(c), node->n_args * sizeof(*r->servers))))
		return ERR_NOMEM;
	r->ipv6 = true;
	for (unsigned i = 0; i < node->n_args && err == 0; i++) {
		if (conf_arg_kv(node, i, "valid", &value))
			err = conf_parse_time(value, &r->valid);
		else if (conf_arg_kv(node, i, "ipv6", &value))
			r->ipv6 = !str_is(value, "off");
		else if (conf_arg_kv(node, i, "ipv4", &value) ||
			 conf_arg_kv(node, i, "status_zone", &value))
			conf_warn(
			    c, node, "resolver: \"%.*s\" has no effect", STR_ARG(node->args[i]));
		else
			err = add_name_server(c, node, r, node->args[i]);
	}
	if (err == 0 && r->n == 0) {
		conf_error(c, node, "resolver names no server");
		err = ERR_CONFIG;
	}
	s->resolver = r;
	return err;
}

struct dns_resolver *
http_scope_resolver(const struct conf_scope *scope)
{
	const struct http_scope *s = conf_of(scope, &http_module);
	struct http_resolver_conf *r = s->resolver;

	if (r && !r->made)
		r->made =
		    dns_resolver_new(r->servers, r->n, r->valid, s->resolver_timeout, r->ipv6);
	return r ? r->made : NULL;
}

const struct conf_scope *
http_location_conf(const struct http_location *l)
{
	return l->conf;
}

struct str
http_location_name(const struct http_location *l)
{
	return l->name;
}

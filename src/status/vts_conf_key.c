/*
 * Setters of filters and limits: lists of keys. What the http block lists holds everywhere; of servers and locations, the innermost that has
 * a list adds its own.
 */
#include "http/conf.h"
#include "status/vts_member.h"
#include "status/vts_priv.h"

#define STATUS_REFUSED 503

static const struct vts_scope *
http_level(const struct conf_scope *s)
{
	while (s->parent != NULL && s->context != CONF_HTTP)
		s = s->parent;
	return vts_scope_of(s);
}

/* The same words as an earlier directive's. */
static bool
same_directive(const struct conf_node *a, const struct conf_node *b)
{
	bool same = str_eq(a->name, b->name) && a->n_args == b->n_args;

	for (unsigned i = 0; same && i < a->n_args; i++)
		same = str_eq(a->args[i], b->args[i]);
	return same;
}

/* ---- filters ---- */

static int
append_filter(struct conf *c, struct vts_filter **list, const struct vts_filter *what)
{
	struct vts_filter *f = arena_alloc(conf_arena(c), sizeof(*f));

	if (f == NULL)
		return ERR_NOMEM;
	*f = *what;
	f->next = NULL;
	for (; *list != NULL; list = &(*list)->next)
		f->repeats |= same_directive((*list)->node, f->node);
	*list = f;
	return 0;
}

int
vts_set_filter(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;
	struct vts_filter f = { .node = node };
	const struct vts_filter *outer = http_level(scope)->filters;
	int err = 0;

	if (conf_first_here(c, scope, node) && scope->context != CONF_HTTP) {
		s->filters = NULL;
		for (; outer != NULL && err == 0; outer = outer->next)
			err = append_filter(c, &s->filters, outer);
	}
	if (err == 0)
		err = http_text_compile(c, node, node->args[0], &f.key);
	if (err == 0 && node->n_args > 1 && node->args[1].n > 0)
		err = http_text_compile(c, node, node->args[1], &f.group);
	if (err == 0 && f.group.n > 0)
		f.group_text = vts_key_constant_group(c, &f.group);
	return err ? err : append_filter(c, &s->filters, &f);
}

/* ---- limits ---- */

static int
append_limit(struct conf *c, struct vts_limit **list, const struct vts_limit *what)
{
	struct vts_limit *l = arena_alloc(conf_arena(c), sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	*l = *what;
	l->next = NULL;
	for (; *list != NULL; list = &(*list)->next)
		l->repeats |= same_directive((*list)->node, l->node);
	*list = l;
	return 0;
}

/* member:size [code], from argument `at` on. */
static int
parse_limit(struct conf *c, const struct conf_node *node, unsigned at, struct vts_limit *out)
{
	struct str size = node->args[at], member = str_split(&size, ':');
	uint64_t status = STATUS_REFUSED;

	out->node = node;
	out->counter = vts_member_limit(member);
	if (out->counter < 0 || size.p == NULL || conf_parse_size(size, &out->size) < 0) {
		conf_error(c, node,
		    "invalid limit \"%.*s\"; it is member:size, as in out:10g, with request, in, "
		    "out, "
		    "1xx to 5xx, cache_miss, cache_bypass, cache_expired, cache_stale, "
		    "cache_updating, cache_revalidated, cache_hit, cache_scarce",
		    STR_ARG(node->args[at]));
		return ERR_CONFIG;
	}
	if (node->n_args > at + 1 &&
	    (str_to_u64(node->args[at + 1], &status) < 0 || status < 400 || status > 599)) {
		conf_error(c, node, "invalid status code \"%.*s\"; 400 to 599 are allowed",
		    STR_ARG(node->args[at + 1]));
		return ERR_CONFIG;
	}
	out->status = (int)status;
	return 0;
}

static int
add_limit(
    struct conf *c, struct conf_scope *scope, struct vts_scope *s, const struct vts_limit *limit)
{
	const struct vts_limit *outer = http_level(scope)->limits;
	bool fresh = scope->context != CONF_HTTP && s->limits_of != scope;
	int err = 0;

	if (fresh) {
		s->limits_of = scope;
		s->limits = NULL;
		for (; outer != NULL && err == 0; outer = outer->next)
			err = append_limit(c, &s->limits, outer);
	}
	return err ? err : append_limit(c, &s->limits, limit);
}

int
vts_set_limit(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_limit l = { .what = VTS_LIMIT_ZONE };
	int err = parse_limit(c, node, 0, &l);

	return err ? err : add_limit(c, scope, into, &l);
}

/* NO@zone, FG@group@key; UA, UG and CC are of upstreams and caches. */
static int
parse_key(struct conf *c, const struct conf_node *node, struct vts_limit *out)
{
	struct str rest = node->args[0], type = str_split(&rest, '@'), group;
	int err;

	if (rest.n > 0 && str_is(type, "NO")) {
		out->what = VTS_LIMIT_SERVER;
		return http_text_compile(c, node, rest, &out->key);
	}
	group = str_split(&rest, '@');
	if (rest.n > 0 && group.n > 0 && str_is(type, "FG")) {
		out->what = VTS_LIMIT_FILTER;
		err = http_text_compile(c, node, group, &out->group);
		return err ? err : http_text_compile(c, node, rest, &out->key);
	}
	conf_error(c, node,
	    "invalid key \"%.*s\"; NO@zone and FG@group@key are allowed, of server zones and "
	    "filters",
	    STR_ARG(node->args[0]));
	return ERR_CONFIG;
}

int
vts_set_limit_by_key(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct str key = node->args[0];
	struct vts_limit l = { 0 };
	int err = parse_limit(c, node, 1, &l);

	if (err == 0 && (str_starts(key, STR("UA@")) || str_starts(key, STR("UG@")) ||
			    str_starts(key, STR("CC@")))) {
		conf_warn(c, node,
		    "\"%.*s\": upstreams and caches are not counted, so this limit never holds",
		    STR_ARG(key));
		return 0;
	}
	if (err == 0)
		err = parse_key(c, node, &l);
	return err ? err : add_limit(c, scope, into, &l);
}

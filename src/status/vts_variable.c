/*
 * $vts_…: what the server zone of the request has counted; and variables of a configuration's own, by set_by_filter, with a counter of any
 * node. They show what was counted before this request.
 */
#include "base/clock.h"
#include "http/variable.h"
#include "status/vts_member.h"
#include "status/vts_priv.h"

/* What a variable shows of a node beside its counters. */
enum { SHOW_AVERAGE = VTS_COUNTERS, SHOW_ZERO };

static struct str
show(struct http_request *r, const struct vts_scope *scope, const struct vts_entry *e, int what)
{
	struct vts_samples samples;
	uint64_t value = 0;
	char *text;

	if (what == SHOW_AVERAGE) {
		vts_read_samples(e, &samples);
		value = vts_average(&samples, (enum vts_method)scope->method, scope->period_ms,
		    clock_cached_wall() / NS_PER_MS);
	} else if (what < VTS_COUNTERS) {
		value = vts_counter(e, (unsigned)what, NULL);
	}
	text = arena_printf(&r->arena, "%llu", (unsigned long long)value);
	return str_of(text);
}

/* ---- of the request's server zone ---- */

static struct str
get_server(struct http_request *r, struct str name, void *arg)
{
	const struct vts_scope *scope = vts_scope_for(r);
	struct vts_entry e;
	struct vts_key key;

	(void)name;
	vts_server_key(r, scope, &key);
	if (!vts_find_key(VTS_SERVER, &key, &e))
		return str_make(NULL, 0);
	return show(r, scope, &e, (int)(intptr_t)arg);
}

void
vts_variable_register(void)
{
	static struct http_variable table[VTS_COUNTERS + 2];

	for (int i = 0; i < VTS_COUNTERS; i++)
		table[i] = (struct http_variable){ vts_members[i].variable, get_server,
			(void *)(intptr_t)i };
	table[VTS_COUNTERS] = (struct http_variable){ "vts_request_time", get_server,
		(void *)(intptr_t)SHOW_AVERAGE };
	http_variable_add(table);
}

/* ---- of any node ---- */

/* One of a scope's list, where what is set further in comes first. */
struct vts_by_filter {
	struct vts_by_filter *next;
	struct str variable;
	struct http_text group; /* of a filter; no parts: a server zone */
	struct http_text key;
	int what;
};

static struct str
get_by_filter(struct http_request *r, struct str name, void *arg)
{
	const struct vts_scope *scope = vts_scope_for(r);
	const struct vts_by_filter *f = scope->by_filter;
	struct vts_entry e;
	struct vts_key key;

	(void)arg;
	while (f != NULL && !str_eq(f->variable, name))
		f = f->next;
	if (f == NULL)
		return str_make(NULL, 0);
	vts_key_expand(&key, &f->group, &f->key, r);
	if (!vts_find_key(vts_key_kind(&f->group), &key, &e))
		return str_make(NULL, 0);
	return show(r, scope, &e, f->what);
}

/* What upstreams and caches have besides; 0 for server zones and filters. */
static const char *const others[] = { "responseMsecCounter", "responseMsec", "cacheMaxSize",
	"cacheUsedSize", "weight", "maxFails", "failTimeout", "backup", "down" };

static int
parse_name(struct conf *c, const struct conf_node *node, struct str name, int *what)
{
	*what = str_is(name, "requestMsec") ? (int)SHOW_AVERAGE : vts_member_filter(name);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (str_is(name, others[i]))
			*what = SHOW_ZERO;
	if (*what >= 0)
		return 0;
	conf_error(c, node,
	    "unknown name \"%.*s\"; requestCounter, requestMsecCounter, requestMsec, inBytes, "
	    "outBytes, "
	    "1xx to 5xx, cacheMiss, cacheBypass, cacheExpired, cacheStale, cacheUpdating, "
	    "cacheRevalidated, cacheHit, cacheScarce are allowed",
	    STR_ARG(name));
	return ERR_CONFIG;
}

/* server, filter; upstreams and caches have no nodes, so that such a variable is never found. */
static int
parse_zone(struct conf *c, const struct conf_node *node, struct str group, struct str zone,
    struct vts_by_filter *out)
{
	struct str key = zone, filter = str_split(&key, '@');
	int err;

	if (str_is(group, "server") && zone.n > 0)
		return http_text_compile(c, node, zone, &out->key);
	if (str_is(group, "filter") && filter.n > 0 && key.n > 0) {
		err = http_text_compile(c, node, filter, &out->group);
		return err ? err : http_text_compile(c, node, key, &out->key);
	}
	if ((str_starts(group, STR("upstream@")) || str_is(group, "cache")) && zone.n > 0) {
		conf_warn(
		    c, node, "upstreams and caches are not counted: this variable stays empty");
		return 0;
	}
	conf_error(c, node,
	    "invalid node \"%.*s/%.*s\"; server/zone/name and filter/group@key/name are allowed",
	    STR_ARG(group), STR_ARG(zone));
	return ERR_CONFIG;
}

int
vts_set_by_filter(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_by_filter *f = arena_alloc(conf_arena(c), sizeof(*f));
	struct str rest = node->args[1], group = str_split(&rest, '/');
	ptrdiff_t slash = rest.p != NULL ? str_rfind(rest, '/') : -1;
	struct vts_scope *s = into;

	(void)scope;
	if (f == NULL)
		return ERR_NOMEM;
	f->variable = http_variable_name(c, node, node->args[0]);
	if (f->variable.p == NULL)
		return ERR_CONFIG;
	if (slash < 0) {
		conf_error(c, node,
		    "\"%.*s\": it is group/zone/name, as in server/_/requestCounter",
		    STR_ARG(node->args[1]));
		return ERR_CONFIG;
	}
	if (parse_name(c, node, str_from(rest, (size_t)slash + 1), &f->what) != 0 ||
	    parse_zone(c, node, group, str_sub(rest, 0, (size_t)slash), f) != 0)
		return ERR_CONFIG;
	f->next = s->by_filter;
	s->by_filter = f;
	return http_variable_define(c, node, f->variable, get_by_filter, NULL);
}

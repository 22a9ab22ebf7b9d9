/*
 * Counts requests: each once, when its answer is about to leave, in its server's zone and in the filters that hold where it was served.
 *
 * A server's zone has the name of the first server_name ("_" where there is none) and is looked up once a process; requests that reached no
 * server count in the default one of their address. Keys of filters are looked up a request, by what they expand to.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "http/conf.h"
#include "status/vts_conf.h"
#include "status/vts_key.h"
#include "status/vts_node.h"
#include "status/vts_priv.h"

/* The series of a node, as far as the configuration wants its parts. */
struct place {
	struct series *parts[VTS_PARTS];
};

/* Of the servers, by number: a process has one configuration for life. */
static struct {
	struct place *of;
	unsigned n;
} servers;

/* Where counting in a server's own zone is not looked up by name. NULL without memory. */
static struct place *
server_place(const struct http_server_conf *s)
{
	unsigned i = http_server_index(s), n = servers.n;
	struct place *of;

	if (likely(i < n))
		return &servers.of[i];
	n = i + 16;
	of = realloc(servers.of, n * sizeof(*of));
	if (of == NULL)
		return NULL;
	memset(of + servers.n, 0, (n - servers.n) * sizeof(*of));
	servers.of = of;
	servers.n = n;
	return &of[i];
}

/* The part's series of a server's own zone. */
static struct series *
pinned(struct place *p, enum vts_part part, const struct http_server_conf *s)
{
	struct str name = http_server_name(s);
	struct vts_key key;

	if (likely(p->parts[part] != NULL))
		return p->parts[part];
	vts_key_set(&key, VTS_SERVER, STR(""), name.n ? name : STR("_"));
	return p->parts[part] = series_pin(vts_part_set(VTS_SERVER, part), vts_key_str(&key));
}

/* Of a server's own zone. */
static void
count_parts(struct series *duration, struct series *code, const struct vts_event *e,
    const struct vts_scope *scope)
{
	if (duration != NULL)
		vts_node_observe(duration, e, scope->bounds_us, scope->n_bounds);
	if (code != NULL)
		vts_node_count_code(code, e->status, vts_is_measured(scope, e->status));
}

_Static_assert(VTS_PARTS == ARRAY_LEN(((struct vts_filter *)0)->hints), "a hint a part");

/* hints: of each part, where the key before this one was. */
static void
count_key(enum vts_kind kind, const struct vts_key *key, const struct vts_event *e,
    const struct vts_scope *scope, uint32_t *hints)
{
	struct str text = vts_key_str(key);
	struct series *s = series_get_hinted(vts_set(kind), text, &hints[VTS_NODE]);
	bool is_new = vts_node_is_new(s);

	vts_node_count(s, e);
	if (scope->n_bounds) {
		s = series_get_hinted(vts_part_set(kind, VTS_DURATION), text, &hints[VTS_DURATION]);
		vts_node_observe(s, e, scope->bounds_us, scope->n_bounds);
	}
	if (scope->codes) {
		s = series_get_hinted(vts_part_set(kind, VTS_CODE), text, &hints[VTS_CODE]);
		vts_node_count_code(s, e->status, vts_is_measured(scope, e->status));
	}
	if (kind == VTS_FILTER && scope->max_node && unlikely(is_new))
		vts_lru_make_room(scope, text);
}

void
vts_server_key(struct http_request *r, const struct vts_scope *scope, struct vts_key *key)
{
	struct str name = scope->filter_by_host ? http_request_host(r) : STR("");

	if (name.n == 0)
		name = http_server_name(http_request_server(r));
	vts_key_set(key, VTS_SERVER, STR(""), name.n ? name : STR("_"));
}

static void
count_server(struct http_request *r, const struct vts_event *e, const struct vts_scope *scope)
{
	const struct http_server_conf *s = http_request_server(r);
	struct place *p = scope->filter_by_host ? NULL : server_place(s);
	static uint32_t hints[VTS_PARTS];
	struct vts_key key;

	if (p != NULL) {
		vts_node_count(pinned(p, VTS_NODE, s), e);
		count_parts(scope->n_bounds ? pinned(p, VTS_DURATION, s) : NULL,
		    scope->codes ? pinned(p, VTS_CODE, s) : NULL, e, scope);
	} else {
		vts_server_key(r, scope, &key);
		count_key(VTS_SERVER, &key, e, scope, hints);
	}
}

static void
count_filters(struct http_request *r, const struct vts_event *e, const struct vts_scope *scope)
{
	struct vts_key key;

	for (struct vts_filter *f = scope->filters; f != NULL; f = f->next) {
		if (f->repeats && scope->filter_check_duplicate)
			continue;
		if (f->group_text.n > 0)
			vts_key_expand_in(&key, f->group_text, &f->key, r);
		else
			vts_key_expand(&key, &f->group, &f->key, r);
		if (!vts_key_is_empty(&key))
			count_key(vts_key_kind(&f->group), &key, e, scope, f->hints);
	}
}

static bool
is_left_out(const struct http_request *r, const struct vts_scope *scope)
{
	return !scope->on || (scope->ignore >> (r->status / 100) & 1) ||
	       scope->bypass_stats == VTS_BYPASS_ON ||
	       (scope->bypass_stats == VTS_BYPASS_AUTO && scope->shows);
}

void
vts_count(struct http_request *r, int64_t duration_ns)
{
	const struct vts_scope *scope = vts_scope_for(r);
	struct vts_event e;

	if (is_left_out(r, scope))
		return;
	e = (struct vts_event){ .status = (unsigned)r->status,
		.in_bytes = r->bytes_in,
		.out_bytes = r->bytes_out,
		.us = (uint64_t)MAX(duration_ns, INT64_C(0)) / NS_PER_US,
		.now_ms = clock_cached_wall() / NS_PER_MS };
	count_server(r, &e, scope);
	if (scope->filter && scope->filters != NULL)
		count_filters(r, &e, scope);
}

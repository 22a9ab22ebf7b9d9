/*
 * From the path to the answer. See vts_view.h.
 */
#include "status/vts_view.h"

#include "base/clock.h"
#include "http/conf.h"
#include "status/vts_view_priv.h"

#define METHODS "GET POST"

struct view_scope {
	bool control_get;
};

static struct conf_module view_module;

struct word {
	const char *word;
	int value;
};

static const struct word formats[] = {
	{ "json", VTS_JSON },
	{ "html", VTS_HTML },
	{ "jsonp", VTS_JSONP },
	{ "prometheus", VTS_PROMETHEUS },
};

/* ---- paths ---- */

static int
format_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (str_ieq(name, str_of(formats[i].word)))
			return formats[i].value;
	return -1;
}

void
vts_target_parse(struct vts_target *t, struct str path, struct str location)
{
	size_t start = str_starts(path, location) ? location.n : 0;
	struct str below = str_from(path, start), above;
	ptrdiff_t slash = str_rfind(below, '/');
	struct str last = str_from(below, (size_t)(slash + 1));

	*t = (struct vts_target){ .kind = VTS_BARE, .format = -1, .base = path.n };
	if (slash < 0 && !(start > 0 && path.p[start - 1] == '/'))
		return;
	above = str_sub(below, 0, slash < 0 ? 0 : (size_t)slash);
	if (str_is(last, "control")) {
		t->kind = VTS_CONTROL;
	} else if (str_ends(above, STR("/format")) || str_is(above, "format")) {
		t->kind = VTS_FORMAT;
		t->format = format_of(last);
		above.n -= above.n == 6 ? 6 : 7;
	} else if ((t->file = http_asset_find(status_web, last)) != NULL) {
		t->kind = VTS_FILE;
	} else {
		return;
	}
	t->base = start + above.n;
}

/* ---- answers ---- */

static int
answer_page(struct http_request *r, const struct vts_target *t)
{
	return http_asset_page(
	    r, http_asset_find(status_web, STR("vts.html")), http_asset_base(r, r->path, t->base));
}

static int
answer_format(struct http_request *r, const struct vts_view *v, const struct vts_scope *s,
    const struct vts_target *t)
{
	int format = t->format;

	if (format < 0)
		format = v->format < 0 ? s->format : v->format;
	switch (format) {
	case VTS_HTML:
		return answer_page(r, t);
	case VTS_PROMETHEUS:
		return vts_answer_prometheus(r, v, s);
	default:
		return vts_answer_json(r, v, s, format == VTS_JSONP);
	}
}

static int
refuse_method(struct http_request *r)
{
	http_add_header(r, "Allow", STR("GET, HEAD"));
	return http_reply_message(r, 405, NULL);
}

static bool
control_by_get(const struct http_request *r)
{
	const struct view_scope *s = conf_of(http_location_conf(r->location), &view_module);

	return s->control_get;
}

static int
view_handle(struct http_request *r, void *arg)
{
	const struct vts_view *v = arg;
	const struct vts_scope *s = vts_scope_for(r);
	struct vts_target t;

	vts_target_parse(&t, r->path, v->location);
	if (!s->on)
		return http_reply_message(r, 501,
		    "Traffic statistics are off here: see vts_zone and vhost_traffic_status");
	if (t.kind == VTS_CONTROL)
		return vts_answer_control(r, v, s, control_by_get(r));
	if (str_is(r->head->method, "POST"))
		return refuse_method(r);
	if (t.kind == VTS_FILE)
		return http_asset_reply(r, t.file);
	if (t.kind == VTS_BARE && v->native)
		return vts_answer_native(r);
	return answer_format(r, v, s, &t);
}

/* ---- directives ---- */

/* What the location's name is in the path of each of its requests. */
static struct str
prefix_of(const struct conf_scope *scope)
{
	const struct conf_node *node = scope->node;
	struct str name = node->n_args > 0 ? node->args[node->n_args - 1] : STR("");

	if (node->n_args == 2 && str_is(node->args[0], "~"))
		return STR("");
	while (name.n > 0 && (name.p[0] == '=' || name.p[0] == '^'))
		name = str_from(name, name.p[0] == '^' ? 2 : 1);
	return name.n > 0 && name.p[0] == '/' ? name : STR("");
}

static struct vts_view *
view_new(struct conf *c, const struct conf_scope *scope)
{
	struct vts_view *v = arena_alloc(conf_arena(c), sizeof(*v));

	if (v) {
		v->format = -1;
		v->location = prefix_of(scope);
		v->load_ms = clock_wall() / NS_PER_MS;
	}
	return v;
}

static int
set_status(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_view *v = view_new(c, scope);

	(void)into;
	if (!v)
		return ERR_NOMEM;
	v->native = true;
	vts_conf_shows(scope);
	return http_set_handler(c, node, scope, view_handle, v, METHODS);
}

static int
set_display(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_view *v = view_new(c, scope);

	(void)into;
	if (!v)
		return ERR_NOMEM;
	if (node->n_args > 0) {
		v->format = format_of(node->args[0]);
		if (v->format < 0) {
			conf_error(c, node,
			    "unknown format \"%.*s\": json, html, jsonp, prometheus are allowed",
			    STR_ARG(node->args[0]));
			return ERR_CONFIG;
		}
	}
	return http_set_handler(c, node, scope, view_handle, v, METHODS);
}

static const struct conf_row rows[] = {
	{ .name = "vts_status",
	    .contexts = CONF_LOCATION,
	    .flags = CONF_RELOAD,
	    .set = set_status,
	    .help = "shows the traffic statistics: Prometheus text in the dialect of ngx_vts, and "
		    "below it "
		    "format/json, format/jsonp, format/html, format/prometheus and control as "
		    "vhost_traffic_status_display has them" },
	{ .name = "vhost_traffic_status_display",
	    .contexts = CONF_LOCATION,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_display,
	    .unit = "enum:json|html|jsonp|prometheus",
	    .help = "shows the traffic statistics in the form of nginx-module-vts; without an "
		    "argument as "
		    "vhost_traffic_status_display_format says" },
	{ .name = "vhost_traffic_status_control_get",
	    .contexts = CONF_HTTP | CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_flag,
	    .offset = offsetof(struct view_scope, control_get),
	    .default_ = "off",
	    .unit = "flag",
	    .help = "anybody's GET of control may reset and delete zones, as in nginx-module-vts; "
		    "off: only POST, "
		    "and GET over a unix socket or with a key of the role admin" },
	{ .name = NULL },
};

static struct conf_module view_module = {
	.name = "vts_view", .rows = rows, .size = sizeof(struct view_scope)
};

void
vts_view_register(void)
{
	conf_register(&view_module);
}

/*
 * The rows of the vhost_traffic_status directives, and the setters of the simple ones. Keys, limits and variables are set in
 * vts_conf_key.c, the handlers that show statistics by the views.
 */
#include "status/vts_conf.h"

#include <limits.h>

#include "http/conf.h"
#include "status/vts_dump.h"
#include "status/vts_priv.h"

#define H CONF_HTTP
#define S CONF_SERVER
#define L CONF_LOCATION
#define NAME(x) "vhost_traffic_status" x
#define AT(field) offsetof(struct vts_scope, field)

/* ---- setters ---- */

static bool
has_directive(const struct conf_node *first, const char *name)
{
	for (; first != NULL; first = first->next)
		if (str_is(first->name, name) || has_directive(first->children, name))
			return true;
	return false;
}

/* auto, the default: a zone was asked for. */
static int
set_on(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;

	if (!str_is(node->args[0], "auto"))
		return conf_set_flag(c, node, scope, into);
	s->on = has_directive(conf_tree(c), "vts_zone") ||
		has_directive(conf_tree(c), "vhost_traffic_status_zone");
	return 0;
}

/* What a script may call. */
static int
set_jsonp(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.";
	struct str name = node->args[0];

	for (size_t i = 0; i < name.n; i++)
		if (memchr(allowed, name.p[i], sizeof(allowed) - 1) == NULL) {
			conf_error(c, node,
			    "invalid function name \"%.*s\"; letters, digits, _, $ and . are "
			    "allowed",
			    STR_ARG(name));
			return ERR_CONFIG;
		}
	return conf_set_str(c, node, scope, into);
}

static int
set_average(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;
	bool amm = str_is(node->args[0], "AMM");
	int64_t period = 60 * NS_PER_S;

	(void)scope;
	if ((!amm && !str_is(node->args[0], "WMA")) ||
	    (node->n_args > 1 && conf_parse_time(node->args[1], &period) < 0)) {
		conf_error(c, node, "it takes AMM or WMA, and a time, as in \"WMA 60s\"");
		return ERR_CONFIG;
	}
	s->method = amm ? VTS_AMM : VTS_WMA;
	s->period_ms = period / NS_PER_MS;
	return 0;
}

/* Seconds with at most six decimals, in microseconds. */
static int
parse_seconds(struct str text, int64_t *us)
{
	struct str rest = text, whole = str_split(&rest, '.');
	uint64_t s = 0, fraction = 0;

	if ((str_to_u64(whole, &s) < 0 && (whole.n > 0 || rest.n == 0)) || s > 1000000 ||
	    rest.n > 6 || (rest.p != NULL && str_to_u64(rest, &fraction) < 0))
		return ERR_BAD;
	for (size_t i = rest.n; i < 6; i++)
		fraction *= 10;
	*us = (int64_t)(s * 1000000 + fraction);
	return *us >= 1000 ? 0 : ERR_BAD;
}

static int
set_buckets(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;
	int64_t before = 0;

	(void)scope;
	for (unsigned i = 0; i < node->n_args; i++) {
		if (parse_seconds(node->args[i], &s->bounds_us[i]) < 0) {
			conf_error(c, node,
			    "invalid bucket \"%.*s\"; seconds from 0.001 on, as in \"0.005\", are "
			    "allowed",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
		if (s->bounds_us[i] <= before) {
			conf_error(c, node, "bucket \"%.*s\" is not above the one before it",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
		before = s->bounds_us[i];
	}
	s->n_bounds = node->n_args;
	return 0;
}

static int
set_codes(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;
	uint64_t code, before = 99;

	(void)scope;
	s->codes = true;
	memset(s->measured, 0, sizeof(s->measured));
	if (node->n_args == 1 && str_is(node->args[0], "all")) {
		memset(s->measured, 0xff, sizeof(s->measured));
		return 0;
	}
	for (unsigned i = 0; i < node->n_args; i++, before = code) {
		if (str_to_u64(node->args[i], &code) < 0 || code <= before ||
		    code >= VTS_CODE_LIMIT) {
			conf_error(c, node,
			    "invalid status code \"%.*s\"; \"all\", or codes from 100 to 599 in "
			    "ascending order are allowed",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
		s->measured[code / 64] |= UINT64_C(1) << (code % 64);
	}
	return 0;
}

static int
set_ignored(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;

	(void)scope;
	s->ignore = 0;
	if (node->n_args == 1 && str_is(node->args[0], "off"))
		return 0;
	for (unsigned i = 0; i < node->n_args; i++) {
		struct str a = node->args[i];

		if (a.n != 3 || a.p[0] < '1' || a.p[0] > '5' || !str_ends(a, STR("xx"))) {
			conf_error(c, node,
			    "invalid class \"%.*s\"; 1xx to 5xx, or off, are allowed", STR_ARG(a));
			return ERR_CONFIG;
		}
		s->ignore |= 1u << (a.p[0] - '0');
	}
	return 0;
}

static int
set_max_node(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = into;

	(void)scope;
	if (str_to_u64(node->args[0], &s->max_node) < 0) {
		conf_error(
		    c, node, "invalid number \"%.*s\"; 0 is no limit", STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	s->prefixes = node->args + 1;
	s->n_prefixes = node->n_args - 1;
	return 0;
}

/* One for all: the main scope has it. */
static int
set_dump(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct vts_scope *s = conf_of(conf_main(c), &vts_module);

	(void)scope;
	(void)into;
	s->dump = node->args[0];
	s->dump_period = 60 * NS_PER_S;
	if (s->dump.n >= VTS_DUMP_PATH_MAX || s->dump.p[0] != '/' || str_ends(s->dump, STR("/"))) {
		conf_error(c, node,
		    "\"%.*s\": the absolute path of a file is needed, of less than %d bytes",
		    STR_ARG(s->dump), VTS_DUMP_PATH_MAX);
		return ERR_CONFIG;
	}
	if (node->n_args > 1 &&
	    (conf_parse_time(node->args[1], &s->dump_period) < 0 || s->dump_period < NS_PER_S)) {
		conf_error(c, node, "invalid period \"%.*s\"; a time from 1s on is allowed",
		    STR_ARG(node->args[1]));
		return ERR_CONFIG;
	}
	return 0;
}

/* ---- rows ---- */

static const struct conf_word formats[] = { { "json", VTS_JSON }, { "html", VTS_HTML },
	{ "jsonp", VTS_JSONP }, { "prometheus", VTS_PROMETHEUS }, { NULL, 0 } };
static const struct conf_word bypass[] = { { "auto", VTS_BYPASS_AUTO }, { "on", VTS_BYPASS_ON },
	{ "off", VTS_BYPASS_OFF }, { NULL, 0 } };

#define FLAG(row, in, field, def, text)                                          \
	{                                                                        \
		.name = (row), .contexts = (in), .min_args = 1, .max_args = 1,   \
		.flags = CONF_RELOAD, .set = conf_set_flag, .offset = AT(field), \
		.default_ = (def), .unit = "on | off", .help = (text)            \
	}
#define ROW(row, in, min, max, more, setter, def, takes, text)                         \
	{                                                                              \
		.name = (row), .contexts = (in), .min_args = (min), .max_args = (max), \
		.flags = CONF_RELOAD | (more), .set = (setter), .default_ = (def),     \
		.unit = (takes), .help = (text)                                        \
	}

static const struct conf_row rows[] = {
	ROW(NAME(""), H | S | L, 1, 1, 0, set_on, "auto", "on | off | auto",
	    "Whether requests are counted by server zone; auto: where a zone is configured"),
	FLAG(NAME("_filter"), H | S | L, filter, "on", "Whether filters count"),
	FLAG(NAME("_filter_by_host"), H | S | L, filter_by_host, "off",
	    "Server zones go by the Host field, not by the server's name"),
	FLAG(NAME("_filter_check_duplicate"), H | S | L, filter_check_duplicate, "on",
	    "A filter that stands twice counts once"),
	ROW(NAME("_filter_by_set_key"), H | S | L, 1, 2, CONF_REPEAT, vts_set_filter, NULL,
	    "key [group]",
	    "Counts requests by what key expands to, in a group; without one as a server zone"),
	ROW(NAME("_filter_max_node"), H, 1, UINT_MAX, 0, set_max_node, "0", "count [prefix …]",
	    "Most keys of filters, of groups with these prefixes; those seen longest ago go. 0: "
	    "all "
	    "that the zone has room for"),
	FLAG(NAME("_limit"), H | S | L, limit, "on", "Whether limits by traffic hold"),
	FLAG(NAME("_limit_check_duplicate"), H | S | L, limit_check_duplicate, "on",
	    "A limit that stands twice is looked at once"),
	ROW(NAME("_limit_traffic"), H | S | L, 1, 2, CONF_REPEAT, vts_set_limit, NULL,
	    "member:size [code]",
	    "Refuses requests once the server zone has counted more; member as in request, in, "
	    "out, "
	    "2xx, cache_hit"),
	ROW(NAME("_limit_traffic_by_set_key"), H | S | L, 2, 3, CONF_REPEAT, vts_set_limit_by_key,
	    NULL, "key member:size [code]",
	    "The same for another node: NO@zone, or FG@group@key of a filter"),
	ROW(NAME("_set_by_filter"), H | S | L, 2, 2, CONF_REPEAT, vts_set_by_filter, NULL,
	    "$variable group/zone/name",
	    "A variable with a node's counter, as in server/example.org/requestCounter or "
	    "filter/group@key/inBytes"),
	ROW(NAME("_average_method"), H | S | L, 1, 2, 0, set_average, "AMM 60s", "AMM | WMA [time]",
	    "Averages of request times: arithmetic or weighted to the latest, over the last 63 "
	    "requests within the time"),
	ROW(NAME("_histogram_buckets"), H | S | L, 1, VTS_BOUNDS_MAX, 0, set_buckets, NULL,
	    "seconds …", "Bounds of a histogram of request times, from 0.001 on, ascending"),
	{ .name = NAME("_bypass_limit"),
	    .contexts = H | S | L,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_flag,
	    .offset = AT(bypass_limit),
	    .default_ = "off",
	    .unit = "on | off",
	    .help = "No limit by traffic holds here" },
	{ .name = NAME("_bypass_stats"),
	    .contexts = H | S | L,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_enum,
	    .offset = AT(bypass_stats),
	    .default_ = "auto",
	    .unit = "on | off | auto",
	    .extra = bypass,
	    .help = "Requests are not counted here; auto: only those that vts_status answers" },
	FLAG(NAME("_stats_by_upstream"), H | S | L, stats_by_upstream, "on",
	    "Whether the JSON form shows upstream zones"),
	FLAG("vts_upstream_stats", H | S | L, upstream_stats, "on",
	    "Whether requests are counted by upstream server"),
	FLAG("vts_cache_stats", H | S | L, cache_stats, "on",
	    "Whether requests are counted by cache"),
	ROW(NAME("_measure_status_codes"), H | S | L, 1, UINT_MAX, 0, set_codes, NULL,
	    "all | code …", "Status codes to be counted one by one"),
	ROW(NAME("_ignore_status"), H | S | L, 1, 5, 0, set_ignored, NULL, "1xx … 5xx | off",
	    "Requests answered so are not counted"),
	ROW(NAME("_dump"), H, 1, 2, 0, set_dump, NULL, "path [time]",
	    "File where statistics are kept every 60s or time, and at the end; read when the zone "
	    "is "
	    "new"),
	{ .name = NAME("_display_format"),
	    .contexts = H | S | L,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_enum,
	    .offset = AT(format),
	    .default_ = "json",
	    .unit = "json | html | jsonp | prometheus",
	    .extra = formats,
	    .help = "How statistics are shown where the path does not say" },
	{ .name = NAME("_display_jsonp"),
	    .contexts = H | S | L,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_jsonp,
	    .offset = AT(jsonp),
	    .default_ = "ngx_http_vhost_traffic_status_jsonp_callback",
	    .unit = "function",
	    .help = "The function that JSONP calls" },
	{ .name = NAME("_display_sum_key"),
	    .contexts = H | S | L,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_str,
	    .offset = AT(sum_key),
	    .default_ = "*",
	    .unit = "name",
	    .help = "Name of the sum of all server zones" },
	{ .name = NULL },
};

struct conf_module vts_module = { .name = "vts", .rows = rows, .size = sizeof(struct vts_scope) };

/* ---- for others ---- */

const struct vts_scope *
vts_scope_of(const struct conf_scope *s)
{
	return conf_of(s, &vts_module);
}

const struct vts_scope *
vts_scope_for(const struct http_request *r)
{
	return conf_of(http_request_conf(r), &vts_module);
}

void
vts_conf_shows(struct conf_scope *scope)
{
	struct vts_scope *s = conf_of(scope, &vts_module);

	s->shows = true;
}

void
vts_register(void)
{
	vts_node_register();
	vts_state_register();
	conf_register(&vts_module);
	vts_variable_register();
	vts_dump_register();
	http_add_count(vts_count);
}

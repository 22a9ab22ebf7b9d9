/*
 * See conf.h.
 */
#include "zone/conf.h"

#define SIZE_MAX_BYTES (UINT64_C(64) << 30)
/* What nginx-module-vts calls too small: eight pages. */
#define MODULE_SIZE_MIN (UINT64_C(32) << 10)

static int set_vts_zone(
    struct conf *c, const struct conf_node *node, struct conf_scope *s, void *into);
static int set_module_zone(
    struct conf *c, const struct conf_node *node, struct conf_scope *s, void *into);
static int finish(struct conf *c);

static const struct conf_row rows[] = {
	{ .name = "vts_zone",
	    .contexts = CONF_HTTP,
	    .min_args = 2,
	    .max_args = 2,
	    .set = set_vts_zone,
	    .unit = "name size",
	    .help =
		"name and size of the shared memory for everything that is counted; at least 1m; "
		"without it main, 10m" },
	{ .name = "vhost_traffic_status_zone",
	    .contexts = CONF_HTTP,
	    .max_args = 1,
	    .set = set_module_zone,
	    .unit = "shared:name:size",
	    .help = "the same in the spelling of nginx-module-vts; sizes below 1m become 1m" },
	{ .name = NULL },
};

static struct conf_module zone_module = {
	.name = "zone", .rows = rows, .size = sizeof(struct zone_conf), .finish = finish
};

void
zone_conf_register(void)
{
	conf_register(&zone_module);
}

const struct zone_conf *
zone_conf_of(struct conf *c)
{
	return conf_of(conf_main(c), &zone_module);
}

/* There is one zone: it is the main scope's, wherever it is named. 0, or ERR_CONFIG. */
static int
set_zone(struct conf *c, const struct conf_node *node, struct str name, struct str size)
{
	struct zone_conf *z = conf_of(conf_main(c), &zone_module);
	uint64_t bytes;

	if (z->from != NULL) {
		conf_error(c, node, "%.*s: there is one zone, and line %u of %s has it",
		    STR_ARG(node->name), z->from->line, z->from->file);
		return ERR_CONFIG;
	}
	if (name.n == 0 || name.n > 63) {
		conf_error(c, node, "%.*s: a name of 1 to 63 bytes is needed", STR_ARG(node->name));
		return ERR_CONFIG;
	}
	if (conf_parse_size(size, &bytes) != 0 || bytes > SIZE_MAX_BYTES) {
		conf_error(c, node, "%.*s \"%.*s\": invalid size \"%.*s\", 1m to 64g is allowed",
		    STR_ARG(node->name), STR_ARG(name), STR_ARG(size));
		return ERR_CONFIG;
	}
	z->from = node;
	z->name = name;
	z->size = bytes;
	return 0;
}

static int
set_vts_zone(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct zone_conf *z = conf_of(conf_main(c), &zone_module);

	(void)scope;
	(void)into;
	if (set_zone(c, node, node->args[0], node->args[1]) != 0)
		return ERR_CONFIG;
	if (z->size >= ZONE_SIZE_MIN)
		return 0;
	conf_error(c, node, "vts_zone \"%.*s\": %.*s is too small, minimum 1m",
	    STR_ARG(node->args[0]), STR_ARG(node->args[1]));
	return ERR_CONFIG;
}

static int
set_module_zone(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct zone_conf *z = conf_of(conf_main(c), &zone_module);
	struct str rest =
	    node->n_args > 0 ? node->args[0] : STR("shared:ngx_http_vhost_traffic_status:10m");
	struct str kind = str_split(&rest, ':'), name = str_split(&rest, ':');

	(void)scope;
	(void)into;
	if (!str_is(kind, "shared")) {
		conf_error(c, node, "invalid parameter \"%.*s\", shared:NAME:SIZE is allowed",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	if (set_zone(c, node, name, rest) != 0)
		return ERR_CONFIG;
	if (z->size < MODULE_SIZE_MIN) {
		conf_error(c, node,
		    "vhost_traffic_status_zone \"%.*s\": %.*s is too small, minimum "
		    "32k",
		    STR_ARG(name), STR_ARG(rest));
		return ERR_CONFIG;
	}
	z->size = MAX(z->size, ZONE_SIZE_MIN);
	return 0;
}

static int
finish(struct conf *c)
{
	struct zone_conf *z = conf_of(conf_main(c), &zone_module);

	if (z->from == NULL) {
		z->name = STR("main");
		z->size = ZONE_SIZE_DEFAULT;
	}
	return 0;
}

/*
 * See map.h: geo.
 */
#include "gate/cidr_conf.h"
#include "gate/map.h"
#include "http/conf.h"
#include "http/text.h"

struct geo {
	struct http_text source; /* n == 0: the client */
	struct cidr_table table;
	struct str *values; /* by the table's */
	struct str fallback;
};

static int set_geo(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);

static const struct conf_row rows[] = {
	{ .name = "geo",
	    .contexts = CONF_HTTP,
	    .min_args = 1,
	    .max_args = 2,
	    .flags = CONF_BLOCK | CONF_FREE_FORM | CONF_REPEAT | CONF_RELOAD,
	    .set = set_geo,
	    .unit = "[$address] $variable { network|default result; … }",
	    .help = "a variable that depends on the client's address, or the one in $address; of "
		    "networks that hold it the smallest counts" },
	{ .name = NULL },
};

static struct conf_module module = { .name = "geo", .rows = rows };

static int
add_line(struct conf *c, const struct conf_node *node, struct geo *g, uint32_t index)
{
	static const char *const lacking[] = { "ranges", "delete", "proxy", "proxy_recursive" };

	for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
		if (str_is(node->name, lacking[i])) {
			conf_error(c, node, "geo: %s is not implemented; %s", lacking[i],
			    i < 2 ? "list networks" : "see set_real_ip_from");
			return ERR_CONFIG;
		}
	if (node->n_args != 1 || node->block) {
		conf_error(c, node, "geo: a line is a network and its result");
		return ERR_CONFIG;
	}
	if (str_is(node->name, "default")) {
		g->fallback = node->args[0];
		return 0;
	}
	g->values[index] = node->args[0];
	return cidr_conf_add(c, node, node->name, &g->table, index);
}

static struct str get_geo(struct http_request *r, struct str name, void *arg);

static int
set_geo(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct geo *g = arena_alloc(conf_arena(c), sizeof(*g));
	struct str name = http_variable_name(c, node, node->args[node->n_args - 1]);
	uint32_t n = 0;
	int err = 0;

	(void)scope;
	(void)into;
	if (!g || !name.p)
		return ERR_CONFIG;
	g->fallback = STR("");
	for (const struct conf_node *l = node->children; l; l = l->next)
		n++;
	g->values = arena_alloc(conf_arena(c), (n + (size_t)1) * sizeof(*g->values));
	if (!g->values)
		return ERR_NOMEM;
	if (node->n_args == 2)
		err = http_text_compile(c, node, node->args[0], &g->source);
	n = 0;
	for (const struct conf_node *l = node->children; l && err == 0; l = l->next)
		err = add_line(c, l, g, n++);
	if (err == 0)
		err = cidr_finish(&g->table, conf_arena(c), CIDR_LONGEST);
	return err ? err : http_variable_define(c, node, name, get_geo, g);
}

static struct str
get_geo(struct http_request *r, struct str name, void *arg)
{
	const struct geo *g = arg;
	struct addr addr;
	uint32_t index;

	(void)name;
	if (g->source.n == 0)
		http_client_addr(r, &addr);
	else if (addr_parse_ip(http_text_expand(&g->source, r), 0, &addr) < 0)
		addr_parse_ip(STR("255.255.255.255"), 0, &addr); /* as nginx takes what is none */
	index = cidr_find(&g->table, &addr);
	return index == CIDR_NONE ? g->fallback : g->values[index];
}

void
geo_register(void)
{
	conf_register(&module);
}

/*
 * What nginx's limit_req and limit_conn have in common: zones by name, each with a key, and their uses in scopes. The cells of all zones are
 * in the one store. See limit_priv.h.
 */
#include "base/log.h"
#include "gate/limit_priv.h"

const struct conf_word limit_log_levels[] = {
	{ "info", LOG_INFO },
	{ "notice", LOG_INFO },
	{ "warn", LOG_WARN },
	{ "error", LOG_ERROR },
	{ NULL, 0 },
};

const struct conf_bounds limit_statuses = { 400, 599 };

int
limit_zone_name(struct conf *c, const struct conf_node *node, unsigned arg, struct str *name)
{
	struct str value, size;
	uint64_t bytes;

	if (!conf_arg_kv(node, arg, "zone", &value) ||
	    !(size = value, *name = str_split(&size, ':')).n || !size.p ||
	    conf_parse_size(size, &bytes) != 0) {
		conf_error(c, node,
		    "invalid zone \"%.*s\": zone=NAME:SIZE is allowed, as in zone=one:10m",
		    STR_ARG(node->args[arg]));
		return ERR_CONFIG;
	}
	if (bytes < 32768) {
		conf_error(
		    c, node, "zone \"%.*s\" is too small: at least 32k is needed", STR_ARG(*name));
		return ERR_CONFIG;
	}
	limit_main(c)->zone_sizes += bytes;
	limit_main(c)->wanted = true;
	return 0;
}

static struct limit_zone *
find(const struct limit_zone_scope *main, struct str name)
{
	for (struct limit_zone *z = main->zones; z; z = z->next)
		if (str_eq(z->name, name))
			return z;
	return NULL;
}

int
limit_zone_add(struct conf *c, const struct conf_node *node, struct limit_zone_scope *main,
    struct limit_zone *z)
{
	const struct limit_zone *other = find(main, z->name);

	if (other) {
		conf_error(c, node, "%.*s \"%.*s\" is already bound at line %u",
		    STR_ARG(node->name), STR_ARG(z->name), other->node->line);
		return ERR_CONFIG;
	}
	z->node = node;
	z->next = main->zones;
	main->zones = z;
	return http_text_compile(c, node, node->args[0], &z->key);
}

int
limit_zone_use(struct conf *c, const struct conf_node *node, const struct conf_scope *scope,
    struct limit_zone_scope *into, struct limit_zone_scope *main, struct limit_zone_use *use)
{
	struct limit_zone_use **end = &into->uses;
	unsigned n = 1;

	use->node = node;
	if (conf_first_here(c, scope, node))
		into->uses = NULL;
	for (; *end; end = &(*end)->next, n++)
		if (str_eq((*end)->name, use->name) || n == LIMIT_ZONE_USES_MAX) {
			conf_error(c, node, "\"%.*s\" of zone \"%.*s\" is %s", STR_ARG(node->name),
			    STR_ARG(use->name),
			    n == LIMIT_ZONE_USES_MAX ? "one too many" : "duplicate");
			return ERR_CONFIG;
		}
	*end = use;
	use->in_all = main->all;
	main->all = use;
	limit_main(c)->wanted = true;
	return 0;
}

int
limit_zone_finish(struct conf *c, struct limit_zone_scope *main)
{
	int err = 0;

	for (struct limit_zone_use *use = main->all; use; use = use->in_all) {
		use->zone = find(main, use->name);
		if (use->zone)
			continue;
		conf_error(c, use->node,
		    "zero size shared memory zone \"%.*s\": declare it with %.*s_zone",
		    STR_ARG(use->name), STR_ARG(use->node->name));
		err = ERR_CONFIG;
	}
	return err;
}

uint64_t
limit_zone_hash(const struct limit_store *s, uint64_t kind, struct limit_zone *zone, struct str key)
{
	if (zone->prefix == 0)
		zone->prefix = limit_hash(s, kind, zone->name);
	return limit_hash(s, zone->prefix, key);
}

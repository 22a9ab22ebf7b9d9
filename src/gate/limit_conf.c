/*
 * The rows of `limit` and what goes with it in servers and locations, and what follows from them once all is read.
 */
#include "gate/limit_priv.h"

static int set_limit(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_zone_size(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

static const struct conf_word header_words[] = {
	{ "x", LIMIT_HEADERS_X },
	{ "ietf", LIMIT_HEADERS_IETF },
	{ "both", LIMIT_HEADERS_BOTH },
	{ NULL, 0 },
};

static const struct conf_word fallback_words[] = {
	{ "open", LIMIT_OPEN },
	{ "closed", LIMIT_CLOSED },
	{ NULL, 0 },
};

static const struct conf_bounds zone_bounds = { LIMIT_STORE_MIN, UINT64_C(1) << 50 };

#define EVERYWHERE (CONF_HTTP | CONF_SERVER | CONF_LOCATION)
static const struct conf_row rows[] = {
	{ .name = "limit",
	    .contexts = EVERYWHERE,
	    .min_args = 1,
	    .max_args = 2,
	    .flags = CONF_REPEAT | CONF_RELOAD,
	    .set = set_limit,
	    .unit = "NAME [endpoint=NAME] | off",
	    .help =
		"holds requests of these locations to a policy; several may be given. Counts are "
		"kept by the endpoint: the location's path (without its first slash), the same "
		"for all servers, or NAME" },
	{ .name = "limit_headers",
	    .contexts = EVERYWHERE,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_enum,
	    .offset = offsetof(struct limit_scope, headers),
	    .default_ = "x",
	    .unit = "enum:x|ietf|both",
	    .extra = header_words,
	    .help = "X-RateLimit-Limit, -Remaining, -Reset and -Policy; RateLimit and "
		    "RateLimit-Policy of the IETF's draft; or both" },
	{ .name = "limit_fallback",
	    .contexts = EVERYWHERE,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_enum,
	    .offset = offsetof(struct limit_scope, fallback),
	    .default_ = "open",
	    .unit = "enum:open|closed",
	    .extra = fallback_words,
	    .help =
		"what becomes of requests whose limits cannot be checked: let through, or 503" },
	{ .name = "limit_zone_size",
	    .contexts = CONF_HTTP,
	    .min_args = 1,
	    .max_args = 1,
	    .set = set_zone_size,
	    .offset = offsetof(struct limit_scope, zone_size),
	    .unit = "size",
	    .extra = &zone_bounds,
	    .help = "memory for the states of all limits, 32 bytes a client and limit (128 with "
		    "window=sliding and for limit_conn); 16m, and more for the zones of limit_req "
		    "and limit_conn, if absent; at least 2m" },
	{ .name = NULL },
};

struct conf_module limit_module = {
	.name = "limit", .rows = rows, .size = sizeof(struct limit_scope), .finish = finish
};

struct limit_scope *
limit_main(struct conf *c)
{
	return conf_of(conf_main(c), &limit_module);
}

/* ---- uses ---- */

static int
set_limit(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct limit_scope *s = into;
	struct limit_use *use = arena_alloc(conf_arena(c), sizeof(*use)), **end = &s->uses;

	if (!use)
		return ERR_NOMEM;
	if (conf_first_here(c, scope, node))
		s->uses = NULL;
	if (str_is(node->args[0], "off"))
		return 0;
	use->node = node;
	if (node->n_args == 2 && (!conf_arg_kv(node, 1, "endpoint", &use->endpoint) ||
				     use->endpoint.n == 0 || use->endpoint.n > LIMIT_NAME_MAX)) {
		conf_error(c, node,
		    "invalid parameter \"%.*s\": endpoint=NAME (1 to %d bytes) is "
		    "allowed",
		    STR_ARG(node->args[1]), LIMIT_NAME_MAX);
		return ERR_CONFIG;
	}
	/* The scopes inside get copies of the list's head and share its rest: what is added here is added before they are made. */
	while (*end)
		end = &(*end)->next;
	*end = use;
	limit_main(c)->wanted = true;
	return 0;
}

/* The http block's copy of our struct is not main's. */
static int
set_zone_size(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)into;
	return conf_set_size(c, node, scope, limit_main(c));
}

/* Names of policies; they are looked up again when a worker first needs a location's limits (limit_check.c). */
static int
check_uses(struct conf *c, const struct conf_node *list)
{
	int err = 0;

	for (const struct conf_node *node = list; node; node = node->next) {
		if (str_is(node->name, "limit") && node->row && node->row->set == set_limit &&
		    !str_is(node->args[0], "off") && !limit_find_policy(c, node->args[0])) {
			conf_error(c, node,
			    "unknown policy \"%.*s\": declare it with \"limit_policy %.*s { … }\"",
			    STR_ARG(node->args[0]), STR_ARG(node->args[0]));
			err = ERR_CONFIG;
		}
		if (node->children && check_uses(c, node->children) != 0)
			err = ERR_CONFIG;
	}
	return err;
}

static int
finish(struct conf *c)
{
	return check_uses(c, conf_tree(c));
}

/*
 * See own_server.h.
 */
#include "server/own_server.h"

#include <sys/un.h>

#include "server/core.h"

/* What blocks around our server may say that is not meant for it; each where the server knows the directive. */
static const struct {
	const char *name, *value;
} plain[] = {
	{ "access_log", "off" },
	{ "allow", "all" },
	{ "auth", "none" },
	{ "limit", "off" },
	{ "limit_fallback", "open" },
	{ "limit_req_dry_run", "on" },
	{ "limit_conn_dry_run", "on" },
	{ "vhost_traffic_status", "off" },
};

struct conf_node *
own_server_find(struct conf_node *first, const char *name)
{
	while (first && !str_is(first->name, name))
		first = first->next;
	return first;
}

struct str
own_server_path(struct conf *c, const char *name)
{
	struct conf_node *state = own_server_find(conf_tree(c), "state_dir");
	struct str dir = state && state->n_args == 1 ? state->args[0] : str_of(CORE_STATE_DIR);

	return str_of(arena_printf(conf_arena(c), "%.*s/%s", STR_ARG(dir), name));
}

static bool
is_known(const char *directive, unsigned context)
{
	const struct conf_row *row = conf_find_row(str_of(directive), context);

	return row != NULL && !(row->flags & (CONF_REFUSE | CONF_WARN));
}

static int
add_location(struct conf *c, struct conf_node *server, const struct own_location *l)
{
	struct conf_node *location;

	if (!is_known(l->handler, CONF_LOCATION))
		return 0;
	location = conf_node_add(c, server, "location", 1, l->path);
	if (location == NULL || !conf_node_add(c, location, l->handler, l->value ? 1 : 0, l->value))
		return ERR_NOMEM;
	return 0;
}

static int
fill(struct conf *c, struct conf_node *server, struct str path, const struct own_location *l,
    size_t n)
{
	char *address = arena_printf(conf_arena(c), "unix:%.*s", STR_ARG(path));
	int err = 0;

	if (address == NULL || !conf_node_add(c, server, "listen", 1, address))
		return ERR_NOMEM;
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (is_known(plain[i].name, CONF_SERVER) &&
		    !conf_node_add(c, server, plain[i].name, 1, plain[i].value))
			return ERR_NOMEM;
	for (size_t i = 0; i < n && err == 0; i++)
		err = add_location(c, server, &l[i]);
	return err;
}

int
own_server_add(
    struct conf *c, struct str path, const struct own_location *locations, size_t n_locations)
{
	struct conf_node *http = own_server_find(conf_tree(c), "http"), *server;

	/* A configuration that serves nobody has nothing to show; one that is malformed will be refused. */
	if (http == NULL || !own_server_find(http->children, "server"))
		return 0;
	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return ERR_TOO_LARGE;
	server = conf_node_add(c, http, "server", 0);
	if (server == NULL)
		return ERR_NOMEM;
	server->hidden = true;
	return fill(c, server, path, locations, n_locations);
}

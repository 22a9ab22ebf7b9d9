/*
 * See admin_socket.h.
 */
#include "server/admin_socket.h"

#include <sys/un.h>

#include "server/core.h"

#define NAME "admin.sock"

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

static const struct {
	const char *path, *handler, *value;
} handlers[] = {
	{ "/api/", "admin_api", "trusted" },
	{ "/health", "health", NULL },
	{ "/metrics", "metrics", NULL },
};

static struct conf_node *
find(struct conf_node *first, const char *name)
{
	while (first && !str_is(first->name, name))
		first = first->next;
	return first;
}

/* The path as the tree says; empty: none is wanted. */
static struct str
wanted_path(struct conf *c)
{
	struct conf_node *own = find(conf_tree(c), "admin_socket");
	struct conf_node *state = find(conf_tree(c), "state_dir");
	struct str dir = state && state->n_args == 1 ? state->args[0] : str_of(CORE_STATE_DIR);

	if (own != NULL && own->n_args == 1 && str_is(own->args[0], "off"))
		return str_make(NULL, 0);
	if (own != NULL && own->n_args == 1)
		return own->args[0];
	return str_of(arena_printf(conf_arena(c), "%.*s/" NAME, STR_ARG(dir)));
}

static bool
is_known(const char *directive, unsigned context)
{
	const struct conf_row *row = conf_find_row(str_of(directive), context);

	return row != NULL && !(row->flags & (CONF_REFUSE | CONF_WARN));
}

static int
fill(struct conf *c, struct conf_node *server, struct str path)
{
	struct conf_node *location;
	char *address = arena_printf(conf_arena(c), "unix:%.*s", STR_ARG(path));

	if (address == NULL || !conf_node_add(c, server, "listen", 1, address))
		return ERR_NOMEM;
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (is_known(plain[i].name, CONF_SERVER) &&
		    !conf_node_add(c, server, plain[i].name, 1, plain[i].value))
			return ERR_NOMEM;
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		unsigned n = handlers[i].value ? 1 : 0;

		if (!is_known(handlers[i].handler, CONF_LOCATION))
			continue;
		location = conf_node_add(c, server, "location", 1, handlers[i].path);
		if (location == NULL ||
		    !conf_node_add(c, location, handlers[i].handler, n, handlers[i].value))
			return ERR_NOMEM;
	}
	return 0;
}

int
admin_socket_add(struct conf *c)
{
	struct conf_node *http = find(conf_tree(c), "http"), *server;
	struct str path = wanted_path(c);

	/* A configuration that serves nobody has nothing to show; one that is malformed will be refused. */
	if (http == NULL || !find(http->children, "server") || path.n == 0)
		return 0;
	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		conf_warn(c, NULL,
		    "no admin socket: its path is longer than the system takes; admin_socket "
		    "names another");
		return 0;
	}
	server = conf_node_add(c, http, "server", 0);
	if (server == NULL)
		return ERR_NOMEM;
	server->hidden = true;
	return fill(c, server, path);
}

bool
admin_socket_is(struct conf *c, const char *path)
{
	struct str own = wanted_path(c);

	return own.n > 0 && str_is(own, path);
}

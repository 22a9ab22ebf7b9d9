/*
 * See admin_socket.h.
 */
#include "server/admin_socket.h"

#include "server/own_server.h"

static const struct own_location locations[] = {
	{ "/api/", "admin_api", "trusted" },
	{ "/health", "health", NULL },
	{ "/metrics", "metrics", NULL },
};

/* The path as the tree says; empty: none is wanted. */
static struct str
wanted_path(struct conf *c)
{
	struct conf_node *own = own_server_find(conf_tree(c), "admin_socket");

	if (own == NULL || own->n_args != 1)
		return own_server_path(c, "admin.sock");
	return str_is(own->args[0], "off") ? str_make(NULL, 0) : own->args[0];
}

int
admin_socket_add(struct conf *c)
{
	struct str path = wanted_path(c);
	int err = path.n > 0 ? own_server_add(c, path, locations, ARRAY_LEN(locations)) : 0;

	if (err != ERR_TOO_LARGE)
		return err;
	conf_warn(c, NULL,
	    "no admin socket: its path is longer than the system takes; admin_socket names "
	    "another");
	return 0;
}

bool
admin_socket_is(struct conf *c, const char *path)
{
	struct str own = wanted_path(c);

	return own.n > 0 && str_is(own, path);
}

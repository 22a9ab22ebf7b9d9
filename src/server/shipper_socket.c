/*
 * See shipper_socket.h.
 */
#include "server/shipper_socket.h"

#include "admin/forward.h"
#include "server/own_server.h"

static const struct own_location locations[] = { { "/api/", "admin_api", "trusted" } };

/* The `listen` of a server of the user's own that has this path; NULL: none. */
static const struct conf_node *
find_listen(struct conf *c, struct str path)
{
	struct conf_node *http = own_server_find(conf_tree(c), "http");

	for (struct conf_node *s = http ? http->children : NULL; s != NULL; s = s->next)
		for (struct conf_node *n = s->children; n != NULL; n = n->next)
			if (str_is(n->name, "listen") && n->n_args > 0 &&
			    str_starts(n->args[0], STR("unix:")) &&
			    str_eq(str_from(n->args[0], 5), path))
				return n;
	return NULL;
}

int
shipper_socket_add(struct conf *c)
{
	struct str path = own_server_path(c, FORWARD_SOCKET);
	const struct conf_node *taken = find_listen(c, path);
	int err;

	if (taken != NULL) {
		conf_error(c, taken, "listen %.*s: this socket is the server's own",
		    STR_ARG(taken->args[0]));
		return ERR_CONFIG;
	}
	err = own_server_add(c, path, locations, ARRAY_LEN(locations));
	if (err != ERR_TOO_LARGE)
		return err;
	conf_warn(c, NULL,
	    "dead letters and deliveries cannot be asked for: the path of " FORWARD_SOCKET
	    " in state_dir is longer than the system takes");
	return 0;
}

bool
shipper_socket_is(struct conf *c, const char *path)
{
	return str_is(own_server_path(c, FORWARD_SOCKET), path);
}

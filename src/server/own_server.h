/*
 * Servers of our own in every configuration: on unix sockets, for sluicectl and for each other. The user did not write them and -T does not
 * show them; what the blocks around them say of limits, auth and logs does not hold in them.
 */
#ifndef SLUICE_SERVER_OWN_SERVER_H
#define SLUICE_SERVER_OWN_SERVER_H

#include "conf/conf.h"

struct own_location {
	const char *path;
	const char *handler; /* left out where the server does not know the directive */
	const char *value;   /* of it; NULL: none */
};

/* Adds a server that listens on the socket at path to a tree that was parsed and not yet checked; to one that serves nobody, nothing. 0, ERR_NOMEM,
 * or ERR_TOO_LARGE: the path is longer than the system takes. */
int own_server_add(
    struct conf *c, struct str path, const struct own_location *locations, size_t n_locations);
/* state_dir/NAME as the tree says. */
struct str own_server_path(struct conf *c, const char *name);
/* The first of these siblings that has this name; NULL: none. */
struct conf_node *own_server_find(struct conf_node *first, const char *name);

#endif

/*
 * The admin socket: a server of our own in every configuration, which the user did not write and -T does not show. It listens on
 * state_dir/admin.sock (0660, the configured user's) or where `admin_socket` says, and serves the admin API to whoever can open that,
 * health and metrics beside it.
 */
#ifndef SLUICE_SERVER_ADMIN_SOCKET_H
#define SLUICE_SERVER_ADMIN_SOCKET_H

#include "conf/conf.h"

/* Adds it to a tree that was parsed and not yet checked. 0 or ERR_NOMEM. */
int admin_socket_add(struct conf *c);
/* Is this the path of the configuration's admin socket? */
bool admin_socket_is(struct conf *c, const char *path);

#endif

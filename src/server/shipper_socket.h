/*
 * The shipper's socket: what the shipper owns (dead letters, deliveries) it serves itself, on state_dir/shipper.sock, by a server of our own
 * (own_server.h) with the same table of endpoints as the admin socket's. The workers are its only clients (admin/forward.h): they have asked
 * who may, so the socket is for the user they run as and nobody else (0600).
 *
 * The master binds it, so that it outlives the shipper: a request that comes while one shipper is gone waits for the next.
 */
#ifndef SLUICE_SERVER_SHIPPER_SOCKET_H
#define SLUICE_SERVER_SHIPPER_SOCKET_H

#include "conf/conf.h"

#define SHIPPER_SOCKET_MODE 0600

/* Adds it to a tree that was parsed and not yet checked. 0, ERR_NOMEM, or ERR_CONFIG after conf_error(): the user has a server there. */
int shipper_socket_add(struct conf *c);
/* Is this its path? */
bool shipper_socket_is(struct conf *c, const char *path);

#endif

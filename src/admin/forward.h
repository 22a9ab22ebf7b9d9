/*
 * Endpoints that the shipper answers (api.h): the worker that was asked passes the request on to state_dir/shipper.sock and the answer back,
 * piece by piece, whatever its size. The worker has asked who may; the shipper believes it.
 *
 *	GET /api/dlq/stats?hours=1 HTTP/1.1
 *	X-Request-Id, traceparent     as the worker's request has them
 *	X-Sluice-Operator             the key's name; not over the admin socket, where nobody has one
 *	X-Sluice-Until                when the worker stops waiting: monotonic ns. What comes later is refused, so that nothing is done that was
 *	                              answered 503
 *
 * A shipper that does not answer in time, or is away: 503 with Retry-After.
 */
#ifndef SLUICE_ADMIN_FORWARD_H
#define SLUICE_ADMIN_FORWARD_H

#include "http/server.h"

#define FORWARD_SOCKET "shipper.sock" /* in state_dir */
#define FORWARD_OPERATOR "X-Sluice-Operator"
#define FORWARD_UNTIL "X-Sluice-Until"
#define FORWARD_BODY_MAX ((size_t)512 << 10)

/* In a worker: answers the request, whose path below the API's mount is given. operator empty: none. Returns what a handler returns. Parks. */
int forward_request(struct http_request *r, struct str path, struct str operator);

#endif

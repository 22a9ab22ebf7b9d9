/*
 * The client's parts: the pool of connections to one origin, and the two halves of an exchange.
 * Private to http/.
 */
#ifndef SLUICE_HTTP_CLIENT_PRIV_H
#define SLUICE_HTTP_CLIENT_PRIV_H

#include "http/chunk.h"
#include "http/client.h"

/* A connection to the origin: idle in the pool, or lent to an exchange. */
struct http_link {
	struct conn conn;
	struct list link; /* among the idle */
	struct http_client *client;
	int64_t idle_since;
	bool idle;
	bool used; /* it has served an exchange before: may have gone stale */
};

/* client_pool.c */
/* An idle connection, else (or with fresh) a new one. Parks. 0 or an error of dial with x->why. */
int http_pool_take(
    struct http_client *c, struct http_exchange *x, bool fresh, struct http_link **out);
/* Back into the pool, or closed. */
void http_pool_give(struct http_link *l, bool keep);

/* client_send.c: head and body. 0; ERR_EXISTS: an answer is here before the body was sent; or an
 * error with x->why. Parks. */
int http_send(struct http_link *l, struct http_exchange *x);
/* client_receive.c: head (behind all 1xx) and body. Whether the connection may be used again goes
 * to *keep. */
int http_receive_head(struct http_link *l, struct http_exchange *x);
int http_receive_body(struct http_link *l, struct http_exchange *x, bool *keep);

/* When the wait that begins now is to end. */
int64_t http_wait_until(const struct http_exchange *x);
/* Keeps err's text for the log: "receive the answer: timed out". */
int http_explain(struct http_exchange *x, const char *doing, int err);

#endif

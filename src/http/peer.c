/*
 * Who sends a request: the peer of its connection, or the client whom a trusted proxy names in its
 * stead (gate/real_ip.c). Called by everything that goes by addresses.
 */
#include "http/http_priv.h"

static void
to_addr(const union http_peer *peer, struct addr *out)
{
	out->len = peer->sa.sa_family == AF_INET ? sizeof(peer->in) : sizeof(peer->in6);
	memcpy(&out->u, peer, sizeof(*peer));
	if (peer->sa.sa_family == AF_UNIX)
		out->len = sizeof(sa_family_t);
}

void
http_peer_addr(const struct http_request *r, struct addr *out)
{
	to_addr(&r->conn->peer, out);
}

void
http_client_addr(const struct http_request *r, struct addr *out)
{
	const struct http_work *w = r->conn->work;

	to_addr(w->has_real ? &w->real : &r->conn->peer, out);
}

void
http_set_client_addr(struct http_request *r, const struct addr *a)
{
	struct http_work *w = r->conn->work;

	assert(a->u.sa.sa_family == AF_INET || a->u.sa.sa_family == AF_INET6);
	memcpy(&w->real, &a->u, sizeof(w->real));
	w->has_real = true;
	w->client[0] = 0;
}

struct str
http_client_address(const struct http_request *r)
{
	struct http_work *w = r->conn->work;
	struct addr a;

	if (!w->client[0]) {
		http_client_addr(r, &a);
		addr_text(&a, false, w->client);
	}
	return str_of(w->client);
}

/*
 * -p PORT: the port of the first listen, whatever form its address has.
 */
#include "conf/conf_priv.h"

static const struct conf_node *
child(const struct conf_node *parent, const char *name)
{
	const struct conf_node *n = parent->children;

	while (n && !str_is(n->name, name))
		n = n->next;
	return n;
}

/* The first listen of a server that has a port: not a unix socket. */
static struct conf_node *
first_listen(struct conf_node *server)
{
	for (struct conf_node *n = server->children; n; n = n->next)
		if (str_is(n->name, "listen") && n->n_args && !str_starts(n->args[0], STR("unix:")))
			return n;
	return NULL;
}

/* "8080", "*:8080", "[::1]:8080", "[::1]", "127.0.0.1", "name" with another port. */
static const char *
with_port(struct arena *a, struct str address, unsigned port)
{
	ptrdiff_t colon = str_rfind(address, ':'), bracket = str_rfind(address, ']');
	uint64_t number;

	if (str_to_u64(address, &number) == 0)
		return arena_printf(a, "%u", port);
	if (colon > bracket)
		address = str_sub(address, 0, (size_t)colon);
	return arena_printf(a, "%.*s:%u", STR_ARG(address), port);
}

void
conf_override_port(struct conf *c)
{
	const struct conf_node *http = child(&c->root, "http");
	struct conf_node *listen = NULL, *server = NULL;
	const char *address;

	if (!c->port || !http)
		return;
	for (struct conf_node *n = http->children; n && !listen; n = n->next) {
		if (!n->block || !str_is(n->name, "server"))
			continue;
		if (!server)
			server = n;
		listen = first_listen(n);
	}
	if (!listen) {
		if (server)
			conf_node_add(
			    c, server, "listen", 1, arena_printf(&c->arena, "%u", c->port));
		return;
	}
	address = with_port(&c->arena, listen->args[0], c->port);
	if (address)
		listen->args[0] = str_of(address);
}

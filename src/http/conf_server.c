/*
 * `server`, `listen`, `server_name`.
 */
#include <netdb.h>
#include <unistd.h>

#include "http/conf_priv.h"

#define DEFAULT_PORT 80

static struct http_bind *
new_bind(struct conf *c, struct http_server_conf *server, const struct conf_node *node)
{
	struct http_bind *b = arena_alloc(conf_arena(c), sizeof(*b));

	if (!b)
		return NULL;
	b->node = node;
	b->opt.ipv6only = true;
	*server->binds_end = b;
	server->binds_end = &b->next;
	return b;
}

/* Without a listen: nginx's port, or one that needs no privilege. */
static int
default_bind(struct conf *c, struct http_server_conf *server)
{
	struct http_bind *b = new_bind(c, server, server->node);

	if (!b)
		return ERR_NOMEM;
	return addr_parse(geteuid() == 0 ? STR("*:80") : STR("*:8000"), 0, &b->addr);
}

int
http_set_server(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct http_server_conf *server = arena_alloc(conf_arena(c), sizeof(*server));
	struct conf_scope *own = NULL;
	int err;

	if (!server)
		return ERR_NOMEM;
	server->node = node;
	server->index = s->site->n_servers++;
	server->names_end = &server->names;
	server->binds_end = &server->binds;
	http_locations_init(&server->locations);
	*s->site->servers_end = server;
	s->site->servers_end = &server->next;
	/* As for locations: the copy begins with what is lent here. */
	s->server = server;
	err = conf_apply_block(c, node, scope, CONF_SERVER, &own);
	s->server = NULL;
	if (own) {
		server->conf = own;
		server->scope = conf_of(own, &http_module);
	}
	if (err == 0 && !server->binds)
		err = default_bind(c, server);
	return err;
}

/* A name instead of an address is looked up once, here. */
static int
lookup(struct str text, struct addr *out)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found;
	uint16_t port = DEFAULT_PORT;
	char name[256];
	struct str host;

	if (addr_split(text, &host, &port) < 0 || !str_copyz(name, sizeof(name), host) ||
	    getaddrinfo(name, NULL, &hints, &found) != 0)
		return ERR_BAD;
	memcpy(&out->u, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	addr_set_port(out, port);
	return 0;
}

static int
set_number(struct str value, int *out)
{
	uint64_t n;

	if (conf_parse_size(value, &n) < 0 || n == 0 || n > INT32_MAX)
		return ERR_BAD;
	*out = (int)n;
	return 0;
}

static int
set_option(struct conf *c, const struct conf_node *node, unsigned i, struct http_bind *b)
{
	struct str word = node->args[i], value;

	if (str_is(word, "default_server") || str_is(word, "default")) {
		b->is_default = true;
		return 0;
	}
	if (str_is(word, "ssl")) {
		b->tls = true;
		return 0;
	}
	b->has_options = true;
	if (str_is(word, "reuseport"))
		b->opt.reuseport = true;
	else if (str_is(word, "deferred"))
		b->opt.defer_accept = true;
	else if (conf_arg_kv(node, i, "backlog", &value))
		return set_number(value, &b->opt.backlog);
	else if (conf_arg_kv(node, i, "rcvbuf", &value))
		return set_number(value, &b->opt.rcvbuf);
	else if (conf_arg_kv(node, i, "sndbuf", &value))
		return set_number(value, &b->opt.sndbuf);
	else if (conf_arg_kv(node, i, "ipv6only", &value))
		b->opt.ipv6only = !str_is(value, "off");
	else if (str_is(word, "bind"))
		return 0;
	else if (str_is(word, "http2") || str_is(word, "quic") || str_is(word, "proxy_protocol") ||
		 conf_arg_kv(node, i, "setfib", &value) ||
		 conf_arg_kv(node, i, "accept_filter", &value)) {
		conf_error(c, node, "listen: \"%.*s\" is not implemented", STR_ARG(word));
		return ERR_CONFIG;
	} else if (conf_arg_kv(node, i, "so_keepalive", &value) ||
		   conf_arg_kv(node, i, "fastopen", &value)) {
		conf_warn(c, node, "listen: \"%.*s\" has no effect", STR_ARG(word));
	} else
		return ERR_BAD;
	return 0;
}

int
http_set_listen(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct http_bind *b = new_bind(c, s->server, node);
	int err = 0;

	(void)scope;
	if (!b)
		return ERR_NOMEM;
	if (addr_parse(node->args[0], DEFAULT_PORT, &b->addr) < 0 &&
	    lookup(node->args[0], &b->addr) < 0) {
		conf_error(c, node,
		    "invalid address \"%.*s\" of \"listen\"; it takes address:port, port, or "
		    "unix:path",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	for (unsigned i = 1; i < node->n_args && err == 0; i++) {
		err = set_option(c, node, i, b);
		if (err == ERR_BAD)
			conf_error(c, node, "invalid parameter \"%.*s\" of \"listen\"",
			    STR_ARG(node->args[i]));
	}
	return err < 0 ? ERR_CONFIG : 0;
}

static char *
lower_case(struct conf *c, struct str text)
{
	char *lower = arena_strz(conf_arena(c), text);

	for (size_t i = 0; lower && i < text.n; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] |= 0x20;
	return lower;
}

static struct http_name *
new_name(struct conf *c, struct http_server_conf *server, const struct conf_node *node,
    struct str text, int kind)
{
	struct http_name *n = arena_alloc(conf_arena(c), sizeof(*n));
	/* An expression's case matters, in \W for one. */
	char *lower =
	    kind == HTTP_NAME_REGEX ? arena_strz(conf_arena(c), text) : lower_case(c, text);

	if (!n || !lower)
		return NULL;
	n->node = node;
	n->server = server;
	n->kind = kind;
	n->text = str_make(lower, text.n);
	*server->names_end = n;
	server->names_end = &n->next;
	return n;
}

static int
add_name(
    struct conf *c, const struct conf_node *node, struct http_server_conf *server, struct str text)
{
	struct str from1 = str_from(text, 1);
	struct http_name *n;

	if (text.n && text.p[0] == '~') {
		n = new_name(c, server, node, from1, HTTP_NAME_REGEX);
		return n ? http_compile_pattern(c, node, from1, true, &n->regex) : ERR_NOMEM;
	}
	if (str_starts(text, STR("*.")) && str_find(from1, '*') < 0)
		n = new_name(c, server, node, from1, HTTP_NAME_SUFFIX);
	else if (text.n > 1 && text.p[0] == '.' && str_find(text, '*') < 0)
		n = new_name(c, server, node, from1, HTTP_NAME_EXACT)
			? new_name(c, server, node, text, HTTP_NAME_SUFFIX)
			: NULL;
	else if (text.n > 2 && str_ends(text, STR(".*")) &&
		 str_find(str_sub(text, 0, text.n - 1), '*') < 0)
		n = new_name(c, server, node, str_sub(text, 0, text.n - 1), HTTP_NAME_PREFIX);
	else if (str_find(text, '*') < 0 && str_find(text, '/') < 0)
		n = new_name(c, server, node, text, HTTP_NAME_EXACT);
	else {
		conf_error(c, node,
		    "invalid server name or wildcard \"%.*s\"; a * stands alone at one end, with "
		    "its "
		    "dot",
		    STR_ARG(text));
		return ERR_CONFIG;
	}
	return n ? 0 : ERR_NOMEM;
}

/* ".example.org" begins with the name that it stands for, too. */
static int
set_first_name(struct conf *c, struct http_server_conf *server, struct str text)
{
	bool dot = text.n > 1 && text.p[0] == '.', expression = text.n && text.p[0] == '~';
	struct str name = str_from(text, dot);

	if (!expression)
		name.p = lower_case(c, name);
	server->name = name;
	return name.p ? 0 : ERR_NOMEM;
}

int
http_set_server_name(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	int err = s->server->name.p ? 0 : set_first_name(c, s->server, node->args[0]);

	(void)scope;
	for (unsigned i = 0; i < node->n_args && err == 0; i++)
		err = add_name(c, node, s->server, node->args[i]);
	return err;
}

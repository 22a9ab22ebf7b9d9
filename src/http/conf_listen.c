/*
 * From the `listen` directives of all servers to sockets: one for each address, with its default
 * server and a table of names. An address that a wildcard of the same port takes in already gets no
 * socket of its own, as in nginx.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/map.h"
#include "http/conf_priv.h"

static struct http_listen *
find_listen(struct http_site *site, const struct addr *a)
{
	struct http_listen *l = site->listens;

	while (l && !addr_eq(&l->addr, a))
		l = l->next;
	return l;
}

static struct http_listen *
add_listen(struct conf *c, struct http_site *site, const struct http_bind *b)
{
	struct http_listen **end = &site->listens, *l = arena_alloc(conf_arena(c), sizeof(*l));

	if (!l || !(l->names = arena_alloc(conf_arena(c), sizeof(*l->names))))
		return NULL;
	l->addr = b->addr;
	l->opt = b->opt;
	while (*end)
		end = &(*end)->next;
	*end = l;
	return l;
}

/* Options may stand at any one of the listens of an address. */
static int
merge(struct conf *c, struct http_listen *l, const struct http_bind *b,
    struct http_server_conf *server)
{
	char text[ADDR_TEXT_MAX];

	addr_text(&b->addr, true, text);
	if (b->is_default) {
		if (l->has_default) {
			conf_error(c, b->node, "a duplicate default server for %s", text);
			return ERR_CONFIG;
		}
		l->has_default = true;
		l->servers = server;
	}
	if (b->has_options) {
		if (l->has_options) {
			conf_error(c, b->node, "duplicate listen options for %s", text);
			return ERR_CONFIG;
		}
		l->has_options = true;
		l->opt = b->opt;
	}
	if (!l->servers)
		l->servers = server;
	l->tls |= b->tls;
	return 0;
}

static bool
binds_to(const struct http_server_conf *server, const struct http_listen *l)
{
	for (const struct http_bind *b = server->binds; b; b = b->next)
		if (addr_eq(&b->addr, &l->addr))
			return true;
	return false;
}

static int
by_text(const void *a, const void *b)
{
	const struct http_name *const *x = a, *const *y = b;

	return str_cmp((*x)->text, (*y)->text);
}

/* The tables of one listen while they are filled. */
struct naming {
	struct conf *c;
	struct http_listen *l;
	struct map seen[HTTP_NAME_KINDS]; /* by text: the same name twice is the first one's */
};

static int
add_name(struct naming *m, struct http_name *name)
{
	struct http_name_table *t = &m->l->names->kinds[name->kind];
	char text[ADDR_TEXT_MAX];

	if (name->kind != HTTP_NAME_REGEX) {
		if (map_get(&m->seen[name->kind], name->text)) {
			addr_text(&m->l->addr, true, text);
			conf_warn(m->c, name->node,
			    "conflicting server name \"%.*s\" on %s, ignored", STR_ARG(name->text),
			    text);
			return 0;
		}
		if (map_put(&m->seen[name->kind], name->text, name) < 0)
			return ERR_NOMEM;
	}
	t->at[t->n++] = name;
	return 0;
}

/* Room for the names, by kind, of the servers that listen there. */
static int
make_room(struct conf *c, const struct http_site *site, struct http_listen *l)
{
	unsigned n[HTTP_NAME_KINDS] = { 0 };

	for (const struct http_server_conf *s = site->servers; s; s = s->next)
		for (const struct http_name *name = s->names; name && binds_to(s, l);
		     name = name->next)
			n[name->kind]++;
	for (unsigned k = 0; k < HTTP_NAME_KINDS; k++) {
		struct http_name ***at = &l->names->kinds[k].at;

		*at = arena_alloc(conf_arena(c), (n[k] + 1) * sizeof(**at));
		if (!*at)
			return ERR_NOMEM;
	}
	return 0;
}

static int
make_names(struct conf *c, struct http_site *site, struct http_listen *l)
{
	struct naming m = { .c = c, .l = l };
	int err = make_room(c, site, l);

	for (struct http_server_conf *s = site->servers; s && err == 0; s = s->next)
		for (struct http_name *n = s->names; n && err == 0 && binds_to(s, l); n = n->next)
			err = add_name(&m, n);
	for (unsigned k = 0; k < HTTP_NAME_KINDS; k++) {
		struct http_name_table *t = &l->names->kinds[k];

		map_fini(&m.seen[k]);
		if (err == 0 && k != HTTP_NAME_REGEX)
			qsort(t->at, t->n, sizeof(struct http_name *), by_text);
	}
	return err;
}

static bool
is_wildcard(const struct addr *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->u.storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->u.storage;

	if (a->u.sa.sa_family == AF_INET)
		return v4->sin_addr.s_addr == htonl(INADDR_ANY);
	return a->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

/* The wildcard whose socket gets what is meant for l. */
static struct http_listen *
wildcard_over(const struct http_site *site, const struct http_listen *l)
{
	int family = l->addr.u.sa.sa_family;

	if (family == AF_UNIX || l->has_options || is_wildcard(&l->addr))
		return NULL;
	for (struct http_listen *w = site->listens; w; w = w->next)
		if (w->addr.u.sa.sa_family == family && is_wildcard(&w->addr) &&
		    addr_port(&w->addr) == addr_port(&l->addr))
			return w;
	return NULL;
}

static void
fold_into_wildcards(struct http_site *site)
{
	struct http_listen **at = &site->listens, *l, *over;

	while ((l = *at)) {
		over = wildcard_over(site, l);
		if (!over) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->next = over->specific;
		over->specific = l;
	}
}

static int
collect(struct conf *c, struct http_site *site)
{
	for (struct http_server_conf *s = site->servers; s; s = s->next)
		for (const struct http_bind *b = s->binds; b; b = b->next) {
			struct http_listen *l = find_listen(site, &b->addr);

			if (!l)
				l = add_listen(c, site, b);
			if (!l)
				return ERR_NOMEM;
			if (merge(c, l, b, s) < 0)
				return ERR_CONFIG;
		}
	return 0;
}

int
http_make_listens(struct conf *c, struct http_site *site)
{
	int err = 0;

	for (struct http_server_conf *s = site->servers; s && err == 0; s = s->next)
		err = http_locations_finish(c, &s->locations);
	if (err == 0)
		err = collect(c, site);
	for (struct http_listen *l = site->listens; l && err == 0; l = l->next)
		err = make_names(c, site, l);
	if (err == 0)
		err = http_load_certificates(c, site);
	fold_into_wildcards(site);
	return err;
}

/*
 * See real_ip.h.
 */
#include "gate/real_ip.h"

#include "gate/cidr_conf.h"
#include "http/conf.h"

/* The networks of one block; blocks within share it until they name their own. */
struct trust {
	struct trust *next;
	struct cidr_table table;
};

struct real_ip_scope {
	struct trust *trust; /* NULL: nobody */
	struct trust *all;   /* in the main scope: to be finished */
	const char *header;
	bool recursive;
};

static int set_from(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_header(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

#define CONTEXTS CONF_HTTP | CONF_SERVER | CONF_LOCATION

static const struct conf_row rows[] = {
	{ .name = "set_real_ip_from",
	    .contexts = CONTEXTS,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_REPEAT | CONF_RELOAD,
	    .set = set_from,
	    .unit = "network|unix:",
	    .help = "proxies that are believed when they say who the client is" },
	{ .name = "real_ip_header",
	    .contexts = CONTEXTS,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_header,
	    .default_ = "X-Real-IP",
	    .unit = "X-Real-IP|X-Forwarded-For|name",
	    .help = "where they say it; the last address of the list counts" },
	{ .name = "real_ip_recursive",
	    .contexts = CONTEXTS,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = conf_set_flag,
	    .offset = offsetof(struct real_ip_scope, recursive),
	    .default_ = "off",
	    .unit = "on | off",
	    .help = "on: the last address that is not itself believed" },
	{ .name = NULL },
};

static struct conf_module module = {
	.name = "real_ip", .rows = rows, .size = sizeof(struct real_ip_scope), .finish = finish
};

static int
set_from(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct real_ip_scope *s = into, *main = conf_of(conf_main(c), &module);

	if (conf_first_here(c, scope, node)) {
		s->trust = arena_alloc(conf_arena(c), sizeof(*s->trust));
		if (!s->trust)
			return ERR_NOMEM;
		s->trust->next = main->all;
		main->all = s->trust;
	}
	return cidr_conf_add(c, node, node->args[0], &s->trust->table, 1);
}

static int
set_header(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct real_ip_scope *s = into;
	struct str name = node->args[0];

	(void)scope;
	if (str_ieq(name, STR("proxy_protocol"))) {
		conf_error(
		    c, node, "real_ip_header: the PROXY protocol is not spoken; name a header");
		return ERR_CONFIG;
	}
	if (!http_is_token(name)) {
		conf_error(
		    c, node, "real_ip_header: \"%.*s\" is no name of a header", STR_ARG(name));
		return ERR_CONFIG;
	}
	s->header = arena_strz(conf_arena(c), name);
	return s->header ? 0 : ERR_NOMEM;
}

static int
finish(struct conf *c)
{
	struct real_ip_scope *main = conf_of(conf_main(c), &module);
	int err = 0;

	for (struct trust *t = main->all; t && err == 0; t = t->next)
		err = cidr_finish(&t->table, conf_arena(c), CIDR_FIRST);
	return err;
}

/* ---- requests ---- */

static bool
is_gap(char c)
{
	return c == ' ' || c == ',' || c == '\t';
}

/* Cuts the last address off the list. */
static struct str
take_last(struct str *list)
{
	size_t end = list->n, start;

	while (end > 0 && is_gap(list->p[end - 1]))
		end--;
	for (start = end; start > 0 && !is_gap(list->p[start - 1]);)
		start--;
	list->n = start;
	return str_make(list->p + start, end - start);
}

static bool
parse(struct str text, struct addr *out)
{
	struct str host;
	uint16_t port = 0;

	return text.n && addr_split(text, &host, &port) == 0 && addr_parse_ip(host, port, out) == 0;
}

bool
real_ip_read(struct str list, const struct cidr_table *trusted, bool recursive, struct addr *addr)
{
	struct addr found;

	while (cidr_find(trusted, addr) != CIDR_NONE) {
		struct str text = take_last(&list);

		if (text.n == 0)
			return true;
		if (!parse(text, &found))
			return false;
		*addr = found;
		if (!recursive)
			return false;
	}
	return false;
}

static void
find_real(struct http_request *r)
{
	const struct real_ip_scope *s = conf_of(http_request_conf(r), &module);
	const struct http_head *h = r->head;
	bool recursive = s->recursive, more = true;
	struct addr addr, peer;

	if (!s->trust)
		return;
	http_peer_addr(r, &peer);
	addr = peer;
	for (unsigned i = h->n_headers; i-- > 0 && more;)
		if (str_ieq(h->headers[i].name, str_of(s->header)))
			more =
			    real_ip_read(h->headers[i].value, &s->trust->table, recursive, &addr) &&
			    recursive;
	if (!addr_eq(&addr, &peer))
		http_set_client_addr(r, &addr);
}

void
real_ip_register(void)
{
	conf_register(&module);
	http_add_routed(find_real);
}

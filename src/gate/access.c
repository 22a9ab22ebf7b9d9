/*
 * See access.h.
 */
#include "gate/access.h"

#include "gate/cidr_conf.h"
#include "gate/refuse.h"
#include "http/conf.h"

enum { DENY, ALLOW };

/* The rules of one block; blocks within share them until they have their own. */
struct access_rules {
	struct access_rules *next;
	struct cidr_table table;
};

struct access_scope {
	struct access_rules *rules; /* NULL: none */
	struct access_rules *all;   /* in the main scope: to be finished */
};

static int set_rule(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

#define ROW(word, text)                                                                            \
	{                                                                                          \
		.name = (word), .contexts = CONF_HTTP | CONF_SERVER | CONF_LOCATION,               \
		.min_args = 1, .max_args = 1, .flags = CONF_REPEAT | CONF_RELOAD, .set = set_rule, \
		.unit = "network|address|unix:|all", .help = (text)                                \
	}

static const struct conf_row rows[] = {
	ROW("allow",
	    "clients that may; of all allow and deny in order, the first that fits counts"),
	ROW("deny",
	    "clients that get 403; a block with allow or deny takes none of those around it"),
	{ .name = NULL },
};

static struct conf_module module = {
	.name = "access", .rows = rows, .size = sizeof(struct access_scope), .finish = finish
};

static bool
is_rule(const struct conf_node *node)
{
	return str_is(node->name, "allow") || str_is(node->name, "deny");
}

static bool
is_first_rule(const struct conf_scope *scope, const struct conf_node *node)
{
	const struct conf_node *n = scope->node->children;

	while (!is_rule(n))
		n = n->next;
	return n == node;
}

static int
set_rule(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct access_scope *s = into, *main = conf_of(conf_main(c), &module);
	uint32_t value = str_is(node->name, "allow") ? ALLOW : DENY;

	if (is_first_rule(scope, node)) {
		s->rules = arena_alloc(conf_arena(c), sizeof(*s->rules));
		if (!s->rules)
			return ERR_NOMEM;
		s->rules->next = main->all;
		main->all = s->rules;
	}
	if (str_is(node->args[0], "all"))
		return cidr_conf_add_all(c, &s->rules->table, value);
	return cidr_conf_add(c, node, node->args[0], &s->rules->table, value);
}

static int
finish(struct conf *c)
{
	struct access_scope *main = conf_of(conf_main(c), &module);
	int err = 0;

	for (struct access_rules *a = main->all; a && err == 0; a = a->next)
		err = cidr_finish(&a->table, conf_arena(c), CIDR_FIRST);
	return err;
}

static int
access_phase(struct http_request *r)
{
	const struct access_scope *s = conf_of(http_request_conf(r), &module);
	struct addr client;

	if (!s->rules)
		return 0;
	http_client_addr(r, &client);
	if (cidr_find(&s->rules->table, &client) != DENY)
		return 0;
	refuse(r, 403, "Forbidden", "permission_error", NULL);
	return 1;
}

void
access_register(void)
{
	conf_register(&module);
	http_add_phase(access_phase);
}

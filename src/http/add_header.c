/*
 * `add_header name value [always];`: fields that the configuration adds to answers. As with nginx, a
 * block that has any takes none of those around it, an empty value adds nothing, and without
 * `always` only answers of certain statuses get them.
 */
#include "http/http_priv.h"

/* What frames an answer is not for the configuration to say. */
static const char *const framing[] = { "Connection", "Content-Length", "Keep-Alive",
	"Transfer-Encoding", "Upgrade" };

static int
check_name(struct conf *c, const struct conf_node *node)
{
	struct str name = node->args[0];

	if (!http_is_token(name)) {
		conf_error(c, node, "add_header: \"%.*s\" is no name of a field", STR_ARG(name));
		return ERR_CONFIG;
	}
	for (size_t i = 0; i < ARRAY_LEN(framing); i++)
		if (str_ieq(name, str_of(framing[i]))) {
			conf_error(c, node,
			    "add_header: %s says where an answer ends, which the server does",
			    framing[i]);
			return ERR_CONFIG;
		}
	if (node->n_args == 3 && !str_is(node->args[2], "always")) {
		conf_error(c, node, "add_header takes name, value and \"always\", not \"%.*s\"",
		    STR_ARG(node->args[2]));
		return ERR_CONFIG;
	}
	return 0;
}

int
http_set_add_header(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;
	struct http_added *a = arena_alloc(conf_arena(c), sizeof(*a)), **end;

	if (!a || check_name(c, node) < 0)
		return ERR_CONFIG;
	if (conf_first_here(c, scope, node))
		s->added = NULL;
	a->name = node->args[0].p;
	a->always = node->n_args == 3;
	for (end = &s->added; *end; end = &(*end)->next)
		;
	*end = a;
	return http_text_compile(c, node, node->args[1], &a->value);
}

static bool
is_usual(int status)
{
	switch (status) {
	case 200:
	case 201:
	case 204:
	case 206:
	case 301:
	case 302:
	case 303:
	case 304:
	case 307:
	case 308:
		return true;
	default:
		return false;
	}
}

void
http_put_added(struct http_work *w)
{
	struct http_request *r = &w->req;
	struct str value;

	for (const struct http_added *a = w->scope->added; a; a = a->next) {
		if (!a->always && !is_usual(r->status))
			continue;
		value = http_text_expand(&a->value, r);
		if (value.n)
			http_add_header(r, a->name, value);
	}
}

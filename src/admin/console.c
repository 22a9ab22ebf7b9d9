/*
 * See console.h.
 */
#include "admin/console.h"

#include "admin/api.h"
#include "gate/auth.h"
#include "http/conf.h"

#define PAGE STR("console.html")

/* Kept a scope; in the main one: all uses. */
struct console_conf {
	struct console_use *uses;
};

struct console_use {
	struct console_use *next;
	const struct conf_node *node;
	const struct conf_scope *scope;
};

static struct conf_module console_module;

/* ---- paths ---- */

void
console_target_parse(struct console_target *t, struct str path, struct str location)
{
	size_t start = location.n;
	struct str below;

	*t = (struct console_target){ .kind = CONSOLE_NONE };
	if (!str_starts(path, location))
		return;
	if (start > 0 && path.p[start - 1] == '/')
		start--;
	below = str_from(path, start);
	if (below.n > 0 && below.p[0] != '/')
		return; /* /console-of-somebody-else */
	if (below.n <= 1) {
		t->kind = CONSOLE_PAGE;
	} else if (str_starts(below, STR("/api/"))) {
		t->kind = CONSOLE_API;
		t->api = below;
	} else if (!str_eq(str_from(below, 1), PAGE)) {
		t->file = http_asset_find(admin_web, str_from(below, 1));
		t->kind = t->file ? CONSOLE_FILE : CONSOLE_NONE;
	}
}

/* ---- answers ---- */

static int
answer_page(struct http_request *r)
{
	return http_asset_page(r, http_asset_find(admin_web, PAGE),
	    http_asset_base(r, r->path, http_location_name(r->location).n));
}

static bool
only_reads(struct http_request *r)
{
	return str_is(r->head->method, "GET") || str_is(r->head->method, "HEAD");
}

static int
handle(struct http_request *r, void *arg)
{
	struct console_target t;

	(void)arg;
	console_target_parse(&t, r->path, http_location_name(r->location));
	if (t.kind == CONSOLE_API)
		return api_serve(r, t.api);
	r->uncounted = true; /* as the API's */
	if (t.kind == CONSOLE_NONE)
		return http_reply_message(r, 404, NULL);
	if (!only_reads(r)) {
		http_add_header(r, "Allow", STR("GET, HEAD"));
		return http_reply_message(r, 405, NULL);
	}
	return t.kind == CONSOLE_FILE ? http_asset_reply(r, t.file) : answer_page(r);
}

/* ---- configuration ---- */

static int
set_console(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct console_conf *main = conf_of(conf_main(c), &console_module);
	struct console_use *use = arena_alloc(conf_arena(c), sizeof(*use));
	struct str first = scope->node->n_args > 0 ? scope->node->args[0] : STR("");

	(void)into;
	if (use == NULL)
		return ERR_NOMEM;
	if (first.n == 0 || (first.p[0] != '/' && !str_is(first, "^~"))) {
		conf_error(c, node,
		    "console: needs a location by prefix, such as /console/, since its files and "
		    "its API are below it");
		return ERR_CONFIG;
	}
	*use = (struct console_use){ .next = main->uses, .node = node, .scope = scope };
	main->uses = use;
	auth_leave_to_handler(scope);
	return http_set_handler(c, node, scope, handle, NULL, NULL);
}

static int
finish(struct conf *c)
{
	const struct console_conf *main = conf_of(conf_main(c), &console_module);

	for (const struct console_use *use = main->uses; use != NULL; use = use->next)
		if (!auth_has_keys(use->scope))
			conf_warn(c, use->node,
			    "console: nobody can log in, because no auth_keys is here or in a "
			    "block around it");
	return 0;
}

static const struct conf_row rows[] = {
	{ .name = "console",
	    .contexts = CONF_LOCATION,
	    .flags = CONF_RELOAD,
	    .set = set_console,
	    .help = "the console, a page for operators, with the admin API below it; asks for an "
		    "API key of the role admin (auth_keys). In a location /dlq/dashboard it "
		    "opens on the dead letters" },
	{ .name = NULL },
};

static struct conf_module console_module = {
	.name = "console", .rows = rows, .size = sizeof(struct console_conf), .finish = finish
};

void
console_register(void)
{
	conf_register(&console_module);
}

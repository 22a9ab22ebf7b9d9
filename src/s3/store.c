/*
 * The `store` block: its directive rows and the list of stores, which hangs in the main scope.
 * What needs the running process is in open.c.
 */
#include "s3/store.h"

#include <stdlib.h>

#include "base/clock.h"
#include "s3/store_priv.h"

struct store_scope {
	struct store *first;       /* of the main scope only: all stores in order */
	struct store_settings set; /* of a store's scope: being filled */
};

static struct store_scope *
main_scope(struct conf *c)
{
	return conf_of(conf_main(c), &store_module);
}

struct store *
store_find(struct conf *c, struct str name)
{
	struct store *s = main_scope(c)->first;

	while (s && !str_eq(s->name, name))
		s = s->next;
	return s;
}

struct str
store_name(const struct store *s)
{
	return s->name;
}

/* ---- setters */

static int
set_credentials(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct creds_source *source = &((struct store_scope *)into)->set.source;
	struct str kind = node->args[0];

	(void)scope;
	*source = (struct creds_source){ .kind = CREDS_ENV };
	if (str_is(kind, "env") && node->n_args == 1)
		return 0;
	if (str_is(kind, "file") && (node->n_args == 2 || node->n_args == 3)) {
		source->kind = CREDS_FILE;
		source->path = node->args[1].p;
		if (node->n_args == 3)
			source->profile = node->args[2];
		return 0;
	}
	if (str_is(kind, "keys") && node->n_args == 3) {
		source->kind = CREDS_KEYS;
		source->id = node->args[1];
		source->secret = node->args[2];
		return 0;
	}
	conf_error(c, node,
	    "invalid \"credentials\", allowed: env | file PATH [profile] | keys ID SECRET");
	return ERR_CONFIG;
}

static int
set_ca_file(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)c;
	(void)scope;
	((struct store_scope *)into)->set.ca_file = node->args[0].p;
	return 0;
}

/* It becomes part of a host name and of every signature. */
static int
set_region(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct str region = node->args[0];
	bool good = region.n > 0 && region.n <= 39;

	(void)scope;
	for (size_t i = 0; i < region.n; i++)
		good = good && region.p[i] != '\0' &&
		       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
			   region.p[i]);
	if (!good) {
		conf_error(c, node, "invalid region \"%.*s\", for example: ap-northeast-1",
		    STR_ARG(region));
		return ERR_CONFIG;
	}
	((struct store_scope *)into)->set.region = region;
	return 0;
}

/* ---- the block */

static int
parse_endpoint(struct conf *c, const struct conf_node *node, struct store *s)
{
	struct str text = s->set.endpoint;

	if (text.n == 0)
		text = str_of(arena_printf(conf_arena(c), "https://s3.%.*s.amazonaws.com%s",
		    STR_ARG(s->set.region), str_starts(s->set.region, STR("cn-")) ? ".cn" : ""));
	if (!text.p)
		return ERR_NOMEM;
	if (http_url_parse(text, &s->url) || !str_is(s->url.path, "/")) {
		conf_error(c, node,
		    "invalid endpoint \"%.*s\" of store \"%.*s\", allowed: http://HOST[:PORT] or "
		    "https://HOST[:PORT]",
		    STR_ARG(text), STR_ARG(s->name));
		return ERR_CONFIG;
	}
	if (!s->url.https && s->set.ca_file)
		conf_warn(c, node, "store \"%.*s\" has a ca_file, but its endpoint is not https",
		    STR_ARG(s->name));
	return 0;
}

static int
set_store(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct store *s = arena_alloc(conf_arena(c), sizeof(*s)), **link;
	struct conf_scope *inner;
	int err;

	(void)into;
	if (!s)
		return ERR_NOMEM;
	if (node->args[0].n == 0 || store_find(c, node->args[0])) {
		conf_error(c, node,
		    node->args[0].n ? "store \"%.*s\" is duplicate" : "a store needs a name%.*s",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	if ((err = conf_apply_block(c, node, scope, CONF_STORE, &inner)))
		return err;
	s->name = node->args[0];
	s->node = node;
	s->scope = inner;
	s->set = ((struct store_scope *)conf_of(inner, &store_module))->set;
	if ((err = parse_endpoint(c, node, s)))
		return err;
	for (link = &main_scope(c)->first; *link; link = &(*link)->next)
		;
	*link = s;
	return 0;
}

int
store_check(struct conf *c, struct store *s)
{
	struct creds *creds = calloc(1, sizeof(*creds));
	char why[256] = "out of memory";
	int err = creds ? creds_load(&s->set.source, creds, why, sizeof(why)) : ERR_NOMEM;

	if (err)
		conf_error(
		    c, s->node, "store \"%.*s\" has no credentials: %s", STR_ARG(s->name), why);
	if (creds)
		creds_wipe(creds);
	free(creds);
	return err;
}

/* ---- rows */

static const struct conf_word style_words[] = { { "path", STORE_STYLE_PATH },
	{ "host", STORE_STYLE_HOST }, { NULL, 0 } };
static const struct conf_bounds timeout_bounds = { 10 * NS_PER_MS, 3600 * NS_PER_S };

#define FIELD(name) offsetof(struct store_scope, set.name)

static const struct conf_row rows[] = {
	{ "store", CONF_HTTP, 1, 1, CONF_BLOCK | CONF_REPEAT | CONF_RELOAD, set_store, 0, NULL,
	    "name", "an S3-compatible store", NULL },
	{ "endpoint", CONF_STORE, 1, 1, CONF_RELOAD, conf_set_str, FIELD(endpoint), NULL, "URL",
	    "http or https, host and port; without it AWS in the region", NULL },
	{ "region", CONF_STORE, 1, 1, CONF_RELOAD, set_region, FIELD(region), "ap-northeast-1",
	    "name", "the region requests are signed for", NULL },
	{ "credentials", CONF_STORE, 1, 3, CONF_RELOAD, set_credentials, 0, "env",
	    "env | file PATH [profile] | keys ID SECRET",
	    "from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, from an AWS "
	    "shared credentials file (read again when the store says a token has expired), or here",
	    NULL },
	{ "bucket_style", CONF_STORE, 1, 1, CONF_RELOAD, conf_set_enum, FIELD(style), NULL,
	    "enum:path|host",
	    "where the bucket's name goes; without it: path if an endpoint is given, else host",
	    style_words },
	{ "ca_file", CONF_STORE, 1, 1, CONF_RELOAD, set_ca_file, 0, NULL, "PATH",
	    "PEM file of the authorities to trust instead of the system's", NULL },
	{ "timeout", CONF_STORE, 1, 1, CONF_RELOAD, conf_set_time, FIELD(timeout), "30s", "time",
	    "the longest wait without progress in one exchange", &timeout_bounds },
	{ 0 },
};

struct conf_module store_module = {
	.name = "store",
	.rows = rows,
	.size = sizeof(struct store_scope),
};

void
store_conf_register(void)
{
	conf_register(&store_module);
}

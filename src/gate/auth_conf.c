/*
 * `auth` and `auth_keys`. Keys files are read here, so that a bad one makes the load fail.
 */
#include "gate/auth_priv.h"

static int set_auth(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_keys(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

struct auth_use {
	struct auth_use *next;
	const struct conf_node *node;
	const struct conf_scope *scope;
};

static const char *const source_names[AUTH_SOURCES] = {
	[AUTH_NONE] = "none",
	[AUTH_USER_TOKEN] = "user_token",
	[AUTH_API_KEY] = "api_key",
	[AUTH_BEARER] = "bearer",
};

static const struct conf_row rows[] = {
	{ .name = "auth",
	    .contexts = CONF_HTTP | CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = AUTH_SOURCES,
	    .flags = CONF_RELOAD,
	    .set = set_auth,
	    .default_ = "none",
	    .unit = "enum:none|user_token|api_key|bearer",
	    .help = "how the user of a request is found, by the first source that has one: the "
		    "USER_TOKEN header's value, or the name of the API key in X-API-Key or "
		    "Authorization: Bearer; with none behind them a request without any may pass" },
	{ .name = "auth_keys",
	    .contexts = CONF_HTTP | CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_RELOAD,
	    .set = set_keys,
	    .unit = "file",
	    .help = "the API keys, made by sluicectl keys; a change takes effect within seconds" },
	{ .name = NULL },
};

struct conf_module auth_module = {
	.name = "auth", .rows = rows, .size = sizeof(struct auth_scope), .finish = finish
};

static struct auth_scope *
of_main(struct conf *c)
{
	return conf_of(conf_main(c), &auth_module);
}

static int
find_source(struct str word)
{
	for (int i = 0; i < AUTH_SOURCES; i++)
		if (str_is(word, source_names[i]))
			return i;
	return ERR_NOT_FOUND;
}

static bool
lists(const struct auth_scope *s, int source)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->sources[i] == source)
			return true;
	return false;
}

/* For finish(): auth_keys may stand behind auth. */
static int
note_use(struct conf *c, const struct conf_node *node, const struct conf_scope *scope)
{
	struct auth_use *use = arena_alloc(conf_arena(c), sizeof(*use));

	if (use == NULL)
		return ERR_NOMEM;
	*use = (struct auth_use){ of_main(c)->uses, node, scope };
	of_main(c)->uses = use;
	return 0;
}

static int
set_auth(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct auth_scope *s = into;

	s->n = 0;
	for (unsigned i = 0; i < node->n_args; i++) {
		int source = find_source(node->args[i]);

		if (source < 0) {
			conf_error(c, node,
			    "invalid value \"%.*s\" in \"auth\" directive, it must be one of: "
			    "none, user_token, api_key, bearer",
			    STR_ARG(node->args[i]));
			return ERR_CONFIG;
		}
		if (lists(s, source) || (source == AUTH_NONE && i + 1 < node->n_args)) {
			conf_error(c, node, "auth: \"%.*s\" %s", STR_ARG(node->args[i]),
			    source == AUTH_NONE ? "stands last, or alone" : "is there twice");
			return ERR_CONFIG;
		}
		s->sources[s->n++] = (uint8_t)source;
	}
	if (s->sources[0] == AUTH_NONE)
		s->n = 0;
	return lists(s, AUTH_API_KEY) || lists(s, AUTH_BEARER) ? note_use(c, node, scope) : 0;
}

static void
free_file(void *arg)
{
	struct auth_file *file = arg;

	keys_free(file->keys);
	file->keys = NULL;
}

/* The errors of the file, one a line, as errors of the configuration. */
static void
pass_on(struct conf *c, const struct conf_node *node, const struct buf *errors)
{
	struct str rest = buf_str(errors);

	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');

		if (line.n > 0)
			conf_error(c, node, "auth_keys: %.*s", STR_ARG(line));
	}
}

static int
read_file(struct conf *c, const struct conf_node *node, struct auth_file *file)
{
	struct buf errors;
	int err;

	buf_init(&errors, 0);
	file->stamp = auth_stamp(file->path);
	err = keys_load(file->path, &file->keys, &errors);
	if (err != 0 && errors.n > 0)
		pass_on(c, node, &errors);
	else if (err != 0)
		conf_error(c, node, "auth_keys: %s", err_text(err));
	buf_fini(&errors);
	return err ? ERR_CONFIG : conf_on_free(c, free_file, file);
}

static int
set_keys(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct auth_scope *s = into, *main = of_main(c);

	(void)scope;
	for (s->file = main->files; s->file != NULL; s->file = s->file->next)
		if (str_is(node->args[0], s->file->path))
			return 0;
	s->file = arena_alloc(conf_arena(c), sizeof(*s->file));
	if (s->file == NULL || (s->file->path = arena_strz(conf_arena(c), node->args[0])) == NULL)
		return ERR_NOMEM;
	s->file->next = main->files;
	main->files = s->file;
	return read_file(c, node, s->file);
}

static int
finish(struct conf *c)
{
	int err = 0;

	for (const struct auth_use *use = of_main(c)->uses; use != NULL; use = use->next)
		if (!auth_has_keys(use->scope)) {
			conf_error(c, use->node,
			    "auth asks for keys, and no auth_keys is here or in a block around it");
			err = ERR_CONFIG;
		}
	return err;
}

void
auth_leave_to_handler(const struct conf_scope *scope)
{
	struct auth_scope *s = conf_of(scope, &auth_module);

	s->by_handler = scope;
}

bool
auth_has_keys(const struct conf_scope *scope)
{
	const struct auth_scope *s = conf_of(scope, &auth_module);

	return s->file != NULL;
}

/*
 * The `ingest` directive.
 */
#include "http/conf.h"
#include "ingest/ingest_priv.h"

#define BODY_DEFAULT (64u * 1024 * 1024) /* client_max_body_size, where none is set */

static int set_ingest(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

static const struct conf_row rows[] = {
	{ .name = "ingest",
	    .contexts = CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 3,
	    .flags = CONF_RELOAD | CONF_QUOTED_VALUES,
	    .set = set_ingest,
	    .unit = "STREAM [status=204] [body=JSON]",
	    .help = "bodies of PUT and POST go into the stream; answered once they are on disk, "
		    "with this "
		    "JSON, in which variables keep to their place; $record_id is the record's id, "
		    "$json_NAME the member NAME of a body of up to 64k" },
	{ .name = NULL },
};

/* Kept in the main scope: the lines of one configuration, to be resolved at its end. */
struct ingest_line {
	struct ingest_line *next;
	struct ingest_conf conf;
};

struct ingest_main {
	struct ingest_line **lines;     /* one list, shared by all scopes copied from main */
	const struct ingest_conf *here; /* of this location, or of one around it */
};

struct conf_module ingest_module = {
	.name = "ingest", .rows = rows, .size = sizeof(struct ingest_main), .finish = finish
};

void
ingest_conf_register(void)
{
	conf_register(&ingest_module);
	ingest_metrics_register();
	ingest_reply_register();
}

const struct ingest_conf *
ingest_of(const struct http_location *l)
{
	const struct conf_scope *scope = l ? http_location_conf(l) : NULL;
	const struct ingest_main *here = scope ? conf_of(scope, &ingest_module) : NULL;

	return here && here->here && here->here->scope == scope ? here->here : NULL;
}

static int
set_option(struct conf *c, const struct conf_node *node, unsigned i, struct ingest_conf *conf)
{
	struct str value;

	if (conf_arg_kv(node, i, "body", &value))
		return value.n > 0 ? ingest_answer_compile(c, node, value, &conf->answer) : 0;
	if (conf_arg_kv(node, i, "status", &value) && str_to_u64(value, &conf->status) == 0 &&
	    conf->status >= 200 && conf->status < 300)
		return 0;
	conf_error(c, node,
	    "invalid parameter \"%.*s\": status=200..299 and body=TEMPLATE are allowed",
	    STR_ARG(node->args[i]));
	return ERR_CONFIG;
}

static int
set_ingest(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct ingest_line *line = arena_alloc(conf_arena(c), sizeof(*line));
	struct ingest_main *all = conf_of(conf_main(c), &ingest_module), *here = into;

	if (all->lines == NULL)
		all->lines = arena_alloc(conf_arena(c), sizeof(*all->lines));
	if (line == NULL || all->lines == NULL)
		return ERR_NOMEM;
	line->conf = (struct ingest_conf){
		.stream_name = node->args[0], .node = node, .scope = scope, .status = 204
	};
	here->here = &line->conf;
	for (unsigned i = 1; i < node->n_args; i++)
		if (set_option(c, node, i, &line->conf) != 0)
			return ERR_CONFIG;
	line->next = *all->lines;
	*all->lines = line;
	http_default_body_size(scope, BODY_DEFAULT);
	return http_set_handler(c, node, scope, ingest_handle, &line->conf, "PUT POST");
}

static int
finish(struct conf *c)
{
	struct ingest_main *all = conf_of(conf_main(c), &ingest_module);
	int err = 0;

	for (struct ingest_line *line = all->lines ? *all->lines : NULL; line; line = line->next) {
		line->conf.stream = stream_find(c, line->conf.stream_name);
		if (line->conf.stream != NULL)
			continue;
		conf_error(c, line->conf.node,
		    "unknown stream \"%.*s\": declare it with \"stream %.*s { sink …; }\"",
		    STR_ARG(line->conf.stream_name), STR_ARG(line->conf.stream_name));
		err = ERR_CONFIG;
	}
	return err;
}

/*
 * The ingest service's flat config.yml as the tree of an equivalent native configuration:
 *
 *	state_dir CACHE_DIR;
 *	http {
 *		store default { region …; credentials keys ID SECRET;
 *			[endpoint …; bucket_style path;] }
 *		stream usage { sink s3 default bucket=…; bundle_interval …; }   likewise error
 *		stream specimen { mode object; sink s3 default bucket=…; }
 *		server { listen PORT; location = /usage { auth user_token; ingest usage; } … }
 *	}
 *
 * Each key may come from the environment instead, as LIGHTFILE6_ and the key in capitals with "_"
 * for "."; the environment wins. Nodes carry the line of the key they come from, so that later
 * errors point into the user's file.
 */
#include <stdlib.h>

#include "conf/conf_priv.h"

enum key {
	CACHE_DIR,
	AWS_REGION,
	AWS_KEY_ID,
	AWS_SECRET,
	AWS_ENDPOINT,
	USAGE_BUCKET,
	USAGE_PREFIX,
	ERROR_BUCKET,
	ERROR_PREFIX,
	SPECIMEN_BUCKET,
	SPECIMEN_PREFIX,
	USAGE_INTERVAL,
	ERROR_INTERVAL,
	N_KEYS
};

static const struct {
	const char *section; /* NULL: top level */
	const char *name;
	const char *env;
	const char *default_; /* NULL: none */
	const char *required; /* what a message calls it; NULL: optional */
} keys[N_KEYS] = {
	[CACHE_DIR] = { NULL, "cache_dir", "LIGHTFILE6_CACHE_DIR",
	    "/var/lib/lightfile6-insights-gateway", NULL },
	[AWS_REGION] = { "aws", "region", "LIGHTFILE6_AWS_REGION", "ap-northeast-1", NULL },
	[AWS_KEY_ID] = { "aws", "access_key_id", "LIGHTFILE6_AWS_ACCESS_KEY_ID", NULL,
	    "AWS access key id" },
	[AWS_SECRET] = { "aws", "secret_access_key", "LIGHTFILE6_AWS_SECRET_ACCESS_KEY", NULL,
	    "AWS secret access key" },
	[AWS_ENDPOINT] = { "aws", "endpoint", "LIGHTFILE6_AWS_ENDPOINT", NULL, NULL },
	[USAGE_BUCKET] = { "s3", "usage_bucket", "LIGHTFILE6_S3_USAGE_BUCKET", NULL,
	    "usage bucket" },
	[USAGE_PREFIX] = { "s3", "usage_prefix", "LIGHTFILE6_S3_USAGE_PREFIX", NULL, NULL },
	[ERROR_BUCKET] = { "s3", "error_bucket", "LIGHTFILE6_S3_ERROR_BUCKET", NULL,
	    "error bucket" },
	[ERROR_PREFIX] = { "s3", "error_prefix", "LIGHTFILE6_S3_ERROR_PREFIX", NULL, NULL },
	[SPECIMEN_BUCKET] = { "s3", "specimen_bucket", "LIGHTFILE6_S3_SPECIMEN_BUCKET", NULL,
	    "specimen bucket" },
	[SPECIMEN_PREFIX] = { "s3", "specimen_prefix", "LIGHTFILE6_S3_SPECIMEN_PREFIX", NULL,
	    NULL },
	[USAGE_INTERVAL] = { "aggregation", "usage_interval",
	    "LIGHTFILE6_AGGREGATION_USAGE_INTERVAL", "10m", NULL },
	[ERROR_INTERVAL] = { "aggregation", "error_interval",
	    "LIGHTFILE6_AGGREGATION_ERROR_INTERVAL", "10m", NULL },
};

struct value {
	struct str text;  /* n 0: not given */
	const char *file; /* or the environment variable's name */
	unsigned line;    /* 0: not from the file */
};

struct yml {
	struct conf *c;
	const char *file;
	struct value of[N_KEYS];
	unsigned seen[N_KEYS];   /* line; 0: not yet */
	struct conf_node *where; /* what nodes are marked with that come from no key */
};

/* Reading. */

static int
find_key(struct str section, struct str name)
{
	for (int k = 0; k < N_KEYS; k++)
		if (str_ieq(section, str_of(keys[k].section)) &&
		    str_ieq(name, str_of(keys[k].name)))
			return k;
	return -1;
}

static bool
is_section(struct str name)
{
	for (int k = 0; k < N_KEYS; k++)
		if (keys[k].section && str_ieq(name, str_of(keys[k].section)))
			return true;
	return false;
}

static int
take_pair(struct yml *y, struct str section, const struct conf_yml_line *line)
{
	struct conf_node at = { .file = y->file, .line = line->line };
	int k = find_key(section, line->key);

	if (k < 0) {
		conf_warn(y->c, &at, "unknown key \"%.*s%s%.*s\" has no effect", STR_ARG(section),
		    section.n ? "." : "", STR_ARG(line->key));
		return 0;
	}
	if (y->seen[k]) {
		conf_error(y->c, &at, "key \"%s\" is duplicate, the first is in line %u",
		    keys[k].name, y->seen[k]);
		return ERR_CONFIG;
	}
	y->seen[k] = line->line;
	y->of[k] = (struct value){ line->value, y->file, line->line };
	return 0;
}

static int
read_lines(struct yml *y, struct str text)
{
	struct conf_yml_scan scan = { .c = y->c, .file = y->file, .rest = text };
	struct str section = STR("");
	struct conf_yml_line line;
	int got, err = 0;

	while ((got = conf_yml_next(&scan, &line)) > 0) {
		if (!line.nested && line.section && is_section(line.key)) {
			section = line.key;
			continue;
		}
		if (!line.nested)
			section = STR("");
		if (!line.nested && line.section && find_key(section, line.key) < 0)
			section = line.key; /* an unknown section: each of its keys is warned of */
		else if (take_pair(y, section, &line))
			err = ERR_CONFIG;
	}
	return got < 0 ? got : err;
}

static void
read_environment(struct yml *y)
{
	for (int k = 0; k < N_KEYS; k++) {
		const char *text = getenv(keys[k].env);

		if (text && text[0])
			y->of[k] =
			    (struct value){ arena_str(&y->c->arena, str_of(text)), keys[k].env, 0 };
	}
}

static int
check_required(struct yml *y)
{
	int err = 0;

	for (int k = 0; k < N_KEYS; k++) {
		if (y->of[k].text.n)
			continue;
		y->of[k] = (struct value){ str_of(keys[k].default_), y->file, MAX(y->seen[k], 1u) };
		if (!keys[k].required)
			continue;
		conf_error_at(y->c, y->file, MAX(y->seen[k], 1u),
		    "%s is required: set %s.%s, or %s in the environment", keys[k].required,
		    keys[k].section, keys[k].name, keys[k].env);
		err = ERR_CONFIG;
	}
	if (y->c->port == 0) {
		conf_error_at(y->c, y->file, 1, "Port number is required (-p)");
		err = ERR_CONFIG;
	}
	return err;
}

/* Building. A failed allocation sticks in the arena, so only parents are looked at. */

/* Marks a node with where its key stands. */
static void
mark(struct conf_node *node, const struct value *from)
{
	if (!node)
		return;
	node->file = from->file;
	node->line = from->line;
}

static struct conf_node *
add_block(struct yml *y, struct conf_node *parent, const char *name, const char *arg)
{
	struct conf_node *node = conf_node_add(y->c, parent, name, arg ? 1 : 0, arg);

	if (!node)
		return NULL;
	node->block = true;
	node->file = y->file;
	node->line = 1;
	return node;
}

static void
add_value(struct yml *y, struct conf_node *parent, const char *name, enum key k)
{
	if (y->of[k].text.n)
		mark(conf_node_add(y->c, parent, name, 1, y->of[k].text.p), &y->of[k]);
}

static void
add_store(struct yml *y, struct conf_node *http)
{
	struct conf_node *store = add_block(y, http, "store", "default");

	if (!store)
		return;
	add_value(y, store, "endpoint", AWS_ENDPOINT);
	add_value(y, store, "region", AWS_REGION);
	mark(conf_node_add(y->c, store, "credentials", 3, "keys", y->of[AWS_KEY_ID].text.p,
		 y->of[AWS_SECRET].text.p),
	    &y->of[AWS_KEY_ID]);
	if (y->of[AWS_ENDPOINT].text.n)
		mark(conf_node_add(y->c, store, "bucket_style", 1, "path"), &y->of[AWS_ENDPOINT]);
}

static void
add_sink(struct yml *y, struct conf_node *stream, enum key bucket, enum key prefix)
{
	struct arena *a = &y->c->arena;
	const char *b = arena_printf(a, "bucket=%s", y->of[bucket].text.p);
	const char *p =
	    arena_printf(a, "prefix=%s", y->of[prefix].text.n ? y->of[prefix].text.p : "");
	unsigned n = y->of[prefix].text.n ? 4 : 3;

	if (b && p)
		mark(conf_node_add(y->c, stream, "sink", n, "s3", "default", b, p), &y->of[bucket]);
}

static void
add_interval(struct yml *y, struct conf_node *stream, enum key k)
{
	struct value *v = &y->of[k];
	char text[CONF_UNIT_LEN];
	int64_t ns;

	if (conf_parse_go_duration(v->text, &ns) || ns < 1000000) {
		conf_error_at(y->c, v->file, v->line,
		    "invalid value \"%.*s\" of aggregation.%s, allowed: a duration such as 10m, "
		    "1h30m, 500ms",
		    STR_ARG(v->text), keys[k].name);
		return;
	}
	conf_format_time(ns, text);
	mark(conf_node_add(y->c, stream, "bundle_interval", 1, text), v);
}

static void
add_streams(struct yml *y, struct conf_node *http)
{
	struct conf_node *usage = add_block(y, http, "stream", "usage");
	struct conf_node *error = add_block(y, http, "stream", "error");
	struct conf_node *specimen = add_block(y, http, "stream", "specimen");

	if (!usage || !error || !specimen)
		return;
	add_sink(y, usage, USAGE_BUCKET, USAGE_PREFIX);
	add_interval(y, usage, USAGE_INTERVAL);
	add_sink(y, error, ERROR_BUCKET, ERROR_PREFIX);
	add_interval(y, error, ERROR_INTERVAL);
	conf_node_add(y->c, specimen, "mode", 1, "object");
	add_sink(y, specimen, SPECIMEN_BUCKET, SPECIMEN_PREFIX);
}

static void
add_location(struct yml *y, struct conf_node *server, const char *path, const char *stream)
{
	struct conf_node *location = conf_node_add(y->c, server, "location", 2, "=", path);

	if (!location)
		return;
	location->block = true;
	if (!stream) {
		conf_node_add(y->c, location, "health", 0);
		return;
	}
	conf_node_add(y->c, location, "auth", 1, "user_token");
	conf_node_add(y->c, location, "ingest", 1, stream);
}

static void
add_server(struct yml *y, struct conf_node *http)
{
	const char *port = arena_printf(&y->c->arena, "%u", y->c->port);
	struct conf_node *server = port ? add_block(y, http, "server", NULL) : NULL;

	if (!server)
		return;
	conf_node_add(y->c, server, "listen", 1, port);
	add_location(y, server, "/usage", "usage");
	add_location(y, server, "/error", "error");
	add_location(y, server, "/specimen", "specimen");
	add_location(y, server, "/health", NULL);
}

int
conf_parse_yml(struct conf *c, const char *name, struct str text)
{
	struct yml y = { .c = c, .file = name };
	struct conf_node *http;
	int err;

	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	err = read_lines(&y, text);
	read_environment(&y);
	if (err || check_required(&y))
		return ERR_CONFIG;
	add_value(&y, NULL, "state_dir", CACHE_DIR);
	http = add_block(&y, NULL, "http", NULL);
	if (http) {
		add_store(&y, http);
		add_streams(&y, http);
		add_server(&y, http);
	}
	return conf_errors(c) ? ERR_CONFIG : 0;
}

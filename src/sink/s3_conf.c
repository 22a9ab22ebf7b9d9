/*
 * The line `sink s3 STORE bucket=B [prefix=P];`. Called by stream.c through s3_ops.
 */
#include "sink/s3_priv.h"

enum { PREFIX_MAX = 512, BUCKET_MAX = 255 };

static bool
is_bucket(struct str s)
{
	bool good = s.n > 0 && s.n <= BUCKET_MAX && s.p[0] != '.';

	for (size_t i = 0; i < s.n; i++)
		good = good && s.p[i] != '\0' &&
		       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_",
			   s.p[i]);
	return good;
}

static bool
is_prefix(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n <= PREFIX_MAX;
}

static int
parse_arguments(
    struct conf *c, const struct conf_node *node, struct s3_conf *s3, struct str *prefix)
{
	static const char form[] = "sink s3 STORE bucket=B [prefix=P];";

	if (node->n_args < 2 || node->args[1].n == 0) {
		conf_error(c, node, "\"sink s3\" names no store: %s", form);
		return ERR_CONFIG;
	}
	s3->store_name = node->args[1];
	for (unsigned i = 2; i < node->n_args; i++) {
		if (conf_arg_kv(node, i, "bucket", &s3->bucket) ||
		    conf_arg_kv(node, i, "prefix", prefix))
			continue;
		conf_error(c, node, "invalid argument \"%.*s\" of \"sink s3\", allowed: %s",
		    STR_ARG(node->args[i]), form);
		return ERR_CONFIG;
	}
	if (s3->bucket.n == 0) {
		conf_error(c, node, "\"sink s3\" has no bucket: %s", form);
		return ERR_CONFIG;
	}
	if (!is_bucket(s3->bucket)) {
		conf_error(c, node, "invalid bucket name \"%.*s\"", STR_ARG(s3->bucket));
		return ERR_CONFIG;
	}
	if (!is_prefix(*prefix)) {
		conf_error(c, node,
		    "invalid prefix, allowed: at most %d bytes, no control characters", PREFIX_MAX);
		return ERR_CONFIG;
	}
	return 0;
}

int
s3_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out)
{
	struct s3_conf *s3 = arena_alloc(conf_arena(c), sizeof(*s3));
	int err;

	if (!s3)
		return ERR_NOMEM;
	if ((err = parse_arguments(c, node, s3, &out->prefix)))
		return err;
	out->arg = s3;
	out->destination = str_of(arena_printf(
	    conf_arena(c), "s3:%.*s/%.*s", STR_ARG(s3->store_name), STR_ARG(s3->bucket)));
	return out->destination.p ? 0 : ERR_NOMEM;
}

int
s3_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf)
{
	struct s3_conf *s3 = conf->arg;

	s3->store = store_find(c, s3->store_name);
	if (!s3->store) {
		conf_error(c, node, "unknown store \"%.*s\", it needs a block: store %.*s { … }",
		    STR_ARG(s3->store_name), STR_ARG(s3->store_name));
		return ERR_CONFIG;
	}
	return store_check(c, s3->store);
}

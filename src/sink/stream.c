/*
 * The `stream` block: its directive rows, and what must hold once the whole configuration is
 * read. A stream's fields are set in the struct of its own scope, then copied to the list that
 * hangs in the main scope.
 */
#include "sink/stream.h"

#include <limits.h>
#include <stdlib.h>

#include "base/expr.h"
#include "http/conf.h"
#include "s3/store.h"
#include "sink/classify.h"
#include "sink/retry_conf.h"

#define MESSAGE_RETRIES 3 /* unless the configuration says how many */

struct stream_scope {
	struct stream_conf *first; /* of the main scope only: all streams in order */
	struct stream_conf s;      /* of a stream's scope: being filled */
	bool has_mode, has_retry_max;
};

static struct stream_scope *
main_scope(struct conf *c)
{
	return conf_of(conf_main(c), &stream_module);
}

struct stream_conf *
stream_first(struct conf *c)
{
	return main_scope(c)->first;
}

struct stream_conf *
stream_find(struct conf *c, struct str name)
{
	struct stream_conf *s = stream_first(c);

	while (s && !str_eq(s->name, name))
		s = s->next;
	return s;
}

/* ---- names */

/* Folders and files of the state folder that are the server's own, or a stream's inside. */
static const char *const reserved[] = { "admin", "aggregation", "cache", "dlq", "lock", "pid",
	"shipper", "tmp", "uploading", "zone" };

static int
check_name(struct conf *c, const struct conf_node *node, struct str name)
{
	bool good = name.n > 0 && name.n <= STREAM_NAME_MAX;

	for (size_t i = 0; i < name.n; i++)
		good = good && name.p[i] != '\0' &&
		       strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", name.p[i]);
	if (!good) {
		conf_error(c, node,
		    "invalid stream name \"%.*s\", allowed: 1 to %d of a-z, 0-9, \"_\", \"-\"",
		    STR_ARG(name), STREAM_NAME_MAX);
		return ERR_CONFIG;
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (str_is(name, reserved[i])) {
			conf_error(c, node,
			    "stream name \"%.*s\" is reserved for the server's own files",
			    STR_ARG(name));
			return ERR_CONFIG;
		}
	if (stream_find(c, name)) {
		conf_error(c, node, "stream \"%.*s\" is duplicate", STR_ARG(name));
		return ERR_CONFIG;
	}
	return 0;
}

/* ---- setters */

/* What is not said goes by the kind of the sink. */
static void
follow_sink(struct stream_scope *ss)
{
	bool messages = ss->s.sink && ss->s.sink->ops->send;

	if (!ss->has_mode)
		ss->s.mode = messages ? STREAM_MESSAGE : STREAM_BUNDLE;
	if (!ss->has_retry_max)
		ss->s.retry.max = messages ? MESSAGE_RETRIES : UINT64_MAX;
}

static int
set_stream(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_conf *s = arena_alloc(conf_arena(c), sizeof(*s)), **link;
	struct conf_scope *inner;
	struct stream_scope *ss;
	unsigned index = 0;
	int err;

	(void)into;
	if (!s)
		return ERR_NOMEM;
	if ((err = check_name(c, node, node->args[0])))
		return err;
	if ((err = conf_apply_block(c, node, scope, CONF_STREAM, &inner)))
		return err;
	ss = conf_of(inner, &stream_module);
	follow_sink(ss);
	*s = ss->s;
	for (link = &main_scope(c)->first; *link; link = &(*link)->next)
		index++;
	s->name = node->args[0];
	s->index = index;
	s->node = node;
	*link = s;
	return 0;
}

static int
set_sink(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_scope *ss = into;
	struct sink_conf *sink = arena_alloc(conf_arena(c), sizeof(*sink));
	struct str kind = node->args[0];

	if (!sink)
		return ERR_NOMEM;
	*sink = (struct sink_conf){ .ops = sink_find_kind(kind), .scope = scope };
	if (!sink->ops) {
		conf_error(c, node, "unknown kind of sink \"%.*s\", allowed: s3, dir, http, smtp",
		    STR_ARG(kind));
		return ERR_CONFIG;
	}
	ss->s.sink = sink;
	ss->s.sink_node = node;
	return sink->ops->parse(c, node, sink);
}

static int
set_mode(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_scope *ss = into;

	ss->has_mode = true;
	return conf_set_enum(c, node, scope, into);
}

static void
release_expr(void *arg)
{
	expr_free(arg);
}

static int
set_match(struct conf *c, const struct conf_node *node, struct str pattern, struct stream_conf *s)
{
	const char *why;

	if (http_check_pattern(c, node, pattern) != 0)
		return ERR_CONFIG;
	if (expr_new(pattern, false, &s->match, &why) != 0) {
		conf_error(c, node, "validate: bad expression \"%.*s\": %s", STR_ARG(pattern), why);
		return ERR_CONFIG;
	}
	return conf_on_free(c, release_expr, s->match);
}

static int
bad_validate(struct conf *c, const struct conf_node *node)
{
	conf_error(c, node, "invalid \"validate\", allowed: none, json, match ERE, json match ERE");
	return ERR_CONFIG;
}

/* none | json | match ERE | json match ERE */
static int
set_validate(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_conf *s = &((struct stream_scope *)into)->s;
	unsigned i = 0;

	(void)scope;
	s->validate = VALIDATE_NONE;
	s->match = NULL;
	if (str_is(node->args[i], "none"))
		return node->n_args == 1 ? 0 : bad_validate(c, node);
	if (str_is(node->args[i], "json")) {
		s->validate = VALIDATE_JSON;
		if (node->n_args == ++i)
			return 0;
	}
	if (node->n_args != i + 2 || !str_is(node->args[i], "match"))
		return bad_validate(c, node);
	return set_match(c, node, node->args[i + 1], s);
}

static int
set_order_by(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_scope *ss = into;

	(void)scope;
	if (order_parse(c, node->args[0], &ss->s.order_by))
		return 0;
	conf_error(c, node,
	    "invalid order_by \"%.*s\", allowed: none, all, user, json:NAME or json:NAME.NAME "
	    "(at most %d names)",
	    STR_ARG(node->args[0]), ORDER_DEPTH);
	return ERR_CONFIG;
}

static int
set_gzip_level(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_scope *ss = into;
	struct str level = node->args[0];

	(void)scope;
	if (str_is(level, "auto")) {
		ss->s.gzip_level = 0;
		return 0;
	}
	if (level.n != 1 || level.p[0] < '1' || level.p[0] > '9') {
		conf_error(
		    c, node, "invalid gzip_level \"%.*s\", allowed: auto, 1 to 9", STR_ARG(level));
		return ERR_CONFIG;
	}
	ss->s.gzip_level = level.p[0] - '0';
	return 0;
}

static int
set_retry(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_scope *ss = into;

	(void)scope;
	return retry_parse(c, node, &ss->s.retry, &ss->has_retry_max);
}

static int
set_breaker(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct stream_conf *s = &((struct stream_scope *)into)->s;

	(void)scope;
	return breaker_parse(c, node, &s->breaker_failures, &s->breaker_open);
}

/* ---- what must hold in the end */

static const char *
mode_name(const struct stream_conf *s)
{
	return s->mode == STREAM_OBJECT ? "objects" : "bundles";
}

/* Two streams whose bundles or objects nobody could tell apart. Messages name their stream. */
static void
warn_shared(struct conf *c, const struct stream_conf *s)
{
	for (const struct stream_conf *o = stream_first(c); o != s; o = o->next) {
		if (!o->sink || o->mode != s->mode || s->mode == STREAM_MESSAGE ||
		    !str_eq(o->sink->prefix, s->sink->prefix) ||
		    !str_eq(o->sink->destination, s->sink->destination))
			continue;
		conf_warn(c, s->sink_node,
		    "%s of stream \"%.*s\" go to the same place as those of \"%.*s\"", mode_name(s),
		    STR_ARG(s->name), STR_ARG(o->name));
	}
}

static const struct conf_node *
find_in(const struct conf_node *block, const char *name)
{
	const struct conf_node *node = block->children;

	while (node && !str_is(node->name, name))
		node = node->next;
	return node;
}

/* A sink takes either records or files; what only single records have does not stand where there are none. */
static int
check_mode(struct conf *c, const struct stream_conf *s)
{
	static const char *const only[] = { "order_by", "max_age", "max_messages", "delivery_log" };
	bool messages = s->sink->ops->send != NULL;

	if (messages != (s->mode == STREAM_MESSAGE)) {
		conf_error(c, s->node, "\"sink %s\" of stream \"%.*s\" has %s", s->sink->ops->kind,
		    STR_ARG(s->name),
		    messages ? "\"mode message\" only"
			     : "no \"mode message\", allowed: bundle, object");
		return ERR_CONFIG;
	}
	for (size_t i = 0; i < ARRAY_LEN(only) && !messages; i++) {
		const struct conf_node *node = find_in(s->node, only[i]);

		if (!node)
			continue;
		conf_error(c, node,
		    "\"%s\" is for \"mode message\": bundles and objects are kept until they are "
		    "delivered",
		    only[i]);
		return ERR_CONFIG;
	}
	return 0;
}

static int
finish_stream(struct conf *c, struct stream_conf *s)
{
	int err;

	if (!s->sink) {
		conf_error(c, s->node,
		    "stream \"%.*s\" has no sink: sink s3 STORE bucket=B [prefix=P]; or "
		    "sink dir PATH;",
		    STR_ARG(s->name));
		return ERR_CONFIG;
	}
	if ((err = s->sink->ops->check(c, s->sink_node, s->sink)))
		return err;
	if ((err = check_mode(c, s)))
		return err;
	if (!s->sink->ops->send && classify_rules(s->sink->scope)) {
		conf_error(c, s->node,
		    "\"classify\" of stream \"%.*s\" needs a sink of messages: http or smtp",
		    STR_ARG(s->name));
		return ERR_CONFIG;
	}
	if (s->match && s->mode == STREAM_OBJECT) {
		conf_error(c, find_in(s->node, "validate"),
		    "\"validate match\" is for records of up to 64k, not for \"mode object\"");
		return ERR_CONFIG;
	}
	warn_shared(c, s);
	return 0;
}

static int
finish(struct conf *c)
{
	int err = 0;

	for (struct stream_conf *s = stream_first(c); s; s = s->next)
		if (finish_stream(c, s))
			err = ERR_CONFIG;
	return err;
}

/* ---- rows */

static const struct conf_word mode_words[] = { { "bundle", STREAM_BUNDLE },
	{ "object", STREAM_OBJECT }, { "message", STREAM_MESSAGE }, { NULL, 0 } };
static const struct conf_bounds interval_bounds = { NS_PER_MS, 24 * 3600 * NS_PER_S };
static const struct conf_bounds bundle_bounds = { 1024, UINT64_C(4) << 30 };
static const struct conf_bounds spool_bounds = { 1024 * 1024, UINT64_MAX };
static const struct conf_bounds concurrency_bounds = { 1, 256 };
static const struct conf_bounds age_bounds = { NS_PER_S, 3650 * 24 * 3600 * NS_PER_S };
static const struct conf_bounds messages_bounds = { 1, UINT64_MAX };
static const struct conf_bounds log_bounds = { 256 * 1024, UINT64_C(1) << 40 };
static const struct conf_bounds timeout_bounds = { NS_PER_MS, 24 * 3600 * NS_PER_S };

#define FIELD(name) offsetof(struct stream_scope, s.name)

static const struct conf_row rows[] = {
	{ "stream", CONF_HTTP, 1, 1, CONF_BLOCK | CONF_REPEAT | CONF_RELOAD, set_stream, 0, NULL,
	    "name", "a durable stream: what is taken in waits on disk until its sink has it",
	    NULL },
	{ "sink", CONF_STREAM, 1, UINT_MAX, CONF_RELOAD | CONF_QUOTED_VALUES, set_sink, 0, NULL,
	    "s3 STORE bucket=B [prefix=P] | dir PATH | http URL [method=as_received|METHOD] "
	    "[user_header=NAME] [header=\"NAME: VALUE\"] [ca_file=PATH] [keepalive_timeout=60s] | "
	    "smtp URL from=ADDRESS to=ADDRESS subject=TEXT [body=$body] [starttls=on|off|required] "
	    "[user=NAME] [password_file=PATH] [insecure_auth=off] [ca_file=PATH] [helo=NAME] "
	    "[max_recipients=10] [max_size=10m] [timeout=30s] [keepalive_timeout=10s]",
	    "where the stream goes: a store, a folder, a service that gets each record as the "
	    "request it came in, or a mail server that gets each as a mail",
	    NULL },
	{ "mode", CONF_STREAM, 1, 1, CONF_RELOAD, set_mode, FIELD(mode), NULL,
	    "enum:bundle|object|message",
	    "many records in one gzip file (default of s3 and dir), one object a request, or one "
	    "delivery a record (http, smtp)",
	    mode_words },
	{ "bundle_interval", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_time, FIELD(bundle_interval),
	    "10m", "time", "how long a record waits at most for its bundle to be closed",
	    &interval_bounds },
	{ "bundle_size", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_size, FIELD(bundle_size), "64m",
	    "size", "a bundle is closed early beyond this, before it is packed", &bundle_bounds },
	{ "gzip_level", CONF_STREAM, 1, 1, CONF_RELOAD, set_gzip_level, FIELD(gzip_level), "auto",
	    "auto|1-9", "auto: 6 at leisure, down to 1 as the backlog ages", NULL },
	{ "verify", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_flag, FIELD(verify), "off", "flag",
	    "ask the store with HEAD for each object before its source is deleted", NULL },
	{ "validate", CONF_STREAM, 1, 3, CONF_RELOAD, set_validate, 0, "none",
	    "none|json|match ERE|json match ERE",
	    "what is accepted: any bytes; one JSON text; a body of up to 64k in which this "
	    "expression (POSIX extended) is found, else 400; or both",
	    NULL },
	{ "sync", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_flag, FIELD(sync), "on", "flag",
	    "off: acknowledged once written, not once on disk; a power loss may lose records",
	    NULL },
	{ "spool_size", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_size, FIELD(spool_size), "10g",
	    "size", "how much may wait on disk; beyond it 503", &spool_bounds },
	{ "min_free", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_size, FIELD(min_free), "256m",
	    "size", "space kept free on the file system (at most 5 % of it); below it 503", NULL },
	{ "retry", CONF_STREAM, 1, 5, CONF_RELOAD, set_retry, 0,
	    "initial=1s max_interval=30s multiplier=2 jitter=on",
	    "max=N|unlimited initial=T max_interval=T multiplier=N jitter=on|off",
	    "waits between attempts of one delivery; after max retries (default 3 with \"mode "
	    "message\", else unlimited) it is a dead letter",
	    NULL },
	{ "breaker", CONF_STREAM, 1, 2, CONF_RELOAD, set_breaker, 0, "failures=5 open=10s",
	    "failures=N open=T", "after so many failures in a row nothing is tried for a while",
	    NULL },
	{ "concurrency", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_count, FIELD(concurrency), "4",
	    "count", "deliveries of the stream under way at once", &concurrency_bounds },
	{ "deliver_timeout", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_time, FIELD(deliver_timeout),
	    "30s", "time", "deadline of one attempt", &timeout_bounds },
	{ "order_by", CONF_STREAM, 1, 1, CONF_RELOAD, set_order_by, 0, "none",
	    "none|all|user|json:NAME[.NAME]",
	    "of \"mode message\": records of one user, or with one value of this member of their "
	    "body (up to 64k of it), are delivered one at a time and in order",
	    NULL },
	{ "max_age", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_time, FIELD(max_age), "24h", "time",
	    "of \"mode message\": what is older is not tried again but becomes a dead letter",
	    &age_bounds },
	{ "max_messages", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_count, FIELD(max_messages),
	    "1000000", "count", "of \"mode message\": how many may wait; beyond it 503",
	    &messages_bounds },
	{ "delivery_log", CONF_STREAM, 1, 1, CONF_RELOAD, conf_set_size, FIELD(delivery_log), "64m",
	    "size",
	    "of \"mode message\": how much of the log of attempts is kept; the oldest go first",
	    &log_bounds },
	{ 0 },
};

struct conf_module stream_module = {
	.name = "stream",
	.rows = rows,
	.size = sizeof(struct stream_scope),
	.finish = finish,
};

void
stream_conf_register(void)
{
	store_conf_register();
	classify_conf_register();
	conf_register(&stream_module);
}

/*
 * What the configuration tests share: a small set of modules that uses every kind of row, and helpers
 * that parse a text and compare trees and messages.
 */
#ifndef SLUICE_TEST_CONF_TEST_H
#define SLUICE_TEST_CONF_TEST_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/conf.h"

/* One struct in every scope. */
struct demo {
	bool sync;
	uint64_t size;
	int64_t wait;
	uint64_t count;
	struct str label;
	int mode;
	struct conf_scope *first_server, *first_location; /* set in the scope around them */
	unsigned n_servers;
};

enum { MODE_BUNDLE = 7, MODE_OBJECT = 8 };

extern struct conf_module demo_module;

static int
demo_child(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct demo *d = into;
	bool server = str_is(node->name, "server");
	struct conf_scope **first = server ? &d->first_server : &d->first_location, *made;
	int err = conf_apply_block(c, node, scope, server ? CONF_SERVER : CONF_LOCATION, &made);

	if (!*first)
		*first = made;
	d->n_servers += server;
	return err;
}

static const struct conf_word demo_modes[] = {
	{ "bundle", MODE_BUNDLE },
	{ "object", MODE_OBJECT },
	{ NULL, 0 },
};
static const struct conf_bounds demo_time_bounds = { 1000000000, 3600000000000 };
static const struct conf_bounds demo_size_bounds = { 1024, 1048576 };
static const struct conf_bounds demo_count_bounds = { 1, 9 };

#define DEMO_ALL (CONF_HTTP | CONF_SERVER | CONF_LOCATION)
static const struct conf_row demo_rows[] = {
	{ .name = "events", .contexts = CONF_MAIN, .flags = CONF_BLOCK, .set = conf_set_block },
	{ .name = "worker_connections",
	    .contexts = CONF_EVENTS,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_count,
	    .offset = offsetof(struct demo, count),
	    .extra = &(const struct conf_bounds){ 1, 65536 } },
	{ .name = "state_dir",
	    .contexts = CONF_MAIN,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_str,
	    .offset = offsetof(struct demo, label),
	    .default_ = "/var/lib/demo",
	    .unit = "PATH",
	    .help = "Where all goes." },
	{ .name = "http", .contexts = CONF_MAIN, .flags = CONF_BLOCK, .set = conf_set_block },
	{ .name = "server",
	    .contexts = CONF_HTTP,
	    .flags = CONF_BLOCK | CONF_REPEAT,
	    .set = demo_child },
	{ .name = "location",
	    .contexts = CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 2,
	    .flags = CONF_BLOCK | CONF_REPEAT,
	    .set = demo_child },
	{ .name = "store",
	    .contexts = CONF_HTTP,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_BLOCK | CONF_REPEAT,
	    .set = conf_set_block },
	{ .name = "stream",
	    .contexts = CONF_HTTP,
	    .min_args = 1,
	    .max_args = 1,
	    .flags = CONF_BLOCK | CONF_REPEAT,
	    .set = conf_set_block },
	{ .name = "types", .contexts = DEMO_ALL, .flags = CONF_BLOCK | CONF_FREE_FORM },
	{ .name = "listen",
	    .contexts = CONF_SERVER,
	    .min_args = 1,
	    .max_args = UINT_MAX,
	    .flags = CONF_REPEAT },
	{ .name = "endpoint", .contexts = CONF_STORE, .min_args = 1, .max_args = 1 },
	{ .name = "region", .contexts = CONF_STORE, .min_args = 1, .max_args = 1 },
	{ .name = "credentials", .contexts = CONF_STORE, .min_args = 1, .max_args = 3 },
	{ .name = "bucket_style", .contexts = CONF_STORE, .min_args = 1, .max_args = 1 },
	{ .name = "sink", .contexts = CONF_STREAM, .min_args = 2, .max_args = 4 },
	{ .name = "bundle_interval",
	    .contexts = CONF_STREAM,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_time,
	    .offset = offsetof(struct demo, wait),
	    .default_ = "10m",
	    .flags = CONF_RELOAD },
	{ .name = "auth", .contexts = CONF_LOCATION, .min_args = 1, .max_args = 1 },
	{ .name = "ingest", .contexts = CONF_LOCATION, .min_args = 1, .max_args = 1 },
	{ .name = "health", .contexts = CONF_LOCATION },
	{ .name = "sync",
	    .contexts = DEMO_ALL,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_flag,
	    .offset = offsetof(struct demo, sync),
	    .default_ = "on",
	    .unit = "flag",
	    .help = "Whether to wait.",
	    .flags = CONF_RELOAD },
	{ .name = "size",
	    .contexts = DEMO_ALL,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_size,
	    .offset = offsetof(struct demo, size),
	    .default_ = "64k",
	    .extra = &demo_size_bounds,
	    .unit = "size" },
	{ .name = "wait",
	    .contexts = DEMO_ALL,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_time,
	    .offset = offsetof(struct demo, wait),
	    .default_ = "5s",
	    .extra = &demo_time_bounds,
	    .unit = "time",
	    .flags = CONF_RELOAD },
	{ .name = "count",
	    .contexts = DEMO_ALL,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_count,
	    .offset = offsetof(struct demo, count),
	    .extra = &demo_count_bounds,
	    .unit = "count" },
	{ .name = "label",
	    .contexts = DEMO_ALL,
	    .min_args = 0,
	    .max_args = 1,
	    .set = conf_set_str,
	    .offset = offsetof(struct demo, label) },
	{ .name = "mode",
	    .contexts = DEMO_ALL | CONF_STREAM,
	    .min_args = 1,
	    .max_args = 1,
	    .set = conf_set_enum,
	    .offset = offsetof(struct demo, mode),
	    .default_ = "bundle",
	    .unit = "enum:bundle|object",
	    .extra = demo_modes },
	{ .name = "add_header",
	    .contexts = DEMO_ALL,
	    .min_args = 2,
	    .max_args = 3,
	    .flags = CONF_REPEAT },
	{ .name = NULL },
};

struct conf_module demo_module = {
	.name = "demo",
	.rows = demo_rows,
	.size = sizeof(struct demo),
};

static inline int
demo_setup(void **state)
{
	(void)state;
	conf_register(&demo_module);
	return 0;
}

/* Parses text as FILE "t"; err says whether it must work. */
static inline struct conf *
parsed(const char *text)
{
	struct conf *c = conf_new();

	assert_non_null(c);
	conf_parse_text(c, "t", str_of(text));
	return c;
}

static inline struct conf *
checked(const char *text)
{
	struct conf *c = parsed(text);

	if (!conf_errors(c))
		conf_check(c);
	return c;
}

static inline struct conf *
applied(const char *text)
{
	struct conf *c = checked(text);

	if (conf_errors(c) == 0)
		conf_apply(c);
	return c;
}

#define assert_messages(c, expected)                 \
	do {                                         \
		struct str m_ = conf_messages(c);    \
		char *z_ = strndup(m_.p, m_.n);      \
		assert_string_equal(z_, (expected)); \
		free(z_);                            \
	} while (0)

/* The messages, then the end of c. */
#define assert_says(c, expected)               \
	do {                                   \
		struct conf *c_ = (c);         \
		assert_messages(c_, expected); \
		conf_free(c_);                 \
	} while (0)

/* The whole tree in one line: "name(arg)(arg){…}", quoted arguments in <>. */
static inline void
flatten_nodes(struct buf *out, const struct conf_node *n)
{
	for (; n; n = n->next) {
		buf_put_str(out, n->name);
		for (unsigned i = 0; i < n->n_args; i++) {
			buf_putc(out, n->quoted[i] ? '<' : '(');
			buf_put_str(out, n->args[i]);
			buf_putc(out, n->quoted[i] ? '>' : ')');
			assert_int_equal(n->args[i].p[n->args[i].n], 0);
		}
		if (n->block) {
			buf_putc(out, '{');
			flatten_nodes(out, n->children);
			buf_putc(out, '}');
		} else {
			buf_putc(out, ';');
		}
	}
}

static inline char *
flattened(struct conf *c)
{
	struct buf out;

	buf_init(&out, 0);
	flatten_nodes(&out, conf_tree(c));
	buf_putc(&out, '\0');
	assert_int_equal(out.err, 0);
	return out.p;
}

static inline char *
dumped(struct conf *c)
{
	struct buf out;

	buf_init(&out, 0);
	conf_dump(c, &out);
	buf_putc(&out, '\0');
	assert_int_equal(out.err, 0);
	return out.p;
}

#define assert_tree(c, expected)                     \
	do {                                         \
		char *t_ = flattened(c);             \
		assert_string_equal(t_, (expected)); \
		free(t_);                            \
	} while (0)

#endif

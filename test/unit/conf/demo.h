/*
 * A module that uses every kind of row, for the configuration's tests and its fuzz target.
 */
#ifndef SLUICE_TEST_DEMO_H
#define SLUICE_TEST_DEMO_H

#include <limits.h>

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

#endif

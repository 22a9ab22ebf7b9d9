/*
 * See core.h.
 */
#include "server/core.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/api.h"
#include "admin/console.h"
#include "admin/limits.h"
#include "admin/shipper.h"
#include "admin/status.h"
#include "admin/traffic.h"
#include "base/file.h"
#include "base/log.h"
#include "dlq/conf.h"
#include "dlq/metrics.h"
#include "dlq/rules.h"
#include "gate/access.h"
#include "gate/access_log.h"
#include "gate/auth.h"
#include "gate/limit.h"
#include "gate/map.h"
#include "gate/real_ip.h"
#include "http/conf.h"
#include "http/metrics.h"
#include "ingest/ingest.h"
#include "s3/store.h"
#include "server/admin_socket.h"
#include "server/restarts.h"
#include "server/shipper_socket.h"
#include "ship/ship.h"
#include "sink/stream.h"
#include "status/health.h"
#include "status/metrics.h"
#include "status/vts.h"
#include "status/vts_view.h"
#include "zone/conf.h"
#include "zone/series.h"
#include "zone/zone.h"

#define IN_MAIN(field, setter)                                                \
	.contexts = CONF_MAIN, .min_args = 1, .max_args = 1, .set = (setter), \
	.offset = offsetof(struct core_conf, field)

static int set_workers(
    struct conf *c, const struct conf_node *node, struct conf_scope *s, void *into);
static int set_error_log(
    struct conf *c, const struct conf_node *node, struct conf_scope *s, void *into);
static int set_connections(
    struct conf *c, const struct conf_node *node, struct conf_scope *s, void *into);
static int finish(struct conf *c);

static const struct conf_word log_styles[] = { { "logfmt", LOG_LOGFMT }, { "json", LOG_JSON },
	{ NULL, 0 } };

static const struct conf_word log_levels[] = {
	{ "debug", LOG_DEBUG },
	{ "info", LOG_INFO },
	{ "notice", LOG_INFO },
	{ "warn", LOG_WARN },
	{ "error", LOG_ERROR },
	{ "crit", LOG_ERROR },
	{ "alert", LOG_ERROR },
	{ "emerg", LOG_ERROR },
	{ NULL, 0 },
};

static const struct conf_bounds some = { 1, 1u << 20 };
static const struct conf_bounds some_keys = { 1024, 1u << 24 };

static const struct conf_row rows[] = {
	{ .name = "state_dir",
	    IN_MAIN(state_dir, conf_set_str),
	    .default_ = CORE_STATE_DIR,
	    .unit = "path",
	    .help = "everything that must last; one server at a time may use it" },
	{ .name = "admin_socket",
	    IN_MAIN(admin_socket, conf_set_str),
	    .flags = CONF_RELOAD,
	    .unit = "path|off",
	    .help = "unix socket of the admin API, for sluicectl; without it admin.sock in "
		    "state_dir" },
	{ .name = "user",
	    IN_MAIN(user, conf_set_str),
	    .unit = "name|uid[:gid]",
	    .help = "whom all processes but the master run as; may be numeric" },
	{ .name = "pid",
	    IN_MAIN(pid_path, conf_set_str),
	    .unit = "path",
	    .help = "file that holds the master's process id; needed by -s" },
	{ .name = "daemon",
	    IN_MAIN(run_as_daemon, conf_set_flag),
	    .default_ = "off",
	    .unit = "flag",
	    .help = "detach from the terminal; who starts it waits until it listens" },
	{ .name = "worker_processes",
	    IN_MAIN(workers, set_workers),
	    .flags = CONF_RELOAD,
	    .default_ = "auto",
	    .unit = "count|auto",
	    .help = "auto: one a usable core, cgroup limits obeyed" },
	{ .name = "worker_shutdown_timeout",
	    IN_MAIN(shutdown_timeout, conf_set_time),
	    .flags = CONF_RELOAD,
	    .default_ = "30s",
	    .unit = "time",
	    .help = "how long a graceful stop waits, shipping included" },
	{ .name = "idempotency_keys",
	    IN_MAIN(idempotency_keys, conf_set_count),
	    .default_ = "131072",
	    .unit = "count",
	    .extra = &some_keys,
	    .help =
		"how many Idempotency-Keys of the last 24 hours are remembered; 32 bytes each" },
	{ .name = "worker_rlimit_nofile",
	    IN_MAIN(nofile, conf_set_count),
	    .unit = "count",
	    .extra = &some,
	    .help = "limit of open files; without it the hard limit" },
	{ .name = "error_log",
	    .contexts = CONF_MAIN | CONF_HTTP | CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 2,
	    .flags = CONF_RELOAD,
	    .set = set_error_log,
	    .unit = "path|stderr [level]",
	    .help = "the server's own log: debug, info, warn or error and above. Without a level "
		    "error, as nginx has it, which hides the lines of requests done and records "
		    "sent: say info for those. In effect from the main context" },
	{ .name = "log_style",
	    IN_MAIN(log_style, conf_set_enum),
	    .flags = CONF_RELOAD,
	    .default_ = "logfmt",
	    .extra = log_styles,
	    .unit = "enum:logfmt|json",
	    .help = "form of the server's own log lines" },
	{ .name = "events",
	    .contexts = CONF_MAIN,
	    .flags = CONF_BLOCK,
	    .set = conf_set_block,
	    .help = "connection processing" },
	{ .name = "worker_connections",
	    .contexts = CONF_EVENTS,
	    .min_args = 1,
	    .max_args = 1,
	    .set = set_connections,
	    .unit = "count",
	    .extra = &some,
	    .help =
		"connections a worker may have open; without it the limit of open files less 64" },
	{ .name = NULL },
};

static struct conf_module core_module = {
	.name = "core", .rows = rows, .size = sizeof(struct core_conf), .finish = finish
};

void
core_register(void)
{
	series_register();
	http_metrics_register();
	ship_metrics_register();
	dlq_metrics_register();
	rules_metrics_register();
	restarts_register();
	conf_register(&core_module);
	zone_conf_register();
	http_conf_register();
	map_register();
	geo_register();
	access_log_register();
	vts_register();
	vts_view_register();
	/* Requests pass these in the order they are registered in:
	 * the real address; limits by traffic, by address; allow and deny; auth; limits by user. */
	real_ip_register();
	vts_limit_register();
	limit_register();
	access_register();
	auth_register();
	limit_register_late();
	store_conf_register();
	stream_conf_register();
	dlq_conf_register();
	ingest_conf_register();
	health_conf_register();
	metrics_register();
	api_conf_register();
	admin_status_register();
	admin_limits_register();
	admin_shipper_register();
	admin_traffic_register();
	console_register();
}

const struct core_conf *
core_of(struct conf *c)
{
	return conf_of(conf_main(c), &core_module);
}

/* ---- setters ---- */

static int
set_workers(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct core_conf *core = into;

	if (str_is(node->args[0], "auto")) {
		core->workers = core_cpus();
		return 0;
	}
	if (conf_set_count(c, node, scope, into) != 0)
		return ERR_CONFIG;
	if (core->workers >= 1 && core->workers <= 256)
		return 0;
	conf_error(c, node, "worker_processes %.*s: 1 to 256 or \"auto\" is allowed",
	    STR_ARG(node->args[0]));
	return ERR_CONFIG;
}

static int
set_error_log(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct core_conf *core = into;

	if (scope->context != CONF_MAIN)
		return 0;
	core->error_log = node->args[0];
	core->log_level = LOG_ERROR;
	if (node->n_args == 1)
		return 0;
	for (const struct conf_word *w = log_levels; w->word != NULL; w++)
		if (str_is(node->args[1], w->word)) {
			core->log_level = w->value;
			return 0;
		}
	conf_error(c, node,
	    "unknown log level \"%.*s\": debug, info, notice, warn, error, crit, alert, emerg are "
	    "allowed",
	    STR_ARG(node->args[1]));
	return ERR_CONFIG;
}

/* The events block's copy of our struct is not main's. */
static int
set_connections(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct core_conf *main = conf_of(conf_main(c), &core_module);
	uint64_t value;

	(void)into;
	(void)scope;
	if (str_to_u64(node->args[0], &value) != 0 || value < some.min || value > some.max) {
		conf_error(c, node,
		    "invalid worker_connections \"%.*s\": a count from 1 is allowed",
		    STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	main->worker_connections = value;
	return 0;
}

/* ---- cross-checks ---- */

static int
finish(struct conf *c)
{
	struct core_conf *core = conf_of(conf_main(c), &core_module);

	if (core->error_log.n == 0)
		core->log_level = LOG_INFO;
	if (core->state_dir.n == 0 || core->state_dir.p[0] != '/') {
		conf_error(c, NULL, "state_dir \"%.*s\": an absolute path is needed",
		    STR_ARG(core->state_dir));
		return ERR_CONFIG;
	}
	if (core->state_dir.n > CORE_STATE_DIR_MAX) {
		conf_error(c, NULL, "state_dir is longer than %d bytes", CORE_STATE_DIR_MAX);
		return ERR_CONFIG;
	}
	for (struct stream_conf *s = stream_first(c); s != NULL; s = s->next) {
		s->dir = arena_printf(
		    conf_arena(c), "%.*s/%.*s", STR_ARG(core->state_dir), STR_ARG(s->name));
		if (s->dir == NULL)
			return ERR_NOMEM;
		if (s->index >= ZONE_MAX_STREAMS) {
			conf_error(c, NULL, "more than %d streams", ZONE_MAX_STREAMS);
			return ERR_CONFIG;
		}
	}
	return 0;
}

/* ---- loading ---- */

static char *
keep_messages(struct conf *c)
{
	struct str text = conf_messages(c);

	return text.n > 0 ? strndup(text.p, text.n) : NULL;
}

struct conf *
core_load(const char *path, const char *globals, unsigned port, char **messages)
{
	struct conf *c = conf_new();
	int err = ERR_NOMEM;

	*messages = NULL;
	if (c == NULL)
		return NULL;
	if (port > 0)
		conf_set_port(c, port);
	err = conf_parse_file(c, path);
	if (err == 0 && globals != NULL)
		err = conf_parse_text(c, "-g", str_of(globals));
	if (err == 0)
		err = admin_socket_add(c);
	if (err == 0)
		err = shipper_socket_add(c);
	if (err == 0)
		err = conf_check(c);
	if (err == 0)
		err = conf_apply(c);
	*messages = keep_messages(c);
	if (err == 0 && conf_errors(c) == 0)
		return c;
	conf_free(c);
	return NULL;
}

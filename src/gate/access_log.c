/*
 * See access_log.h. Lines are written on the connection's task, once a request is over.
 */
#include "gate/access_log.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/log_file.h"
#include "gate/log_format.h"
#include "http/conf.h"

#define FIELDS_MAX 12
#define BUFFER_MAX (16u << 20)

/* One `access_log`. */
struct access_log {
	struct access_log *next;     /* in its block */
	struct access_log *next_any; /* of the configuration */
	const struct conf_node *node;
	struct log_file *file;
	struct log_format *format; /* found when all are known */
	struct http_text condition;
	bool has_condition;
};

struct access_log_scope {
	struct access_log *logs;
	bool off;
	/* of the configuration, in the main scope */
	struct log_format *formats;
	struct log_file *files;
	struct access_log *any;
};

static int set_format(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int set_log(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
static int finish(struct conf *c);

static const struct conf_row rows[] = {
	{ .name = "log_format",
	    .contexts = CONF_HTTP,
	    .min_args = 2,
	    .max_args = UINT32_MAX,
	    .flags = CONF_REPEAT | CONF_RELOAD,
	    .set = set_format,
	    .unit = "name [escape=default|json|logfmt|none] string …",
	    .help = "form of lines, with variables; combined, json and logfmt are there already" },
	{ .name = "access_log",
	    .contexts = CONF_HTTP | CONF_SERVER | CONF_LOCATION,
	    .min_args = 1,
	    .max_args = 6,
	    .flags = CONF_REPEAT | CONF_RELOAD,
	    .set = set_log,
	    .unit = "off | path [format [buffer=size] [flush=time] [if=condition]]",
	    .help = "a line for each request in a file (format combined); off: none; without any, "
		    "in the server's own log" },
	{ .name = NULL },
};

static struct conf_module module = { .name = "access_log",
	.rows = rows,
	.size = sizeof(struct access_log_scope),
	.finish = finish };

static struct access_log_scope *
main_of(struct conf *c)
{
	return conf_of(conf_main(c), &module);
}

/* ---- log_format ---- */

static struct log_format *
find_format(struct conf *c, struct str name)
{
	struct log_format *f = main_of(c)->formats;

	while (f && !str_eq(f->name, name))
		f = f->next;
	return f;
}

/* combined is nginx's own and cannot be another; a configuration may have a json of its own. */
static int
set_format(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct log_format *f = arena_alloc(conf_arena(c), sizeof(*f));
	int err;

	(void)scope;
	(void)into;
	if (!f)
		return ERR_NOMEM;
	if (find_format(c, node->args[0]) || str_is(node->args[0], "combined")) {
		conf_error(c, node, "log_format \"%.*s\" is there already", STR_ARG(node->args[0]));
		return ERR_CONFIG;
	}
	err = log_format_parse(c, node, f);
	f->next = main_of(c)->formats;
	main_of(c)->formats = f;
	return err;
}

/* ---- access_log ---- */

static int
check_path(struct conf *c, const struct conf_node *node, struct str path)
{
	if (str_starts(path, STR("syslog:")))
		conf_error(c, node, "access_log: syslog is not spoken; write to a file");
	else if (str_find(path, '$') >= 0)
		conf_error(c, node, "access_log: a path has no variables here");
	else if (path.n == 0)
		conf_error(c, node, "access_log: a path is needed, or off");
	else
		return 0;
	return ERR_CONFIG;
}

struct parameters {
	uint64_t buffer; /* 0: none */
	int64_t flush;
};

static int
set_parameter(struct conf *c, const struct conf_node *node, unsigned i, struct access_log *log,
    struct parameters *p)
{
	struct str value;

	if (conf_arg_kv(node, i, "buffer", &value)) {
		if (conf_parse_size(value, &p->buffer) == 0 && p->buffer && p->buffer <= BUFFER_MAX)
			return 0;
		conf_error(c, node, "access_log: buffer=%.*s: a size up to 16m is allowed",
		    STR_ARG(value));
	} else if (conf_arg_kv(node, i, "flush", &value)) {
		if (conf_parse_time(value, &p->flush) == 0 && p->flush)
			return 0;
		conf_error(c, node, "access_log: flush=%.*s: a time is needed", STR_ARG(value));
	} else if (conf_arg_kv(node, i, "if", &value)) {
		log->has_condition = true;
		return http_text_compile(c, node, value, &log->condition);
	} else if (str_starts(node->args[i], STR("gzip"))) {
		conf_error(c, node, "access_log: lines are not packed while they are written");
	} else {
		conf_error(c, node,
		    "access_log: invalid parameter \"%.*s\"; there are buffer=, flush=, if=",
		    STR_ARG(node->args[i]));
	}
	return ERR_CONFIG;
}

/* The file of this path: one a configuration, so its parameters are the same wherever it stands. */
static int
take_file(
    struct conf *c, const struct conf_node *node, const struct parameters *p, struct log_file **out)
{
	struct access_log_scope *main = main_of(c);
	uint64_t size = p->buffer ? p->buffer : LOG_FILE_BUFFER;
	struct log_file *f;

	for (f = main->files; f; f = f->next)
		if (str_is(node->args[0], f->path))
			break;
	if (f && (f->size != size || f->held != (p->buffer > 0) || f->flush != p->flush)) {
		conf_error(c, node,
		    "access_log \"%s\" has another buffer= or flush= elsewhere; a file has one",
		    f->path);
		return ERR_CONFIG;
	}
	*out = f;
	if (f)
		return 0;
	*out = f = arena_alloc(conf_arena(c), sizeof(*f));
	if (!f || !(f->path = arena_strz(conf_arena(c), node->args[0])))
		return ERR_NOMEM;
	f->size = size;
	f->held = p->buffer > 0;
	f->flush = p->flush;
	f->fd = -1;
	f->next = main->files;
	main->files = f;
	return 0;
}

static int
parse_log(struct conf *c, const struct conf_node *node, struct access_log *log)
{
	struct parameters p = { 0 };
	int err = check_path(c, node, node->args[0]);

	for (unsigned i = 2; i < node->n_args && err == 0; i++)
		err = set_parameter(c, node, i, log, &p);
	if (err == 0 && p.flush && !p.buffer) {
		conf_error(c, node, "access_log: flush= is for a buffer=, and there is none");
		err = ERR_CONFIG;
	}
	return err ? err : take_file(c, node, &p, &log->file);
}

static int
set_log(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct access_log_scope *s = into, *main = main_of(c);
	struct access_log *log, **end;

	if (conf_first_here(c, scope, node)) {
		s->logs = NULL;
		s->off = false;
	}
	if (node->n_args == 1 && str_is(node->args[0], "off")) {
		s->off = true; /* of the whole block, whatever else stands there */
		return 0;
	}
	log = arena_alloc(conf_arena(c), sizeof(*log));
	if (!log)
		return ERR_NOMEM;
	log->node = node;
	log->next_any = main->any;
	main->any = log;
	for (end = &s->logs; *end; end = &(*end)->next)
		;
	*end = log;
	return parse_log(c, node, log);
}

/* Formats are found by name once all of them were read. */
static int
choose_format(struct conf *c, struct access_log *log)
{
	struct str name = log->node->n_args > 1 ? log->node->args[1] : STR("combined");
	struct log_format *f = find_format(c, name);
	int err;

	if (!f) {
		f = arena_alloc(conf_arena(c), sizeof(*f));
		err = f ? log_format_built_in(c, name, f) : ERR_NOMEM;
		if (err == ERR_NOT_FOUND)
			conf_error(c, log->node, "unknown log format \"%.*s\"", STR_ARG(name));
		if (err < 0)
			return err;
		f->next = main_of(c)->formats;
		main_of(c)->formats = f;
	}
	log->format = f;
	return 0;
}

static int
finish(struct conf *c)
{
	int err = 0;

	for (struct access_log *log = main_of(c)->any; log && err == 0; log = log->next_any)
		err = choose_format(c, log);
	return err;
}

/* ---- files ---- */

static void
close_files(void *arg)
{
	for (struct log_file *f = arg; f; f = f->next)
		log_file_close(f);
}

int
access_log_open(struct conf *c, uid_t uid, gid_t gid)
{
	struct log_file *files = main_of(c)->files;

	if (!files)
		return 0;
	if (conf_on_free(c, close_files, files) < 0)
		return ERR_NOMEM;
	for (struct log_file *f = files; f; f = f->next) {
		int err = log_file_open(f, uid, gid);

		if (err == 0)
			continue;
		log_event(LOG_ERROR, "log", "cannot open an access log", LOG_S("path", f->path),
		    LOG_ERRNO(errno), LOG_END);
		return err;
	}
	return 0;
}

void
access_log_close(struct conf *c)
{
	close_files(main_of(c)->files);
}

void
access_log_reopen(struct conf *c, uid_t uid, gid_t gid)
{
	for (struct log_file *f = main_of(c)->files; f; f = f->next)
		if (log_file_reopen(f, uid, gid) < 0)
			log_event(LOG_ERROR, "log", "cannot open an access log again",
			    LOG_S("path", f->path), LOG_ERRNO(errno), LOG_END);
}

void
access_log_flush(void)
{
	log_file_flush_waiting();
}

void
access_log_finish(struct conf *c)
{
	for (struct log_file *f = main_of(c)->files; f; f = f->next)
		log_file_flush(f);
}

/* ---- requests ---- */

/* In the server's own log. */
static void
log_own(struct http_request *r, int64_t duration)
{
	bool error = r->status >= 400;
	struct log_field f[FIELDS_MAX];
	size_t n = 0;

	if ((error ? LOG_ERROR : LOG_INFO) < log_threshold)
		return;
	f[n++] = LOG_STR("method", r->head->method);
	f[n++] = LOG_STR("uri", r->head->target);
	f[n++] = LOG_I("status", r->status);
	f[n++] = LOG_MS("latency_ms", duration);
	f[n++] = LOG_STR("remote_ip", http_client_address(r));
	f[n++] = LOG_STR("request_id", r->id);
	if (r->user.n > 0)
		f[n++] = LOG_STR("user", r->user);
	f[n++] = LOG_I("bytes_in", r->bytes_in);
	f[n++] = LOG_I("bytes_out", r->bytes_out);
	if (r->traceparent.n > 0)
		f[n++] = LOG_STR("traceparent", r->traceparent);
	log_writev(
	    error ? LOG_ERROR : LOG_INFO, "http", error ? "request error" : "request done", f, n);
}

/* As nginx: an empty value or "0" is no. */
static bool
is_wanted(const struct access_log *log, struct http_request *r)
{
	struct str value;

	if (!log->has_condition)
		return true;
	value = http_text_expand(&log->condition, r);
	return value.n > 0 && !str_is(value, "0");
}

static void
log_request(struct http_request *r, int64_t duration)
{
	const struct access_log_scope *s = conf_of(http_request_conf(r), &module);
	size_t room;
	char *to;

	if (s->off)
		return;
	if (!s->logs)
		log_own(r, duration);
	for (struct access_log *log = s->logs; log; log = log->next) {
		if (!is_wanted(log, r))
			continue;
		room = log_format_measure(log->format, r);
		to = log_file_room(log->file, room);
		if (to)
			log_file_added(log->file, log_format_write(log->format, to));
	}
}

void
access_log_register(void)
{
	conf_register(&module);
	log_file_register();
	http_add_log(log_request);
}

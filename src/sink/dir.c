/*
 * `sink dir PATH;`: the loop's side of the dir sink. Runs the blocking steps of dir_file.c one
 * after the other on helpers, the copy in slices, so that several deliveries share them and a
 * deadline is seen between slices. Called by ship through dir_ops.
 *
 * The last folder that was made and synced is remembered, so that the hour's folders are synced
 * once and not a file.
 */
#include "sink/dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "sink/dir_priv.h"

struct dir_sink {
	struct sink sink;
	const char *root;
	char *known; /* folder made and synced by us; NULL: none yet */
};

static int
dir_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out)
{
	struct str path;

	if (node->n_args != 2 || node->args[1].n == 0) {
		conf_error(c, node, "\"sink dir\" takes one folder: sink dir PATH;");
		return ERR_CONFIG;
	}
	path = node->args[1];
	if (path.p[0] != '/') {
		conf_error(c, node, "the folder \"%.*s\" of \"sink dir\" must be an absolute path",
		    STR_ARG(path));
		return ERR_CONFIG;
	}
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	out->arg = arena_strz(conf_arena(c), path);
	out->destination =
	    str_of(arena_printf(conf_arena(c), "dir:%s", out->arg ? (char *)out->arg : ""));
	return out->arg && out->destination.p ? 0 : ERR_NOMEM;
}

static int
dir_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf)
{
	(void)c;
	(void)node;
	(void)conf;
	return 0;
}

static int
dir_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	struct dir_sink *d = calloc(1, sizeof(*d));

	if (!d)
		return ERR_NOMEM;
	d->sink = (struct sink){ .ops = &dir_ops, .conditional = true };
	d->root = conf->arg;
	if (file_make_dirs(d->root) < 0) {
		int errnum = errno;

		snprintf(why, cap, "make folder %s: %s", d->root, log_errno_text(errnum));
		free(d);
		return err_from_errno(errnum);
	}
	*out = &d->sink;
	return 0;
}

static void
dir_close(struct sink *s)
{
	struct dir_sink *d = CONTAINER_OF(s, struct dir_sink, sink);

	free(d->known);
	free(d);
}

/* Between two steps: true, with the result filled, once this one may not go on. */
static bool
is_over(struct dir_put *p, int64_t deadline)
{
	if (p->settled)
		return true;
	if (!task_cancelled() && clock_mono() < deadline)
		return false;
	p->result->outcome = SINK_AGAIN;
	snprintf(p->result->why, sizeof(p->result->why), "%s after %llu of %llu bytes",
	    err_text(task_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT), (unsigned long long)p->copied,
	    (unsigned long long)p->item->length);
	return true;
}

/* False: no helper thread could be had, the result says so. */
static bool
run(struct dir_put *p, enum offload_pool pool, int (*step)(void *))
{
	int err = offload(pool, step, p);

	if (err == 0)
		return true;
	p->settled = true;
	p->result->outcome = SINK_AGAIN;
	snprintf(p->result->why, sizeof(p->result->why), "%s", err_text(err));
	return false;
}

static void
deliver(struct dir_put *p, int64_t deadline)
{
	if (!run(p, OFFLOAD_MISC, dir_step_begin) || is_over(p, deadline))
		return;
	while (p->copied < p->item->length)
		if (!run(p, OFFLOAD_MISC, dir_step_copy) || is_over(p, deadline))
			return;
	run(p, OFFLOAD_SYNC, dir_step_publish);
}

/* After a success the folder is known; after a failure it may have gone, so the next attempt
 * looks again. */
static void
remember(struct dir_sink *d, struct dir_put *p)
{
	if (p->result->outcome == SINK_CONFIRMED && d->known && strcmp(d->known, p->folder) == 0)
		return;
	free(d->known);
	d->known = NULL;
	if (p->result->outcome == SINK_CONFIRMED) {
		d->known = p->folder;
		p->folder = NULL;
	}
}

static void
dir_put(struct sink *s, const struct sink_item *item, bool verify, int64_t deadline,
    struct sink_result *out)
{
	struct dir_sink *d = CONTAINER_OF(s, struct dir_sink, sink);
	struct dir_put *p;

	(void)verify; /* what is linked was written, synced and closed by ourselves */
	*out = (struct sink_result){ .outcome = SINK_AGAIN };
	if (!dir_key_ok(item->key)) {
		out->outcome = SINK_HELD;
		snprintf(out->why, sizeof(out->why), "\"%.*s\" cannot be a path below %s",
		    STR_ARG(str_sub(item->key, 0, 100)), d->root);
		return;
	}
	if (!(p = dir_put_new(d->root, item, out))) {
		snprintf(out->why, sizeof(out->why), "%s", err_text(ERR_NOMEM));
		return;
	}
	p->folder_known = d->known && strcmp(d->known, p->folder) == 0;
	deliver(p, deadline);
	remember(d, p);
	dir_put_free(p);
}

static int
dir_probe(struct sink *s, int64_t deadline, char *why, size_t cap)
{
	(void)s;
	(void)deadline;
	(void)why;
	(void)cap;
	return 1; /* link(2) never replaces */
}

const struct sink_ops dir_ops = {
	.kind = "dir",
	.parse = dir_parse,
	.check = dir_check,
	.open = dir_open,
	.put = dir_put,
	.probe = dir_probe,
	.close = dir_close,
};

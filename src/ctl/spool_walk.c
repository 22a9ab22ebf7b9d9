/*
 * Which files there are: below a state folder, a stream's folder or any other, or a single one. See spool.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/spool.h"

#define DEPTH_MAX 4 /* state folder, stream, stage, file; one to spare */

struct walk {
	struct buf paths;
	size_t n;
	int err;
};

/* A level on the way down. */
struct level {
	struct walk *walk;
	const char *dir;
	unsigned depth;
	bool state_dir;
};

static int visit(struct walk *w, const char *path, unsigned depth);

static int
visit_entry(const char *name, void *arg)
{
	struct level *level = arg;
	struct walk *w = level->walk;
	char *path = malloc(SPOOL_PATH_MAX);
	struct stat st;
	int n;

	if (path == NULL)
		return ERR_NOMEM;
	n = snprintf(path, SPOOL_PATH_MAX, "%s/%s", level->dir, name);
	if (n > 0 && n < SPOOL_PATH_MAX && lstat(path, &st) == 0) {
		/* The zone, locks, sockets; and what of others was kept for a while. */
		bool own = level->state_dir && (!S_ISDIR(st.st_mode) || strcmp(name, "cache") == 0);

		if (!own)
			w->err = visit(w, path, level->depth + 1);
	}
	free(path);
	return w->err;
}

static bool
is_state_dir(const char *dir)
{
	char path[SPOOL_PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/zone", dir);

	return n > 0 && (size_t)n < sizeof(path) && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int
visit(struct walk *w, const char *path, unsigned depth)
{
	struct level below = { w, path, depth, false };
	struct stat st;

	if (lstat(path, &st) != 0)
		return depth > 0 && errno == ENOENT ? 0 : err_from_errno(errno);
	if (S_ISREG(st.st_mode)) {
		buf_put(&w->paths, path, strlen(path) + 1);
		w->n++;
		return buf_failed(&w->paths);
	}
	if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
		return 0;
	below.state_dir = depth == 0 && is_state_dir(path);
	return file_each(path, visit_entry, &below);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts the paths, in memory of its own for a moment. */
static int
sort(struct walk *w, struct buf *out)
{
	const char **v = malloc((w->n + 1) * sizeof(*v)), *p = w->paths.p;

	if (v == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < w->n; i++, p += strlen(p) + 1)
		v[i] = p;
	qsort(v, w->n, sizeof(*v), compare);
	for (size_t i = 0; i < w->n; i++)
		buf_put(out, v[i], strlen(v[i]) + 1);
	free(v);
	return buf_failed(out);
}

int
spool_walk(const char *root, struct buf *out, size_t *n)
{
	struct walk w = { .n = 0 };
	int err;

	buf_init(&w.paths, 0);
	err = visit(&w, root, 0);
	if (err == 0)
		err = sort(&w, out);
	*n = w.n;
	buf_fini(&w.paths);
	return err;
}

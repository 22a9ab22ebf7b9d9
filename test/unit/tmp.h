/*
 * A folder of its own for a test, removed with what is in it afterwards. tmp_path() names a file in
 * it.
 */
#ifndef SLUICE_TEST_TMP_H
#define SLUICE_TEST_TMP_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tmp {
	char dir[64];
	char path[4][256]; /* taken in turn by tmp_path */
	unsigned turn;
};

static inline void
tmp_init(struct tmp *t)
{
	memset(t, 0, sizeof(*t));
	strcpy(t->dir, "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(t->dir)) {
		perror("mkdtemp");
		abort();
	}
}

/* Valid until the fourth call from now. */
static inline const char *
tmp_path(struct tmp *t, const char *name)
{
	char *path = t->path[t->turn++ % 4], dir[sizeof(t->dir)];

	strcpy(dir, t->dir);
	snprintf(path, sizeof(t->path[0]), "%s/%s", dir, name);
	return path;
}

static inline int
tmp_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
tmp_fini(struct tmp *t)
{
	nftw(t->dir, tmp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

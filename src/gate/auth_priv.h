/*
 * Shared by the files of the auth step: auth.c decides, auth_conf.c reads the configuration, auth_watch.c reads keys files again.
 */
#ifndef SLUICE_GATE_AUTH_PRIV_H
#define SLUICE_GATE_AUTH_PRIV_H

#include <sys/stat.h>

#include "gate/auth.h"

enum auth_source { AUTH_NONE, AUTH_USER_TOKEN, AUTH_API_KEY, AUTH_BEARER, AUTH_SOURCES };

/* Which file it was: another one of the same name, or one that was written to, differs. */
struct auth_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t mtime, ctime; /* ns */
};

/* A keys file of the configuration. */
struct auth_file {
	struct auth_file *next;
	const char *path;
	struct keys *keys;       /* in force; replaced whole */
	struct auth_stamp stamp; /* of what was read */
	struct auth_stamp seen;  /* at the last look */
};

/* What a scope holds; inherited. */
struct auth_scope {
	unsigned n; /* 0: nobody is asked */
	uint8_t sources[AUTH_SOURCES];
	const struct conf_scope *by_handler; /* the location whose handler asks; not those in it */
	struct auth_file *file;              /* NULL: none */
	struct auth_file *files;             /* in the main scope: all of them */
	/* in the main scope: where keys are asked for, for the check at the end */
	struct auth_use *uses;
};

/* auth_watch.c */
/* Blocks. A file that is not there has a stamp of its own. */
struct auth_stamp auth_stamp(const char *path);

#endif

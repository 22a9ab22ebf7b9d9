/*
 * The files below the state folder that hold records, as an operator looks at them: whether a server runs or not, and whatever is in them. Read
 * only. Shared by the spool_*.c files.
 */
#ifndef SLUICE_CTL_SPOOL_H
#define SLUICE_CTL_SPOOL_H

#include "base/buf.h"

#define SPOOL_PATH_MAX 1024

enum spool_kind {
	SPOOL_SEGMENT,
	SPOOL_OBJECT,  /* a segment of objects */
	SPOOL_BUNDLE,  /* gzip */
	SPOOL_LIST,    /* of a bundle */
	SPOOL_JOURNAL, /* of deliveries */
	SPOOL_LETTERS, /* dead ones */
	SPOOL_OTHER
};

enum spool_state {
	SPOOL_GOOD,
	SPOOL_UNFINISHED, /* its end is not whole, which it need not be: it is being written, or will be cut where its writer died */
	SPOOL_DAMAGED,
	SPOOL_UNREADABLE,
	SPOOL_UNCHECKED /* nothing in it tells */
};

struct spool_file {
	char path[SPOOL_PATH_MAX];
	enum spool_kind kind;
	const char *stage; /* "open", "sealed", …: from its name and its folder's */
	bool growing;      /* open, or unfinished: its end need not be whole */
	bool counted;      /* records is known */
	uint64_t size, records;
	int64_t since; /* UTC ns: when it was begun, or last changed */
	enum spool_state state;
	uint64_t damaged;    /* bytes */
	uint64_t damaged_at; /* of the first of them */
	char why[120];       /* damaged, unreadable: more about it; may be empty */
};

const char *spool_kind_name(enum spool_kind kind);
const char *spool_state_name(enum spool_state state);

/* ---- spool_walk.c ---- */

/* The regular files below root, or root itself, sorted; links are not followed. out: paths, each with a zero byte behind. A state folder's own files,
 * which hold no records, are passed over. 0, ERR_NOT_FOUND, or an error with errno. */
int spool_walk(const char *root, struct buf *out, size_t *n);

/* ---- spool_look.c ---- */

/* What the file is; with verify all of it is read and every checksum compared, else as little as is needed to count its records. 0, or ERR_NOT_FOUND: it has gone
 * since. */
int spool_look(const char *path, bool verify, struct spool_file *out);
/* The bytes of a gzip file, to each. 0; ERR_CORRUPT: it is damaged, or cut; ERR_IO, ERR_NOMEM; or what each returned. *at: where in the file. */
int spool_gunzip(int fd, int (*each)(void *arg, const char *p, size_t n), void *arg, uint64_t *at);

/* ---- spool_cat.c ---- */

/* Prints the records of the files, as they are or as one JSON document. Returns the exit status. */
int spool_print(const char *paths, size_t n, bool json);

#endif

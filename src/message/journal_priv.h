/*
 * What the files of the journal share: its files on disk. journal.c owns the struct and runs in the loop's thread; journal_file.c and journal_scan.c
 * block and run on helpers, journal_load.c too, before anybody else has the journal.
 */
#ifndef SLUICE_MESSAGE_JOURNAL_PRIV_H
#define SLUICE_MESSAGE_JOURNAL_PRIV_H

#include "message/journal_progress.h"
#include "task/task.h"

#define JOURNAL_PATH_MAX 512

/* One that is written to. */
struct journal_file {
	int fd; /* -1: none */
	struct journal_header header;
	uint64_t start;    /* of the rows behind its checkpoint */
	uint64_t end;      /* of its rows */
	uint64_t reserved; /* bytes of it that have blocks */
};

/* Those that are complete, oldest first. */
struct journal_old {
	uint64_t number, size;
	bool spent; /* nothing in it for the log: it goes with the next checkpoint */
	bool going; /* is removed once the file under way is there */
};

struct journal_files {
	struct journal_old *old;
	size_t n, cap;
};

/* <dir>/<number>.log, ten digits or more */
void journal_file_path(const char *dir, uint64_t number, char out[JOURNAL_PATH_MAX]);
/* The number in such a name; false: it is none. */
bool journal_file_number(const char *name, uint64_t *number);
/* Adds one that is newer than all: 0 or ERR_NOMEM. */
int journal_files_add(struct journal_files *f, uint64_t number, uint64_t size);
uint64_t journal_files_size(const struct journal_files *f);

/* ---- journal_file.c: blocks ---- */

/* Binds n bytes of rows to the end of the file, writes and syncs them. 0; or an error: then *touched tells whether the file may have changed, and
 * must not be written to again. */
int journal_file_append(struct journal_file *f, unsigned char *rows, size_t n, bool *touched);
/* A new file that begins with these rows, a checkpoint, and goes on with others; durable on 0. An error leaves none. */
int journal_file_make(const char *dir, uint64_t number, struct buf *checkpoint, unsigned char *rows,
    size_t n, struct journal_file *out);
/* Cuts what is reserved and closes it. */
void journal_file_close(struct journal_file *f);

/* ---- journal_scan.c: blocks ---- */

#define JOURNAL_SCAN_BUFFER (64u * 1024)

/* Reading a file's rows from its beginning, passing over what is damaged. */
struct journal_scan {
	int fd;
	struct journal_header header;
	uint64_t at;    /* of the next row */
	uint64_t valid; /* where the last good row ended */
	uint64_t limit; /* nothing is read from here on */
	uint64_t damaged;
	unsigned char *buffer;
	uint64_t from; /* of the buffer in the file */
	size_t n;      /* bytes in it */
};

/* limit: bytes of the file to read; 0: all. 0, ERR_NOT_FOUND, ERR_EOF (it has no header yet), ERR_CORRUPT (the header), ERR_NOMEM, ERR_IO. */
int journal_scan_open(struct journal_scan *s, const char *path, uint64_t limit);
/* The next good row, borrowed until the next call: 1, or 0 at the end. */
int journal_scan_next(struct journal_scan *s, struct journal_record *out);
void journal_scan_close(struct journal_scan *s);

/* ---- journal_load.c ---- */

struct journal_load {
	const char *dir;
	struct progress *progress;   /* filled */
	struct journal_files *files; /* all but the current one */
	struct journal_file current; /* fd -1: a new one has to be made */
	uint64_t next;               /* number of the next file */
	uint64_t damaged;
};
/* 0, or an error. Blocks. */
int journal_load(struct journal_load *l);

/* ---- journal.c ---- */

/* The files as they are, newest first. The caller frees parts. 0 or ERR_NOMEM. */
struct journal_parts {
	char dir[JOURNAL_PATH_MAX];
	struct journal_old *parts;
	size_t n;
};
int journal_parts(const struct journal *j, struct journal_parts *out);

#endif

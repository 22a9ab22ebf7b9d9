/*
 * Shared by the files of the tail: tail.c (the loop's side), tail_list.c (which segments there are), tail_file.c (one segment's file), tail_pass.c (reading
 * them side by side). While a pass runs on a helper it has the list of segments and what is in their files to itself; the loop keeps to `left` and `done`.
 */
#ifndef SLUICE_MESSAGE_TAIL_PRIV_H
#define SLUICE_MESSAGE_TAIL_PRIV_H

#include "base/clock.h"
#include "message/tail.h"
#include "spool/reader.h"

#define TAIL_DAMAGES 8
#define TAIL_PATH_MAX 512
#define TAIL_SIDE_MAX 320 /* segments of as many workers as there may be, and sealed ones */
#define TAIL_HELD_MAX (64u * 1024) /* longer bodies stay in the file */

_Static_assert(TAIL_HELD_MAX + SEGMENT_META_MAX + TAIL_PATH_MAX <= CHUNK_SIZE,
    "whatever a record has in memory fits an empty chunk");

enum tail_file_state {
	TAIL_CLOSED, /* not opened yet, or left alone for a while */
	TAIL_UNBORN, /* open: its worker has written nothing to it */
	TAIL_READING,
	TAIL_ENDED /* read to its end, or given up */
};

struct tail_file {
	enum tail_file_state state;
	bool sealed;      /* has its last name: nothing is added any more */
	bool whole;       /* sealed, and all of it believed */
	bool damaged;     /* to be kept */
	bool lost;        /* there is no such file any more */
	bool sweeping;    /* the loop's: being removed */
	bool counted;     /* the loop's: it was told that it is being removed */
	bool gone;        /* the loop's: removed */
	bool peeked;      /* record is the next one */
	uint64_t limit;   /* bytes believed */
	int fd;           /* -1: none */
	int64_t failing;  /* monotonic: since when the disk fails; 0: it does not */
	int64_t retry_at; /* left alone until then */
	struct segment_header header;
	struct reader *reader;
	struct reader_record record;
};

struct tail {
	struct tail_options opt;
	struct list segments; /* of struct tail_segment, by name */
	size_t n_segments;
	uint64_t settled;
	struct chunk *chunk;        /* that messages are copied to; NULL: none yet */
	unsigned n_damages, n_told; /* n_told: whose segments count them as left */
	struct tail_damage damages[TAIL_DAMAGES];
	bool look; /* the loop's: asked for, from the next pass on */
	bool more;
	bool caught_up;
	int64_t next;
	int64_t oldest, oldest_now; /* oldest_now: of the pass under way */

	/* a pass: what it may fill in, and how far it came */
	struct message **v;
	unsigned n, got;
	struct tail_segment *side[TAIL_SIDE_MAX]; /* those it reads from */
	unsigned n_side;

	/* tail_list.c */
	bool listed; /* all names there were are known */
	bool stale;  /* the folder has changed since */
	int64_t
	    folder_time; /* of the folder's last change as of the list; 0: too young to be trusted */
	int64_t list_after; /* monotonic: not before */
};

/* tail_list.c: brings the list of segments up to date, if the folder has changed. 0 or an error. Blocks. */
int tail_list(struct tail *t);

/* tail_file.c: all block. */
/* Opens it, and finds out how much of it is to be believed. */
void tail_file_refresh(struct tail *t, struct tail_segment *s);
/* True: s->f->record is the next one. False: there is none now. */
bool tail_file_peek(struct tail *t, struct tail_segment *s);
/* The disk failed on it: it is left alone for a while. */
void tail_file_failed(struct tail *t, struct tail_segment *s);
/* Copies the record into t->chunk and m. 1; 0: no room in the chunk; or an error, with the file failed. */
int tail_file_take(struct tail *t, struct tail_segment *s, struct message *m);
/* The same for what was read before. */
int tail_copy(struct chunk *c, const char *path, struct reader *r, const struct reader_record *rec,
    struct message *m);
void tail_file_close(struct tail_file *f);
/* dir/name with a suffix; asserts that it fits: state_dir is checked at configuration time. */
void tail_path(char out[TAIL_PATH_MAX], const char *dir, const char *sub, const char *name,
    const char *suffix);

/* tail_pass.c: runs on a helper, arg: struct tail. */
int tail_pass(void *arg);

#endif

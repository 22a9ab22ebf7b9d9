/*
 * Files that workers write access logs to. The master opens them, as root, and the children inherit;
 * each worker gathers lines in a buffer of its own and appends whole ones with one write(2), so lines
 * of several workers do not mix. Without buffer= what has gathered leaves at the end of each turn of
 * the loop; with it, when it is full or has waited for flush=.
 *
 * A write never waits: a pipe that is full keeps its lines until it can take them, a disk that is
 * full loses them. Lines lost are counted (sluice_access_log_lost_lines_total) and told of now and
 * then.
 */
#ifndef SLUICE_GATE_LOG_FILE_H
#define SLUICE_GATE_LOG_FILE_H

#include "task/task.h"

#define LOG_FILE_BUFFER (64u * 1024) /* without buffer= */

struct log_file {
	struct log_file *next; /* the configuration's other files */
	const char *path;
	size_t size;   /* of the buffer */
	bool held;     /* buffer= was given: lines wait until it is full… */
	int64_t flush; /* … or for this long; 0: for ever */
	/* in the master and its children */
	int fd;
	bool is_pipe;
	/* in a worker */
	char *p;
	size_t n, allocated; /* more than size while a line needs it */
	struct timer timer;
	struct log_file *next_waiting;
	bool waiting;  /* to be written at the end of the turn */
	bool torn;     /* the last line in the file lacks its end */
	uint64_t lost; /* lines, since it was last told of */
	int64_t told;  /* when */
	int errnum;    /* of the write that failed */
};

/* The metric of lost lines: before the zone is opened. */
void log_file_register(void);
/* Opens it (0640, made if need be) and, as root, gives a file that is new to uid and gid (-1: to
 * nobody). Blocks: master. 0, or an error with errno. */
int log_file_open(struct log_file *f, uid_t uid, gid_t gid);
void log_file_close(struct log_file *f);
/* Writes what has gathered to the file as it was, then opens the path anew; what cannot be opened
 * goes on as it was. 0, or an error with errno. */
int log_file_reopen(struct log_file *f, uid_t uid, gid_t gid);

/* Room for a line of up to n bytes; follow with log_file_added(). NULL: it cannot be had just now,
 * and a line is counted as lost. */
char *log_file_room(struct log_file *f, size_t n);
void log_file_added(struct log_file *f, size_t n);
/* Writes what has gathered of one file; of all files that do not hold their lines. Never waits. */
void log_file_flush(struct log_file *f);
void log_file_flush_waiting(void);

#endif

/*
 * Reads one log file of the dead letters, frame by frame, whatever stands in it: in a window of memory, so a large file of anybody's costs no
 * more than a small one. Blocks; called on helpers (open.c), and by the fuzz target.
 */
#ifndef SLUICE_DLQ_LOGFILE_H
#define SLUICE_DLQ_LOGFILE_H

#include "dlq/frame.h"

struct logfile;

/* fd stays the caller's. 0; ERR_CORRUPT: it does not begin as a file of ours; ERR_EOF: it is empty, or nothing but zeros; ERR_IO, ERR_NOMEM. */
int logfile_open(int fd, struct logfile **out);
void logfile_close(struct logfile *l);
const struct frame_file *logfile_header(const struct logfile *l);
/* 1: a valid frame, good until the next call; *offset: where it begins. 0: the end, nothing but zeros follow. ERR_CORRUPT: something
 * else follows. ERR_IO, ERR_NOMEM. */
int logfile_next(struct logfile *l, struct frame *f, uint64_t *offset);
/* After ERR_CORRUPT: passes over bytes up to the next valid frame. 1: logfile_next gives it; 0: there is none, or the search became too
 * dear; ERR_IO. */
int logfile_resync(struct logfile *l);
/* Where the last valid frame ended. */
uint64_t logfile_end(const struct logfile *l);
uint64_t logfile_size(const struct logfile *l);
/* Bytes that the disk would not give; they count as zeros. */
uint64_t logfile_unread(const struct logfile *l);

#endif

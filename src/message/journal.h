/*
 * The journal of one stream of messages: every attempt at every message, with what came of it. It is both what delivery knows after a restart (what is
 * done, how often the rest was tried) and the log that answers what happened to a message (row P-11). Files state_dir/STREAM/journal/<n>.log,
 * append-only, each with a checksummed header and checksummed rows; written in batches on a helper: one fdatasync covers all that were added
 * meanwhile.
 *
 * A message is known by the segment it lies in and its number there. What one segment's messages have behind them is its progress.
 *
 * Bounded: a file that is full is followed by a new one, which begins with the progress of every segment that still has messages to deliver;
 * so the oldest files can go whenever the journal is longer than its limit.
 */
#ifndef SLUICE_MESSAGE_JOURNAL_H
#define SLUICE_MESSAGE_JOURNAL_H

#include "base/hash.h"
#include "sink/sink.h"

struct journal;

enum journal_result {
	JOURNAL_DELIVERED, /* done */
	JOURNAL_RETRY,     /* failed, and will be tried again */
	JOURNAL_DEAD,      /* done: it is a dead letter, durably, before this row */
	JOURNAL_DROPPED,   /* done: it was purged by an operator */
	JOURNAL_HELD       /* the destination refused us; no attempt is counted */
};

/* One attempt, or one decision. */
struct journal_row {
	struct id segment;
	uint64_t number;   /* of the record in it */
	struct id message; /* its id, as the destination sees it */
	enum journal_result result;
	unsigned attempt; /* 1: the first */
	int64_t time;     /* UTC ns: when the attempt began */
	int64_t duration; /* ns */
	int status;
	unsigned char trace[16]; /* zeros: none */
	struct str error;        /* cut to 120 bytes; empty when delivered */
};

/* Opens (makes) the journal in dir and reads what is there: a torn tail is cut, a damaged row passed over with a log line. limit: bytes it may
 * take, at least two files. On a helper's time: parks. */
int journal_open(const char *dir, uint64_t limit, struct journal **out);
/* Adds a row; durable a moment later (journal_flush waits for that). Rows of one message keep their order. Never parks; copies. Where memory or disk
 * fail it is tried again; what is lost at a crash meanwhile is delivered a second time, never not at all. */
void journal_add(struct journal *j, const struct journal_row *row);
/* Until all rows added so far are durable. Parks. 0, ERR_TIMEOUT, ERR_CANCELLED, or an error of the disk. */
int journal_flush(struct journal *j, int64_t deadline);
/* Parks. Flushes, closes. */
void journal_close(struct journal *j);

/* ---- progress: what is known of a segment's messages ---- */

/* Done: delivered, dead or dropped. */
bool journal_is_done(const struct journal *j, struct id segment, uint64_t number);
/* Attempts made at one that is not done, and when and how the last one was. 0: none. */
struct journal_attempts {
	unsigned n;
	int64_t first, last; /* UTC ns */
	int status;
	struct str error; /* good until the task parks */
};
void journal_attempts(
    const struct journal *j, struct id segment, uint64_t number, struct journal_attempts *out);
/* The segment is gone from the disk (durably): its progress may go. Never parks. */
void journal_forget(struct journal *j, struct id segment);
/* Segments with progress, to find those whose files are gone. */
size_t journal_segments(const struct journal *j, struct id *out, size_t max);

/* ---- the log ---- */

struct journal_query {
	bool by_message;
	struct id message;
	int result;    /* -1: any */
	int64_t after; /* UTC ns; 0: any */
	unsigned limit;
};
/* Newest first, from the files: reads backwards until limit rows fit. Parks; row is good for the call only. */
int journal_find(struct journal *j, const struct journal_query *q,
    void (*visit)(void *arg, const struct journal_row *row), void *arg);

#endif

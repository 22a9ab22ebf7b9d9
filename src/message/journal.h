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
	JOURNAL_HELD,      /* the destination refused us; no attempt is counted */
	JOURNAL_RESULTS
};

#define JOURNAL_ERROR_MAX 120 /* bytes; longer ones are cut */
#define JOURNAL_FIND_MAX 1000

/* One attempt, or one decision. */
struct journal_row {
	struct id
	    segment; /* zeros: none (a dead letter that is sent again); then the row is for the log only */
	uint64_t number;   /* of the record in it */
	struct id message; /* its id, as the destination sees it */
	enum journal_result result;
	unsigned attempt;        /* 1: the first */
	int64_t time;            /* UTC ns: when the attempt began */
	int64_t duration;        /* ns; whole microseconds are kept */
	int status;              /* 0: none */
	unsigned char trace[16]; /* zeros: none */
	struct str error;        /* empty when delivered */
};

/* "success", "retry", "failed", "purged", "held", as the API calls them; and back: -1: no such word. */
const char *journal_result_name(enum journal_result r);
int journal_result_of(struct str name);

/* Opens (makes) the journal in dir and reads what is there: a torn tail is cut, a damaged row passed over with a log line. limit: bytes it may
 * take; it takes more only where the progress of what is live needs it. Starts a task that lives until journal_close(). Parks. 0, ERR_NOMEM, or
 * an error of the disk. */
int journal_open(const char *dir, uint64_t limit, struct journal **out);
/* Adds a row; durable a moment later (journal_flush waits for that). Rows of one message keep their order. Never parks; copies. Where the disk
 * fails it is tried again every second; rows for which there is no room meanwhile are missing from the log (counted, with a log line), but not
 * from the progress. What is lost at a crash before then is delivered a second time, never not at all. */
void journal_add(struct journal *j, const struct journal_row *row);
/* Until all rows added so far are durable. Parks. 0, ERR_TIMEOUT, ERR_CANCELLED, or why the disk did not take them just now. */
int journal_flush(struct journal *j, int64_t deadline);
/* Flushes as far as the disk lets it, closes, frees. No other call may be under way. Parks, also in a task that was cancelled. */
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
/* Segments with progress, to find those whose files are gone: how many there are; the first max of them into out. */
size_t journal_segments(const struct journal *j, struct id *out, size_t max);

/* Figures, for status and tests. */
struct journal_stats {
	uint64_t bytes;   /* its files */
	uint64_t dropped; /* rows missing from the log, since it was opened */
	uint64_t damaged; /* bytes passed over when it was opened */
	unsigned files;
};
struct journal_stats journal_get_stats(const struct journal *j);

/* ---- the log ---- */

struct journal_query {
	bool by_message;
	struct id message;
	int result;     /* -1: any */
	int64_t after;  /* begun then or later; UTC ns; 0: any */
	unsigned limit; /* at most JOURNAL_FIND_MAX */
};
/* The newest rows that fit, newest first, as they were added; from the files, one after the other until there are limit of them. Flushes
 * before. Parks; the row is good for the call of visit only, which must not park. 0, ERR_NOMEM, ERR_CANCELLED or ERR_IO. */
int journal_find(struct journal *j, const struct journal_query *q,
    void (*visit)(void *arg, const struct journal_row *row), void *arg);

#endif

/*
 * What a person decides over many dead letters at once: send them again, at a pace; discard them; take a job back. For the API (admin/).
 *
 * A job is what one such wish to send again becomes. Its entries carry its id and their due times in the store, so it goes on after a
 * restart whatever becomes of this module; here is kept who wanted it and why, of the last JOBS_MAX jobs, in dlq/jobs below state_dir.
 *
 * All calls are made in the shipper's loop thread, on tasks.
 */
#ifndef SLUICE_DLQ_JOBS_H
#define SLUICE_DLQ_JOBS_H

#include "dlq/dlq.h"
#include "sink/stream.h"

#define JOBS_MAX 50
#define JOBS_SKIPPED_MAX 100

struct jobs;

/* dir: state_dir/dlq. streams: entries of others cannot be sent again, and those that are to be are pending again; borrowed for good. What cannot be
 * read of the jobs' file is set aside with a log line. Nobody delivers yet. Parks. 0 or ERR_NOMEM. */
int jobs_open(struct dlq *d, const char *dir, const struct stream_conf *streams, struct jobs **out);
/* Is there a stream of this name among them? */
bool jobs_has_stream(const struct stream_conf *streams, struct str name);
/* No other call may be under way. */
void jobs_close(struct jobs *j);

/* Which entries: these; or, where filter is set, all that fit it. A filter that names no state means the pending ones. */
struct jobs_selection {
	const struct id *ids;
	size_t n;
	const struct dlq_filter *filter;
};

struct jobs_skipped {
	struct id id;
	int err; /* jobs_why() */
};
struct jobs_result {
	struct id job;    /* zeros: none was made, since nothing was accepted or it was a dry run */
	uint64_t matched; /* selected, ids that are unknown included */
	uint64_t accepted; /* of them: marked, discarded; in a dry run: that would be */
	uint64_t skipped;
	unsigned n_listed; /* the first of those skipped */
	struct jobs_skipped listed[JOBS_SKIPPED_MAX];
};

/*
 * how: by, reason, force, due, batch, rate and delay as in struct dlq_decision; job is not used. Whatever is accepted is durable on return. 0
 * also where all were refused; ERR_NOMEM, ERR_IO, ERR_NOSPACE: what *out counts was done all the same. The loop's other tasks have their turns meanwhile,
 * however many are selected. Parks. Too large for a task's stack: *out lives on the heap.
 */
int jobs_reprocess(struct jobs *j, const struct jobs_selection *s, const struct dlq_decision *how,
    bool dry_run, struct jobs_result *out);
/* of how: by, reason, force. */
int jobs_discard(struct jobs *j, const struct jobs_selection *s, const struct dlq_decision *how,
    bool dry_run, struct jobs_result *out);
/* Takes back what of a job is not on its way this moment. of how: by, reason. 0; ERR_NOT_FOUND; ERR_CONFLICT: it is over; ERR_IO, ERR_NOSPACE. Parks. */
int jobs_cancel(struct jobs *j, struct id job, const struct dlq_decision *how, uint64_t *cancelled);

/* Why an entry was skipped, for people: "is being sent again already". */
const char *jobs_why(int err);

enum jobs_state { JOBS_RUNNING, JOBS_DONE, JOBS_CANCELLED };
/* "running", "done", "cancelled" */
const char *jobs_state_name(enum jobs_state s);

/* started: those whose time has come; of them delivered, failed (pending again), or on their way. Strings are borrowed until the task parks. */
struct jobs_status {
	struct id id;
	enum jobs_state state;
	struct str by, reason;
	int64_t created; /* UTC ns */
	uint64_t total, started, delivered, failed, cancelled;
	uint64_t rate, batch;
	int64_t delay; /* ns */
};
/* Newest first, at most max; returns how many. Never parks. */
unsigned jobs_list(struct jobs *j, struct jobs_status *out, unsigned max);

#endif

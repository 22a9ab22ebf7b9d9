/*
 * Dead letters: what could not be delivered, kept with its payload, its error and its history until a person or a rule decides. One store for all
 * streams, in state_dir/dlq, owned by the shipper; other processes ask the shipper (admin/dlq.h).
 *
 * An entry is pending (it waits for a decision), reprocessing (it is to be delivered again, now or at its time), resolved (it was
 * delivered) or discarded. Every change is durable before the call that makes it returns; a kill at any instant loses or doubles none.
 *
 *	             dlq_add
 *	                │            dlq_reprocess, a rule                 dlq_end(DELIVERED)
 *	             pending ────────────────────────────> reprocessing ─────────────────────> resolved
 *	                │  <────────────────────────────────────┘
 *	                │         dlq_end(FAILED), dlq_cancel
 *	                └─ dlq_discard ──> discarded           (both are kept for `retention`; force sends them again)
 *
 * All calls are made in the shipper's loop thread, on tasks. Those that may park say so.
 */
#ifndef SLUICE_DLQ_DLQ_H
#define SLUICE_DLQ_DLQ_H

#include "base/buf.h"
#include "base/hash.h"
#include "sink/sink.h"

enum dlq_type { DLQ_TRANSIENT, DLQ_PERMANENT, DLQ_POISON, DLQ_TYPES };
enum dlq_state { DLQ_PENDING, DLQ_REPROCESSING, DLQ_RESOLVED, DLQ_DISCARDED, DLQ_STATES };
/* What its payload is: one record, in memory or a file; or a whole file: a bundle's gzip, an object's segment, or a damaged one (poison). */
enum dlq_kind { DLQ_MESSAGE, DLQ_BUNDLE, DLQ_OBJECT, DLQ_KINDS };

#define DLQ_ERROR_MAX 240
#define DLQ_NAME_MAX 128 /* operators, rules, users: longer ones are cut */
#define DLQ_REASON_MAX 500
#define DLQ_INLINE_MAX (256u * 1024) /* the payload of a longer message is a file of its own */

/* A new entry. Everything is borrowed. */
struct dlq_letter {
	struct id
	    id; /* of the entry; the same letter has the same id after a crash: a second dlq_add of it changes nothing */
	enum dlq_kind kind;
	enum dlq_type type;
	const char *why; /* the last error */
	int status;      /* of it, as HTTP or SMTP count; 0: none */
	unsigned attempts;
	int64_t first_attempt, last_attempt; /* UTC ns; 0: none was made */
	/* The record, with what belongs to it: m.id is the message's id; m.body, or m.path, m.offset, m.length, its payload. Of a bundle or object:
	 * m.id is the bundle's, key the object's key, m.path its file, which gets a second name in the store (a link: all is below state_dir); list:
	 * the bundle's list file, or an object's number, linked too; NULL: none. The caller's own names are his to remove, once dlq_add has
	 * returned 0: until then the store has none, or forgets it. */
	struct sink_message m;
	struct str key;
	const char *list; /* NULL: none */
	uint64_t records; /* in a bundle; else 1 */
};

/* An entry without its payload. Strings are borrowed from the store: good until the task parks. */
struct dlq_entry {
	struct id id;
	enum dlq_kind kind;
	enum dlq_type type;
	enum dlq_state state;
	struct str stream, user, content_type, content_encoding, method, traceparent, message_id,
	    key;
	struct str error; /* of the last attempt */
	int status;
	unsigned attempts; /* all that were ever made */
	unsigned
	    tries; /* of these since it was last sent again, without those that were held: the retries of this round */
	unsigned reprocessed; /* how often it was sent again, by rule or hand */
	unsigned by_rule;     /* of these by a rule: dlq_decision.by begins with "rule:" */
	uint64_t size, records;
	int64_t created; /* when the record was taken in; UTC ns, as all of these */
	int64_t dead;    /* when it came here */
	int64_t
	    since; /* when it came into the state it is in: pending since it came, or came back */
	int64_t last_attempt;   /* 0: none */
	int64_t due;            /* reprocessing: not before; 0: now */
	struct id job;          /* that it belongs to, or belonged last; zeros: none */
	int64_t resolved;       /* resolved or discarded: when; else 0 */
	struct str resolved_by; /* operator, or "rule:NAME" */
	struct str reason;      /* of the last decision */
};

/* ---- asking ---- */

struct dlq_filter {
	struct str stream, message_id; /* empty: any */
	int state, type;               /* -1: any */
	struct str q;          /* found, in any case, in error, ids, user or key; empty: all */
	struct id job;         /* zeros: any */
	int64_t after, before; /* dead >= after, < before; UTC ns; 0: no bound */
};

struct dlq;
typedef void dlq_visit_fn(void *arg, const struct dlq_entry *e);

/* Newest first: passes `skip` entries that fit, visits up to `limit`. Returns how many fit at all. Never parks. */
uint64_t dlq_list(struct dlq *d, const struct dlq_filter *f, uint64_t skip, unsigned limit,
    dlq_visit_fn *visit, void *arg);
/* 0 or ERR_NOT_FOUND. Never parks. */
int dlq_find(struct dlq *d, struct id id, struct dlq_entry *out);
/* The payload of a message: count bytes from offset `at` into p, fewer at its end. Bundles: of the gzip file. Parks. ERR_NOT_FOUND: no such
 * entry, or somebody removed its file; ERR_CORRUPT: it is not what was stored; ERR_IO, ERR_NOMEM. */
ssize_t dlq_read(struct dlq *d, struct id id, uint64_t at, void *p, size_t n);

/* Where the store keeps the files of a bundle or object, or the payload of a long message; empty: it has none (any more). Whoever sends the
 * entry again links them back to where they were; a newer list, if the key's number has moved on, he renames over this one before
 * dlq_end(DLQ_FAILED). 0 or ERR_NOT_FOUND. Never parks. */
struct dlq_files {
	char file[400], list[400];
};
int dlq_find_files(struct dlq *d, struct id id, struct dlq_files *out);

/* What happened to an entry, oldest first, attempts that were made before it came here included as far as they are told. */
enum dlq_event_kind {
	DLQ_EV_DEAD,      /* it came here */
	DLQ_EV_REPROCESS, /* somebody, or a rule, wants it sent again */
	DLQ_EV_ATTEMPT,   /* one attempt since */
	DLQ_EV_RETURNED,  /* given up again: pending */
	DLQ_EV_CANCELLED, /* taken back before it was sent: pending */
	DLQ_EV_RESOLVED,
	DLQ_EV_DISCARDED
};
struct dlq_event {
	enum dlq_event_kind kind;
	int64_t time;     /* UTC ns */
	int64_t duration; /* ns, of an attempt */
	unsigned attempt;
	int outcome; /* enum sink_outcome, of an attempt */
	int status;
	struct str by, reason, error; /* empty where there is none */
};
/* "dead", "reprocess", …. Never NULL. */
const char *dlq_event_name(enum dlq_event_kind k);
/* Only the newest events of an entry are kept: *left_out (may be NULL), how many older ones are not. Parks; e is good for the call only.
 * 0, ERR_NOT_FOUND, ERR_IO. */
int dlq_history(struct dlq *d, struct id id, uint64_t *left_out,
    void (*visit)(void *arg, const struct dlq_event *e), void *arg);

enum dlq_drop { DLQ_DROP_MAX_MESSAGES, DLQ_DROP_RETENTION, DLQ_DROPS };
struct dlq_counts {
	uint64_t by_state[DLQ_STATES];
	uint64_t by_type[DLQ_TYPES]; /* of those pending and reprocessing */
	uint64_t bytes;              /* on disk */
	int64_t oldest;              /* of those pending: when it came here; 0: none */
	uint64_t dropped[DLQ_DROPS]; /* ever, over restarts; of all streams, whatever was asked */
};
/* stream empty: all. */
void dlq_count(struct dlq *d, struct str stream, struct dlq_counts *out);
/* Hourly: how many came in an hour (UTC ns of its start), by stream and type, newest hour first. Kept for `retention`, over restarts. */
typedef void dlq_hour_fn(
    void *arg, int64_t hour, struct str stream, enum dlq_type type, uint64_t n);
void dlq_hours(struct dlq *d, unsigned hours, dlq_hour_fn *visit, void *arg);

/* ---- deciding ---- */

struct dlq_decision {
	struct str by, reason; /* operator or "rule:NAME"; cut to DLQ_NAME_MAX, DLQ_REASON_MAX */
	bool force;            /* also what is poison, resolved or discarded */
	int64_t due;           /* reprocess: not before; UTC ns; 0: now */
	/* Reprocess: a job, by which its entries are known (jobs.h); spread: after `batch` entries (0: all) a pause of `delay` ns; at most `rate` a second (0: no cap). It is
	 * the entries' due times that do this, so a job goes on after a restart. */
	struct id job;
	uint64_t batch, rate;
	int64_t delay;
};
/* One result an id: 0; ERR_NOT_FOUND; ERR_BUSY: is being reprocessed; ERR_CONFLICT: resolved or discarded already; ERR_DENIED: poison, only
 * with force. Returns 0, or ERR_IO, ERR_NOSPACE (then nothing was changed). Any number of ids: one sync. Parks. */
int dlq_reprocess(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results);
/* Pending ones (force: also those being reprocessed that are not on their way this moment). */
int dlq_discard(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results);
/* Reprocessing, not on its way this moment: back to pending, and of no job any more. ERR_CONFLICT: is not being reprocessed; ERR_BUSY: is on its way. */
int dlq_cancel(
    struct dlq *d, const struct id *ids, size_t n, const struct dlq_decision *how, int *results);

/* ---- delivery (message/, ship/) ---- */

/* Durable on 0; the payload is copied (a message) or linked (a file). An id that is there already: 0, nothing changes. Many callers at
 * once share one sync. Past max_messages the oldest message makes room (resolved and discarded ones first), counted and logged. Parks. */
int dlq_add(struct dlq *d, const struct dlq_letter *l);
/* The next entry of the stream that is to be delivered again and is due; it is on its way until dlq_end or dlq_give_back. out NULL: only looks. False:
 * none is; *next: when one will be (UTC ns), or 0: none waits. Never parks. */
bool dlq_take(
    struct dlq *d, struct str stream, int64_t wall_now, struct dlq_entry *out, int64_t *next);
/* One attempt was made: for the history, durable with the next sync. Never parks. */
void dlq_attempt(
    struct dlq *d, struct id id, const struct sink_result *r, int64_t started, int64_t duration);
enum dlq_ending {
	DLQ_DELIVERED, /* resolved, durably on 0 */
	DLQ_FAILED     /* pending again; r: the last error. Its type follows r->outcome */
};
/* Parks. 0 or ERR_IO: then it is still on its way, and the caller calls again. */
int dlq_end(struct dlq *d, struct id id, enum dlq_ending how, const struct sink_result *r);
/* Nothing was tried, or the outcome is not known: it is due again at once. Never parks. */
void dlq_give_back(struct dlq *d, struct id id);
/* Called (must not park) when an entry of that stream is to be sent again, now or later: dlq_take tells when. For what is there when the
 * store is opened nobody is called. */
void dlq_on_due(struct dlq *d, void (*fn)(void *arg, struct str stream), void *arg);

/* ---- life ---- */

struct dlq_limits {
	uint64_t
	    max_messages; /* of kind message, 0: no limit; bundles and objects do not count and are never dropped */
	int64_t
	    retention; /* ns: what was decided goes after it, and so do messages that nobody decided on */
};
/* Opens (makes) the folder dir, state_dir/dlq, reading what is there; a damaged part is set aside with a log line, the rest is used.
 * Messages beyond the limits go with the next dlq_tend. Parks. 0 or an error. */
int dlq_open(const char *dir, const struct dlq_limits *limits, struct dlq **out);
/* Work that is due: retention, compaction. Every minute or so, and after dlq_add as it sees fit. Parks. */
void dlq_tend(struct dlq *d);
/* Everything written is synced. No other call may be under way. Parks. */
void dlq_close(struct dlq *d);

/* "transient", …; "pending", …; "message", …; and back: -1: no such word. */
const char *dlq_type_name(enum dlq_type t);
const char *dlq_state_name(enum dlq_state s);
const char *dlq_kind_name(enum dlq_kind k);
int dlq_type_of(struct str name);
int dlq_state_of(struct str name);

#endif

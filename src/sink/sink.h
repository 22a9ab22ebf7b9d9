/*
 * Destinations. One interface, a table of functions a kind. Those of objects put a file under a key: s3 (sink/s3.c), dir (sink/dir.c). Those of
 * messages deliver one record at a time: http (sink/http.c), smtp (sink/smtp.c).
 */
#ifndef SLUICE_SINK_SINK_H
#define SLUICE_SINK_SINK_H

#include "base/buf.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "task/task.h"

/* What is to be delivered: a file's stretch under a key, with its identity. */
struct sink_item {
	struct str key;
	struct id id;
	const char *path; /* the file: length bytes from offset */
	uint64_t offset, length;
	struct str content_type, content_encoding;
	struct str uri;              /* full URI of an object, raw bytes; empty: none */
	bool gzip_id;                /* the file is a bundle whose gzip header carries the id */
	const unsigned char *sha256; /* if known already, else NULL */
};

/* One record, for a sink of messages. Everything is borrowed for the length of the call. */
struct sink_message {
	char id[2 * ID_LEN + 1];     /* the same for every attempt: Idempotency-Key, Message-ID */
	struct str stream;           /* its name */
	struct str method;           /* as it was taken in: PUT or POST */
	struct str user;             /* empty: nobody */
	struct str content_type;     /* empty: none was given */
	struct str content_encoding; /* of the body as it is here; empty: none */
	struct str
	    traceparent;  /* of the request that brought it, or made for it then; empty: none */
	int64_t received; /* UTC ns */
	unsigned attempt; /* 1: the first; goes on counting when a dead letter is sent again */
	struct str body;  /* the whole of it; or, where body.p is NULL: */
	const char *path; /* length bytes of this file, from offset */
	uint64_t offset, length; /* length: body.n otherwise */
};

enum sink_outcome {
	SINK_CONFIRMED, /* it is there, and it is ours */
	SINK_TAKEN,     /* another id has this key: fix the next n durably, then try that */
	SINK_AGAIN,     /* unknown or busy: the same key with the same id again, after back-off */
	SINK_HELD, /* the destination is misconfigured or refuses us: breaker opens, data stays */
	SINK_PERMANENT, /* this item cannot be delivered (message sinks) */
	SINK_POISON     /* it cannot even be read as what the sink needs (message sinks) */
};

struct sink_result {
	enum sink_outcome outcome;
	int64_t retry_after; /* ns the destination asked for; 0 */
	int status;          /* what it said, as HTTP or SMTP count; 0: nothing */
	char why[240];       /* for log and health: "503 SlowDown", "connect to …: refused" */
};

struct sink;
struct sink_conf; /* one `sink …;` line, parsed */

struct sink_ops {
	const char *kind; /* "s3", "dir": the word behind `sink` */
	/* The rest of a `sink KIND …;` line into out (arena of c), and, once the whole
	 * configuration is applied, what it refers to. 0 or an error after conf_error(). */
	int (*parse)(struct conf *c, const struct conf_node *node, struct sink_conf *out);
	int (*check)(struct conf *c, const struct conf_node *node, const struct sink_conf *conf);
	/* In the shipper, once a destination. 0 or an error with why. */
	int (*open)(const struct sink_conf *conf, struct sink **out, char *why, size_t cap);
	/* Sinks of messages; put, probe are NULL then, and the stream's mode is message. One attempt at one message: parks; the result is always
	 * filled: SINK_CONFIRMED, SINK_AGAIN, SINK_HELD, SINK_PERMANENT or SINK_POISON. Any number of tasks call it side by side. Where a task
	 * is cancelled it returns soon, with SINK_AGAIN. */
	void (*send)(struct sink *s, const struct sink_message *m, int64_t deadline,
	    struct sink_result *out);
	/* Steps 11 of the protocol (and the dir sink's own): parks; the result is always filled. */
	void (*put)(struct sink *s, const struct sink_item *item, bool verify, int64_t deadline,
	    struct sink_result *out);
	/* Does the store honour conditional writes? Tried once and remembered; sets s->conditional.
	 * Parks. 1 yes, 0 no, or an error with why: then the next call tries again. */
	int (*probe)(struct sink *s, int64_t deadline, char *why, size_t cap);
	void (*close)(struct sink *s);
	/* May be NULL. For people: the header fields that go with this message (its body is not looked at); values that the configuration
	 * adds may be secrets and are "***". Both are good for the call. */
	void (*show)(const struct sink_conf *conf, const struct sink_message *m,
	    void (*field)(void *arg, struct str name, struct str value), void *arg);
};

struct sink_conf {
	const struct sink_ops *ops;
	struct str prefix;              /* s3: of keys */
	struct str destination;         /* for log and metrics: "s3:store/bucket", "dir:/path" */
	void *arg;                      /* the kind's own */
	const struct conf_scope *scope; /* the stream's: has the resolver, the classify rules */
};

struct sink {
	const struct sink_ops *ops;
	bool conditional; /* store honours If-None-Match (from the probe); dir: true */
};

/* The kind of that name, or NULL. */
const struct sink_ops *sink_find_kind(struct str kind);

/* Keys, pure (rows I-21, I-22, I-33, I-34, I-36). hour_ns: any time within the UTC hour of the
 * data. n 0: the first. unique: stores without conditional writes get the id in the key. */
int sink_bundle_key(struct str prefix, int64_t hour_ns, struct str host, unsigned n,
    const struct id *unique, struct buf *out);
/* <prefix><user>/YYYY/MM/DD/<clean uri>.<unix ns>.<ext> */
int sink_object_key(
    struct str prefix, struct str user, struct str uri, int64_t time_ns, struct buf *out);
/* The n-th alternative: ".n" before the extension. */
int sink_key_alternative(struct str key, unsigned n, struct buf *out);
/* A URI as x-amz-meta-uri and the dir sink's sidecar carry it: visible ASCII but '%' as it is,
 * every other byte percent-encoded, so that decoding gives back any bytes. */
void sink_put_uri(struct str uri, struct buf *out);
const char *sink_content_type(struct str ext_or_key);
/* Host part: "." becomes "-"; "unknown" if there is none; only [A-Za-z0-9-_]. */
void sink_host_name(char *out, size_t cap);

#endif

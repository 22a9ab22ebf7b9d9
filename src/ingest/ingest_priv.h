/*
 * Shared by the files of ingest/.
 */
#ifndef SLUICE_INGEST_INGEST_PRIV_H
#define SLUICE_INGEST_INGEST_PRIV_H

#include "http/server.h"
#include "http/text.h"
#include "ingest/ingest.h"
#include "sink/stream.h"
#include "spool/idem.h"
#include "spool/spool.h"

/* What `body=` says. */
struct ingest_answer {
	struct http_text text; /* n 0: there is none */
	bool *in_string;       /* does this part stand within a string of the JSON? */
};

/* One `ingest` line. */
struct ingest_conf {
	struct str stream_name;
	const struct conf_node *node;
	const struct conf_scope *scope; /* its location's */
	struct stream_conf *stream;
	uint64_t status;
	struct ingest_answer answer;
};

/* conf.c: the `ingest` line of this location; NULL: it has none. */
const struct ingest_conf *ingest_of(const struct http_location *l);

/* metrics.c: requests that left no record. */
void ingest_metrics_register(void);

/* What is known of a record while its request lasts; there where the answer tells of it, and for messages. */
struct ingest_record {
	struct str body; /* as it is stored; empty: not known, or too long for memory */
	bool stored;
	char id[2 * ID_LEN + 1];
};

/* spools.c: this worker's spool of a stream; NULL before ingest_open. */
struct spool *spools_get(const struct stream_conf *stream);
/* Bytes that may still be added to the stream. */
uint64_t spools_room(const struct stream_conf *stream);
/* A message is about to come: true if there is room for one (max_messages); then spools_leave() must follow, once it is stored or
 * is not going to be. */
bool spools_enter(const struct stream_conf *stream);
void spools_leave(const struct stream_conf *stream);
/* The outcome of a store, for health. */
void spools_note(const struct stream_conf *stream, int err);

/* handler.c. arg: struct ingest_conf. */
int ingest_handle(struct http_request *r, void *arg);
/* object.c: the same for streams of objects. */
int ingest_handle_object(struct http_request *r, const struct ingest_conf *conf);
/* 0, or 503 answered (1): a body of this length could not be stored now. */
int ingest_check_room(struct http_request *r, const struct ingest_conf *conf);

struct claim;

/* long.c: streams the body into an upload and commits it; the claim is passed on; *bytes of it. Its errors are the caller's to answer (a text
 * that is no JSON: already answered, 1). */
int ingest_stream_body(struct http_request *r, const struct ingest_conf *conf, struct str attrs,
    struct claim *claim, uint64_t *bytes);

/* attrs.c: a message has a traceparent: the client's, or from now on one of ours. */
void ingest_trace(struct http_request *r, const struct ingest_conf *conf);
/* What is kept beside a record, as long as the request lasts. 0 or ERR_HEADER_TOO_LARGE. */
int ingest_attrs(struct http_request *r, const struct ingest_conf *conf, const struct claim *claim,
    struct str *out);

/* reply.c */
void ingest_reply_register(void);
/* The text of `body=`: 0 or an error after conf_error(). */
int ingest_answer_compile(
    struct conf *c, const struct conf_node *node, struct str text, struct ingest_answer *out);
/* Before anything is answered. 0 or ERR_NOMEM. */
int ingest_record_begin(struct http_request *r, const struct ingest_conf *conf);
/* NULL: nobody asks. */
struct ingest_record *ingest_record_of(const struct http_request *r);
void ingest_record_stored(struct http_request *r, struct id id);
int ingest_reply_bad_json(struct http_request *r, uint64_t offset);
int ingest_reply_failure(struct http_request *r, int err);
int ingest_reply_stored(struct http_request *r, const struct ingest_conf *conf, uint64_t bytes);

#endif

/*
 * Shared by the files of ingest/.
 */
#ifndef SLUICE_INGEST_INGEST_PRIV_H
#define SLUICE_INGEST_INGEST_PRIV_H

#include "http/server.h"
#include "ingest/ingest.h"
#include "sink/stream.h"
#include "spool/idem.h"
#include "spool/spool.h"

/* One `ingest` line. */
struct ingest_conf {
	struct str stream_name;
	const struct conf_node *node;
	const struct conf_scope *scope; /* its location's */
	struct stream_conf *stream;
	uint64_t status;
	struct str body; /* template; empty: none */
};

/* conf.c: the `ingest` line of this location; NULL: it has none. */
const struct ingest_conf *ingest_of(const struct http_location *l);

/* metrics.c: requests that left no record. */
void ingest_metrics_register(void);

/* spools.c: this worker's spool of a stream; NULL before ingest_open. */
struct spool *spools_get(const struct stream_conf *stream);
/* Bytes that may still be added to the stream. */
uint64_t spools_room(const struct stream_conf *stream);
/* The outcome of a store, for health. */
void spools_note(const struct stream_conf *stream, int err);

/* handler.c. arg: struct ingest_conf. */
int ingest_handle(struct http_request *r, void *arg);
/* object.c: the same for streams of objects. */
int ingest_handle_object(struct http_request *r, const struct ingest_conf *conf);
struct claim;
/* Streams the body into an upload and commits it; the claim is passed on; *bytes of it. Its errors are the caller's to answer (a text that is no
 * JSON: already answered, 1). */
int ingest_stream_body(struct http_request *r, const struct ingest_conf *conf, struct str attrs,
    struct claim *claim, uint64_t *bytes);
int ingest_reply_bad_json(struct http_request *r, uint64_t offset);
int ingest_reply_failure(struct http_request *r, int err);
int ingest_reply_stored(struct http_request *r, const struct ingest_conf *conf, uint64_t bytes);
/* 0, or 503 answered (1): a body of this length could not be stored now. */
int ingest_check_room(struct http_request *r, const struct ingest_conf *conf);

#endif

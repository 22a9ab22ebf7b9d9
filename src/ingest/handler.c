/*
 * PUT and POST of a record: gather, validate, append, wait for the commit, answer. Reads top to bottom; parks at the body and at the commit.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/expr.h"
#include "base/json.h"
#include "ingest/claim.h"
#include "ingest/ingest_priv.h"
#include "message/message.h"
#include "task/task.h"

#define MATCH_AT_ONCE 65536 /* steps of an expression: some 0.2 ms at most */

int
ingest_check_room(struct http_request *r, const struct ingest_conf *conf)
{
	int64_t announced = http_body_length(r);
	uint64_t need = announced > 0 ? (uint64_t)announced : 1;

	if (spools_room(conf->stream) >= need)
		return 0;
	ingest_reply_failure(r, ERR_NOSPACE);
	return 1;
}

/* As many messages wait as may. */
static int
reply_full(struct http_request *r, const struct stream_conf *stream)
{
	char text[160];

	snprintf(text, sizeof(text), "Stream \"%.*s\" is full: max_messages %" PRIu64,
	    STR_ARG(stream->name), stream->max_messages);
	http_add_header(r, "Retry-After", STR("5"));
	return http_reply_message(r, 503, text);
}

/* Under `validate json` the text loses its line breaks, in place. 0, or answered (1). */
static int
check_json(struct http_request *r, struct str *body)
{
	struct json_check check;
	size_t n;

	json_check_init(&check);
	if (json_check_feed_line(&check, body->p, body->n, (char *)body->p, &n) != 0 ||
	    json_check_end(&check) != 0) {
		ingest_reply_bad_json(r, check.offset);
		return 1;
	}
	body->n = n;
	return 0;
}

static int
reply_no_match(struct http_request *r)
{
	return http_reply_message(r, 400, "Body does not match");
}

/* The worker's others have their turn meanwhile. 0, ERR_BAD (no match) or an error. */
static int
match_long(const struct expr *e, struct str body)
{
	struct expr_look *l = expr_look_new(e, body);
	bool matches = false;
	int err = l ? 0 : ERR_NOMEM;

	while (err == 0 && !expr_look_on(l, &matches))
		err = task_breathe();
	expr_look_free(l);
	return err == 0 && !matches ? ERR_BAD : err;
}

/* 0, or answered (1), or an error. */
static int
check_match(struct http_request *r, struct expr *e, struct str body)
{
	int err;

	if (expr_cost(e, body) <= MATCH_AT_ONCE)
		err = expr_match(e, body) ? 0 : ERR_BAD;
	else
		err = match_long(e, body);
	if (err != ERR_BAD)
		return err;
	reply_no_match(r);
	return 1;
}

/* 0, or answered (1), or an error. */
static int
validate(struct http_request *r, const struct ingest_conf *conf, struct str *body)
{
	const struct stream_conf *stream = conf->stream;

	if (stream->validate == VALIDATE_JSON && check_json(r, body) != 0)
		return 1;
	return stream->match ? check_match(r, stream->match, *body) : 0;
}

/* 0 or an error. Of other streams than those of messages an empty body is no record. */
static int
store(struct http_request *r, const struct ingest_conf *conf, struct spool_record *record,
    struct claim *claim)
{
	int err;

	if (record->body.n == 0 && conf->stream->mode != STREAM_MESSAGE)
		return OK;
	claim_pass(claim);
	err = spool_append(spools_get(conf->stream), record);
	spools_note(conf->stream, err);
	if (err == 0)
		ingest_record_stored(
		    r, message_id(record->place->segment, record->place->number, record->attrs));
	return err;
}

/* The record from the client to the disk: 0 and its length, an error, or answered (1). */
static int
take(struct http_request *r, const struct ingest_conf *conf, struct claim *claim, uint64_t *bytes)
{
	struct spool_place place;
	struct spool_record record = { .user = r->user, .place = &place };
	int err = ingest_attrs(r, conf, claim, &record.attrs);

	if (err == 0)
		err = http_body_gather(r, SPOOL_GATHER_MAX, &record.body);
	if (err == ERR_TOO_LARGE && conf->stream->match != NULL) {
		reply_no_match(r);
		return 1;
	}
	if (err == ERR_TOO_LARGE)
		return ingest_stream_body(r, conf, record.attrs, claim, bytes);
	if (err != 0)
		return err;
	err = validate(r, conf, &record.body);
	if (err != 0)
		return err;
	if (ingest_record_of(r) != NULL)
		ingest_record_of(r)->body = record.body;
	*bytes = record.body.n;
	return store(r, conf, &record, claim);
}

static int
handle_record(struct http_request *r, const struct ingest_conf *conf, struct claim *claim)
{
	bool message = conf->stream->mode == STREAM_MESSAGE;
	uint64_t bytes = 0;
	int err;

	if (message && !spools_enter(conf->stream))
		return reply_full(r, conf->stream);
	err = take(r, conf, claim, &bytes);
	/* Before the answer: with that in hand the client may send the next one. */
	if (message)
		spools_leave(conf->stream);
	if (err > 0)
		return 0;
	return err ? ingest_reply_failure(r, err) : ingest_reply_stored(r, conf, bytes);
}

int
ingest_handle(struct http_request *r, void *arg)
{
	const struct ingest_conf *conf = arg;
	struct claim claim;
	int err = ingest_record_begin(r, conf);

	if (err != 0)
		return ingest_reply_failure(r, err);
	if (conf->stream->mode == STREAM_OBJECT)
		return ingest_handle_object(r, conf);
	ingest_trace(r, conf);
	if (claim_begin(r, conf, &claim) != 0)
		return 0;
	if (ingest_check_room(r, conf) == 0)
		err = handle_record(r, conf, &claim);
	claim_end(&claim);
	return err;
}

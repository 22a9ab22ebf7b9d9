/*
 * PUT and POST of a record: gather, validate, append, wait for the commit, answer. Reads top to bottom; parks at the body and at the commit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "ingest/claim.h"
#include "ingest/ingest_priv.h"

/* A streamed body passes through a buffer of this size. */
#define STREAM_BUFFER (128u * 1024)

int
ingest_reply_failure(struct http_request *r, int err)
{
	if (err == ERR_IO || err == ERR_CORRUPT)
		return http_reply_message(r, 500, "Failed to save data");
	return http_reply_error(r, err);
}

int
ingest_reply_bad_json(struct http_request *r, uint64_t offset)
{
	char text[80];

	snprintf(text, sizeof(text), "Invalid JSON at byte %" PRIu64, offset);
	return http_reply_message(r, 400, text);
}

/* $record_id and $request_id, as they stand, in the template of `body=`. */
static void
put_template(struct http_request *r, struct str template, struct buf *out)
{
	static const struct str record_id = STR_INIT("$record_id"),
				request_id = STR_INIT("$request_id");

	while (template.n > 0) {
		if (str_starts(template, record_id)) {
			char id[2 * ID_LEN + 1];

			id_text(id_new(), id);
			buf_puts(out, id);
			template = str_from(template, record_id.n);
		} else if (str_starts(template, request_id)) {
			buf_put_str(out, r->id);
			template = str_from(template, request_id.n);
		} else {
			buf_putc(out, template.p[0]);
			template = str_from(template, 1);
		}
	}
}

int
ingest_reply_stored(struct http_request *r, const struct ingest_conf *conf, uint64_t bytes)
{
	char memory[1024];
	struct buf body;

	log_event(LOG_DEBUG, "ingest", "stored", LOG_STR("stream", conf->stream->name),
	    LOG_STR("user", r->user), LOG_I("bytes", bytes), LOG_STR("id", r->id), LOG_END);
	if (conf->body.n == 0)
		return http_reply(r, (int)conf->status, NULL, STR(""));
	buf_init_fixed(&body, memory, sizeof(memory));
	put_template(r, conf->body, &body);
	return http_reply(r, (int)conf->status, "application/json", buf_str(&body));
}

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

/* Validates in place; under `validate json` the text loses its line breaks. 0, or answered (1). */
static int
validate(struct http_request *r, const struct ingest_conf *conf, struct str *body)
{
	struct json_check check;
	size_t n;

	if (conf->stream->validate == VALIDATE_NONE)
		return 0;
	json_check_init(&check);
	if (json_check_feed_line(&check, body->p, body->n, (char *)body->p, &n) != 0 ||
	    json_check_end(&check) != 0) {
		ingest_reply_bad_json(r, check.offset);
		return 1;
	}
	body->n = n;
	return 0;
}

/* ---- bodies too long for memory ---- */

/* One piece of the body: checked, written. 0, an error, or answered (1). */
static int
stream_piece(struct http_request *r, const struct ingest_conf *conf, struct json_check *check,
    char *p, size_t n, struct spool_upload *u)
{
	if (conf->stream->validate == VALIDATE_JSON &&
	    json_check_feed_line(check, p, n, p, &n) != 0) {
		ingest_reply_bad_json(r, check->offset);
		return 1;
	}
	return n > 0 ? spool_upload_write(u, p, n) : 0;
}

/* Fills the buffer as far as the body goes, so that it can be written as it is: bytes, 0 at the end, or an error. */
static ssize_t
fill(struct http_request *r, char *buffer)
{
	size_t n = 0;

	while (n < STREAM_BUFFER) {
		ssize_t got = http_body_read(r, buffer + n, STREAM_BUFFER - n);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int
stream_pieces(struct http_request *r, const struct ingest_conf *conf, char *buffer,
    struct spool_upload *u, uint64_t *bytes)
{
	struct json_check check;
	ssize_t got;
	int err = 0;

	json_check_init(&check);
	while ((got = fill(r, buffer)) > 0) {
		*bytes += (uint64_t)got;
		err = stream_piece(r, conf, &check, buffer, (size_t)got, u);
		if (err != 0)
			return err;
	}
	if (got < 0)
		return (int)got;
	if (conf->stream->validate == VALIDATE_JSON && json_check_end(&check) != 0) {
		ingest_reply_bad_json(r, check.offset);
		return 1;
	}
	return 0;
}

int
ingest_stream_body(struct http_request *r, const struct ingest_conf *conf, struct str attrs,
    struct claim *claim, uint64_t *bytes)
{
	struct spool *spool = spools_get(conf->stream);
	int64_t announced = http_body_length(r);
	struct spool_upload *u;
	char *buffer = malloc(STREAM_BUFFER);
	int err = ERR_NOMEM;

	*bytes = 0;
	if (buffer != NULL) {
		claim_pass(claim);
		err = spool_upload_begin(
		    spool, r->user, attrs, announced > 0 ? (uint64_t)announced : 0, &u);
	}
	if (err != 0)
		goto done;
	err = stream_pieces(r, conf, buffer, u, bytes);
	if (err == 0)
		err = spool_upload_commit(u);
	else
		spool_upload_abort(u);
done:
	free(buffer);
	if (err <= 0)
		spools_note(conf->stream, err);
	return err;
}

static int
handle_long(
    struct http_request *r, const struct ingest_conf *conf, struct str attrs, struct claim *claim)
{
	uint64_t bytes = 0;
	int err = ingest_stream_body(r, conf, attrs, claim, &bytes);

	if (err > 0)
		return 0;
	return err ? ingest_reply_failure(r, err) : ingest_reply_stored(r, conf, bytes);
}

/* ---- the handler ---- */

static int
handle_record(struct http_request *r, const struct ingest_conf *conf, struct claim *claim)
{
	struct spool_record record = { .user = r->user };
	char memory[CLAIM_ATTR_MAX];
	struct buf attrs;
	int err;

	buf_init_fixed(&attrs, memory, sizeof(memory));
	claim_put_attr(claim, &attrs);
	record.attrs = buf_str(&attrs);
	err = http_body_gather(r, SPOOL_GATHER_MAX, &record.body);
	if (err == ERR_TOO_LARGE)
		return handle_long(r, conf, record.attrs, claim);
	if (err != 0)
		return ingest_reply_failure(r, err);
	if (validate(r, conf, &record.body) != 0)
		return 0;
	if (record.body.n > 0) {
		claim_pass(claim);
		err = spool_append(spools_get(conf->stream), &record);
		spools_note(conf->stream, err);
		if (err != 0)
			return ingest_reply_failure(r, err);
	}
	return ingest_reply_stored(r, conf, record.body.n);
}

int
ingest_handle(struct http_request *r, void *arg)
{
	const struct ingest_conf *conf = arg;
	struct claim claim;
	int err = 0;

	if (conf->stream->mode == STREAM_OBJECT)
		return ingest_handle_object(r, conf);
	if (claim_begin(r, conf, &claim) != 0)
		return 0;
	if (ingest_check_room(r, conf) == 0)
		err = handle_record(r, conf, &claim);
	claim_end(&claim);
	return err;
}

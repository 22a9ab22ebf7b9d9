/*
 * Bodies too long for memory: checked and written piece by piece into a segment of their own, which is there once all of it is. Called by the
 * handlers of records and objects.
 */
#include <stdlib.h>

#include "base/json.h"
#include "ingest/claim.h"
#include "ingest/ingest_priv.h"
#include "message/message.h"

/* A streamed body passes through a buffer of this size. */
#define STREAM_BUFFER (128u * 1024)

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
	if (err == 0) {
		struct spool_place place = spool_upload_place(u);

		err = spool_upload_commit(u);
		if (err == 0)
			ingest_record_stored(r, message_id(place.segment, place.number, attrs));
	} else {
		spool_upload_abort(u);
	}
done:
	free(buffer);
	if (err <= 0)
		spools_note(conf->stream, err);
	return err;
}

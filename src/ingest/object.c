/*
 * PUT of an object (a specimen): the body streams to a file of its own, with its key, type and URI beside it, all fixed now.
 */
#include "base/log.h"
#include "base/url.h"
#include "http/server.h"
#include "ingest/claim.h"
#include "ingest/ingest_priv.h"

#define URI_MAX (8u * 1024) /* I-18 */

/* The uri parameter, decoded. 0, or answered (1). */
static int
object_uri(struct http_request *r, struct buf *uri)
{
	struct str raw = http_query_get(r->query, "uri");

	if (raw.n == 0) {
		http_reply_message(r, 400, "uri parameter is required");
		return 1;
	}
	if (url_decode(raw, uri, true) != 0 || buf_failed(uri)) {
		http_reply_message(r, 400,
		    buf_failed(uri) ? "uri parameter is too long" : "uri parameter is malformed");
		return 1;
	}
	return 0;
}

static int
object_attrs(
    struct http_request *r, const struct ingest_conf *conf, struct str uri, struct buf *attrs)
{
	struct str encoding = http_header_get(r->head, "Content-Encoding");
	struct buf key;
	int err;

	buf_init(&key, 0);
	err = sink_object_key(conf->stream->sink->prefix, r->user, uri, clock_wall(), &key);
	if (err == 0) {
		segment_put_attr(attrs, STR("key"), buf_str(&key));
		segment_put_attr(attrs, STR("uri"), uri);
		segment_put_attr(attrs, STR("type"), str_of(sink_content_type(buf_str(&key))));
		if (encoding.n > 0)
			segment_put_attr(attrs, STR("encoding"), encoding);
		err = buf_failed(attrs) ? ERR_HEADER_TOO_LARGE : 0;
	}
	buf_fini(&key);
	return err;
}

/* The key was not used before; the claim is passed on or stays with the caller. */
static int
store_object(struct http_request *r, const struct ingest_conf *conf, struct str uri,
    struct buf *attrs, struct claim *claim)
{
	uint64_t bytes;
	int err;

	if (ingest_check_room(r, conf) != 0)
		return 0;
	http_body_keep_encoding(r);
	claim_put_attr(claim, attrs);
	err = object_attrs(r, conf, uri, attrs);
	if (err == 0)
		err = ingest_stream_body(r, conf, buf_str(attrs), claim, &bytes);
	if (err > 0)
		return 0;
	return err ? ingest_reply_failure(r, err) : ingest_reply_stored(r, conf, bytes);
}

int
ingest_handle_object(struct http_request *r, const struct ingest_conf *conf)
{
	struct claim claim;
	struct buf uri, attrs;
	int err = 0;

	buf_init(&uri, URI_MAX);
	buf_init(&attrs, URI_MAX + 4096);
	if (object_uri(r, &uri) == 0 && claim_begin(r, conf, &claim) == 0) {
		err = store_object(r, conf, buf_str(&uri), &attrs, &claim);
		claim_end(&claim);
	}
	buf_fini(&uri);
	buf_fini(&attrs);
	return err;
}

/*
 * What is kept beside a record: the key it was claimed under; and of a message what its delivery needs to repeat the request. Called by the
 * handler of records.
 */
#include "http/text.h"
#include "ingest/claim.h"
#include "ingest/ingest_priv.h"

#define TRACEPARENT_LEN 55
/* Lengths and names of the attributes, and what is of one length. */
#define FIXED (CLAIM_ATTR_MAX + 4 * 16 + TRACEPARENT_LEN)

/* 00-<trace id>-<parent id>-01: W3C Trace Context, 2.2. */
static struct str
new_trace(struct http_request *r)
{
	char trace[2 * ID_LEN + 1], parent[2 * ID_LEN + 1];
	struct buf out;
	char *room = http_text_room(r, TRACEPARENT_LEN);

	if (!room)
		return str_make(NULL, 0);
	id_text(id_new(), trace);
	id_text(id_new(), parent);
	buf_init_fixed(&out, room, TRACEPARENT_LEN);
	buf_puts(&out, "00-");
	buf_puts(&out, trace);
	buf_puts(&out, "-");
	buf_put(&out, parent, 16);
	buf_puts(&out, "-01");
	return buf_str(&out);
}

void
ingest_trace(struct http_request *r, const struct ingest_conf *conf)
{
	if (conf->stream->mode == STREAM_MESSAGE && r->traceparent.n == 0)
		r->traceparent = new_trace(r);
}

/* The coding of the body as it is stored: gzip was undone. */
static struct str
stored_encoding(const struct http_request *r)
{
	struct str coding = http_header_get(r->head, "Content-Encoding");

	if (str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip")) ||
	    str_ieq(coding, STR("identity")))
		return STR("");
	return coding;
}

static void
put(struct buf *attrs, const char *name, struct str value)
{
	if (value.n > 0)
		segment_put_attr(attrs, str_of(name), value);
}

int
ingest_attrs(struct http_request *r, const struct ingest_conf *conf, const struct claim *claim,
    struct str *out)
{
	struct str type = http_header_get(r->head, "Content-Type"), encoding = stored_encoding(r);
	bool message = conf->stream->mode == STREAM_MESSAGE;
	size_t cap = FIXED + r->head->method.n + type.n + encoding.n;
	struct buf attrs;
	char *room;

	*out = STR("");
	if (!message && !claim->keyed)
		return OK;
	room = http_text_room(r, cap);
	if (!room)
		return ERR_HEADER_TOO_LARGE;
	buf_init_fixed(&attrs, room, cap);
	claim_put_attr(claim, &attrs);
	if (message) {
		put(&attrs, SEGMENT_ATTR_METHOD, r->head->method);
		put(&attrs, SEGMENT_ATTR_TYPE, type);
		put(&attrs, SEGMENT_ATTR_ENCODING, encoding);
		/* Later versions only add to it. */
		put(&attrs, SEGMENT_ATTR_TRACE, str_sub(r->traceparent, 0, TRACEPARENT_LEN));
	}
	*out = buf_str(&attrs);
	return buf_failed(&attrs) ? ERR_HEADER_TOO_LARGE : OK;
}

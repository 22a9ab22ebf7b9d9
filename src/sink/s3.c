/*
 * `sink s3 STORE bucket=B [prefix=P];`: step 11 of the durability protocol. A key is never
 * overwritten where the store honours If-None-Match, and a key that is taken is ours only if the
 * object there carries our id. Called by ship through s3_ops.
 *
 *	PUT 200                   confirmed; with verify after a HEAD with our id and length
 *	PUT 412, HEAD our id      confirmed
 *	PUT 412, HEAD another id  taken
 *	PUT 412, HEAD 404         again, the same key: it was removed meanwhile
 *	HEAD with any error       again or held, neither confirmed nor taken
 *	time-out, reset, 409, …   again: same key, same id
 *
 * A store that does not honour the condition gets a HEAD first instead, unless the key carries
 * the id anyway.
 *
 * A URI too long for S3's 2 KB of metadata goes whole into a companion object "<key>.<id>.uri",
 * stored before the object itself; x-amz-meta-uri then holds its beginning and
 * x-amz-meta-uri-rest the companion's suffix.
 */
#include "sink/s3.h"

#include <stdio.h>
#include <stdlib.h>

#include "sink/s3_priv.h"

enum { URI_META_MAX = 1600 };

/* One delivery under way; on the heap. */
struct delivery {
	struct s3_sink *sink;
	const struct sink_item *item;
	struct sink_result *result;
	int64_t deadline;
	struct s3_body body;
	struct store_object object;
	struct store_answer answer;
	struct buf uri;
	char id[2 * ID_LEN + 1];
	char rest[2 * ID_LEN + 8]; /* ".<id>.uri" */
};

/* ---- open, close */

static int
s3_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	struct s3_sink *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		snprintf(why, cap, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	*s = (struct s3_sink){ .sink = { .ops = &s3_ops, .conditional = true },
		.conf = conf->arg,
		.prefix = conf->prefix };
	waitq_init(&s->probe_over);
	if ((err = store_open(s->conf->store, why, cap))) {
		free(s);
		return err;
	}
	*out = &s->sink;
	return 0;
}

static void
s3_close(struct sink *sink)
{
	struct s3_sink *s = CONTAINER_OF(sink, struct s3_sink, sink);

	store_close(s->conf->store);
	free(s);
}

/* ---- put */

static enum sink_outcome
outcome_of(enum s3_verdict verdict)
{
	return verdict == S3_HELD ? SINK_HELD : SINK_AGAIN;
}

static void
finish(struct delivery *d, enum sink_outcome outcome, const char *why)
{
	d->result->outcome = outcome;
	if (why)
		snprintf(d->result->why, sizeof(d->result->why), "%s", why);
}

static enum s3_verdict
judge(struct delivery *d, bool head)
{
	d->result->retry_after = d->answer.retry_after;
	d->result->status = d->answer.status;
	return s3_judge(&d->answer, head, d->result->why, sizeof(d->result->why));
}

static enum s3_verdict
ask(struct delivery *d)
{
	store_head(d->sink->conf->store, d->object.bucket, d->object.key, d->deadline, &d->answer);
	return judge(d, true);
}

static enum s3_verdict
send_object(struct delivery *d, const struct store_object *o)
{
	store_put(d->sink->conf->store, o, d->sink->sink.conditional, d->deadline, &d->answer);
	return judge(d, false);
}

static bool
is_ours(const struct delivery *d)
{
	return strcmp(d->answer.bundle, d->id) == 0;
}

static void
say_taken(struct delivery *d)
{
	finish(d, SINK_TAKEN, NULL);
	snprintf(d->result->why, sizeof(d->result->why), "the key holds %s%s",
	    d->answer.bundle[0] ? "another bundle, " : "an object that is not ours",
	    d->answer.bundle);
}

/* The store says that the key is taken: by whom? */
static void
resolve_taken(struct delivery *d, bool verify)
{
	enum s3_verdict verdict = ask(d);

	if (verdict == S3_MISSING)
		finish(d, SINK_AGAIN, "412, and then HEAD 404: the same key again");
	else if (verdict != S3_DONE)
		finish(d, outcome_of(verdict), NULL);
	else if (!is_ours(d))
		say_taken(d);
	else if (verify && d->answer.length != d->item->length)
		finish(d, SINK_HELD, "an object with our id has another length");
	else
		finish(d, SINK_CONFIRMED, "was there already");
}

/* The store says that it has stored it: does it show it? */
static void
verify_stored(struct delivery *d)
{
	enum s3_verdict verdict = ask(d);

	if (verdict == S3_MISSING)
		finish(d, SINK_AGAIN, "the store said 200, but HEAD says 404");
	else if (verdict != S3_DONE)
		finish(d, outcome_of(verdict), NULL);
	else if (!is_ours(d))
		say_taken(d);
	else if (d->answer.length != d->item->length)
		finish(d, SINK_AGAIN, "the store said 200, but shows another length");
	else
		finish(d, SINK_CONFIRMED, "stored and verified");
}

static bool
carries_id(struct str key, const char *id)
{
	for (size_t i = 0; i + 2 * ID_LEN <= key.n; i++)
		if (memcmp(key.p + i, id, 2 * ID_LEN) == 0)
			return true;
	return false;
}

/* Without conditional writes: true if the key was free, or is ours by its name. */
static bool
check_free(struct delivery *d)
{
	enum s3_verdict verdict;

	if (d->sink->sink.conditional || carries_id(d->item->key, d->id))
		return true;
	verdict = ask(d);
	if (verdict == S3_MISSING)
		return true;
	if (verdict != S3_DONE)
		finish(d, outcome_of(verdict), NULL);
	else if (is_ours(d))
		finish(d, SINK_CONFIRMED, "was there already");
	else
		say_taken(d);
	return false;
}

/* A URI too long for the metadata: true once the companion is stored. Its key carries the id, so
 * what is there is ours. */
static bool
store_companion(struct delivery *d)
{
	struct store_object o = d->object;
	enum s3_verdict verdict;
	struct buf key;

	if (d->object.uri_rest.n == 0)
		return true;
	buf_init(&key, 0);
	buf_put_str(&key, d->object.key);
	buf_put_str(&key, d->object.uri_rest);
	if (buf_failed(&key)) {
		buf_fini(&key);
		finish(d, SINK_AGAIN, err_text(ERR_NOMEM));
		return false;
	}
	o.key = buf_str(&key);
	o.fd = -1;
	o.body = d->item->uri.p;
	o.length = d->item->uri.n;
	sha256(o.body, (size_t)o.length, o.sha256);
	o.content_type = STR("text/plain");
	o.content_encoding = o.uri = o.uri_rest = STR("");
	verdict = send_object(d, &o);
	buf_fini(&key);
	if (verdict == S3_DONE || verdict == S3_EXISTS)
		return true;
	finish(d, outcome_of(verdict), NULL);
	return false;
}

static void
deliver(struct delivery *d, bool verify)
{
	enum s3_verdict verdict;

	if (!check_free(d) || !store_companion(d))
		return;
	verdict = send_object(d, &d->object);
	if (verdict == S3_EXISTS)
		resolve_taken(d, verify);
	else if (verdict != S3_DONE)
		finish(d, outcome_of(verdict), NULL);
	else if (verify)
		verify_stored(d);
	else
		finish(d, SINK_CONFIRMED, "stored");
}

/* The URI for x-amz-meta-uri, cut before an escape if it is too long. */
static int
encode_uri(struct delivery *d)
{
	size_t n;

	buf_init(&d->uri, 0);
	sink_put_uri(d->item->uri, &d->uri);
	if (buf_failed(&d->uri))
		return buf_failed(&d->uri);
	d->object.uri = buf_str(&d->uri);
	if (d->uri.n <= URI_META_MAX)
		return 0;
	for (n = URI_META_MAX; d->uri.p[n - 1] == '%' || d->uri.p[n - 2] == '%';)
		n--;
	d->object.uri.n = n;
	snprintf(d->rest, sizeof(d->rest), ".%s.uri", d->id);
	d->object.uri_rest = str_of(d->rest);
	return 0;
}

static int
prepare(struct delivery *d)
{
	const struct sink_item *item = d->item;

	id_text(item->id, d->id);
	d->object = (struct store_object){ .bucket = d->sink->conf->bucket,
		.key = item->key,
		.length = item->length,
		.offset = item->offset,
		.content_type = item->content_type.n ? item->content_type
						     : str_of(sink_content_type(item->key)),
		.content_encoding = item->content_encoding,
		.bundle = str_of(d->id) };
	d->body = (struct s3_body){ .path = item->path,
		.offset = item->offset,
		.length = item->length,
		.known = item->sha256,
		.fd = -1 };
	return encode_uri(d);
}

static void
s3_put(struct sink *sink, const struct sink_item *item, bool verify, int64_t deadline,
    struct sink_result *out)
{
	struct delivery *d = calloc(1, sizeof(*d));
	int err;

	*out = (struct sink_result){ .outcome = SINK_AGAIN };
	if (!d) {
		snprintf(out->why, sizeof(out->why), "%s", err_text(ERR_NOMEM));
		return;
	}
	d->sink = CONTAINER_OF(sink, struct s3_sink, sink);
	d->item = item;
	d->result = out;
	d->deadline = deadline;
	if ((err = prepare(d))) {
		finish(d, SINK_AGAIN, err_text(err));
	} else if (s3_body_open(&d->body, deadline, out->why, sizeof(out->why)) == 0) {
		d->object.fd = d->body.fd;
		memcpy(d->object.sha256, d->body.sha256, SHA256_LEN);
		deliver(d, verify);
	}
	s3_body_close(&d->body);
	buf_fini(&d->uri);
	free(d);
}

const struct sink_ops s3_ops = {
	.kind = "s3",
	.parse = s3_parse,
	.check = s3_check,
	.open = s3_open,
	.put = s3_put,
	.probe = s3_probe,
	.close = s3_close,
};

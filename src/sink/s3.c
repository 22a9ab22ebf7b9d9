/*
 * `sink s3 STORE bucket=B [prefix=P];`: step 11 of the durability protocol. A key is never
 * overwritten where the store honours If-None-Match, and a key that is taken is ours only if the
 * object there carries our id. Called by ship through s3_ops.
 *
 *	PUT 200                   confirmed; with verify only after a HEAD that shows our id and length
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

#include "base/log.h"
#include "sink/s3_priv.h"

enum { PREFIX_MAX = 512, BUCKET_MAX = 255, URI_META_MAX = 1600 };

/* The `sink` line. */
struct s3_conf {
	struct str store_name, bucket;
	struct store *store; /* from s3_check on */
};

struct s3_sink {
	struct sink sink;
	struct s3_conf *conf;
	struct str prefix;
	/* whether the store honours conditions: asked by one task, the others wait */
	bool probed, probing;
	struct waitq probe_over;
};

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

/* ---- configuration */

static bool
is_bucket(struct str s)
{
	bool good = s.n > 0 && s.n <= BUCKET_MAX && s.p[0] != '.';

	for (size_t i = 0; i < s.n; i++)
		good = good && s.p[i] != '\0' &&
		       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_",
			   s.p[i]);
	return good;
}

static bool
is_prefix(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n <= PREFIX_MAX;
}

static int
parse_arguments(
    struct conf *c, const struct conf_node *node, struct s3_conf *s3, struct str *prefix)
{
	static const char form[] = "sink s3 STORE bucket=B [prefix=P];";

	if (node->n_args < 2 || node->args[1].n == 0) {
		conf_error(c, node, "\"sink s3\" names no store: %s", form);
		return ERR_CONFIG;
	}
	s3->store_name = node->args[1];
	for (unsigned i = 2; i < node->n_args; i++) {
		if (conf_arg_kv(node, i, "bucket", &s3->bucket) ||
		    conf_arg_kv(node, i, "prefix", prefix))
			continue;
		conf_error(c, node, "invalid argument \"%.*s\" of \"sink s3\", allowed: %s",
		    STR_ARG(node->args[i]), form);
		return ERR_CONFIG;
	}
	if (s3->bucket.n == 0) {
		conf_error(c, node, "\"sink s3\" has no bucket: %s", form);
		return ERR_CONFIG;
	}
	if (!is_bucket(s3->bucket)) {
		conf_error(c, node, "invalid bucket name \"%.*s\"", STR_ARG(s3->bucket));
		return ERR_CONFIG;
	}
	if (!is_prefix(*prefix)) {
		conf_error(c, node,
		    "invalid prefix, allowed: at most %d bytes, no control characters", PREFIX_MAX);
		return ERR_CONFIG;
	}
	return 0;
}

static int
s3_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out)
{
	struct s3_conf *s3 = arena_alloc(conf_arena(c), sizeof(*s3));
	int err;

	if (!s3)
		return ERR_NOMEM;
	if ((err = parse_arguments(c, node, s3, &out->prefix)))
		return err;
	out->arg = s3;
	out->destination = str_of(arena_printf(
	    conf_arena(c), "s3:%.*s/%.*s", STR_ARG(s3->store_name), STR_ARG(s3->bucket)));
	return out->destination.p ? 0 : ERR_NOMEM;
}

static int
s3_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf)
{
	struct s3_conf *s3 = conf->arg;

	s3->store = store_find(c, s3->store_name);
	if (!s3->store) {
		conf_error(c, node, "unknown store \"%.*s\", it needs a block: store %.*s { … }",
		    STR_ARG(s3->store_name), STR_ARG(s3->store_name));
		return ERR_CONFIG;
	}
	return store_check(c, s3->store);
}

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

/* ---- probe */

/*
 * The same small object, conditionally, until the answer tells: 412 says the condition is
 * honoured; a second 200, or 501, that it is not.
 */
static int
try_condition(
    struct s3_sink *s, const struct store_object *o, int64_t deadline, char *why, size_t cap)
{
	struct store_answer a;

	for (int stored = 0; stored < 2; stored++) {
		store_put(s->conf->store, o, true, deadline, &a);
		switch (s3_judge(&a, false, why, cap)) {
		case S3_DONE:
			break;
		case S3_EXISTS:
			return 1;
		case S3_HELD:
			return a.status == 501 ? 0 : ERR_DENIED;
		default:
			return a.err ? a.err : ERR_AGAIN;
		}
	}
	return 0;
}

static int
probe(struct s3_sink *s, int64_t deadline, char *why, size_t cap)
{
	static const char body[] =
	    "Written by sluice to see whether the store honours If-None-Match.\n";
	struct store_object o = { .bucket = s->conf->bucket,
		.fd = -1,
		.body = body,
		.length = sizeof(body) - 1,
		.content_type = STR("text/plain") };
	struct buf key;
	int honoured = ERR_NOMEM;

	snprintf(why, cap, "%s", err_text(ERR_NOMEM));
	sha256(body, sizeof(body) - 1, o.sha256);
	buf_init(&key, 0);
	buf_put_str(&key, s->prefix);
	buf_puts(&key, ".sluice-probe");
	o.key = buf_str(&key);
	if (!buf_failed(&key))
		honoured = try_condition(s, &o, deadline, why, cap);
	buf_fini(&key);
	return honoured;
}

static void
remember_probe(struct s3_sink *s, bool honoured)
{
	s->probed = true;
	s->sink.conditional = honoured;
	log_event(honoured ? LOG_INFO : LOG_WARN, "s3",
	    honoured ? "store honours conditional writes"
		     : "store does not honour conditional writes, keys carry ids",
	    LOG_STR("store", s->conf->store_name), LOG_STR("bucket", s->conf->bucket),
	    LOG_STR("prefix", s->prefix), LOG_END);
}

static int
s3_probe(struct sink *sink, int64_t deadline, char *why, size_t cap)
{
	struct s3_sink *s = CONTAINER_OF(sink, struct s3_sink, sink);
	int honoured, err;

	while (s->probing) {
		if ((err = waitq_park(&s->probe_over, deadline))) {
			snprintf(why, cap, "%s", err_text(err));
			return err;
		}
	}
	if (s->probed)
		return sink->conditional;
	s->probing = true;
	honoured = probe(s, deadline, why, cap);
	s->probing = false;
	waitq_wake_all(&s->probe_over);
	if (honoured >= 0)
		remember_probe(s, honoured);
	return honoured;
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

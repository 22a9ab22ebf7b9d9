/*
 * One signed exchange with a store: builds path and headers, signs them, sends, and reads from
 * the answer what the outcome rests on. Called by call.c, which decides about a second attempt.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "s3/sigv4.h"
#include "s3/store_priv.h"
#include "s3/xml.h"

enum { MAX_HEADERS = 16, REPLY_MAX = 32 * 1024 };

/* Bodies from this size on are offered first (Expect: 100-continue), so that a refusal costs no
 * upload. */
#define EXPECT_FROM (1024u * 1024)

static const char empty_sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* Everything a request needs while it is under way; on the heap, since tasks have small stacks. */
struct flight {
	struct http_exchange x;
	struct http_header headers[MAX_HEADERS];
	unsigned n_headers;
	struct sigv4_header signed_headers[MAX_HEADERS + 1];
	struct buf path, authorization;
	struct creds creds; /* a copy: a renewal may change the store's while we are parked */
	char date[CLOCK_AMZ_LEN + 1];
	char hash[2 * SHA256_LEN + 1];
};

static void
add_header(struct flight *f, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	assert(f->n_headers < MAX_HEADERS);
	f->headers[f->n_headers++] = (struct http_header){ str_of(name), value };
}

static void
put_path(struct store *s, const struct request *r, struct buf *out)
{
	if (store_path_style(s, r->bucket)) {
		buf_putc(out, '/');
		buf_put_percent(out, r->bucket, false);
	}
	buf_putc(out, '/');
	buf_put_percent(out, r->key, true);
}

static void
hash_text(const unsigned char hash[SHA256_LEN], char out[2 * SHA256_LEN + 1])
{
	for (unsigned i = 0; i < SHA256_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void
add_headers(struct flight *f, const struct request *r)
{
	const struct store_object *o = r->o;

	add_header(f, "x-amz-content-sha256", str_of(f->hash));
	add_header(f, "x-amz-date", str_of(f->date));
	add_header(f, "x-amz-security-token", str_of(f->creds.token));
	if (!o)
		return;
	add_header(f, "Content-Type", o->content_type);
	add_header(f, "Content-Encoding", o->content_encoding);
	add_header(f, "If-None-Match", r->if_none_match ? STR("*") : STR(""));
	add_header(f, "x-amz-meta-bundle", o->bundle);
	add_header(f, "x-amz-meta-uri", o->uri);
	add_header(f, "x-amz-meta-uri-rest", o->uri_rest);
}

/* Adds Authorization over all headers so far and Host. */
static int
sign(struct store *s, struct flight *f, struct str method)
{
	struct sigv4_request q = { .method = method,
		.path = buf_str(&f->path),
		.headers = f->signed_headers,
		.payload_hash = str_of(f->hash) };
	struct sigv4_keys k = { .id = str_of(f->creds.id),
		.secret = str_of(f->creds.secret),
		.region = s->set.region,
		.service = STR("s3") };
	int err;

	f->signed_headers[q.n_headers++] = (struct sigv4_header){ STR("host"), f->x.host };
	for (unsigned i = 0; i < f->n_headers; i++)
		f->signed_headers[q.n_headers++] =
		    (struct sigv4_header){ f->headers[i].name, f->headers[i].value };
	if ((err = sigv4_sign(&q, &k, f->date, &f->authorization)))
		return err;
	add_header(f, "Authorization", buf_str(&f->authorization));
	f->x.headers = f->headers;
	f->x.n_headers = f->n_headers;
	return 0;
}

static int
prepare(struct store *s, struct request *r, struct store_origin *origin, struct flight *f)
{
	f->creds = s->creds;
	r->creds_gen = s->creds_gen;
	r->signed_at = clock_wall() + s->skew;
	clock_amz(r->signed_at, f->date);
	if (r->o)
		hash_text(r->o->sha256, f->hash);
	else
		memcpy(f->hash, empty_sha256, sizeof(empty_sha256));
	buf_init(&f->path, 8192);
	buf_init(&f->authorization, 1024);
	put_path(s, r, &f->path);
	if (buf_failed(&f->path))
		return buf_failed(&f->path);
	f->x = (struct http_exchange){ .method = r->method,
		.target = buf_str(&f->path),
		.host = str_of(origin->field),
		.body_fd = -1,
		.deadline = r->deadline,
		.stall = s->set.timeout,
		.reply_max = REPLY_MAX };
	if (r->o && r->o->fd >= 0) {
		f->x.body_fd = r->o->fd;
		f->x.body_offset = r->o->offset;
		f->x.body_length = r->o->length;
		f->x.expect_continue = r->o->length >= EXPECT_FROM;
	} else if (r->o) {
		f->x.body = str_make(r->o->body, (size_t)r->o->length);
	}
	add_headers(f, r);
	return sign(s, f, r->method);
}

/* ---- the answer */

static void
copy_header(const struct http_head *h, const char *name, char *out, size_t cap)
{
	str_copyz(out, cap, http_header_get(h, name));
}

static void
read_answer(struct flight *f, struct store_answer *a)
{
	const struct http_head *h = &f->x.head;
	struct xml_s3_error e;

	a->status = h->status;
	copy_header(h, "x-amz-meta-bundle", a->bundle, sizeof(a->bundle));
	copy_header(h, "x-amz-request-id", a->request_id, sizeof(a->request_id));
	a->length = h->content_length > 0 ? (uint64_t)h->content_length : 0;
	if (clock_parse_http(http_header_get(h, "Date"), &a->date))
		a->date = 0;
	a->retry_after = http_retry_after(h);
	if (a->status >= 300 && xml_parse_s3_error(buf_str(&f->x.reply), &e) == 0) {
		memcpy(a->code, e.code, sizeof(a->code));
		memcpy(a->message, e.message, sizeof(a->message));
		memcpy(a->region, e.region, sizeof(a->region));
	}
	if (a->region[0] == '\0')
		copy_header(h, "x-amz-bucket-region", a->region, sizeof(a->region));
}

static void
refuse(struct store_answer *a, int err)
{
	a->err = err;
	snprintf(a->message, sizeof(a->message), "%s", err_text(err));
}

void
request_run(struct store *s, struct request *r, struct store_answer *a)
{
	struct store_origin *origin = store_origin_for(s, r->bucket);
	struct flight *f = calloc(1, sizeof(*f));
	int err;

	*a = (struct store_answer){ 0 };
	if (!origin || !f) {
		refuse(a, ERR_NOMEM);
	} else if ((err = prepare(s, r, origin, f))) {
		refuse(a, err);
	} else if ((err = http_exchange(origin->client, &f->x))) {
		refuse(a, err);
		a->sent = f->x.sent;
		if (f->x.why[0])
			snprintf(a->message, sizeof(a->message), "%s", f->x.why);
		http_exchange_fini(&f->x);
	} else {
		read_answer(f, a);
		http_exchange_fini(&f->x);
	}
	if (f) {
		buf_fini(&f->path);
		buf_fini(&f->authorization);
		creds_wipe(&f->creds);
		free(f);
	}
}

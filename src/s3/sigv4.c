/*
 * Signature Version 4: canonical request, string to sign, signing key, Authorization header.
 * Bytes in, bytes out; every request to a store passes here (s3/request.c). Paths are taken as
 * they go on the wire and are encoded once, as S3 wants it (other AWS services encode twice).
 */
#include "s3/sigv4.h"

#include "base/clock.h"

enum { MAX_HEADERS = 32, MAX_PARAMS = 32, SCOPE_MAX = 160 };

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Order of header names, which differ in case only by accident. */
static int
compare_names(struct str a, struct str b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		unsigned char x = (unsigned char)lower(a.p[i]), y = (unsigned char)lower(b.p[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

/* Indexes of the headers by name; equal names keep their order. Insertion sort: there are a
 * dozen. */
static void
sort_headers(const struct sigv4_request *r, uint8_t order[MAX_HEADERS])
{
	for (unsigned i = 0; i < r->n_headers; i++) {
		unsigned at = i;

		for (; at > 0; at--) {
			if (compare_names(r->headers[order[at - 1]].name, r->headers[i].name) <= 0)
				break;
			order[at] = order[at - 1];
		}
		order[at] = (uint8_t)i;
	}
}

static void
put_lower(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(out, lower(s.p[i]));
}

/* A value without spaces at its ends and with single spaces inside. */
static void
put_value(struct buf *out, struct str value)
{
	struct str v = str_trim(value);

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == ' ' && v.p[i - 1] == ' ')
			continue;
		buf_putc(out, v.p[i]);
	}
}

/* "name:value\n" for each name; the values of one name are joined by commas. */
static void
put_headers(const struct sigv4_request *r, const uint8_t *order, struct buf *out)
{
	for (unsigned i = 0; i < r->n_headers; i++) {
		const struct sigv4_header *h = &r->headers[order[i]];

		if (i > 0 && compare_names(r->headers[order[i - 1]].name, h->name) == 0) {
			buf_putc(out, ',');
		} else {
			if (i > 0)
				buf_putc(out, '\n');
			put_lower(out, h->name);
			buf_putc(out, ':');
		}
		put_value(out, h->value);
	}
	if (r->n_headers > 0)
		buf_putc(out, '\n');
}

static void
put_signed_names(const struct sigv4_request *r, const uint8_t *order, struct buf *out)
{
	for (unsigned i = 0; i < r->n_headers; i++) {
		struct str name = r->headers[order[i]].name;

		if (i > 0 && compare_names(r->headers[order[i - 1]].name, name) == 0)
			continue;
		if (i > 0)
			buf_putc(out, ';');
		put_lower(out, name);
	}
}

struct param {
	struct str name, value;
};

static int
compare_params(const struct param *a, const struct param *b)
{
	size_t n = MIN(a->name.n, b->name.n);
	int order = n ? memcmp(a->name.p, b->name.p, n) : 0;

	if (order == 0 && a->name.n != b->name.n)
		return a->name.n < b->name.n ? -1 : 1;
	if (order != 0)
		return order;
	n = MIN(a->value.n, b->value.n);
	order = n ? memcmp(a->value.p, b->value.p, n) : 0;
	if (order == 0 && a->value.n != b->value.n)
		return a->value.n < b->value.n ? -1 : 1;
	return order;
}

/* The parameters by name, then by value; each with its '='. */
static int
put_query(struct str query, struct buf *out)
{
	struct param params[MAX_PARAMS];
	unsigned n = 0;

	while (query.p && query.n > 0) {
		struct str value = str_split(&query, '&');
		struct param one = { .name = str_split(&value, '='), .value = value };
		unsigned at = n;

		if (one.name.n == 0 && one.value.n == 0)
			continue;
		if (n == MAX_PARAMS)
			return ERR_TOO_LARGE;
		for (; at > 0 && compare_params(&params[at - 1], &one) > 0; at--)
			params[at] = params[at - 1];
		params[at] = one;
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, '&');
		buf_put_str(out, params[i].name);
		buf_putc(out, '=');
		buf_put_str(out, params[i].value);
	}
	return 0;
}

int
sigv4_canonical(const struct sigv4_request *r, struct buf *out)
{
	uint8_t order[MAX_HEADERS];
	int err;

	if (r->n_headers > MAX_HEADERS)
		return ERR_TOO_LARGE;
	sort_headers(r, order);
	buf_put_str(out, r->method);
	buf_putc(out, '\n');
	buf_put_str(out, r->path);
	buf_putc(out, '\n');
	if ((err = put_query(r->query, out)))
		return err;
	buf_putc(out, '\n');
	put_headers(r, order, out);
	buf_putc(out, '\n');
	put_signed_names(r, order, out);
	buf_putc(out, '\n');
	buf_put_str(out, r->payload_hash);
	return buf_failed(out);
}

static struct str
digest(const unsigned char hash[SHA256_LEN])
{
	return str_make(hash, SHA256_LEN);
}

/* HMAC("AWS4" secret, date), then region, service and "aws4_request" in turn. */
static int
signing_key(const struct sigv4_keys *k, struct str date, unsigned char key[SHA256_LEN])
{
	unsigned char step[SHA256_LEN];
	char secret[260] = "AWS4";

	if (k->secret.n > sizeof(secret) - 4)
		return ERR_TOO_LARGE;
	memcpy(secret + 4, k->secret.p, k->secret.n);
	hmac_sha256(str_make(secret, 4 + k->secret.n), date, key);
	hmac_sha256(digest(key), k->region, step);
	hmac_sha256(digest(step), k->service, key);
	hmac_sha256(digest(key), STR("aws4_request"), step);
	memcpy(key, step, sizeof(step));
	wipe(step, sizeof(step));
	wipe(secret, sizeof(secret));
	return 0;
}

/* The signature over the canonical request whose SHA-256 is given. */
static int
sign_digest(const struct sigv4_keys *k, const char *amz_date, struct str scope,
    const unsigned char canonical[SHA256_LEN], unsigned char signature[SHA256_LEN])
{
	char text[SCOPE_MAX + 128];
	unsigned char key[SHA256_LEN];
	struct buf to_sign;
	int err;

	buf_init_fixed(&to_sign, text, sizeof(text));
	buf_puts(&to_sign, "AWS4-HMAC-SHA256\n");
	buf_puts(&to_sign, amz_date);
	buf_putc(&to_sign, '\n');
	buf_put_str(&to_sign, scope);
	buf_putc(&to_sign, '\n');
	buf_put_hex(&to_sign, canonical, SHA256_LEN);
	if ((err = buf_failed(&to_sign)))
		return err;
	if ((err = signing_key(k, str_make(amz_date, 8), key)))
		return err;
	hmac_sha256(digest(key), buf_str(&to_sign), signature);
	wipe(key, sizeof(key));
	return 0;
}

static int
digest_canonical(const struct sigv4_request *r, unsigned char out[SHA256_LEN])
{
	struct buf canonical;
	int err;

	buf_init(&canonical, 0);
	if ((err = sigv4_canonical(r, &canonical)) == 0)
		sha256(canonical.p, canonical.n, out);
	buf_fini(&canonical);
	return err;
}

int
sigv4_sign(const struct sigv4_request *r, const struct sigv4_keys *k, const char *amz_date,
    struct buf *out)
{
	unsigned char canonical[SHA256_LEN], signature[SHA256_LEN];
	uint8_t order[MAX_HEADERS];
	char scope_text[SCOPE_MAX];
	struct buf scope;
	int err;

	if (strlen(amz_date) != CLOCK_AMZ_LEN)
		return ERR_BAD;
	if ((err = digest_canonical(r, canonical)))
		return err;
	buf_init_fixed(&scope, scope_text, sizeof(scope_text));
	buf_put(&scope, amz_date, 8);
	buf_printf(&scope, "/%.*s/%.*s/aws4_request", STR_ARG(k->region), STR_ARG(k->service));
	if ((err = buf_failed(&scope)))
		return err;
	if ((err = sign_digest(k, amz_date, buf_str(&scope), canonical, signature)))
		return err;
	sort_headers(r, order);
	buf_puts(out, "AWS4-HMAC-SHA256 Credential=");
	buf_put_str(out, k->id);
	buf_putc(out, '/');
	buf_put_str(out, buf_str(&scope));
	buf_puts(out, ", SignedHeaders=");
	put_signed_names(r, order, out);
	buf_puts(out, ", Signature=");
	buf_put_hex(out, signature, sizeof(signature));
	return buf_failed(out);
}

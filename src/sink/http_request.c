/*
 * The request that a message becomes. Pure. What came with the record is given on as it came, but for bytes that have no place in a header: of those
 * nothing is trusted, since a dead letter's folder may have been edited by hand. Called by http.c.
 */
#include "sink/http_priv.h"

#include <stdlib.h>

static void
add(struct http_fields *f, struct str name, struct str value)
{
	if (value.n == 0)
		return;
	assert(f->n < ARRAY_LEN(f->headers));
	f->headers[f->n++] = (struct http_header){ name, value };
}

/* As a URI is written: visible ASCII but '%' as it is, every other byte percent-encoded. The buffer has room for all of them, so that what is there
 * already does not move. */
static struct str
encode(struct http_fields *f, struct str s)
{
	size_t from = f->safe.n;

	sink_put_uri(s, &f->safe);
	return buf_failed(&f->safe) ? STR("") : str_from(buf_str(&f->safe), from);
}

static struct str
harmless(struct http_fields *f, struct str s)
{
	return http_is_value(s) ? s : encode(f, s);
}

/* The trace goes on, and this attempt is a span of its own. */
static struct str
put_trace(struct http_fields *f, struct str received, uint64_t span)
{
	static const char digits[] = "0123456789abcdef";

	if (received.n < HTTP_TRACE_LEN || received.p[35] != '-' || received.p[52] != '-' ||
	    !http_is_value(str_sub(received, 0, HTTP_TRACE_LEN)))
		return STR("");
	memcpy(f->trace, received.p, HTTP_TRACE_LEN);
	memcpy(f->trace, "00", 2);
	for (unsigned i = 0; i < 16; i++)
		f->trace[36 + i] = digits[span >> (60 - 4 * i) & 15];
	return str_make(f->trace, HTTP_TRACE_LEN);
}

static struct str
method_of(const struct http_sink_conf *conf, const struct sink_message *m)
{
	if (conf->method.n)
		return conf->method;
	return http_is_token(m->method) ? m->method : STR("POST");
}

static struct str
put_attempt(struct http_fields *f, unsigned attempt)
{
	return str_make(f->attempt, (size_t)(str_put_u64(f->attempt, attempt) - f->attempt));
}

int
http_fields_make(const struct http_sink_conf *conf, const struct sink_message *m, uint64_t span,
    struct str *method, struct http_fields *f)
{
	f->n = 0;
	buf_reset(&f->safe);
	if (!buf_reserve(&f->safe, 3 * (m->user.n + m->content_type.n + m->content_encoding.n) + 1))
		return ERR_NOMEM;
	clock_rfc3339(m->received, f->received);
	*method = method_of(conf, m);
	add(f, STR("Content-Type"), harmless(f, m->content_type));
	add(f, STR("Content-Encoding"), harmless(f, m->content_encoding));
	add(f, STR("Idempotency-Key"), str_make(m->id, 2 * ID_LEN));
	add(f, STR("traceparent"), put_trace(f, m->traceparent, span));
	add(f, STR("X-Sluice-Stream"), m->stream);
	add(f, conf->user_header, encode(f, m->user));
	add(f, STR("X-Sluice-Attempt"), put_attempt(f, m->attempt));
	add(f, STR("X-Sluice-Received"), str_make(f->received, CLOCK_RFC3339_LEN));
	for (unsigned i = 0; i < conf->n_extra; i++)
		add(f, conf->extra[i].name, conf->extra[i].value);
	return 0;
}

/* The span that the message came with: each attempt has one of its own. */
static uint64_t
span_of(struct str traceparent)
{
	uint64_t span = 0;

	for (size_t i = 36; i < 52 && i < traceparent.n; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, traceparent.p[i]);

		span = span << 4 | (at != NULL ? (uint64_t)(at - digits) : 0);
	}
	return span;
}

void
http_sink_show(const struct sink_conf *conf, const struct sink_message *m,
    void (*field)(void *arg, struct str name, struct str value), void *arg)
{
	const struct http_sink_conf *own = conf->arg;
	struct http_fields *f = calloc(1, sizeof(*f));
	struct str method;

	if (f == NULL)
		return;
	buf_init(&f->safe, 0);
	if (http_fields_make(own, m, span_of(m->traceparent), &method, f) == 0)
		for (unsigned i = 0; i < f->n; i++)
			field(arg, f->headers[i].name,
			    i < f->n - own->n_extra ? f->headers[i].value : STR("***"));
	buf_fini(&f->safe);
	free(f);
}

/*
 * The variables of the request as it came, by nginx's names: its line, its fields, arguments and
 * cookies.
 */
#include "http/http_priv.h"

#define GETTER(what) static struct str what(struct http_request *r, struct str name, void *arg)

GETTER(get_request)
{
	const struct http_head *h = r->head;
	size_t n = h->method.n + 1 + h->target.n;
	char *to;

	(void)name, (void)arg;
	if (!h->method.n || !h->target.n)
		return str_make(NULL, 0);
	/* The line stands in the input as one, the version behind the target. */
	if (h->minor >= 0)
		return str_make(h->method.p, n + sizeof(" HTTP/1.1") - 1);
	to = http_text_room(r, n);
	if (!to)
		return str_make(NULL, 0);
	memcpy(to, h->method.p, h->method.n);
	to[h->method.n] = ' ';
	memcpy(to + h->method.n + 1, h->target.p, h->target.n);
	return str_make(to, n);
}

GETTER(get_method)
{
	(void)name, (void)arg;
	return r->head->method;
}

GETTER(get_request_uri)
{
	(void)name, (void)arg;
	return r->head->target;
}

GETTER(get_uri)
{
	(void)name, (void)arg;
	return r->path;
}

GETTER(get_args)
{
	(void)name, (void)arg;
	return r->query.n ? r->query : str_make(NULL, 0);
}

GETTER(get_is_args)
{
	(void)name, (void)arg;
	return r->query.n ? STR("?") : STR("");
}

GETTER(get_protocol)
{
	(void)name, (void)arg;
	if (r->head->minor < 0)
		return str_make(NULL, 0);
	return r->head->minor ? STR("HTTP/1.1") : STR("HTTP/1.0");
}

/* Lower case, without the port, since routing; without a name in the request, the server's. */
GETTER(get_host)
{
	(void)name, (void)arg;
	return http_request_host(r);
}

GETTER(get_user)
{
	(void)name, (void)arg;
	return r->user;
}

GETTER(get_request_id)
{
	(void)name, (void)arg;
	return r->id;
}

GETTER(get_traceparent)
{
	(void)name, (void)arg;
	return r->traceparent;
}

GETTER(get_trace_id)
{
	(void)name, (void)arg;
	return r->traceparent.n ? str_sub(r->traceparent, 3, 32) : r->traceparent;
}

GETTER(get_bytes_in)
{
	(void)name, (void)arg;
	return http_text_u64(r, r->bytes_in);
}

GETTER(get_field)
{
	(void)name;
	return http_header_get(r->head, arg);
}

/* ---- families ---- */

bool
http_is_field(struct str field, struct str wanted)
{
	if (field.n != wanted.n)
		return false;
	for (size_t i = 0; i < field.n; i++) {
		char c = field.p[i];

		c = c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
		if (c != wanted.p[i])
			return false;
	}
	return true;
}

/* The values of all fields of this name, from the first of them on. */
static struct str
join_fields(struct http_request *r, struct str wanted, unsigned first)
{
	const struct http_head *h = r->head;
	struct str mark = str_is(wanted, "cookie") ? STR("; ") : STR(", ");
	size_t n = 0;
	char *out, *to;

	for (unsigned i = first; i < h->n_headers; i++)
		if (http_is_field(h->headers[i].name, wanted))
			n += h->headers[i].value.n + mark.n;
	out = to = http_text_room(r, n);
	if (!out)
		return str_make(NULL, 0);
	for (unsigned i = first; i < h->n_headers; i++) {
		struct str value = h->headers[i].value;

		if (!http_is_field(h->headers[i].name, wanted))
			continue;
		if (to > out) {
			memcpy(to, mark.p, mark.n);
			to += mark.n;
		}
		if (value.n)
			memcpy(to, value.p, value.n);
		to += value.n;
	}
	return str_make(out, (size_t)(to - out));
}

/* $http_NAME */
GETTER(get_http)
{
	const struct http_head *h = r->head;
	struct str wanted = str_from(name, sizeof("http_") - 1);
	int found = -1;

	(void)arg;
	for (unsigned i = 0; i < h->n_headers; i++) {
		if (!http_is_field(h->headers[i].name, wanted))
			continue;
		if (found >= 0)
			return join_fields(r, wanted, (unsigned)found);
		found = (int)i;
	}
	return found < 0 ? str_make(NULL, 0) : h->headers[found].value;
}

/* The value of "name=value" if the name is this one, in any case. */
static bool
take_pair(struct str pair, struct str name, struct str *value)
{
	if (pair.n <= name.n || pair.p[name.n] != '=' || !str_ieq(str_sub(pair, 0, name.n), name))
		return false;
	*value = str_from(pair, name.n + 1);
	return true;
}

/* $arg_NAME, as sent: still encoded. */
GETTER(get_arg)
{
	struct str rest = r->query, value, wanted = str_from(name, sizeof("arg_") - 1);

	(void)arg;
	while (rest.n)
		if (take_pair(str_split(&rest, '&'), wanted, &value))
			return value;
	return str_make(NULL, 0);
}

/* $cookie_NAME */
GETTER(get_cookie)
{
	const struct http_head *h = r->head;
	struct str value, wanted = str_from(name, sizeof("cookie_") - 1);

	(void)arg;
	for (unsigned i = 0; i < h->n_headers; i++) {
		struct str rest = h->headers[i].value;

		if (!str_ieq(h->headers[i].name, STR("cookie")))
			continue;
		while (rest.n)
			if (take_pair(str_trim(str_split(&rest, ';')), wanted, &value))
				return value;
	}
	return str_make(NULL, 0);
}

const struct http_variable http_request_variables[] = {
	{ "arg_", get_arg, NULL },
	{ "args", get_args, NULL },
	{ "bytes_received", get_bytes_in, NULL },
	{ "content_length", get_field, "Content-Length" },
	{ "content_type", get_field, "Content-Type" },
	{ "cookie_", get_cookie, NULL },
	{ "document_uri", get_uri, NULL },
	{ "host", get_host, NULL },
	{ "http_", get_http, NULL },
	{ "is_args", get_is_args, NULL },
	{ "query_string", get_args, NULL },
	{ "remote_user", get_user, NULL },
	{ "request", get_request, NULL },
	{ "request_id", get_request_id, NULL },
	{ "request_length", get_bytes_in, NULL },
	{ "request_method", get_method, NULL },
	{ "request_uri", get_request_uri, NULL },
	{ "server_protocol", get_protocol, NULL },
	{ "trace_id", get_trace_id, NULL },
	{ "traceparent", get_traceparent, NULL },
	{ "uri", get_uri, NULL },
	{ "user", get_user, NULL },
	{ NULL, NULL, NULL },
};

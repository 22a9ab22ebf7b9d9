/*
 * The variables of the answer, as far as it has come, and those that are known but never found as
 * long as nothing is relayed.
 */
#include "config.h"
#include "http/http_priv.h"

#define GETTER(what) static struct str what(struct http_request *r, struct str name, void *arg)

GETTER(get_status)
{
	(void)name, (void)arg;
	return r->status ? http_text_u64(r, (uint64_t)r->status) : str_make(NULL, 0);
}

GETTER(get_bytes_sent)
{
	(void)name, (void)arg;
	return http_text_u64(r, r->bytes_out);
}

GETTER(get_body_bytes_sent)
{
	uint64_t head = r->conn->work->answer.head;

	(void)name, (void)arg;
	return http_text_u64(r, r->bytes_out > head ? r->bytes_out - head : 0);
}

GETTER(get_request_time)
{
	(void)name, (void)arg;
	return http_text_seconds(r, http_request_time(r));
}

/* The same in milliseconds, with three decimals. */
GETTER(get_request_time_ms)
{
	int64_t ns = http_request_time(r);

	(void)name, (void)arg;
	return http_text_seconds(r, ns < INT64_MAX / 1000 ? ns * 1000 : ns);
}

GETTER(get_request_completion)
{
	const struct http_answer *a = &r->conn->work->answer;

	(void)name, (void)arg;
	return a->ended && !a->err ? STR("OK") : STR("");
}

/* More of the client's requests were in the input already. */
GETTER(get_pipe)
{
	const struct http_input *in = &r->conn->work->in;

	(void)name, (void)arg;
	return in->start < in->end ? STR("p") : STR(".");
}

/* ---- $sent_http_NAME ---- */

/* Of the fields that modules added. */
static struct str
added_field(const struct http_answer *a, struct str wanted)
{
	struct str rest = buf_str(&a->extra), line, field;

	while (rest.n) {
		line = str_split(&rest, '\n');
		field = str_split(&line, ':');
		/* ": " ahead, "\r" behind */
		if (http_is_field(field, wanted) && line.n >= 2)
			return str_sub(line, 1, line.n - 2);
	}
	return str_make(NULL, 0);
}

GETTER(get_sent)
{
	const struct http_work *w = r->conn->work;
	const struct http_answer *a = &w->answer;
	struct str wanted = str_from(name, sizeof("sent_http_") - 1);

	(void)arg;
	if (!a->begun)
		return str_make(NULL, 0);
	if (str_is(wanted, "content_type") && a->type_n)
		return str_make(a->type, a->type_n);
	if (str_is(wanted, "content_length") && a->has_length)
		return http_text_u64(r, a->length);
	if (str_is(wanted, "transfer_encoding") && a->chunked)
		return STR("chunked");
	if (str_is(wanted, "connection"))
		return r->keep_alive ? STR("keep-alive") : STR("close");
	if (str_is(wanted, "x_request_id"))
		return r->id;
	if (str_is(wanted, "server"))
		return w->scope->server_tokens ? STR("sluice/" SLUICE_VERSION) : STR("sluice");
	return added_field(a, wanted);
}

GETTER(get_nothing)
{
	(void)r, (void)name, (void)arg;
	return str_make(NULL, 0);
}

const struct http_variable http_answer_variables[] = {
	{ "body_bytes_sent", get_body_bytes_sent, NULL },
	{ "bytes_sent", get_bytes_sent, NULL },
	{ "gzip_ratio", get_nothing, NULL },
	{ "http2", get_nothing, NULL },
	{ "http3", get_nothing, NULL },
	{ "pipe", get_pipe, NULL },
	{ "proxy_", get_nothing, NULL },
	{ "request_body", get_nothing, NULL },
	{ "request_filename", get_nothing, NULL },
	{ "request_completion", get_request_completion, NULL },
	{ "request_time", get_request_time, NULL },
	{ "request_time_ms", get_request_time_ms, NULL },
	{ "sent_http_", get_sent, NULL },
	{ "ssl_client_", get_nothing, NULL },
	{ "ssl_session_id", get_nothing, NULL },
	{ "ssl_session_reused", get_nothing, NULL },
	{ "status", get_status, NULL },
	{ "tcpinfo_", get_nothing, NULL },
	{ "upstream_", get_nothing, NULL },
	{ NULL, NULL, NULL },
};

/*
 * The variables of the request itself, by nginx's names.
 */
#include "http/http_priv.h"

#define GET(what) get_##what(struct http_request *r, struct str name, void *arg)
#define UNUSED (void)name, (void)arg

static struct str
GET(host) {
	UNUSED;
	return str_of(r->conn->work->host); /* lower case, without the port, since routing */
}

static struct str
GET(request_uri) {
	UNUSED;
	return r->head->target;
}

static struct str
GET(uri) {
	UNUSED;
	return r->path;
}

static struct str
GET(args) {
	UNUSED;
	return r->query;
}

static struct str
GET(is_args) {
	UNUSED;
	return r->query.n ? STR("?") : STR("");
}

static struct str
GET(scheme) {
	UNUSED;
	return r->conn->listen->tls ? STR("https") : STR("http");
}

static struct str
GET(method) {
	UNUSED;
	return r->head->method;
}

static struct str
GET(request_id) {
	UNUSED;
	return r->id;
}

static struct str
GET(remote_addr) {
	UNUSED;
	return http_client_address(r);
}

const struct http_variable http_request_variables[] = {
	{ "args", get_args, NULL },
	{ "document_uri", get_uri, NULL },
	{ "host", get_host, NULL },
	{ "is_args", get_is_args, NULL },
	{ "query_string", get_args, NULL },
	{ "remote_addr", get_remote_addr, NULL },
	{ "request_id", get_request_id, NULL },
	{ "request_method", get_method, NULL },
	{ "request_uri", get_request_uri, NULL },
	{ "scheme", get_scheme, NULL },
	{ "uri", get_uri, NULL },
	{ NULL, NULL, NULL },
};

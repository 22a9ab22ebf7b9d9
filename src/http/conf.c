/*
 * The rows of the HTTP part, and what is put together once all blocks are read. The setters of
 * single directives are in conf_*.c.
 */
#include "http/conf.h"

#include <limits.h>

#include "http/http_priv.h"

#define H CONF_HTTP
#define S CONF_SERVER
#define L CONF_LOCATION
#define AT(field) offsetof(struct http_scope, field)

static const struct conf_word linger_words[] = {
	{ "off", HTTP_LINGER_OFF },
	{ "on", HTTP_LINGER_ON },
	{ "always", HTTP_LINGER_ALWAYS },
	{ NULL, 0 },
};

static int
set_http(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;

	s->site = arena_alloc(conf_arena(c), sizeof(*s->site));
	if (!s->site)
		return ERR_NOMEM;
	s->site->servers_end = &s->site->servers;
	return conf_apply_block(c, node, scope, CONF_HTTP, NULL);
}

static int
set_header_buffers(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;

	(void)scope;
	if (str_to_u64(node->args[0], &s->large_client_header_buffers_n) < 0 ||
	    conf_parse_size(node->args[1], &s->large_client_header_buffers_size) < 0 ||
	    s->large_client_header_buffers_n == 0 || s->large_client_header_buffers_n > 64 ||
	    s->large_client_header_buffers_size < 512 ||
	    s->large_client_header_buffers_size > (1u << 20)) {
		conf_error(c, node,
		    "large_client_header_buffers takes a number (1 to 64) and a size "
		    "(512 to 1m), as in \"4 8k\"");
		return ERR_CONFIG;
	}
	return 0;
}

/* time [time for the client] */
static int
set_keepalive(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	struct http_scope *s = into;

	(void)scope;
	s->keepalive_header = 0;
	if (conf_parse_time(node->args[0], &s->keepalive_timeout) < 0 ||
	    (node->n_args > 1 && conf_parse_time(node->args[1], &s->keepalive_header) < 0)) {
		conf_error(c, node,
		    "keepalive_timeout takes a time, and a second one for the "
		    "client, as in \"75s 60s\"");
		return ERR_CONFIG;
	}
	return 0;
}

static const struct conf_bounds head_bounds = { 1, 1024 * 1024 };

static const struct conf_row rows[] = {
	{ "http", CONF_MAIN, 0, 0, CONF_BLOCK | CONF_RELOAD, set_http, 0, NULL, "block",
	    "Everything about HTTP", NULL },
	{ "server", H, 0, 0, CONF_BLOCK | CONF_REPEAT | CONF_RELOAD, http_set_server, 0, NULL,
	    "block", "A virtual server, chosen by address and name", NULL },
	{ "listen", S, 1, UINT_MAX, CONF_REPEAT, http_set_listen, 0, NULL,
	    "address[:port] | port | unix:path [default_server] [ssl] [backlog=N] [reuseport] "
	    "[ipv6only=on|off] [deferred] [rcvbuf=size] [sndbuf=size]",
	    "Where the server takes connections; *:80 (as another user than root: *:8000) if "
	    "absent",
	    NULL },
	{ "server_name", S, 1, UINT_MAX, CONF_REPEAT | CONF_RELOAD, http_set_server_name, 0, NULL,
	    "name …",
	    "Names of this server: exact, *.example.org, mail.*, .example.org, ~expression", NULL },
	{ "location", S | L, 1, 2, CONF_BLOCK | CONF_REPEAT | CONF_RELOAD, http_set_location, 0,
	    NULL, "[= | ~ | ~* | ^~] path", "What holds for some paths", NULL },
	{ "return", S | L, 1, 2, CONF_RELOAD, http_set_return, 0, NULL, "code [text | URL] | URL",
	    "Answers at once; 444 closes without an answer", NULL },
	{ "set", S | L, 2, 2, CONF_REPEAT | CONF_RELOAD, http_set_variable, 0, NULL, "$name text",
	    "A variable of one's own, for requests that come here; it may hold others", NULL },
	{ "add_header", H | S | L, 2, 3, CONF_REPEAT | CONF_RELOAD, http_set_add_header, 0, NULL,
	    "name value [always]",
	    "A field for answers of status 200, 201, 204, 206, 30x, or of any; a block with one "
	    "inherits none",
	    NULL },
	{ "client_max_body_size", H | S | L, 1, 1, CONF_RELOAD, conf_set_size,
	    AT(client_max_body_size), "1m", "size",
	    "Longest request body, decoded too; 0: any. 64m by default where a location ingests",
	    NULL },
	{ "gunzip_max", H | S | L, 1, 1, CONF_RELOAD, conf_set_size, AT(gunzip_max), "0", "size",
	    "What a gzip request body may become; 0: as client_max_body_size", NULL },
	{ "client_header_timeout", H | S, 1, 1, CONF_RELOAD, conf_set_time,
	    AT(client_header_timeout), "60s", "time", "For the whole head of a request (408)",
	    NULL },
	{ "client_body_timeout", H | S | L, 1, 1, CONF_RELOAD, conf_set_time,
	    AT(client_body_timeout), "60s", "time", "Between two reads of a body (408)", NULL },
	{ "send_timeout", H | S | L, 1, 1, CONF_RELOAD, conf_set_time, AT(send_timeout), "60s",
	    "time", "Between two writes of an answer", NULL },
	{ "keepalive_timeout", H | S | L, 1, 2, CONF_RELOAD, set_keepalive, 0, "75s", "time [time]",
	    "How long an idle connection is kept; 0: not at all. The second is told to the client",
	    NULL },
	{ "keepalive_requests", H | S | L, 1, 1, CONF_RELOAD, conf_set_count,
	    AT(keepalive_requests), "1000", "count", "Requests a connection may make", NULL },
	{ "client_header_buffer_size", H | S, 1, 1, CONF_RELOAD, conf_set_size,
	    AT(client_header_buffer_size), "1k", "size",
	    "Adds to what large_client_header_buffers allow", &head_bounds },
	{ "large_client_header_buffers", H | S, 2, 2, CONF_RELOAD, set_header_buffers, 0, "4 8k",
	    "count size", "Longest head, and longest line in it (414, 431)", NULL },
	{ "lingering_close", H | S | L, 1, 1, CONF_RELOAD, conf_set_enum, AT(lingering_close), "on",
	    "off | on | always",
	    "Reading on for a while before a close, so that the answer arrives", linger_words },
	{ "lingering_time", H | S | L, 1, 1, CONF_RELOAD, conf_set_time, AT(lingering_time), "30s",
	    "time", "How long that may last", NULL },
	{ "lingering_timeout", H | S | L, 1, 1, CONF_RELOAD, conf_set_time, AT(lingering_timeout),
	    "5s", "time", "How long to wait for more", NULL },
	{ "underscores_in_headers", H | S, 1, 1, CONF_RELOAD, conf_set_flag,
	    AT(underscores_in_headers), "on", "on | off", "Fields such as USER_TOKEN are taken",
	    NULL },
	{ "ignore_invalid_headers", H | S, 1, 1, CONF_RELOAD, conf_set_flag,
	    AT(ignore_invalid_headers), "on", "on | off",
	    "Fields refused by underscores_in_headers are dropped; off: such a request is", NULL },
	{ "server_tokens", H | S | L, 1, 1, CONF_RELOAD, conf_set_flag, AT(server_tokens), "on",
	    "on | off", "The version in the Server field", NULL },
	{ "merge_slashes", H | S, 1, 1, CONF_RELOAD, conf_set_flag, AT(merge_slashes), "on",
	    "on | off", "Several slashes in a path count as one", NULL },
	{ "tcp_nodelay", H | S | L, 1, 1, CONF_RELOAD, conf_set_flag, AT(tcp_nodelay), "on",
	    "on | off", "Small answers leave at once", NULL },
	{ "reset_timedout_connection", H | S | L, 1, 1, CONF_RELOAD, conf_set_flag,
	    AT(reset_timedout_connection), "off", "on | off",
	    "Connections that timed out are reset, which frees their memory in the kernel", NULL },
	{ "resolver", H | S | L | CONF_STORE | CONF_STREAM, 1, UINT_MAX, CONF_RELOAD,
	    http_set_resolver, 0, NULL, "address … [valid=time] [ipv6=on|off]",
	    "Name servers to ask; absent: the system's way", NULL },
	{ "resolver_timeout", H | S | L | CONF_STORE | CONF_STREAM, 1, 1, CONF_RELOAD,
	    conf_set_time, AT(resolver_timeout), "30s", "time", "For one name", NULL },
	{ "ssl_certificate", H | S, 1, 1, CONF_RELOAD, conf_set_str, AT(ssl_certificate), NULL,
	    "file", "PEM file with the certificate and those between it and the root", NULL },
	{ "ssl_certificate_key", H | S, 1, 1, CONF_RELOAD, conf_set_str, AT(ssl_certificate_key),
	    NULL, "file", "PEM file with its key", NULL },
	{ "ssl_protocols", H | S, 1, UINT_MAX, CONF_RELOAD, http_set_protocols, 0, NULL,
	    "TLSv1.2 …", "TLS 1.2 is what BearSSL has; TLSv1.3 alone is refused", NULL },
	{ "ssl_session_cache", H | S, 1, 2, CONF_RELOAD, http_set_session_cache, 0, NULL,
	    "off | none | builtin[:count] | shared:name:size", "Sessions kept in each worker",
	    NULL },
	{ "ssl_session_timeout", H | S, 1, 1, CONF_WARN, NULL, 0, NULL, "time",
	    "sessions are kept until the cache needs their room", NULL },
	{ "ssl_prefer_server_ciphers", H | S, 1, 1, CONF_WARN, NULL, 0, NULL, "on | off",
	    "the server's order always counts", NULL },
	{ .name = NULL },
};

static int
finish(struct conf *c)
{
	struct http_scope *s = conf_of(conf_main(c), &http_module);

	return s->site ? http_make_listens(c, s->site) : 0;
}

struct conf_module http_module = {
	.name = "http",
	.rows = rows,
	.size = sizeof(struct http_scope),
	.finish = finish,
};

void
http_conf_register(void)
{
	http_variable_add(http_request_variables);
	http_variable_add(http_conn_variables);
	http_variable_add(http_answer_variables);
	conf_register(&http_variable_module);
	conf_register(&http_module);
}

struct http_listen *
http_listens(struct conf *c)
{
	struct http_scope *s = conf_of(conf_main(c), &http_module);

	return s->site ? s->site->listens : NULL;
}

const struct http_scope *
http_location_scope(const struct http_location *l)
{
	return l->scope;
}

const struct http_server_conf *
http_request_server(const struct http_request *r)
{
	return r->conn->work->scope->server;
}

struct str
http_request_host(const struct http_request *r)
{
	const char *host = r->conn->work->host;

	return host[0] ? str_of(host) : http_server_name(http_request_server(r));
}

const struct conf_scope *
http_request_conf(const struct http_request *r)
{
	return r->location ? r->location->conf : http_request_server(r)->conf;
}

struct str
http_server_name(const struct http_server_conf *s)
{
	return s->name;
}

unsigned
http_server_index(const struct http_server_conf *s)
{
	return s->index;
}

/*
 * Configuration of the HTTP part: http, server, location blocks and nginx's core directives.
 */
#ifndef SLUICE_HTTP_CONF_H
#define SLUICE_HTTP_CONF_H

#include "conf/conf.h"
#include "http/server.h"
#include "net/listen.h"

typedef int http_handler_fn(struct http_request *r, void *arg);

/* The struct this module keeps in every scope (http, server, location): what inherits. */
struct http_scope {
	uint64_t client_max_body_size; /* 0: no limit */
	int64_t client_header_timeout, client_body_timeout, send_timeout, keepalive_timeout,
	    lingering_timeout;
	uint64_t keepalive_requests;
	uint64_t client_header_buffer_size; /* a head that fits here needs no large buffer */
	uint64_t large_client_header_buffers_n, large_client_header_buffers_size;
	uint64_t gunzip_max; /* what a gzip body may become; 0: client_max_body_size */
	bool underscores_in_headers, server_tokens, merge_slashes, access_log;
	struct http_location *location; /* NULL in http and server scopes */
	struct http_server_conf *server;
	/* private to http/ from here */
	struct dns_resolver *resolver;
};

extern struct conf_module http_module;
void http_conf_register(void);

/* For setters of handlers (ingest, health, metrics): what answers in this location. A second handler is an error. */
int http_set_handler(struct conf *c, const struct conf_node *node, struct conf_scope *scope,
    http_handler_fn *fn, void *arg, const char *methods);

/* The listening sockets a configuration wants, in order, duplicates merged. */
struct http_listen {
	struct http_listen *next;
	struct addr addr;
	struct listen_options opt;
	bool tls;
	/* private to http/ from here: servers by name, default server, TLS settings */
	struct http_server_conf *servers;
};
struct http_listen *http_listens(struct conf *c);
/* First listen's port replaced (-p). */
struct http_scope *http_location_scope(const struct http_location *l);

/* Routing, pure: the location that serves path on this server. */
const struct http_location *http_route(
    const struct http_listen *l, struct str host, struct str path);

#endif

/*
 * Configuration of the HTTP part: http, server, location blocks and nginx's core directives.
 */
#ifndef SLUICE_HTTP_CONF_H
#define SLUICE_HTTP_CONF_H

#include "conf/conf.h"
#include "http/server.h"
#include "net/dns.h"
#include "net/listen.h"

struct http_site;
struct http_resolver_conf;
struct http_added;
struct http_names;

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
	bool underscores_in_headers, server_tokens, merge_slashes;
	struct http_location *location; /* NULL in http and server scopes */
	struct http_server_conf *server;
	/* private to http/ from here */
	struct http_site *site;
	struct http_resolver_conf *resolver;
	struct http_added *added;
	int64_t resolver_timeout, lingering_time, keepalive_header;
	int lingering_close; /* HTTP_LINGER_* */
	bool tcp_nodelay, reset_timedout_connection, ignore_invalid_headers;
	struct str ssl_certificate, ssl_certificate_key;
	uint64_t ssl_session_cache; /* bytes */
};

enum { HTTP_LINGER_OFF, HTTP_LINGER_ON, HTTP_LINGER_ALWAYS };

extern struct conf_module http_module;
void http_conf_register(void);

/* For setters of handlers (ingest, health, metrics): what answers in this location. A second
 * handler is an error. methods: "PUT POST", others get 405; GET allows HEAD; NULL: any. */
int http_set_handler(struct conf *c, const struct conf_node *node, struct conf_scope *scope,
    http_handler_fn *fn, void *arg, const char *methods);
/* A regular expression: what only Perl's have is an error at node that names the POSIX form. */
int http_check_pattern(struct conf *c, const struct conf_node *node, struct str pattern);
/* The location's client_max_body_size where neither it nor a block around it sets one (`ingest`:
 * 64m). */
void http_default_body_size(struct conf_scope *scope, uint64_t size);
/* The `resolver` in force in this scope (server, location, store, …), made when first asked for;
 * NULL: none is configured. */
struct dns_resolver *http_scope_resolver(const struct conf_scope *scope);

/* The listening sockets a configuration wants, in order, duplicates merged. */
struct http_listen {
	struct http_listen *next;
	struct addr addr;
	struct listen_options opt;
	bool tls;
	/* private to http/ from here: default server, servers by name */
	struct http_server_conf *servers;
	struct http_names *names;
	bool has_default, has_options;
	/* addresses that this wildcard also serves, told apart by the connection's own address */
	struct http_listen *specific;
};
struct http_listen *http_listens(struct conf *c);
/* What holds in a location. */
const struct http_scope *http_location_scope(const struct http_location *l);
/* The same with all modules' structs: conf_of() gives one of them. */
const struct conf_scope *http_location_conf(const struct http_location *l);
/* Its path or expression as the configuration has it, without modifier. */
struct str http_location_name(const struct http_location *l);

/* The server a request belongs to: the default one of its address until it is routed. */
const struct http_server_conf *http_request_server(const struct http_request *r);
/* Its Host in lower case and without the port, or the first name of its server. */
struct str http_request_host(const struct http_request *r);
/* What holds for it: its location's, or its server's where none was reached. */
const struct conf_scope *http_request_conf(const struct http_request *r);
/* The first server_name as written, in lower case; empty: it has none. */
struct str http_server_name(const struct http_server_conf *s);
/* Servers of a configuration are numbered from 0, in the order of the file. */
unsigned http_server_index(const struct http_server_conf *s);

/* Routing, pure: the location that serves path on this server; NULL: none. */
const struct http_location *http_route(
    const struct http_listen *l, struct str host, struct str path);

#endif

/*
 * What a configuration says about HTTP, as the rest of http/ sees it. Everything lives in the
 * configuration's arena. Private to http/.
 */
#ifndef SLUICE_HTTP_CONF_PRIV_H
#define SLUICE_HTTP_CONF_PRIV_H

#include <regex.h>

#include "http/conf.h"
#include "http/text.h"
#include "net/tls.h"

enum http_match {
	HTTP_MATCH_PREFIX,
	HTTP_MATCH_EXACT,  /* = */
	HTTP_MATCH_STOP,   /* ^~: a prefix behind which no expressions are tried */
	HTTP_MATCH_REGEX,  /* ~ */
	HTTP_MATCH_REGEX_I /* ~* */
};

/* The locations of a server, or those nested in one. */
struct http_locations {
	struct http_location **prefix; /* PREFIX and STOP, longest first */
	struct http_location **exact;
	struct http_location **regex; /* in the order of the file */
	unsigned n_prefix, n_exact, n_regex;
	struct http_location *first, **end; /* all, while the block is read */
};

/* `return`: status 0 is none. */
struct http_return {
	int status;
	struct http_text text; /* body, or the Location of a redirect */
};

/* One `set`, and those of a block in order. */
struct http_set {
	struct http_set *next;
	unsigned index; /* of the variable */
	struct http_text value;
};

struct http_sets {
	struct http_set *first, **end;
};

/* One `add_header`. */
struct http_added {
	struct http_added *next;
	const char *name;
	struct http_text value;
	bool always;
};

struct http_location {
	struct http_location *next;
	const struct conf_node *node;
	struct str name; /* path or expression */
	enum http_match match;
	regex_t regex;
	struct http_locations inner;
	struct http_scope *scope;
	struct conf_scope *conf;
	struct http_return ret;
	struct http_sets sets;
	http_handler_fn *handler;
	void *arg;
	const char *methods; /* "PUT POST", NULL: any */
	const char *allow;   /* the same as the value of Allow */
	uint64_t default_body_size;
};

struct http_name {
	struct http_name *next;
	const struct conf_node *node;
	struct str text; /* lower case; of "*.example.org" ".example.org", of "mail.*" "mail." */
	enum http_name_kind {
		HTTP_NAME_EXACT,
		HTTP_NAME_SUFFIX, /* from a dot on */
		HTTP_NAME_PREFIX, /* up to a dot */
		HTTP_NAME_REGEX,
		HTTP_NAME_KINDS
	} kind;
	regex_t regex;
	const struct http_server_conf *server;
};

/* One `listen` of one server. */
struct http_bind {
	struct http_bind *next;
	const struct conf_node *node;
	struct addr addr;
	struct listen_options opt;
	bool tls, is_default, has_options;
};

struct http_server_conf {
	struct http_server_conf *next;
	const struct conf_node *node;
	unsigned index;  /* in the order of the file */
	struct str name; /* the first of its names, as written, but in lower case */
	struct http_scope *scope;
	struct conf_scope *conf;
	struct http_locations locations;
	struct http_return ret;
	struct http_sets sets;
	struct http_name *names, **names_end;
	struct http_bind *binds, **binds_end;
	struct tls_server *tls; /* set where a listen has ssl */
};

/* The names of all servers on one listen, for looking up, by kind: sorted, expressions in the order of the file. Arrays of pointers in the arena. */
struct http_names {
	struct http_name_table {
		struct http_name **at;
		unsigned n;
	} kinds[HTTP_NAME_KINDS];
};

/* What hangs on the main scope. */
struct http_site {
	struct http_server_conf *servers, **servers_end;
	unsigned n_servers;
	unsigned n_set; /* variables that `set` defines */
	struct http_listen *listens;
};

struct http_resolver_conf {
	struct addr *servers;
	unsigned n;
	int64_t valid;
	bool ipv6;
	struct dns_resolver *made; /* when first asked for, in the process that asked */
};

/* conf.c */
void http_locations_init(struct http_locations *l);
int http_locations_finish(struct conf *c, struct http_locations *l);
/* conf_server.c */
int http_set_server(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int http_set_listen(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int http_set_server_name(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* conf_location.c */
int http_set_location(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* Cuts the first word off "PUT POST" or "PUT, POST". */
struct str http_next_method(struct str *methods);
int http_set_return(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int http_set_resolver(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* set.c, add_header.c */
int http_set_variable(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int http_set_add_header(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* conf_listen.c: from all binds to the sockets and their tables of names. */
int http_make_listens(struct conf *c, struct http_site *site);
/* conf_tls.c: for all servers that a listen with ssl leads to. */
int http_load_certificates(struct conf *c, struct http_site *site);
int http_set_protocols(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
int http_set_session_cache(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* pattern.c: compiles a POSIX extended expression; complains about what only PCRE has, naming the
 * POSIX form. */
int http_compile_pattern(
    struct conf *c, const struct conf_node *node, struct str pattern, bool icase, regex_t *out);

/* variables.c, variables_conn.c, variables_answer.c */
extern const struct http_variable http_request_variables[];
extern const struct http_variable http_conn_variables[];
extern const struct http_variable http_answer_variables[];
/* Is it the field that a variable calls wanted: in lower case, with _ for -? */
bool http_is_field(struct str field, struct str wanted);

/* route.c */
struct http_route {
	const struct http_server_conf *server;
	const struct http_location *location; /* NULL: none matches */
};
/* host: lower case, without port. With regex false no expression is run: ERR_AGAIN if one would
 * have to be. Else 0. path and host end in a zero byte if regex is true. */
int http_route_find(const struct http_listen *l, struct str host, struct str path, bool regex,
    struct http_route *out);
/* By name alone, expressions left out: for SNI. Never NULL. */
const struct http_server_conf *http_server_by_name(const struct http_listen *l, struct str host);
/* Lower case, without port and trailing dot; cut to fit. Returns its length. */
size_t http_normalise_host(struct str host, char *out, size_t cap);

#endif

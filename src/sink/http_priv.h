/*
 * Inside the http sink: its line of the configuration (http_conf.c), the request a message becomes (http_request.c, pure), and one attempt (http.c).
 */
#ifndef SLUICE_SINK_HTTP_PRIV_H
#define SLUICE_SINK_HTTP_PRIV_H

#include "base/clock.h"
#include "http/client.h"
#include "sink/classify.h"
#include "sink/sink.h"

#define HTTP_EXTRA_MAX 8 /* `header=` of one line */

/* The `sink http` line. */
struct http_sink_conf {
	struct str host; /* to connect to: a name, a literal, "unix:/path" */
	uint16_t port;
	bool https;
	struct str target;      /* path and query */
	struct str field;       /* value of Host */
	struct str method;      /* empty: as it was received */
	struct str user_header; /* its name */
	struct http_header extra[HTTP_EXTRA_MAX];
	unsigned n_extra;
	const char *ca_file; /* NULL: the system's authorities */
	int64_t keepalive;   /* how long a connection may stay idle; 0: one a request */
};

/* For http_ops; contracts in sink.h. */
int http_sink_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out);
int http_sink_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf);

/* ---- the request */

#define HTTP_TRACE_LEN 55 /* 00-<trace id>-<span id>-<flags> */

/* A message's header fields, and where those live that are made for it. */
struct http_fields {
	struct http_header headers[12 + HTTP_EXTRA_MAX];
	unsigned n;
	char trace[HTTP_TRACE_LEN + 1], received[CLOCK_RFC3339_LEN + 1], attempt[U64_DIGITS];
	struct buf safe; /* of what had to be encoded; kept from one message to the next */
};
/* The method and fields of an attempt at m, whose span is `span`. They borrow from conf, m and out. Whatever bytes m holds, none of them ends a field. 0 or
 * ERR_NOMEM. */
int http_fields_make(const struct http_sink_conf *conf, const struct sink_message *m, uint64_t span,
    struct str *method, struct http_fields *out);
/* For http_ops. */
void http_sink_show(const struct sink_conf *conf, const struct sink_message *m,
    void (*field)(void *arg, struct str name, struct str value), void *arg);

#endif

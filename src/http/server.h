/*
 * The server side of HTTP/1.1: connections, requests, answers. One task serves a connection while
 * bytes are there; an idle one holds none.
 *
 * A handler is a function that runs on the connection's task, may park, and answers exactly once.
 * What it leaves unread of the body is drained (bounded) or the connection closes with a linger so
 * that the answer arrives.
 */
#ifndef SLUICE_HTTP_SERVER_H
#define SLUICE_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/head.h"
#include "net/conn.h"

struct http_conn;
struct http_location; /* http/conf.h */
struct http_server_conf;

#define HTTP_REQUEST_ID_MAX 128
#define HTTP_CONTEXTS_MAX 8

struct http_request {
	struct http_conn *conn;
	struct arena arena; /* bounded; freed after the answer */
	const struct http_head *head;
	struct str path;                      /* decoded, normalised */
	struct str query;                     /* raw, without '?' */
	struct str id;                        /* X-Request-Id: the client's (checked) or ours */
	struct str traceparent;               /* the client's, if well-formed; else empty */
	struct str user;                      /* set by the auth step; empty: nobody */
	const struct http_location *location; /* NULL: none was reached */
	int64_t start;                        /* monotonic ns: first byte of the head */
	int status;                           /* of the answer, once begun */
	uint64_t bytes_in, bytes_out; /* heads included; of the body what was taken in so far */
	bool keep_alive;              /* a handler may clear it */
	bool uncounted; /* by handlers that show counts: not among the requests of http/metrics.h */
	void *context
	    [HTTP_CONTEXTS_MAX]; /* by http_context_new: what modules keep with the request */
};

/* ---- body ---- */
/* The length the client announced, or -1. */
int64_t http_body_length(const struct http_request *r);
/* The whole body, if it is at most max bytes (of decoded content), in one piece: borrowed from the
 * connection's buffer where it is there already, else from the arena or the heap, valid until the
 * answer. ERR_TOO_LARGE: longer than max (but within client_max_body_size): go on with
 * http_body_read, which starts at the first byte. Parks. Others: ERR_CLOSED (client left),
 * ERR_TIMEOUT, ERR_BAD (malformed chunk or gzip), ERR_NOMEM. After one of those the caller answers
 * http_reply_error() if anything. */
int http_body_gather(struct http_request *r, size_t max, struct str *out);
/* Streams it: bytes (> 0), 0 at its proper end, or an error as above; ERR_TOO_LARGE once
 * client_max_body_size is passed. Sends 100-continue when it first waits. Parks. */
ssize_t http_body_read(struct http_request *r, void *p, size_t n);
/* Content-Encoding: gzip is decoded by the two above unless this is called first (object mode keeps
 * it). */
void http_body_keep_encoding(struct http_request *r);

/* ---- answer ---- */
/* Adds a header to the coming answer. Name and value are copied; values with control characters are
 * dropped. */
void http_add_header(struct http_request *r, const char *name, struct str value);
/* The same in place of those of that name that were added before. */
void http_set_header(struct http_request *r, const char *name, struct str value);
/* A whole answer. content_type may be NULL with an empty body. Content-Length, Date, Server,
 * X-Request-Id, Connection are added; HEAD gets no body. Parks. Errors mean the client is gone. */
int http_reply(struct http_request *r, int status, const char *content_type, struct str body);
/* The same from a buffer, which it frees; one that failed is an error (503). */
int http_reply_buf(struct http_request *r, int status, const char *content_type, struct buf *body);
/* {"message":"…"} and a newline; text NULL: the reason phrase. Error pages for people (text/html)
 * when Accept prefers it. */
int http_reply_message(struct http_request *r, int status, const char *text);
/* From an error of the table: its status and text; Retry-After for 503. ERR_CANCELLED and
 * ERR_CLOSED answer nothing and close. */
int http_reply_error(struct http_request *r, int err);
/* A streamed answer: length -1 is chunked (closes for HTTP/1.0). */
int http_reply_start(struct http_request *r, int status, const char *content_type, int64_t length);
int http_reply_write(struct http_request *r, const void *p, size_t n); /* parks */
int http_reply_end(struct http_request *r);
/* The client's address as text without port ("unix:" for a unix socket), and in binary: the peer's,
 * or what the real address step made of it. */
struct str http_client_address(const struct http_request *r);
void http_client_addr(const struct http_request *r, struct addr *out);
/* For that step: from now on this request comes from a (IPv4 or IPv6, copied). */
void http_set_client_addr(struct http_request *r, const struct addr *a);
/* The connection's other end, whatever that step said. */
void http_peer_addr(const struct http_request *r, struct addr *out);
/* True: the client closing its side, too, cancels a handler that is parked (for proxying); false,
 * as it begins: only a reset does, because a client may send its request, half-close and read the
 * answer. */
void http_watch_client(struct http_request *r, bool on);

/* ---- running ---- */
/* Starts accepting on an inherited listening socket, for the given listen (http/conf.h), both
 * borrowed for ever. 0 or an error. Loop callbacks and tasks do the rest. */
struct http_listen;
int http_serve(int listen_fd, const struct http_listen *l);
/* Most connections at a time (worker_connections); beyond it the longest idle one is closed for a
 * new one. 0: no limit. */
void http_limit_connections(unsigned max);
unsigned http_most_connections(void); /* as set by that; 0: no limit */
/* Stops accepting; requests in flight, and those that come within a moment (250 ms, a second on a
 * connection without one yet), are finished and get Connection: close; idle connections close. */
void http_drain(void);
unsigned http_connections(void); /* open, idle ones included */
unsigned http_active(void);      /* with a request in flight */

/* Plugs for upper layers. Called as soon as a request is routed, before anything is said of it (413,
 * a server's `return`, phases): the place to find out who the client is. Must not park or answer.
 * Before serving; at most 4. */
typedef void http_routed_fn(struct http_request *r);
void http_add_routed(http_routed_fn *fn);
/* Called in order on every request before its handler: 0 goes on; anything else: it has answered.
 * Before serving; at most 12. */
typedef int http_phase_fn(struct http_request *r);
void http_add_phase(http_phase_fn *fn);
/* Called once a request, on its task, just before the last bytes of its answer are handed to the socket (or when it is given up), so
 * that a client never holds an answer that was not counted. status and bytes_out are final: they include what is about to leave. Must
 * not park. At most 8. */
typedef void http_count_fn(struct http_request *r, int64_t duration_ns);
void http_add_count(http_count_fn *fn);
/* Called once a request is over (answered or given up). At most 4. */
typedef void http_log_fn(struct http_request *r, int64_t duration_ns);
void http_add_log(http_log_fn *fn);
/* An index into http_request.context for the calling module; NULL there at the start of each request. Before serving. */
unsigned http_context_new(void);

#endif

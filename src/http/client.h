/*
 * The client side of HTTP/1.1, for tasks: keep-alive connections to one origin, requests with a
 * body from memory or a file, answers read in pieces.
 */
#ifndef SLUICE_HTTP_CLIENT_H
#define SLUICE_HTTP_CLIENT_H

#include "base/buf.h"
#include "http/head.h"
#include "net/dial.h"

/* One origin: where to connect and its idle connections (at most idle_max, closed after
 * idle_ns). */
struct http_client;
struct http_client *http_client_new(
    const struct dial_target *target, unsigned idle_max, int64_t idle_ns);
void http_client_free(struct http_client *c); /* no exchange may be under way */

struct http_exchange {
	/* the request, filled by the caller */
	struct str method, target, host;   /* host: value of the Host field */
	const struct http_header *headers; /* besides Host, Content-Length, Connection */
	unsigned n_headers;
	struct str body; /* from memory, or */
	/* >= 0: body_length bytes of this file from body_offset, read by helpers in slices */
	int body_fd;
	uint64_t body_offset, body_length;
	int64_t deadline; /* of the whole exchange */
	int64_t stall;    /* ns without progress; 0: none but the deadline */
	/* wait (up to 1 s) for 100 before a file body; a final answer instead is taken as it is */
	bool expect_continue;
	/* the answer */
	struct http_head head; /* points into raw */
	struct buf raw;        /* the head's bytes */
	size_t head_n;         /* private: how many they are */
	struct buf reply;      /* its body, up to reply_max bytes */
	size_t reply_max;      /* more than this: kept truncated, connection closed */
	/* Where set, the body goes here piece by piece in place of reply; head is the answer's. 0 goes on, an error ends the exchange with it. May
	 * park, for as long as it likes: the next piece is not read meanwhile. */
	int (*take)(void *arg, struct str piece);
	void *take_arg;
	char why[160]; /* text for the log when it failed */
	/* some byte of the request may have reached the peer: the outcome is unknown on error */
	bool sent;
};

/* The whole exchange: 0 and the answer, or an error. A kept connection that turns out closed before
 * any byte of an answer is replaced once by a fresh one. Parks. raw and reply are initialised here
 * and freed by http_exchange_fini. */
int http_exchange(struct http_client *c, struct http_exchange *x);
void http_exchange_fini(struct http_exchange *x);

/* "http://host:port/path": parts borrowed from url. 0 or ERR_BAD. */
struct http_url {
	bool https;
	struct str host;
	uint16_t port;
	struct str path; /* with query; "/" if none */
};
int http_url_parse(struct str url, struct http_url *out);

#endif

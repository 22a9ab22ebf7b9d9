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

/* Zeroed before the first exchange; then it may serve any number, one after the other, and keeps
 * its memory until http_exchange_fini. */
struct http_exchange {
	/* the request, filled by the caller; borrowed */
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
	struct buf reply;      /* its body, up to reply_max bytes */
	size_t reply_max;
	/* Beyond reply_max so many bytes are read and dropped; of what is longer still the rest is
	 * not read, and the connection closed. */
	uint64_t reply_skip;
	/* Where set, the body goes here piece by piece in place of reply; head is the answer's. 0 goes on, an error ends the exchange with it. May
	 * park, for as long as it likes: the next piece is not read meanwhile. */
	int (*take)(void *arg, struct str piece);
	void *take_arg;
	char why[160]; /* text for the log when it failed */
	/* some byte of the request may have reached the peer: the outcome is unknown on error */
	bool sent;
	/* private */
	size_t head_n;      /* of raw */
	uint64_t skipped;   /* of the body */
	struct buf request; /* as it is sent */
};

/* The whole exchange: 0 and the answer, or an error. A kept connection that turns out closed before
 * any byte of an answer is replaced once by a fresh one. Parks. */
int http_exchange(struct http_client *c, struct http_exchange *x);
void http_exchange_fini(struct http_exchange *x);

/* How long the answer asks us to wait (Retry-After: seconds, or a date, which is held against the
 * answer's own), in ns; 0: it does not say. At most an hour is believed. */
int64_t http_retry_after(const struct http_head *h);

/* "http://host:port/path": parts borrowed from url. 0 or ERR_BAD. */
struct http_url {
	bool https;
	struct str host;
	uint16_t port;
	struct str path; /* with query; "/" if none */
};
int http_url_parse(struct str url, struct http_url *out);

#endif

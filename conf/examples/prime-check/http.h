/* A small HTTP/1.1 server, one request at a time, on kept connections. */
#ifndef HTTP_H
#define HTTP_H

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

struct http_request {
	const char *method, *path, *query; /* query: behind '?'; "" if none */
	const char *key;                   /* Idempotency-Key */
	const char *trace;                 /* traceparent */
	const char *user;                  /* X-Sluice-User; "" each, if it is not there */
	const char *body;                  /* zero-terminated */
	size_t body_n;
};

/* Writes a JSON text to out and returns the status. */
typedef int http_handler(const struct http_request *q, FILE *out);

/* A socket that listens on host (an address) and port, or -1 after a message. */
int http_listen(const char *host, const char *port);
/* Serves until *stop is set by a signal; requests that have arrived are answered. */
void http_serve(int listener, http_handler *handler, volatile sig_atomic_t *stop);

#endif

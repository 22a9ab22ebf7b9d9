/*
 * A scripted HTTP peer on loopback, in a thread of its own: takes requests one after the other,
 * records each, and does to it what the script says. Requests beyond the script are answered 500
 * and counted all the same.
 */
#ifndef SLUICE_TEST_SINK_PEER_H
#define SLUICE_TEST_SINK_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum peer_act {
	PEER_ANSWER = 0,
	PEER_RESET, /* the request is read, then the connection reset */
	PEER_CUT,   /* the answer is sent but for its last byte, then the connection closed */
	PEER_HANG,  /* the request is read, nothing comes back until the peer stops */
	PEER_EARLY  /* answered behind the head, without asking for the body */
};

struct peer_step {
	const char *
	    answer; /* status line and headers, each ended by \n; then an empty line and the body */
	enum peer_act act;
	void (*before)(void); /* called between reading and answering */
};

#define PEER_MAX 64
#define PEER_ROOM (64u * 1024)

struct peer {
	int listener, stop[2];
	uint16_t port;
	pthread_t thread;
	struct peer_step steps[PEER_MAX];
	unsigned n_steps;
	/* to be read after peer_stop() */
	char *requests[PEER_MAX]; /* head and what fits of the body, zero-terminated */
	size_t bodies[PEER_MAX];  /* bytes of body that came */
	unsigned n_requests, n_connections;
	const char *id; /* "$ID" in answers */
};

static inline void
peer_die(const char *what)
{
	perror(what);
	abort();
}

/* False: it closed. Also returns, false, when the peer is told to stop. */
static inline bool
peer_wait(struct peer *p, int fd)
{
	struct pollfd set[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = p->stop[0], .events = POLLIN } };

	if (poll(set, 2, -1) < 0)
		peer_die("poll");
	return !set[1].revents;
}

static inline size_t
peer_length(const char *head)
{
	const char *field = strcasestr(head, "\r\ncontent-length:");

	return field ? (size_t)strtoull(field + 17, NULL, 10) : 0;
}

static inline void
peer_send(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, text, n, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

/* The answer with CR LF in its head, Content-Length added, and $ID replaced. head: no body is
 * sent. */
static inline void
peer_answer(struct peer *p, int fd, const struct peer_step *step, bool head)
{
	char out[8192], *to = out;
	const char *from = step->answer, *body = strstr(from, "\n\n");
	size_t body_len = body ? strlen(body + 2) : 0, n;

	for (; *from && (!body || from <= body); from++) {
		if (*from == '\n') {
			*to++ = '\r';
			*to++ = '\n';
		} else if (strncmp(from, "$ID", 3) == 0 && p->id) {
			to = stpcpy(to, p->id);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	if (!strcasestr(step->answer, "content-length:"))
		to += sprintf(to, "Content-Length: %zu\r\n", body_len);
	to = stpcpy(to, "\r\n");
	if (body && !head)
		to = stpcpy(to, body + 2);
	n = (size_t)(to - out);
	peer_send(fd, out, step->act == PEER_CUT ? n - 1 : n);
}

/* Reads one request: head and body, recorded. False: the connection is over. */
static inline bool
peer_read(struct peer *p, int fd, bool early)
{
	char *text = calloc(1, PEER_ROOM + 1), *end = NULL, sink[65536];
	size_t n = 0, length, body;
	bool expect;

	while (!(end = strstr(text, "\r\n\r\n"))) {
		ssize_t got =
		    peer_wait(p, fd) && n < PEER_ROOM ? recv(fd, text + n, PEER_ROOM - n, 0) : 0;

		if (got <= 0) {
			free(text);
			return false;
		}
		n += (size_t)got;
	}
	length = peer_length(text);
	body = n - (size_t)(end + 4 - text);
	expect = strcasestr(text, "\r\nexpect: 100-continue") != NULL;
	if (expect && !early && body == 0)
		peer_send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	while (body < length && !(expect && early)) {
		bool fits = n < PEER_ROOM;
		ssize_t got = peer_wait(p, fd) ? recv(fd, fits ? text + n : sink,
						     fits ? PEER_ROOM - n : sizeof(sink), 0)
					       : 0;

		if (got <= 0)
			break;
		if (fits)
			n += (size_t)got;
		body += (size_t)got;
	}
	if (p->n_requests == PEER_MAX)
		peer_die("too many requests");
	p->bodies[p->n_requests] = body;
	p->requests[p->n_requests++] = text;
	return true;
}

/* One request and what the script has for it. False: the connection is over. */
static inline bool
peer_serve(struct peer *p, int fd)
{
	static const struct peer_step beyond = { "HTTP/1.1 500 Beyond The Script\n", PEER_ANSWER,
		NULL };
	const struct peer_step *step =
	    p->n_requests < p->n_steps ? &p->steps[p->n_requests] : &beyond;
	struct linger reset = { 1, 0 };
	char c;

	if (!peer_read(p, fd, step->act == PEER_EARLY))
		return false;
	if (step->before)
		step->before();
	if (step->act == PEER_RESET) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		return false;
	}
	if (step->act == PEER_HANG) {
		while (peer_wait(p, fd) && recv(fd, &c, 1, 0) > 0)
			;
		return false;
	}
	peer_answer(p, fd, step, strncmp(p->requests[p->n_requests - 1], "HEAD ", 5) == 0);
	return step->act != PEER_CUT;
}

static inline void *
peer_main(void *arg)
{
	struct peer *p = arg;

	while (peer_wait(p, p->listener)) {
		int fd = accept(p->listener, NULL, NULL);

		if (fd < 0)
			peer_die("accept");
		p->n_connections++;
		while (peer_wait(p, fd) && peer_serve(p, fd))
			;
		close(fd);
	}
	return NULL;
}

/* Listens on a free port; the thread starts with peer_start(). */
static inline void
peer_init(struct peer *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	memset(p, 0, sizeof(*p));
	p->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(p->listener, 16) || getsockname(p->listener, (struct sockaddr *)&at, &len) ||
	    pipe(p->stop))
		peer_die("peer_init");
	p->port = ntohs(at.sin_port);
}

static inline void
peer_start(struct peer *p)
{
	if (pthread_create(&p->thread, NULL, peer_main, p))
		peer_die("pthread_create");
}

/* Ends the thread; the requests stay until peer_fini(). */
static inline void
peer_stop(struct peer *p)
{
	if (write(p->stop[1], "x", 1) != 1)
		peer_die("write");
	pthread_join(p->thread, NULL);
}

static inline void
peer_fini(struct peer *p)
{
	for (unsigned i = 0; i < p->n_requests; i++)
		free(p->requests[i]);
	close(p->listener);
	close(p->stop[0]);
	close(p->stop[1]);
}

#endif

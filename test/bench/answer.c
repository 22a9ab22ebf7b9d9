/*
 * A worker that does nothing, as fast as one process can: whatever a request asks, it is answered at once. Keeps no more than counts.
 *
 *	answer PORT
 *
 *	GET /count        "TOTAL N0 N1 … N9": requests so far, and those whose path is /0 to /9
 *	GET /status/400   from now on requests are answered 400 (200 at first)
 *
 * Bare system calls on purpose: both sides of a comparison talk to it, and what it takes of the machine is taken from both.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (64 * 1024)
#define EVENTS 64

struct client {
	int fd;
	size_t n;
	char in[ROOM];
};

static uint64_t total, by_path[10];
static char ready_answer[64] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Length of the request at p, or 0 if it is not there in full. */
static size_t
request_length(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *length;
	size_t head, body = 0;

	if (!end)
		return 0;
	head = (size_t)(end - p) + 4;
	length = memmem(p, head, "\nContent-Length: ", 17);
	if (length)
		body = strtoul(length + 17, NULL, 10);
	return head + body <= n ? head + body : 0;
}

static size_t
put_counts(char *out, size_t room)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)total);

	for (unsigned i = 0; i < 10; i++)
		n += snprintf(
		    text + n, sizeof(text) - (size_t)n, " %llu", (unsigned long long)by_path[i]);
	return (size_t)snprintf(
	    out, room, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, text);
}

/* Writes the answer to the request at p. */
static size_t
answer(const char *p, char *out, size_t room)
{
	const char *path = strchr(p, ' ') + 1;

	if (strncmp(p, "GET /count ", 11) == 0)
		return put_counts(out, room);
	if (strncmp(p, "GET /status/", 12) == 0) {
		snprintf(ready_answer, sizeof(ready_answer),
		    "HTTP/1.1 %.3s Told So\r\nContent-Length: 2\r\n\r\nok", p + 12);
		return (size_t)snprintf(out, room, "HTTP/1.1 204 No Content\r\n\r\n");
	}
	total++;
	if (path[1] >= '0' && path[1] <= '9')
		by_path[path[1] - '0']++;
	return (size_t)(stpcpy(out, ready_answer) - out);
}

/* False: it has gone. */
static bool
serve(struct client *c)
{
	char out[16 * 1024];
	size_t done = 0, n_out = 0, length;
	ssize_t got = recv(c->fd, c->in + c->n, sizeof(c->in) - 1 - c->n, MSG_DONTWAIT);

	if (got <= 0)
		return false;
	c->n += (size_t)got;
	c->in[c->n] = '\0';
	while (n_out < sizeof(out) - 512 && (length = request_length(c->in + done, c->n - done))) {
		n_out += answer(c->in + done, out + n_out, sizeof(out) - n_out);
		done += length;
	}
	c->n -= done;
	memmove(c->in, c->in + done, c->n);
	return n_out == 0 || send(c->fd, out, n_out, MSG_NOSIGNAL) == (ssize_t)n_out;
}

static void
watch(int loop, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void
welcome(int loop, int listener)
{
	struct client *c = malloc(sizeof(*c));
	int one = 1;

	if (!c || (c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
		die("accept");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->n = 0;
	watch(loop, c->fd, c);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event events[EVENTS];
	int loop = epoll_create1(EPOLL_CLOEXEC), one = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2) {
		fprintf(stderr, "usage: answer PORT\n");
		return 1;
	}
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 512))
		die("listen");
	watch(loop, listener, NULL);
	for (;;) {
		int n = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (!c) {
				welcome(loop, listener);
			} else if (!serve(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
}

/*
 * The server: poll() over a handful of connections, each with one buffer for what comes and one for what goes. It knows what the gateway sends: heads with
 * Content-Length, never chunks; whatever else comes is refused and the connection closed.
 */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 256
#define REQUEST_MAX (16 * 1024) /* head and body */

struct connection {
	int fd;
	char in[REQUEST_MAX + 1];
	size_t in_n;
	char *out;
	size_t out_n, out_at;
	bool last; /* closed once out is sent */
	/* the request at the start of in, once its head is there; it points into in */
	struct http_request q;
	size_t head_n, body_n;
};

static struct connection *connections[CONNECTIONS];
static size_t n_connections;

int
http_listen(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	struct addrinfo *found;
	int one = 1, fd = -1, err = getaddrinfo(host, port, &hints, &found);

	if (err) {
		fprintf(stderr, "prime-check: %s:%s: %s\n", host, port, gai_strerror(err));
		return -1;
	}
	fd = socket(found->ai_family, found->ai_socktype, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 64) ||
	    fcntl(fd, F_SETFL, O_NONBLOCK)) {
		fprintf(stderr, "prime-check: listen on %s:%s: %s\n", host, port, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* ---- connections */

static void
take_in(int listener)
{
	struct connection *c;
	int one = 1, fd;

	while (n_connections < CONNECTIONS && (fd = accept(listener, NULL, NULL)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (!c || fcntl(fd, F_SETFL, O_NONBLOCK)) {
			free(c);
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = fd;
		connections[n_connections++] = c;
	}
}

static void
drop(size_t i)
{
	struct connection *c = connections[i];

	close(c->fd);
	free(c->out);
	free(c);
	connections[i] = connections[--n_connections];
}

/* False: the connection is over. */
static bool
send_out(struct connection *c)
{
	while (c->out_at < c->out_n) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_n = c->out_at = 0;
	return !c->last;
}

/* ---- one request */

static const char *
reason(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 503:
		return "Service Unavailable";
	default:
		return status < 300 ? "OK" : "Refused";
	}
}

/* The answer to be sent: head and body in one piece. */
static void
answer(struct connection *c, int status, const char *body, size_t n)
{
	FILE *out = open_memstream(&c->out, &c->out_n);

	if (!out) {
		c->last = true;
		return;
	}
	fprintf(out,
	    "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
	    status, reason(status), n, c->last ? "Connection: close\r\n" : "");
	fwrite(body, 1, n, out);
	fclose(out);
}

static void
refuse(struct connection *c, int status, const char *why)
{
	char body[128];
	int n = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", why);

	c->last = true;
	answer(c, status, body, (size_t)n);
}

/* The value of a line that is this field, else NULL. */
static const char *
field(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	return line + n + 1 + strspn(line + n + 1, " \t");
}

static void
read_field(const char *line, struct http_request *q, const char **length, bool *refused)
{
	const char *v;

	if ((v = field(line, "Content-Length")))
		*length = v;
	else if ((v = field(line, "Idempotency-Key")))
		q->key = v;
	else if ((v = field(line, "traceparent")))
		q->trace = v;
	else if ((v = field(line, "X-Sluice-User")))
		q->user = v;
	else if (field(line, "Transfer-Encoding") || field(line, "Expect"))
		*refused = true;
}

/* Takes the head apart where it lies, up to end. 0, or the status of a refusal. */
static int
parse_head(struct connection *c, char *end)
{
	struct http_request *q = &c->q;
	const char *length = "0";
	char *line, *rest, *query, *stop;
	bool refused = false;

	*end = '\0';
	*q = (struct http_request){ .query = "", .key = "", .trace = "", .user = "" };
	q->method = strtok_r(c->in, " ", &rest);
	q->path = strtok_r(NULL, " ", &rest);
	line = strtok_r(NULL, "\r\n", &rest);
	if (!q->method || !q->path || !line || strcmp(line, "HTTP/1.1") != 0)
		return 400;
	if ((query = strchr(q->path, '?'))) {
		*query = '\0';
		q->query = query + 1;
	}
	while ((line = strtok_r(NULL, "\r\n", &rest)))
		read_field(line, q, &length, &refused);
	if (refused)
		return 501;
	c->body_n = strtoul(length, &stop, 10);
	if (*length < '0' || *length > '9' || *stop)
		return 400;
	return c->body_n > REQUEST_MAX - c->head_n ? 413 : 0;
}

/* False: the head is not there yet. */
static bool
have_head(struct connection *c)
{
	char *end;
	int status;

	if (c->head_n)
		return true;
	c->in[c->in_n] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (!end) {
		if (c->in_n == REQUEST_MAX)
			refuse(c, 431, "request head too long");
		return false;
	}
	c->head_n = (size_t)(end - c->in) + 4;
	status = parse_head(c, end);
	if (status)
		refuse(c, status, "request not understood");
	return status == 0;
}

/* Answers the request at the start of the buffer, if it is there in full. False: it is not, or was refused. */
static bool
serve_one(struct connection *c, http_handler *handler)
{
	size_t all, n = 0;
	char *body = NULL, after;
	FILE *out;
	int status;

	if (c->last || !have_head(c) || c->in_n < c->head_n + c->body_n)
		return false;
	out = open_memstream(&body, &n);
	if (!out) {
		refuse(c, 503, "out of memory");
		return false;
	}
	all = c->head_n + c->body_n;
	after = c->in[all];
	c->in[all] = '\0';
	c->q.body = c->in + c->head_n;
	c->q.body_n = c->body_n;
	status = handler(&c->q, out);
	fclose(out);
	answer(c, status, body, n);
	free(body);
	c->in[all] = after;
	c->in_n -= all;
	memmove(c->in, c->in + all, c->in_n);
	c->head_n = c->body_n = 0;
	return true;
}

/* Sends what is to be sent, and answers what has come, as far as both go. False: the connection is over. */
static bool
go_on(struct connection *c, http_handler *handler)
{
	do {
		if (!send_out(c))
			return false;
	} while (!c->out && (serve_one(c, handler) || c->out));
	return true;
}

/* False: the connection is over. */
static bool
read_in(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_n, REQUEST_MAX - c->in_n, 0);

	if (n > 0)
		c->in_n += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

void
http_serve(int listener, http_handler *handler, volatile sig_atomic_t *stop)
{
	struct pollfd set[CONNECTIONS + 1];
	size_t n;

	while (!*stop) {
		n = n_connections;
		set[n] = (struct pollfd){ .fd = listener, .events = n < CONNECTIONS ? POLLIN : 0 };
		for (size_t i = 0; i < n; i++)
			set[i] = (struct pollfd){ .fd = connections[i]->fd,
				.events = connections[i]->out ? POLLOUT : POLLIN };
		if (poll(set, n + 1, 1000) <= 0)
			continue;
		for (size_t i = n;
		     i-- >
		     0;) { /* backwards: who is dropped is replaced by one that had its turn */
			struct connection *c = connections[i];

			if (set[i].revents && ((!c->out && !read_in(c)) || !go_on(c, handler)))
				drop(i);
		}
		if (set[n].revents)
			take_in(listener);
	}
}

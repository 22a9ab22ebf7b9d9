/*
 * A consumer of a Redis stream as one would write it for speed, for the comparison with `sink http`: reads batches of a consumer group, one ahead of the one it
 * works on, POSTs each record over one of C kept connections to a worker, and acknowledges it, by an XACK of its own, once the worker has answered 200. What is
 * to be acknowledged goes out together at the end of each turn, and nobody waits for the replies.
 *
 *	consume REDIS-PORT STREAM GROUP WORKER-PORT CONNECTIONS RECORDS
 *
 * Ends when so many records are acknowledged. Bare system calls, epoll, no library.
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

#define BATCH 128
#define BATCH_ROOM (512 * 1024)
#define CONNECTIONS_MAX 256
#define EVENTS 64

struct record {
	const char *id, *body; /* in the batch's bytes */
	size_t id_n, body_n;
};

struct batch {
	char in[BATCH_ROOM];
	size_t n;
	struct record records[BATCH];
	unsigned count, next, open; /* next: to be sent; open: not answered yet */
};

struct link {
	int fd;
	const struct record *record; /* under way; NULL: idle */
	struct batch *batch;
	char in[4096];
	size_t n;
};

static struct batch batches[2], *reading; /* reading: its reply is awaited */
static struct link links[CONNECTIONS_MAX];
static unsigned n_links;
static int reader, acker, loop;
static char read_command[256], ack_head[256], acks[256 * 1024];
static size_t acks_n;
static uint64_t acknowledged, wanted;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
connect_to(const char *port, void *what)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (connect(fd, (struct sockaddr *)&at, sizeof(at)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	return fd;
}

static void
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent <= 0)
			die("send");
		p += sent;
		n -= (size_t)sent;
	}
}

/* ---- what Redis says */

/* The number behind a type's character, up to its CR LF; NULL: not all of it is there. */
static const char *
number(const char *p, const char *end, char type, long *out)
{
	const char *line = p ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	if (!line)
		return NULL;
	if (*p != type) {
		fprintf(stderr, "consume: redis says %.*s\n", (int)(line - p), p);
		exit(1);
	}
	*out = strtol(p + 1, NULL, 10);
	return line + 1;
}

static const char *
bulk(const char *p, const char *end, const char **text, size_t *n)
{
	long length;

	p = number(p, end, '$', &length);
	if (!p || end - p < length + 2)
		return NULL;
	*text = p;
	*n = (size_t)length;
	return p + length + 2;
}

/* [[stream, [[id, [field, value]] …]]], or nil. False: not all of it is there. */
static bool
parse_batch(struct batch *b)
{
	const char *p = b->in, *end = b->in + b->n, *skip;
	size_t skip_n;
	long n, count;

	b->count = 0;
	p = number(p, end, '*', &n);
	if (!p || n < 0)
		return p != NULL;
	p = number(p, end, '*', &n);
	p = bulk(p, end, &skip, &skip_n);
	p = number(p, end, '*', &count);
	for (long i = 0; p && i < count; i++) {
		struct record *r = &b->records[i];

		p = number(p, end, '*', &n);
		p = bulk(p, end, &r->id, &r->id_n);
		p = number(p, end, '*', &n);
		p = bulk(p, end, &skip, &skip_n);
		p = bulk(p, end, &r->body, &r->body_n);
	}
	if (!p)
		return false;
	b->count = b->open = (unsigned)count;
	return true;
}

/* Asks for a batch where one is free and none is awaited. */
static void
ask(void)
{
	for (unsigned i = 0; i < 2 && !reading; i++) {
		if (batches[i].open)
			continue;
		reading = &batches[i];
		reading->n = reading->count = reading->next = 0;
		send_all(reader, read_command, strlen(read_command));
	}
}

static void
take_batch(void)
{
	ssize_t got = recv(reader, reading->in + reading->n, sizeof(reading->in) - reading->n, 0);

	if (got <= 0)
		die("redis");
	reading->n += (size_t)got;
	if (parse_batch(reading))
		reading = NULL;
}

static void
take_replies(void)
{
	char in[16 * 1024];
	ssize_t got = recv(acker, in, sizeof(in), 0);

	if (got <= 0)
		die("redis");
	for (ssize_t i = 0; i < got; i++)
		acknowledged += in[i] == ':';
	if (memchr(in, '-', (size_t)got)) {
		fprintf(stderr, "consume: redis refuses an XACK\n");
		exit(1);
	}
}

/* ---- the worker */

static void
post(struct link *l, struct batch *b)
{
	const struct record *r = &b->records[b->next++];
	char out[16 * 1024];
	size_t n;

	if (r->body_n > sizeof(out) - 512)
		die("a record too long");
	n = (size_t)snprintf(out, sizeof(out),
	    "POST /0 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	    "Idempotency-Key: %.*s\r\nContent-Length: %zu\r\n\r\n",
	    (int)r->id_n, r->id, r->body_n);
	memcpy(out + n, r->body, r->body_n);
	l->record = r;
	l->batch = b;
	l->n = 0;
	send_all(l->fd, out, n + r->body_n);
}

/* The answer is there in full. */
static bool
is_answered(const struct link *l)
{
	const char *end = memmem(l->in, l->n, "\r\n\r\n", 4);
	const char *length = memmem(l->in, l->n, "Content-Length: ", 16);

	return end && length && l->n >= (size_t)(end + 4 - l->in) + strtoul(length + 16, NULL, 10);
}

static void
acknowledge(const struct record *r)
{
	if (acks_n > sizeof(acks) - 512)
		die("too many acknowledgements");
	acks_n += (size_t)snprintf(acks + acks_n, sizeof(acks) - acks_n, "%s$%zu\r\n%.*s\r\n",
	    ack_head, r->id_n, (int)r->id_n, r->id);
}

static void
take_answer(struct link *l)
{
	ssize_t got = recv(l->fd, l->in + l->n, sizeof(l->in) - 1 - l->n, 0);

	if (got <= 0)
		die("worker");
	l->n += (size_t)got;
	l->in[l->n] = '\0';
	if (!is_answered(l))
		return;
	if (strncmp(l->in, "HTTP/1.1 200", 12) != 0)
		die("the worker refuses");
	acknowledge(l->record);
	l->batch->open--;
	l->record = NULL;
}

/* One that has a record to be sent, or NULL. */
static struct batch *
next_batch(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (&batches[i] != reading && batches[i].next < batches[i].count)
			return &batches[i];
	return NULL;
}

static void
send_what_can_be_sent(void)
{
	struct batch *b;

	for (unsigned i = 0; i < n_links; i++)
		if (!links[i].record && (b = next_batch()))
			post(&links[i], b);
	if (acks_n > 0) {
		send_all(acker, acks, acks_n);
		acks_n = 0;
	}
	ask();
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	if (argc != 7) {
		fprintf(stderr,
		    "usage: consume REDIS-PORT STREAM GROUP WORKER-PORT CONNECTIONS RECORDS\n");
		return 1;
	}
	loop = epoll_create1(EPOLL_CLOEXEC);
	reader = connect_to(argv[1], &reader);
	acker = connect_to(argv[1], &acker);
	n_links = (unsigned)atoi(argv[5]);
	for (unsigned i = 0; i < n_links; i++)
		links[i].fd = connect_to(argv[4], &links[i]);
	wanted = strtoull(argv[6], NULL, 10);
	snprintf(read_command, sizeof(read_command),
	    "XREADGROUP GROUP %s c COUNT %d BLOCK 1000 STREAMS %s >\r\n", argv[3], BATCH, argv[2]);
	snprintf(ack_head, sizeof(ack_head), "*4\r\n$4\r\nXACK\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
	    strlen(argv[2]), argv[2], strlen(argv[3]), argv[3]);
	ask();
	while (acknowledged < wanted) {
		int n = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;

			if (what == &reader)
				take_batch();
			else if (what == &acker)
				take_replies();
			else
				take_answer(what);
		}
		send_what_can_be_sent();
	}
	return 0;
}

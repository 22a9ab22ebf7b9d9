/*
 * A closed-loop producer: N records over C connections, the same share each, one record a request; a connection waits until its record is durable before it sends
 * the next.
 *
 *	feed http PORT CONNECTIONS RECORDS BODY-FILE PATH...     POST; connection i takes path i modulo their number
 *	feed redis PORT CONNECTIONS RECORDS BODY-FILE STREAM     XADD STREAM * r BODY
 *
 * Prints the seconds it took. Any refusal ends it with status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/conn.h"
#include "task/loop.h"

static struct {
	struct addr addr;
	const char *end, *good; /* of an answer, and what a good one starts with */
	struct buf *requests;   /* one a path */
	unsigned paths, connections;
	uint64_t records;
} feed;

static void
give_up(const char *what, const char *answer)
{
	fprintf(stderr, "feed: %s %.200s\n", what, answer);
	exit(1);
}

static void
one_record(struct conn *c, const struct buf *request)
{
	char answer[2048] = "";
	size_t n = 0;

	if (conn_write(c, request->p, request->n, 0, CLOCK_NEVER))
		give_up("send failed", "");
	while (!strstr(answer, feed.end)) {
		ssize_t got = conn_read(c, answer + n, sizeof(answer) - 1 - n, CLOCK_NEVER);

		if (got <= 0)
			give_up("connection closed", answer);
		n += (size_t)got;
		answer[n] = '\0';
	}
	if (strncmp(answer, feed.good, strlen(feed.good)) != 0)
		give_up("refused:", answer);
}

static void
producer(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	const struct buf *request = &feed.requests[i % feed.paths];
	uint64_t share = feed.records / feed.connections + (i < feed.records % feed.connections);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct conn c;

	if (fd < 0 || (connect(fd, &feed.addr.u.sa, feed.addr.len) && errno != EINPROGRESS) ||
	    conn_init(&c, fd, NULL))
		give_up("connect failed", "");
	while (share-- > 0)
		one_record(&c, request);
	conn_close(&c);
}

static void
make_request(struct buf *out, bool redis, const char *where, struct str body)
{
	buf_init(out, 0);
	if (redis)
		buf_printf(out, "*5\r\n$4\r\nXADD\r\n$%zu\r\n%s\r\n$1\r\n*\r\n$1\r\nr\r\n$%zu\r\n",
		    strlen(where), where, body.n);
	else
		buf_printf(out,
		    "POST %s HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    where, body.n);
	buf_put_str(out, body);
	if (redis)
		buf_puts(out, "\r\n");
	if (buf_failed(out))
		give_up("out of memory", "");
}

int
main(int argc, char **argv)
{
	bool redis = argc > 1 && strcmp(argv[1], "redis") == 0;
	struct str body;
	char *text, where[32];
	int64_t began;

	if (argc < 7 || (!redis && strcmp(argv[1], "http") != 0))
		give_up("usage: feed http|redis PORT CONNECTIONS RECORDS BODY-FILE PATH...", "");
	snprintf(where, sizeof(where), "127.0.0.1:%s", argv[2]);
	if (addr_parse(str_of(where), 0, &feed.addr) ||
	    file_read_all(argv[5], 1 << 20, &text, &body.n))
		give_up("port or body file:", argv[5]);
	body.p = text;
	feed.connections = (unsigned)atoi(argv[3]);
	feed.records = strtoull(argv[4], NULL, 10);
	feed.good = redis ? "$" : "HTTP/1.1 2";
	feed.end = redis ? "\r\n" : "\r\n\r\n";
	feed.paths = (unsigned)argc - 6;
	feed.requests = calloc(feed.paths, sizeof(*feed.requests));
	for (unsigned i = 0; i < feed.paths; i++)
		make_request(&feed.requests[i], redis, argv[6 + i], body);
	if (loop_init(NULL))
		give_up("no loop", "");
	began = clock_mono();
	for (uintptr_t i = 0; i < feed.connections; i++)
		if (task_go("producer", producer, (void *)i, NULL))
			give_up("no task", "");
	loop_run_until_idle();
	printf("%.6f\n", (double)(clock_mono() - began) / 1e9);
	return 0;
}

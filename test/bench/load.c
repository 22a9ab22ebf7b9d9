/*
 * An open-loop client: PUTs of one body at a fixed rate over N keep-alive connections, for the measurements that wrk cannot make.
 *
 *	load PORT PATH CONNECTIONS RATE SECONDS BODY-FILE
 *
 * Prints one line: sent, answered 204, answered otherwise, errors, p50, p99 and longest wait in microseconds. A request that is due while its connection still
 * waits for an answer is sent late, and its wait counts from when it was due.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/conn.h"
#include "task/loop.h"

#define BUCKETS 4000 /* of 50 us */

static struct {
	struct addr addr;
	struct buf request;
	int64_t begin, end, interval; /* interval: between requests of one connection */
	unsigned connections, left;
	uint64_t sent, stored, refused, errors, longest;
	uint64_t waits[BUCKETS];
} load;

static void
count(int64_t wait)
{
	uint64_t us = (uint64_t)(wait / NS_PER_US);

	load.waits[MIN(us / 50, (uint64_t)BUCKETS - 1)]++;
	load.longest = MAX(load.longest, us);
}

static int
one_request(struct conn *c)
{
	char answer[2048];
	size_t n = 0;
	int err = conn_write(c, load.request.p, load.request.n, 0, CLOCK_NEVER);

	load.sent++;
	while (err == 0) {
		ssize_t got = conn_read(c, answer + n, sizeof(answer) - 1 - n, CLOCK_NEVER);

		if (got <= 0)
			return ERR_CLOSED;
		n += (size_t)got;
		answer[n] = '\0';
		if (strstr(answer, "\r\n\r\n") == NULL)
			continue;
		if (strncmp(answer, "HTTP/1.1 204", 12) != 0) {
			load.refused++;
			return ERR_CLOSED;
		}
		load.stored++;
		return 0;
	}
	return err;
}

static void
client(void *arg)
{
	int64_t due = load.begin + load.interval * (int64_t)(intptr_t)arg / load.connections;
	struct conn c;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || (connect(fd, &load.addr.u.sa, load.addr.len) != 0 && errno != EINPROGRESS) ||
	    conn_init(&c, fd, NULL) != 0) {
		load.errors++;
		load.left--;
		return;
	}
	for (; due < load.end; due += load.interval) {
		if (clock_mono() < due)
			task_sleep_until(due);
		if (one_request(&c) != 0) {
			load.errors++;
			break;
		}
		count(clock_mono() - due);
	}
	conn_close(&c);
	load.left--;
}

static uint64_t
percentile(double p)
{
	uint64_t sum = 0, want = (uint64_t)(p * (double)load.stored);

	for (unsigned i = 0; i < BUCKETS; i++) {
		sum += load.waits[i];
		if (sum > want)
			return (i + 1) * 50;
	}
	return load.longest;
}

static void
make_request(const char *path, const char *body_file)
{
	char *body;
	size_t n;

	if (file_read_all(body_file, 1 << 20, &body, &n) != 0) {
		perror(body_file);
		exit(1);
	}
	buf_init(&load.request, 0);
	buf_printf(&load.request,
	    "PUT %s HTTP/1.1\r\nHost: bench\r\nUSER_TOKEN: bench\r\nContent-Type: "
	    "application/json\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    path, n);
	buf_put(&load.request, body, n);
	free(body);
}

int
main(int argc, char **argv)
{
	char where[64];
	double rate;

	if (argc != 7) {
		fprintf(stderr, "usage: load PORT PATH CONNECTIONS RATE SECONDS BODY-FILE\n");
		return 1;
	}
	snprintf(where, sizeof(where), "127.0.0.1:%s", argv[1]);
	load.connections = (unsigned)atoi(argv[3]);
	rate = atof(argv[4]);
	make_request(argv[2], argv[6]);
	if (addr_parse(str_of(where), 0, &load.addr) != 0 || load.connections == 0 || rate <= 0 ||
	    loop_init(NULL) != 0)
		return 1;
	load.begin = clock_mono() + 100 * NS_PER_MS;
	load.end = load.begin + (int64_t)(atof(argv[5]) * 1e9);
	load.interval = (int64_t)(1e9 * load.connections / rate);
	load.left = load.connections;
	for (unsigned i = 0; i < load.connections; i++)
		if (task_go("client", client, (void *)(intptr_t)i, NULL) != 0)
			load.errors++;
	loop_run_until_idle();
	printf("sent %" PRIu64 " stored %" PRIu64 " refused %" PRIu64 " errors %" PRIu64
	       " p50_us %" PRIu64 " p99_us %" PRIu64 " longest_us %" PRIu64 "\n",
	    load.sent, load.stored, load.refused, load.errors, percentile(0.5), percentile(0.99),
	    load.longest);
	return load.errors != 0;
}

/*
 * One request to the gateway, answered before it returns: the worker has nothing better to do than to wait for it.
 */
#include "post.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE 5 /* seconds */

/* "http://HOST[:PORT]/PATH" into pieces of url, which is changed. */
static bool
split_url(char *url, char **host, char **port, char **path)
{
	static char eighty[] = "80";

	if (strncmp(url, "http://", 7) != 0)
		return false;
	*host = url + 7;
	*path = strchr(*host, '/');
	if (!*path)
		return false;
	*(*path)++ = '\0';
	*port = strchr(*host, ':');
	if (*port)
		*(*port)++ = '\0';
	else
		*port = eighty;
	return true;
}

static int
connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &found))
		return -1;
	for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (connect(fd, a->ai_addr, a->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

/* Sends what out holds; the status of the answer's first line, or 0. */
static int
ask(int fd, const char *text, size_t n)
{
	char line[16] = "";
	size_t got = 0;
	ssize_t r;
	int status;

	while (n > 0) {
		r = send(fd, text, n, MSG_NOSIGNAL);
		if (r <= 0)
			return 0;
		text += r;
		n -= (size_t)r;
	}
	while (got < sizeof(line) - 1 && (r = recv(fd, line + got, sizeof(line) - 1 - got, 0)) > 0)
		got += (size_t)r;
	return sscanf(line, "HTTP/1.%*d %3d", &status) == 1 ? status : 0;
}

int
http_post(const char *url, const char *key, const char *trace, const char *user, const char *body)
{
	char *copy = strdup(url), *host, *port, *path, *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	int fd = -1, status = 0;

	if (out && copy && split_url(copy, &host, &port, &path)) {
		fprintf(out,
		    "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\nConnection: close\r\nIdempotency-Key: %s\r\n"
		    "USER_TOKEN: %s\r\n",
		    path, host, strlen(body), key, *user ? user : "prime-check");
		if (*trace)
			fprintf(out, "traceparent: %s\r\n", trace);
		fprintf(out, "\r\n%s", body);
		fd = connect_to(host, port);
	}
	if (out)
		fclose(out);
	if (fd >= 0) {
		status = ask(fd, text, n);
		close(fd);
	}
	free(text);
	free(copy);
	return status;
}

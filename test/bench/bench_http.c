/*
 * A server that discards what it gets, to measure the HTTP part alone: bench_http PORT [SECONDS].
 *
 *	PUT /   204, without looking at the body
 *	PUT /g  204, after gathering the body
 *	PUT /r  204, after reading the body in slices
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/conf.h"
#include "http/http_priv.h"
#include "task/loop.h"

static int
gather(struct http_request *r, void *arg)
{
	struct str body;
	int err = http_body_gather(r, 64 * 1024, &body);

	(void)arg;
	return err < 0 ? http_reply_error(r, err) : http_reply(r, 204, NULL, str_make(NULL, 0));
}

static int
discard(struct http_request *r, void *arg)
{
	static char slice[64 * 1024];
	ssize_t n;

	(void)arg;
	do
		n = http_body_read(r, slice, sizeof(slice));
	while (n > 0);
	return n < 0 ? http_reply_error(r, (int)n) : http_reply(r, 204, NULL, str_make(NULL, 0));
}

static int
set_gather(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)into;
	return http_set_handler(c, node, scope, gather, NULL, "PUT POST");
}

static int
set_discard(struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into)
{
	(void)into;
	return http_set_handler(c, node, scope, discard, NULL, "PUT POST");
}

static const struct conf_row rows[] = {
	{ "gather", CONF_LOCATION, 0, 0, 0, set_gather, 0, NULL, "", "", NULL },
	{ "discard", CONF_LOCATION, 0, 0, 0, set_discard, 0, NULL, "", "", NULL },
	{ .name = NULL },
};

static struct conf_module bench_module = { .name = "bench", .rows = rows };

static void
stop(struct timer *t)
{
	struct rusage u;

	(void)t;
	getrusage(RUSAGE_SELF, &u);
	fprintf(stderr, "cpu %.3f s, connections %u\n",
	    (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
	    http_connections());
	loop_stop();
}

int
main(int argc, char **argv)
{
	struct timer timer = { .fire = stop };
	struct conf *c = conf_new();
	struct http_listen *l;
	char text[512];
	int fd;

	if (argc < 2)
		return 1;
	snprintf(text, sizeof(text),
	    "http { client_max_body_size 0; keepalive_requests 1000000000; server { listen "
	    "127.0.0.1:%s;"
	    " location / { return 204; } location /g { gather; } location /r { discard; } } }",
	    argv[1]);
	http_conf_register();
	conf_register(&bench_module);
	if (conf_parse_text(c, "bench", str_of(text)) < 0 || conf_check(c) < 0 ||
	    conf_apply(c) < 0) {
		fprintf(stderr, "%.*s", STR_ARG(conf_messages(c)));
		return 1;
	}
	l = http_listens(c);
	fd = listen_open(&l->addr, &l->opt);
	if (fd < 0 || loop_init(NULL) < 0 || http_serve(fd, l) < 0) {
		perror("bench_http");
		return 1;
	}
	if (argc > 2)
		timer_set(&timer, clock_mono() + atoi(argv[2]) * NS_PER_S);
	return loop_run() < 0;
}

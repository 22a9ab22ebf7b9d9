/*
 * What the gate costs a request: nanoseconds of a line in an access log, of allow and deny among many
 * networks, of a map, best of several rounds. The request is made up: nothing is received or sent,
 * and lines go to /dev/null.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gate/access_log.h"
#include "gate/map.h"
#include "http/http_priv.h"
#include "net/cidr.h"

#define ROUNDS 200
#define STEPS 5000
#define NETWORKS 500

static const char *only = "";
static struct http_conn conn;
static struct http_work work;
static struct cidr_table networks;
static struct http_text text;
static volatile uint64_t sink;

static const char head[] = "GET /api/v2/things/12345?page=3 HTTP/1.1\r\nHost: www.example.org\r\n"
			   "Accept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\n"
			   "Accept-Language: en-GB,en;q=0.9\r\nConnection: keep-alive\r\n"
			   "Referer: https://www.example.org/things\r\n"
			   "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n\r\n";

static void
fail(const char *what)
{
	fprintf(stderr, "bench_gate: %s\n", what);
	exit(1);
}

/* A request to the only location of this configuration. */
static struct conf *
prepare(const char *directives)
{
	struct conf *c = conf_new();
	static char all[4096];
	const struct http_server_conf *server;
	size_t scanned = 0;

	snprintf(all, sizeof(all), "http { %s server { listen 127.0.0.1:1; location / { } } }",
	    directives);
	if (conf_parse_text(c, "bench", str_of(all)) != 0 || conf_check(c) != 0 ||
	    conf_apply(c) != 0 || access_log_open(c, (uid_t)-1, (gid_t)-1) != 0)
		fail(conf_messages(c).p);
	server = ((struct http_scope *)conf_of(conf_main(c), &http_module))->site->servers;
	conn.listen = http_listens(c);
	conn.peer.in.sin_family = AF_INET;
	conn.peer.in.sin_addr.s_addr = htonl(0x0a010203);
	conn.work = &work;
	work.conn = &conn;
	http_work_reset(&work);
	if (http_parse_request(&work.head, head, sizeof(head) - 1, &scanned) < 0)
		fail("the head");
	http_identify(&work);
	arena_init(&work.req.arena, 0);
	work.req.path = STR("/api/v2/things/12345");
	work.req.query = STR("page=3");
	work.req.location = server->locations.first;
	work.scope = work.req.location->scope;
	work.req.status = 200;
	work.req.start = clock_mono();
	work.req.bytes_out = 2500;
	return c;
}

static void
lines(void)
{
	for (unsigned i = 0; i < STEPS; i++) {
		work.scratch_n = 0;
		work.client[0] = 0;
		http_run_logs(&work.req);
	}
	access_log_flush();
}

static void
addresses(void)
{
	struct addr a;

	http_client_addr(&work.req, &a);
	for (unsigned i = 0; i < STEPS; i++) {
		((struct sockaddr_in *)&a.u.storage)->sin_addr.s_addr = i * 2654435761u;
		sink += cidr_find(&networks, &a);
	}
}

static void
texts(void)
{
	for (unsigned i = 0; i < STEPS; i++) {
		work.scratch_n = 0;
		sink += http_text_expand(&text, &work.req).n;
	}
}

static void
measure(const char *what, void (*fn)(void))
{
	int64_t best = INT64_MAX;

	if (strstr(what, only) == NULL)
		return;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_mono();

		fn();
		best = MIN(best, clock_mono() - start);
	}
	printf("%-48s %8.2f ns\n", what, (double)best / STEPS);
}

static void
measure_line(const char *what, const char *directives)
{
	prepare(directives);
	measure(what, lines);
}

static void
measure_addresses(void)
{
	struct conf *c = prepare("access_log off;");
	struct cidr net;
	char name[40];

	for (uint32_t i = 0; i < NETWORKS; i++) {
		snprintf(
		    name, sizeof(name), "%u.%u.0.0/%u", i * 37 % 224, i * 101 % 256, 8 + i % 17);
		if (cidr_parse(str_of(name), &net) < 0 ||
		    cidr_add(&networks, conf_arena(c), &net, i) < 0)
			fail(name);
	}
	if (cidr_finish(&networks, conf_arena(c), CIDR_FIRST) < 0)
		fail("networks");
	measure("an address among 500 networks", addresses);
}

static void
measure_text(const char *what, const char *directives, const char *of)
{
	struct conf *c = prepare(directives);

	if (http_text_compile(c, NULL, str_of(of), &text) < 0)
		fail(of);
	measure(what, texts);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		only = argv[1];
	log_threshold = LOG_ERROR;
	http_conf_register();
	map_register();
	geo_register();
	access_log_register();
	measure_line("access log off", "access_log off;");
	measure_line("a line of combined", "access_log /dev/null combined;");
	measure_line("a line of json", "access_log /dev/null json;");
	measure_line("a line of logfmt", "access_log /dev/null logfmt;");
	measure_line("a line that if= leaves out",
	    "map $status $l { ~^[23] 0; default 1; } access_log /dev/null combined if=$l;");
	measure_addresses();
	measure_text("a text of two variables", "", "$request_method$uri");
	measure_text("a map of three hosts", "map $host $m { a 1; b 2; c 3; }", "$m");
	return 0;
}

/*
 * What the traffic statistics cost a request: nanoseconds of counting, best of several rounds, for one configuration after another. The
 * requests are made up: nothing is received or sent. Besides: reading a node, and a limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"
#include "status/vts_priv.h"
#include "unit/tmp.h"
#include "zone/conf.h"
#include "zone/zone.h"

#define ROUNDS 300
#define STEPS 5000
#define SLOTS 8
#define PATHS 100
#define V "vhost_traffic_status"

static const char *only = "";
static struct http_conn conn;
static struct http_work work;
static struct str paths[PATHS];
static volatile uint64_t sink;

static void
fail(const char *what)
{
	fprintf(stderr, "bench_vts: %s\n", what);
	exit(1);
}

/* A request to the only location of this configuration. */
static void
prepare(const char *directives)
{
	struct conf *c = conf_new();
	static char text[4096];
	const struct http_server_conf *server;

	snprintf(text, sizeof(text),
	    "http { %s server { server_name www.example.org; location / { } } }", directives);
	if (conf_parse_text(c, "bench", str_of(text)) != 0 || conf_check(c) != 0 ||
	    conf_apply(c) != 0)
		fail(conf_messages(c).p);
	server = ((struct http_scope *)conf_of(conf_main(c), &http_module))->site->servers;
	conn.listen = http_listens(c);
	work.conn = &conn;
	conn.work = &work;
	work.req.conn = &conn;
	work.req.head = &work.head;
	work.head.method = STR("GET");
	memcpy(work.host, "www.example.org", 16);
	work.req.location = server->locations.first;
	work.scope = work.req.location->scope;
	work.req.status = 204;
	work.req.bytes_in = 120;
	work.req.bytes_out = 250;
	arena_init(&work.req.arena, 0);
}

static void
counts(void)
{
	for (unsigned i = 0; i < STEPS; i++) {
		work.req.path = paths[i % PATHS];
		vts_count(&work.req, 100000 + (int64_t)i % 1000 * 1000);
	}
}

static void
limits(void)
{
	for (unsigned i = 0; i < STEPS; i++)
		sink += (uint64_t)http_run_phases(&work.req);
}

static void
reads(void)
{
	struct vts_entry e;
	struct vts_node node;
	struct vts_samples samples;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < STEPS; i++) {
		if (!vts_next(VTS_FILTER, &cursor, &e)) {
			cursor = 0;
			continue;
		}
		vts_read(&e, &node);
		vts_read_samples(&e, &samples);
		sink += node.counters[0] + samples.n;
	}
}

static void
measure(const char *what, const char *directives, void (*fn)(void))
{
	int64_t best = INT64_MAX;

	if (strstr(what, only) == NULL)
		return;
	prepare(directives);
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_mono();

		fn();
		best = MIN(best, clock_mono() - start);
	}
	printf("%-48s %8.2f ns\n", what, (double)best / STEPS);
}

/* Ten keys; `$uri` is one of a hundred. */
#define TEN                                                                                        \
	V "_filter_by_set_key $uri uris;" V "_filter_by_set_key $host hosts;" V                    \
	  "_filter_by_set_key $request_method methods;" V "_filter_by_set_key $uri uris::$host;" V \
	  "_filter_by_set_key $host$uri pages;" V "_filter_by_set_key all everything;" V           \
	  "_filter_by_set_key $request_method@$host both;" V                                       \
	  "_filter_by_set_key $uri methods::$request_method;" V                                    \
	  "_filter_by_set_key constant2 everything;" V "_filter_by_set_key $server_name names;"
#define ALL                                                                     \
	V "_histogram_buckets 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10;" V \
	  "_measure_status_codes all;"

int
main(int argc, char **argv)
{
	struct zone_options opt = { .slots = SLOTS, .name = STR("bench"), .size = 64 << 20 };
	struct zone *z;
	struct tmp tmp;

	if (argc > 1)
		only = argv[1];
	log_threshold = LOG_ERROR;
	series_register();
	zone_conf_register();
	http_conf_register();
	vts_register();
	vts_limit_register();
	tmp_init(&tmp);
	opt.path = tmp_path(&tmp, "zone");
	z = zone_open(&opt);
	if (z == NULL || series_attach(z, ZONE_SLOT_WORKER) != 0)
		fail("zone_open");
	for (unsigned i = 0; i < PATHS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "/articles/page-%03u", i);
		paths[i] = str_of(strdup(text));
	}
	measure("no statistics", "", counts);
	measure("one server zone", "vts_zone main 1m;", counts);
	measure(
	    "and one filter key", "vts_zone main 1m;" V "_filter_by_set_key $uri uris;", counts);
	measure("and ten filter keys", "vts_zone main 1m;" TEN, counts);
	measure("one server zone, buckets and codes", "vts_zone main 1m;" ALL, counts);
	measure("and ten filter keys, buckets and codes", "vts_zone main 1m;" TEN ALL, counts);
	measure("a limit by traffic",
	    "vts_zone main 1m;" V "_limit_traffic request:18446744073709551615;", limits);
	measure("read a node", "", reads);
	zone_free(z);
	tmp_fini(&tmp);
	return 0;
}

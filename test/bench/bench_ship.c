/*
 * How fast a stream's backlog is packed and delivered, from sealed segments of JSON records to a destination that takes the file as it is,
 * beside what gzip of the same level needs for the same bytes. Rates are of bytes of JSON.
 *
 *	bench_ship [level] [megabytes] [record bytes] [folder]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "ship/ship.h"
#include "spool/name.h"
#include "spool/segment.h"
#include "task/loop.h"
#include "unit/tmp.h"

#define SEGMENT_BYTES (64u << 20)

static struct {
	int level;
	size_t total, record_n;
	struct tmp tmp;
	char dir[128];
	struct stream_conf conf;
	struct sink_conf sink;
	struct zone *zone;
	uint64_t json;     /* bytes made */
	int64_t delivered; /* how long it took */
	unsigned left;
} bench;

/* ---- the backlog ---- */

static size_t
make_record(char *p, size_t cap)
{
	static const char *const names[] = { "page_view", "click", "purchase", "heartbeat" };
	uint64_t a = random_u64(), b = random_u64();
	int n = snprintf(p, cap,
	    "{\"time\":\"2026-11-22T01:%02u:%02u.%03uZ\",\"user\":\"user%u\",\"event\":\"%s\","
	    "\"session\":\"%016llx\",\"duration_ms\":%u,\"path\":\"/item/%u/detail\",\"pad\":\"",
	    (unsigned)(a % 60), (unsigned)(a >> 8) % 60, (unsigned)(a >> 16) % 1000,
	    (unsigned)(a >> 32) % 5000, names[b % 4], (unsigned long long)b,
	    (unsigned)(b >> 20) % 9000, (unsigned)(b >> 40) % 800);

	while (n + 20 < (int)bench.record_n && n + 20 < (int)cap)
		n += snprintf(p + n, cap - (size_t)n, "word%u ", (unsigned)(random_u64() % 400));
	return (size_t)n + (size_t)snprintf(p + n, cap - (size_t)n, "\"}\n");
}

static void
put_frame(struct buf *out, const struct id *id, uint64_t number, struct str body)
{
	static const char user[] = "user";
	unsigned char head[SEGMENT_FRAME_LEN];
	struct segment_frame f = { .time = INT64_C(1795309200) * NS_PER_S + (int64_t)number * 1000,
		.body_len = body.n,
		.number = number,
		.user_len = 4 };

	f.crc = segment_frame_crc(id, out->n, &f);
	f.crc = crc32c(crc32c(f.crc, user, 4), body.p, body.n);
	segment_encode_frame(&f, head);
	buf_put(out, head, sizeof(head));
	buf_put(out, user, 4);
	buf_put_str(out, body);
}

static void
write_file(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0640);

	if (fd < 0 || file_write_all(fd, bytes.p, bytes.n, lseek(fd, 0, SEEK_END)) != 0)
		abort();
	fsync(fd);
	close(fd);
}

static void
make_segment(unsigned i)
{
	char name[NAME_CAP], path[256], record[8192];
	unsigned char head[SEGMENT_HEADER_LEN];
	struct segment_header h = { .id = id_new(),
		.created = INT64_C(1795309200) * NS_PER_S,
		.slot = 3 + i % 4,
		.sequence = i };
	uint64_t number = 0;
	struct buf out, json;

	buf_init(&out, 0);
	buf_init(&json, 0);
	segment_encode_header(&h, head);
	buf_put(&out, head, sizeof(head));
	while (json.n < SEGMENT_BYTES && bench.json + json.n < bench.total) {
		struct str body = str_make(record, make_record(record, sizeof(record)));

		put_frame(&out, &h.id, number++, body);
		buf_put_str(&json, body);
	}
	bench.json += json.n;
	name_make(name, h.created, i);
	snprintf(path, sizeof(path), "%s/%s", bench.dir, name);
	write_file(path, buf_str(&out));
	snprintf(path, sizeof(path), "%s/json", bench.tmp.dir);
	write_file(path, buf_str(&json));
	buf_fini(&out);
	buf_fini(&json);
}

static void
make_backlog(void)
{
	static const char *const subs[] = { "usage", "usage/aggregation", "usage/uploading",
		"out" };
	char path[256];

	snprintf(bench.dir, sizeof(bench.dir), "%s/usage", bench.tmp.dir);
	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		snprintf(path, sizeof(path), "%s/%s", bench.tmp.dir, subs[i]);
		if (file_make_dirs(path) != 0)
			abort();
	}
	for (unsigned i = 0; bench.json < bench.total; i++)
		make_segment(i);
}

/* ---- delivery ---- */

/* Gives the file a second name: what is measured is ours, not a destination's. */
static void
link_put(struct sink *s, const struct sink_item *item, bool verify, int64_t deadline,
    struct sink_result *out)
{
	char path[256];

	(void)s;
	(void)verify;
	(void)deadline;
	snprintf(path, sizeof(path), "%s/out/%ld", bench.tmp.dir, (long)random_u64());
	*out = (struct sink_result){ .outcome = link(item->path, path) == 0 ? SINK_CONFIRMED
									    : SINK_AGAIN };
}

static struct sink linking = { .conditional = true };

static int
link_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	(void)why;
	(void)cap;
	linking.ops = conf->ops;
	*out = &linking;
	return 0;
}

static const struct sink_ops link_ops = { .kind = "link", .open = link_open, .put = link_put };

static void
deliver(void *arg)
{
	int64_t begun = clock_mono();
	struct ship *ship;

	(void)arg;
	if (ship_lock(bench.tmp.dir) != 0 ||
	    ship_start(&bench.conf, bench.zone, NULL, NULL, &ship) != 0)
		abort();
	bench.left = ship_drain(ship, begun + 600 * NS_PER_S);
	bench.delivered = clock_mono() - begun;
	loop_stop();
}

static void
ship_backlog(void)
{
	bench.sink = (struct sink_conf){ .ops = &link_ops, .destination = STR("link") };
	bench.conf = (struct stream_conf){ .name = STR("usage"),
		.dir = bench.dir,
		.sink = &bench.sink,
		.gzip_level = bench.level,
		.bundle_size = SEGMENT_BYTES,
		.bundle_interval = NS_PER_S,
		.deliver_timeout = 30 * NS_PER_S,
		.concurrency = 4,
		.retry = { UINT64_MAX, NS_PER_S, 30 * NS_PER_S, 2, true },
		.breaker_failures = 5,
		.breaker_open = 10 * NS_PER_S };
	bench.zone = zone_new(4);
	if (loop_init(NULL) != 0 || task_go("deliver", deliver, NULL, NULL) != 0 || loop_run() != 0)
		abort();
	loop_fini();
}

/* ---- beside it ---- */

static int64_t
run_gzip(void)
{
	char command[512];
	int64_t begun = clock_mono();

	snprintf(command, sizeof(command), "gzip -%d -c %s/json >%s/json.gz", bench.level,
	    bench.tmp.dir, bench.tmp.dir);
	if (system(command) != 0)
		abort();
	return clock_mono() - begun;
}

static double
rate(int64_t ns)
{
	return (double)bench.json / 1e6 / ((double)ns / 1e9);
}

int
main(int argc, char **argv)
{
	struct rusage use;
	int64_t gzip;

	bench.level = argc > 1 ? atoi(argv[1]) : 6;
	bench.total = (size_t)(argc > 2 ? atoi(argv[2]) : 256) << 20;
	bench.record_n = argc > 3 ? (size_t)atoi(argv[3]) : 300;
	tmp_init(&bench.tmp);
	if (argc > 4 && chdir(argv[4]) == 0) {
		rmdir(bench.tmp.dir);
		snprintf(bench.tmp.dir, sizeof(bench.tmp.dir), "%.40s/ship-XXXXXX", argv[4]);
		if (!mkdtemp(bench.tmp.dir))
			abort();
	}
	log_threshold = LOG_WARN;
	make_backlog();
	gzip = run_gzip();
	ship_backlog();
	getrusage(RUSAGE_SELF, &use);
	printf(
	    "level %d, %llu MB of JSON in records of %zu: gzip %.1f MB/s, shipped %.1f MB/s, ratio "
	    "%.2f; most memory %ld MB\n",
	    bench.level, (unsigned long long)(bench.json >> 20), bench.record_n, rate(gzip),
	    rate(bench.delivered), (double)gzip / (double)bench.delivered, use.ru_maxrss >> 10);
	tmp_fini(&bench.tmp);
	return bench.left > 0;
}

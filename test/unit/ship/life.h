/*
 * Lives of a shipper, each a process of its own over one folder: started, told to drain, perhaps killed on the way. An auditor between the
 * shipper and the file calls knows what is durable and what is not, and looks that nothing is sent or deleted too early.
 */
#ifndef SLUICE_TEST_SHIP_LIFE_H
#define SLUICE_TEST_SHIP_LIFE_H

#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/log.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/spool.h"
#include "task/loop.h"
#include "unit/segments.h"
#include "unit/ship/model.h"
#include "unit/tmp.h"

#define LIFE_HOUR (INT64_C(1795309200) * NS_PER_S)

struct place {
	struct tmp tmp;
	char dir[128];
	struct stream_conf conf;
	struct sink_conf sink;
	struct model *m;
	struct zone *zone;
	unsigned records; /* made so far */
	unsigned segments;
	int64_t patience; /* of a drain */
	ssize_t (*pread)(
	    int fd, void *p, size_t n, off_t at);    /* a disk's own; NULL: the real one */
	bool letters;                                /* there are dead letters */
	bool (*act)(struct place *p, struct dlq *d); /* on a task of a life, before it drains */
};

/* Of a child: what cannot be. */
static inline void
life_abort(int line)
{
	fprintf(stderr, "life.h:%d: errno %d\n", line, errno);
	abort();
}

/* ---- the auditor ---- */

enum { AUDIT_FDS = 1024, AUDIT_PATHS = 512, AUDIT_PATH = 200 };

static struct {
	pthread_mutex_t lock;
	const struct file_ops *below;
	const struct place *place;
	char fd[AUDIT_FDS][AUDIT_PATH];
	char pending[AUDIT_PATHS][AUDIT_PATH]; /* names whose folder is not synced */
	char dirty[AUDIT_PATHS][AUDIT_PATH];   /* files whose bytes are not */
	_Atomic unsigned calls;
} audit = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline char *
audit_find(char (*set)[AUDIT_PATH], const char *path)
{
	for (unsigned i = 0; i < AUDIT_PATHS; i++)
		if (strcmp(set[i], path) == 0)
			return set[i];
	return NULL;
}

static inline void
audit_add(char (*set)[AUDIT_PATH], const char *path)
{
	char *free_one = audit_find(set, "");

	if (audit_find(set, path) != NULL)
		return;
	if (free_one == NULL || strlen(path) >= AUDIT_PATH)
		life_abort(__LINE__);
	strcpy(free_one, path);
}

static inline void
audit_remove(char (*set)[AUDIT_PATH], const char *path)
{
	char *at = *path ? audit_find(set, path) : NULL;

	if (at != NULL)
		*at = '\0';
}

static inline void
audit_broken(const char *what, const char *path)
{
	fprintf(stderr, "broken: %s: %s\n", what, path);
	audit.place->m->broken = 1;
}

static inline bool
audit_ends(const char *path, const char *suffix)
{
	return str_ends(str_of(path), str_of(suffix));
}

static inline int
audit_open(const char *path, int flags, mode_t mode)
{
	int fd = audit.below->open(path, flags, mode);

	atomic_fetch_add(&audit.calls, 1);
	if (fd >= AUDIT_FDS)
		life_abort(__LINE__);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&audit.lock);
	snprintf(audit.fd[fd], AUDIT_PATH, "%s", path);
	if (flags & O_CREAT)
		audit_add(audit.pending, path);
	pthread_mutex_unlock(&audit.lock);
	return fd;
}

static inline ssize_t
audit_pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t got = audit.below->pwrite(fd, p, n, at);

	atomic_fetch_add(&audit.calls, 1);
	pthread_mutex_lock(&audit.lock);
	audit_add(audit.dirty, audit.fd[fd]);
	pthread_mutex_unlock(&audit.lock);
	return got;
}

static inline ssize_t
audit_pread(int fd, void *p, size_t n, off_t at)
{
	atomic_fetch_add(&audit.calls, 1);
	if (audit.place->pread != NULL)
		return audit.place->pread(fd, p, n, at);
	return audit.below->pread(fd, p, n, at);
}

static inline int
audit_synced(int fd, int rc)
{
	size_t n = strlen(audit.fd[fd]);

	atomic_fetch_add(&audit.calls, 1);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&audit.lock);
	audit_remove(audit.dirty, audit.fd[fd]);
	for (unsigned i = 0; i < AUDIT_PATHS; i++)
		if (strncmp(audit.pending[i], audit.fd[fd], n) == 0 && audit.pending[i][n] == '/' &&
		    strchr(audit.pending[i] + n + 1, '/') == NULL)
			audit.pending[i][0] = '\0';
	pthread_mutex_unlock(&audit.lock);
	return rc;
}

static inline int
audit_fsync(int fd)
{
	return audit_synced(fd, audit.below->fsync(fd));
}

static inline int
audit_fdatasync(int fd)
{
	return audit_synced(fd, audit.below->fdatasync(fd));
}

static inline int
audit_ftruncate(int fd, off_t n)
{
	atomic_fetch_add(&audit.calls, 1);
	return audit.below->ftruncate(fd, n);
}

static inline int
audit_allocate(int fd, off_t at, off_t n)
{
	atomic_fetch_add(&audit.calls, 1);
	return audit.below->allocate(fd, at, n);
}

static inline int
audit_close(int fd)
{
	atomic_fetch_add(&audit.calls, 1);
	return audit.below->close(fd);
}

static inline int
audit_rename(const char *from, const char *to)
{
	int rc;

	atomic_fetch_add(&audit.calls, 1);
	pthread_mutex_lock(&audit.lock);
	if ((audit_ends(to, ".list") || audit_ends(to, ".gz")) && audit_find(audit.dirty, from))
		audit_broken("renamed before its bytes were synced", to);
	rc = audit.below->rename(from, to);
	if (rc == 0) {
		audit_remove(audit.pending, from);
		audit_remove(audit.dirty, from);
		audit_add(audit.pending, to);
	}
	pthread_mutex_unlock(&audit.lock);
	return rc;
}

static inline int
audit_link(const char *from, const char *to)
{
	int rc = audit.below->link(from, to);

	atomic_fetch_add(&audit.calls, 1);
	pthread_mutex_lock(&audit.lock);
	if (rc == 0)
		audit_add(audit.pending, to);
	pthread_mutex_unlock(&audit.lock);
	return rc;
}

/* A source goes only when the gz is there to stay; a gz only when the list is gone, or .sent to stay. */
static inline void
audit_unlinking(const char *path)
{
	char list[AUDIT_PATH], sent[AUDIT_PATH];
	const char *name = strrchr(path, '/') + 1;

	if (!str_starts(str_of(path), str_of(audit.place->dir)))
		return; /* the dead letters' own */
	if (name_kind(str_of(name)) == NAME_SEALED && audit.place->conf.mode == STREAM_BUNDLE)
		for (unsigned i = 0; i < AUDIT_PATHS; i++)
			if (audit_ends(audit.pending[i], ".gz"))
				audit_broken("source deleted before the gz was durable", path);
	if (!audit_ends(path, ".gz"))
		return;
	snprintf(list, sizeof(list), "%s/aggregation/%.32s.list", audit.place->dir, name);
	snprintf(sent, sizeof(sent), "%s/aggregation/%.32s.sent", audit.place->dir, name);
	if (access(list, F_OK) == 0 || audit_find(audit.pending, sent) != NULL)
		audit_broken("gz deleted before it was known for good to be sent", path);
}

static inline int
audit_unlink(const char *path)
{
	int rc;

	atomic_fetch_add(&audit.calls, 1);
	pthread_mutex_lock(&audit.lock);
	audit_unlinking(path);
	rc = audit.below->unlink(path);
	if (rc == 0) {
		audit_remove(audit.pending, path);
		audit_remove(audit.dirty, path);
	}
	pthread_mutex_unlock(&audit.lock);
	return rc;
}

static inline int
audit_mkdir(const char *path, mode_t mode)
{
	atomic_fetch_add(&audit.calls, 1);
	return audit.below->mkdir(path, mode);
}

static const struct file_ops audit_ops = { audit_open, audit_pwrite, audit_pread, audit_fsync,
	audit_fdatasync, audit_ftruncate, audit_allocate, audit_close, audit_rename, audit_link,
	audit_unlink, audit_mkdir };

/* Nothing is sent whose list or file could still be lost. */
static inline void
audit_put(const struct sink_item *item)
{
	char list[AUDIT_PATH], id[2 * ID_LEN + 1], side[AUDIT_PATH];

	id_text(item->id, id);
	snprintf(list, sizeof(list), "%s/aggregation/%s.list", audit.place->dir, id);
	snprintf(side, sizeof(side), "%.180s.n", item->path);
	pthread_mutex_lock(&audit.lock);
	if (audit_find(audit.pending, item->path) || audit_find(audit.dirty, item->path))
		audit_broken("sent before it was durable", item->path);
	if (audit_find(audit.pending, list) || audit_find(audit.pending, side))
		audit_broken("sent before its key was durable", item->path);
	if (item->gzip_id && access(list, F_OK) != 0)
		audit_broken("sent without a list", list);
	pthread_mutex_unlock(&audit.lock);
}

static inline void
audit_folder(const char *dir, const char *sub)
{
	char path[AUDIT_PATH];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%.100s%s", dir, sub);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%.80s%s/%.100s", dir, sub, e->d_name);
			audit_add(audit.pending, path);
		}
	if (d != NULL)
		closedir(d);
}

/* What was there before this life may not be durable: nobody knows. */
static inline void
audit_begin(const struct place *p)
{
	audit.below = file_calls;
	audit.place = p;
	file_calls = &audit_ops;
	audit_folder(p->dir, "/aggregation");
	audit_folder(p->dir, "/uploading");
}

/* ---- a place ---- */

static inline int
place_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	static struct model_sink s;
	const struct place *p = conf->arg;

	(void)why;
	(void)cap;
	s = (struct model_sink){
		.sink = { .ops = conf->ops, .conditional = true }, .m = p->m, .check = audit_put
	};
	*out = &s.sink;
	return 0;
}

static const struct sink_ops place_ops = {
	.kind = "model", .open = place_open, .put = model_put, .probe = model_probe
};

static inline void
place_folders(struct place *p)
{
	static const char *const subs[] = { "", "aggregation", "uploading" };
	struct path path;

	tmp_init(&p->tmp);
	if (access("/dev/shm", W_OK) == 0) {
		/* Thousands of lives sync thousands of times. */
		rmdir(p->tmp.dir);
		strcpy(p->tmp.dir, "/dev/shm/sluice-test-XXXXXX");
		assert_non_null(mkdtemp(p->tmp.dir));
	}
	snprintf(p->dir, sizeof(p->dir), "%s/usage", p->tmp.dir);
	for (unsigned i = 0; i < ARRAY_LEN(subs); i++)
		assert_int_equal(file_make_dirs(path_join(&path, p->dir, NULL, subs[i])), 0);
}

static inline struct place *
place_new(int mode)
{
	static struct zone *zone;
	struct place *p = calloc(1, sizeof(*p));

	place_folders(p);
	p->m = model_new();
	if (zone == NULL)
		zone = zone_new(4); /* its descriptors stay open: one for all */
	assert_non_null(zone);
	p->zone = zone;
	p->sink = (struct sink_conf){
		.ops = &place_ops, .prefix = STR("p/"), .destination = STR("model"), .arg = p
	};
	p->conf = (struct stream_conf){ .name = STR("usage"),
		.dir = p->dir,
		.sink = &p->sink,
		.mode = mode,
		.gzip_level = 1,
		.bundle_size = 1 << 20,
		.bundle_interval = NS_PER_MS,
		.deliver_timeout = NS_PER_S,
		.concurrency = 3,
		.retry = { UINT64_MAX, NS_PER_MS / 2, 2 * NS_PER_MS, 2, true },
		.breaker_failures = 5,
		.breaker_open = 2 * NS_PER_MS };
	p->patience = 20 * NS_PER_S;
	return p;
}

static inline void
place_free(struct place *p)
{
	tmp_fini(&p->tmp);
	model_free(p->m);
	free(p);
}

/* A new disk: the store stays as it is. */
static inline void
place_lose_disk(struct place *p)
{
	tmp_fini(&p->tmp);
	place_folders(p);
}

/* A segment with n new records, at this time; sealed, or open without an owner. */
static inline void
place_add(struct place *p, int64_t created, unsigned n, const char *suffix)
{
	bool object = p->conf.mode == STREAM_OBJECT;
	char name[NAME_CAP + 8], body[64], key[64];
	struct buf attrs;
	struct made m;

	buf_init(&attrs, 0);
	made_init(&m, created, 3 + p->segments % 4, p->segments);
	for (unsigned i = 0; i < n; i++) {
		unsigned r = p->records++;

		snprintf(body, sizeof(body), object ? "r%u" : "{\"r%u\":1}", r);
		if (object && r % 3 != 0) {
			snprintf(key, sizeof(key), "p/u/%u.png", r / 2); /* two want each */
			segment_put_attr(&attrs, STR("key"), str_of(key));
		}
		if (object)
			segment_put_attr(&attrs, STR("uri"), STR("http://h/x.png"));
		made_frame(&m, created + i, "u", buf_str(&attrs), str_of(body));
		buf_reset(&attrs);
	}
	name_make(name, created, p->segments++);
	strcat(name, suffix);
	made_write(&m, p->dir, name);
	buf_fini(&attrs);
}

/* ---- a life ---- */

static int life_status; /* of the child */

static inline int
life_open_letters(const struct place *p, struct dlq **d)
{
	struct dlq_limits limits = { 10000, 3600 * NS_PER_S };
	struct path path;

	return p->letters ? dlq_open(path_join(&path, p->tmp.dir, NULL, "dlq"), &limits, d) : 0;
}

static inline void
life_task(void *arg)
{
	struct place *p = arg;
	struct dlq *d = NULL;
	struct ship *ship;

	life_status = 2;
	if (ship_lock(p->tmp.dir) == 0 && life_open_letters(p, &d) == 0 &&
	    ship_start(&p->conf, p->zone, NULL, d, &ship) == 0) {
		bool well = p->act == NULL || p->act(p, d);

		life_status = ship_drain(ship, clock_mono() + p->patience) > 0 ? 3 : well ? 0 : 1;
		if (d != NULL)
			dlq_close(d);
	}
	loop_stop();
}

/* In the child. */
static inline int
life_live(struct place *p)
{
	ship_retreat_policy = (struct backoff_policy){ NS_PER_MS / 4, 2 * NS_PER_MS, 2, false };
	file_test_init();
	audit_begin(p);
	if (loop_init(NULL) != 0 || task_go("life", life_task, p, NULL) != 0 || loop_run() != 0)
		return 4;
	loop_fini();
	return p->m->broken ? 5 : life_status;
}

/*
 * A life with a fault in it: variable is SLUICE_FAIL or SLUICE_CRASH. The exit status: 0 all delivered, 3 something waits; or -1: killed, as
 * asked for.
 */
static inline int
place_live_with(struct place *p, const char *variable, const char *value)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv(variable, value, 1);
		_exit(life_live(p));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (p->m->broken)
		fail_msg("with %s=%s", variable, value);
	p->m->at_once = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return -1;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 3)
		fail_msg("status %x with %s=%s", (unsigned)status, variable, value);
	return WEXITSTATUS(status);
}

static inline int
place_live(struct place *p)
{
	return place_live_with(p, "SLUICE_CRASH", "");
}

/* ---- afterwards ---- */

static inline unsigned
place_files(const struct place *p, const char *sub)
{
	struct path path;
	struct dirent *e;
	unsigned n = 0;
	DIR *d = opendir(path_join(&path, p->dir, NULL, sub));

	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_type == DT_REG;
	if (d != NULL)
		closedir(d);
	return n;
}

/* Every record is in the store once, and nothing is left on disk. */
static inline void
place_check(struct place *p)
{
	model_land(p->m, true);
	for (unsigned r = 0; r < p->records; r++)
		if (model_count(p->m, r) != 1)
			fail_msg("record %u is in the store %u times", r, model_count(p->m, r));
	assert_int_equal(place_files(p, ""), 0);
	assert_int_equal(place_files(p, "aggregation"), 0);
	assert_int_equal(place_files(p, "uploading"), 0);
	assert_int_equal(place_files(p, "corrupt"), 0);
}

#endif

/*
 * Keys files read again: a task in each worker looks once a second, on a helper, whether a file is another one than it was. One that is just
 * being written, emptied first as editors do, is not read before it has rested: half of it would shut out those in the other half.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/auth_priv.h"
#include "task/task.h"

#define REST (200 * NS_PER_MS)

struct reading {
	const char *path;
	struct auth_stamp stamp; /* in: as known; out: as read */
	struct auth_stamp seen;  /* in and out: at the last look */
	struct keys *keys;       /* NULL: the file did not change */
	struct buf errors;
};

struct auth_stamp
auth_stamp(const char *path)
{
	struct auth_stamp s = { 0 };
	struct stat st;

	if (stat(path, &st) != 0)
		return s;
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	s.size = st.st_size;
	s.mtime = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	s.ctime = st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec;
	return s;
}

static bool
stamp_eq(const struct auth_stamp *a, const struct auth_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

/* Nobody has written it for a while: by its times, or, where these are ahead of the clock, by our last look. */
static bool
has_rested(const struct auth_stamp *now, const struct auth_stamp *seen)
{
	return clock_wall() - MAX(now->mtime, now->ctime) >= REST || stamp_eq(now, seen);
}

/* The stamp is taken first: what is written while we read is read again. ERR_AGAIN: nothing is new; ERR_BUSY: look again after REST. */
static int
read_if_changed(void *arg)
{
	struct reading *r = arg;
	struct auth_stamp now = auth_stamp(r->path), seen = r->seen;

	r->seen = now;
	if (stamp_eq(&now, &r->stamp))
		return ERR_AGAIN;
	if (!has_rested(&now, &seen))
		return ERR_BUSY;
	r->stamp = now;
	return keys_load(r->path, &r->keys, &r->errors);
}

static void
complain(struct auth_file *file, const struct reading *r)
{
	struct str rest = buf_str(&r->errors), first = str_split(&rest, '\n');

	log_event(LOG_ERROR, "auth", "keys file not read: the keys read before stay in force",
	    LOG_S("file", file->path), LOG_STR("why", first), LOG_END);
}

/* How long until the next look at it. */
static int64_t
look(struct auth_file *file, struct reading *r)
{
	int err;

	r->path = file->path;
	r->stamp = file->stamp;
	r->seen = file->seen;
	r->keys = NULL;
	buf_reset(&r->errors);
	err = offload(OFFLOAD_MISC, read_if_changed, r);
	file->seen = r->seen;
	file->stamp = r->stamp;
	if (err == ERR_BUSY)
		return REST;
	if (err == 0) {
		keys_free(file->keys);
		file->keys = r->keys;
		log_event(LOG_INFO, "auth", "keys file read", LOG_S("file", file->path),
		    LOG_I("keys", keys_count(file->keys)), LOG_END);
	} else if (err != ERR_AGAIN) {
		complain(file, r);
	}
	return NS_PER_S;
}

static void
watch(void *arg)
{
	const struct auth_scope *main = arg;
	struct reading *r = calloc(1, sizeof(*r));
	int64_t wait;

	if (r == NULL)
		return;
	buf_init(&r->errors, 0);
	/* At once, too: what we inherited may have been read long before we were started. */
	do {
		wait = NS_PER_S;
		for (struct auth_file *f = main->files; f != NULL; f = f->next) {
			int64_t next = look(f, r);

			wait = MIN(wait, next);
		}
	} while (task_sleep_until(clock_mono() + wait) == 0);
	buf_fini(&r->errors);
	free(r);
}

/* The master reads as root, we as the configured user. */
static void
warn_unreadable(const struct auth_scope *main)
{
	for (const struct auth_file *f = main->files; f != NULL; f = f->next)
		if (access(f->path, R_OK) != 0)
			log_event(LOG_WARN, "auth",
			    "keys file not readable by the workers: changes count after a reload "
			    "only",
			    LOG_S("file", f->path), LOG_ERRNO(errno), LOG_END);
}

int
auth_start(struct conf *c)
{
	struct auth_scope *main = conf_of(conf_main(c), &auth_module);

	warn_unreadable(main);
	return main->files ? task_go("keys", watch, main, NULL) : 0;
}

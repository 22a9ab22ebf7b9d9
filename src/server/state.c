/*
 * See state.h.
 */
#include "server/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "sink/stream.h"
#include "spool/spool.h"
#include "zone/conf.h"

#define STATE_PATH_MAX (CORE_STATE_DIR_MAX + 32)

static int
complain(const char *what, const char *path, int err)
{
	log_event(LOG_ERROR, "master", what, LOG_S("path", path), LOG_ERR(err), LOG_ERRNO(errno),
	    LOG_END);
	return err;
}

static void
state_path(const struct core_conf *core, const char *name, char out[STATE_PATH_MAX])
{
	snprintf(
	    out, STATE_PATH_MAX, "%.*s%s%s", STR_ARG(core->state_dir), name[0] ? "/" : "", name);
}

static int
make_state_dir(const struct core_conf *core)
{
	char dir[STATE_PATH_MAX];
	uid_t uid;
	gid_t gid;
	int err;

	state_path(core, "", dir);
	err = file_make_dirs(dir);
	if (err != 0)
		return complain("cannot make the state folder", dir, err);
	if (core->user.n == 0 || geteuid() != 0)
		return 0;
	if (process_user_ids(core->user, &uid, &gid) != 0) {
		log_event(
		    LOG_ERROR, "master", "unknown user", LOG_STR("user", core->user), LOG_END);
		return ERR_CONFIG;
	}
	return chown(dir, uid, gid) == 0
		   ? 0
		   : complain("cannot give the state folder to the user", dir, ERR_DENIED);
}

/* The pid that the lock file names, if it is alive and not us; else 0. */
static pid_t
live_owner(int fd)
{
	char text[32] = "";
	long pid;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	pid = strtol(text, NULL, 10);
	if (pid <= 0 || pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
		return 0;
	return (pid_t)pid;
}

/* The master blocks its signals until it waits for them; a stop should not have to wait for the lock, too. */
static bool
told_to_stop(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) ||
		   sigismember(&pending, SIGQUIT));
}

static int
wait_for_lock(const struct core_conf *core, int fd, const char *path)
{
	int64_t deadline = clock_mono() + core->shutdown_timeout + 5 * NS_PER_S;
	bool said = false;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		pid_t pid = live_owner(fd);

		if (errno != EWOULDBLOCK && errno != ESRCH && errno != EINTR)
			return complain("cannot lock the state folder", path, ERR_IO);
		if (pid != 0 || clock_mono() > deadline) {
			log_event(LOG_ERROR, "master", "state folder is in use by another server",
			    LOG_S("lock", path), LOG_I("pid", pid), LOG_END);
			return ERR_LOCKED;
		}
		if (told_to_stop()) {
			log_event(LOG_WARN, "master", "told to stop before the start", LOG_END);
			return ERR_CANCELLED;
		}
		if (!said)
			log_event(LOG_WARN, "master",
			    "waiting for the processes of a server that died", LOG_S("lock", path),
			    LOG_END);
		said = true;
		nanosleep(&(struct timespec){ .tv_nsec = 20 * NS_PER_MS }, NULL);
	}
	return 0;
}

int
state_lock(const struct core_conf *core)
{
	char path[STATE_PATH_MAX], text[32];
	int fd, n, err = make_state_dir(core);

	if (err != 0)
		return err;
	state_path(core, "lock", path);
	/* The folder may be another user's: no link of theirs leads us to another file. */
	fd = file_open(path, O_RDWR | O_CREAT | O_NOFOLLOW);
	if (fd < 0)
		return complain("cannot open the lock", path, fd);
	err = wait_for_lock(core, fd, path);
	if (err != 0) {
		close(fd);
		return err;
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return complain("cannot write the lock", path, ERR_IO);
	return 0;
}

static int
prepare_streams(struct conf *c)
{
	for (struct stream_conf *s = stream_first(c); s != NULL; s = s->next) {
		int err = spool_prepare(s->dir, s->mode == STREAM_OBJECT);

		if (err != 0)
			return complain("cannot prepare the stream's folder", s->dir, err);
	}
	return 0;
}

int
state_act_as_user(const struct core_conf *core)
{
	uid_t uid;
	gid_t gid;

	if (core->user.n == 0 || geteuid() != 0)
		return 0;
	if (process_user_ids(core->user, &uid, &gid) == 0 && setegid(gid) == 0 && seteuid(uid) == 0)
		return 0;
	complain("cannot act as the configured user", "", ERR_DENIED);
	(void)state_act_as_root();
	return ERR_DENIED;
}

int
state_act_as_root(void)
{
	if (seteuid(getuid()) == 0 && setegid(getgid()) == 0)
		return 0;
	return complain("cannot act as root again", "", ERR_DENIED);
}

int
state_prepare(struct conf *c)
{
	int err = state_act_as_user(core_of(c)), back;

	if (err == 0)
		err = prepare_streams(c);
	back = state_act_as_root();
	return err ? err : back;
}

struct zone *
state_open_zone(struct conf *c, unsigned slots)
{
	const struct zone_conf *conf = zone_conf_of(c);
	char path[STATE_PATH_MAX];
	struct zone_options opt = {
		.path = path, .slots = slots, .name = conf->name, .size = conf->size
	};

	state_path(core_of(c), "zone", path);
	return zone_open(&opt);
}

struct idem *
state_open_keys(const struct core_conf *core, struct zone *z)
{
	char path[STATE_PATH_MAX];
	struct idem *t = NULL;
	int err;

	state_path(core, "idempotency", path);
	err = idem_open(path, core->idempotency_keys, z, &t);
	if (err != 0)
		(void)complain("cannot open the table of idempotency keys", path, err);
	return t;
}

/* Only what looks as if we made it ourselves, and no link: whoever may write to its folder could put one to any file there. */
static void
give(int fd, const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_size != 0 ||
	    st.st_nlink != 1)
		return;
	if (fchown(fd, uid, gid) != 0)
		(void)complain("cannot give the log to the user", path, ERR_DENIED);
}

void
state_give_log(const struct core_conf *core)
{
	char path[1024];
	uid_t uid;
	gid_t gid;
	int fd;

	if (core->error_log.n == 0 || str_is(core->error_log, "stderr") || core->user.n == 0 ||
	    geteuid() != 0 || !str_copyz(path, sizeof(path), core->error_log))
		return;
	if (process_user_ids(core->user, &uid, &gid) != 0)
		return;
	fd = file_open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	give(fd, path, uid, gid);
	close(fd);
}

/* ---- pid file ---- */

void
state_pid_path(const struct core_conf *core, char *out, size_t cap)
{
	if (core->pid_path.n > 0)
		snprintf(out, cap, "%.*s", STR_ARG(core->pid_path));
	else
		snprintf(out, cap, "%.*s/sluice.pid", STR_ARG(core->state_dir));
}

int
state_write_pid(const struct core_conf *core)
{
	char path[1024], text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int err;

	state_pid_path(core, path, sizeof(path));
	err = file_replace(path, text, (size_t)n);
	return err ? complain("cannot write the pid file", path, err) : 0;
}

void
state_remove_pid(const struct core_conf *core)
{
	char path[1024];

	state_pid_path(core, path, sizeof(path));
	unlink(path);
}

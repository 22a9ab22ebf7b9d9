/*
 * See process.h.
 */
#include "server/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "gate/access_log.h"
#include "server/restarts.h"
#include "server/title.h"
#include "task/loop.h"
#include "zone/series.h"

static const struct role {
	const char *name;
	int (*main)(const struct process_env *env);
	unsigned slot; /* of the only one; 0: there are many */
} roles[PROCESS_ROLES] = {
	[PROCESS_WORKER] = { "worker", worker_main, 0 },
	[PROCESS_SHIPPER] = { "shipper", shipper_main, ZONE_SLOT_SHIPPER },
	[PROCESS_JANITOR] = { "janitor", janitor_main, ZONE_SLOT_JANITOR },
};

const char *
process_role_name(enum process_role role)
{
	return roles[role].name;
}

unsigned
process_only_slot(enum process_role role)
{
	return roles[role].slot;
}

enum process_role
process_role_at(unsigned slot)
{
	for (unsigned role = 0; role < PROCESS_ROLES; role++)
		if (roles[role].slot == slot)
			return (enum process_role)role;
	return PROCESS_WORKER;
}

/* ---- in the child ---- */

static struct {
	struct io io;
	void (*on_order)(int order, void *arg);
	void *arg;
	struct zone_slot *slot;
	struct conf *conf;
} child;

/* Reads to the end of what is there: readiness is told once, and the last order may come together with the master's end. */
static void
on_control(struct io *io, unsigned events)
{
	char order;
	ssize_t n;

	(void)events;
	while ((n = read(io->fd, &order, 1)) == 1) {
		if (order == ORDER_REOPEN)
			process_reopen_logs(child.conf);
		else
			child.on_order(order, child.arg);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		io_unready(io, IO_READ);
		return;
	}
	io_del(io);
	child.on_order(ORDER_STOP, child.arg);
}

static void
heartbeat(void *arg)
{
	struct zone_slot *slot = child.slot;

	(void)arg;
	do {
		atomic_store_explicit(&slot->connections, http_connections(), memory_order_relaxed);
		atomic_store_explicit(&slot->active, http_active(), memory_order_relaxed);
		atomic_store_explicit(&slot->heartbeat, clock_mono(), memory_order_relaxed);
	} while (task_sleep_until(clock_mono() + NS_PER_S) == 0);
}

static void
flush_log(void *arg)
{
	(void)arg;
	access_log_flush();
	log_flush();
}

static void
acknowledge_retired(void *arg)
{
	(void)arg;
	series_tick();
}

/* Only the master obeys signals; children obey the master. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2,
		SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int
process_enter(const struct process_env *env, const char *role,
    void (*on_order)(int order, void *arg), void *arg)
{
	struct loop_options opt = { 0 };
	int err;

	ignore_signals();
	title_set(role);
	file_test_role(role);
	if (process_drop_privileges(core_of(env->gen->conf)) != 0)
		return ERR_DENIED;
	err = loop_init(&opt);
	if (err != 0)
		return err;
	loop_catch_overflow();
	log_set_buffered(true);
	child.on_order = on_order;
	child.arg = arg;
	child.conf = env->gen->conf;
	child.slot = zone_slot(env->zone, env->slot);
	err = series_attach(env->zone, env->slot);
	restarts_count(role, env->restart);
	if (err == 0)
		err = loop_before_sleep(acknowledge_retired, NULL);
	if (err == 0)
		err = loop_before_sleep(flush_log, NULL);
	if (err == 0)
		err = io_add(&child.io, env->control, on_control);
	if (err == 0)
		err = task_go("heartbeat", heartbeat, NULL, NULL);
	return err;
}

/* ---- in the master ---- */

static _Noreturn void
run_child(const struct process *p, struct generation *gen, struct zone *zone, struct idem *keys,
    int control)
{
	struct process_env env = { .gen = gen,
		.zone = zone,
		.keys = keys,
		.slot = p->slot,
		.index = p->index,
		.control = control,
		.restart = p->lives > 0 && !p->stopping };
	int status = roles[p->role].main(&env);

	access_log_finish(gen->conf);
	log_flush();
	_exit(status);
}

int
process_spawn(struct process *p, struct generation *gen, struct zone *zone, struct idem *keys,
    const struct process *all, unsigned n_all)
{
	struct zone_slot *slot = zone_slot(zone, p->slot);
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	atomic_fetch_add(&slot->generation, 1);
	atomic_store(&slot->heartbeat, clock_mono());
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	if (pid == 0) {
		close(pair[0]);
		for (unsigned i = 0; i < n_all; i++)
			if (all[i].pid != 0 && all[i].control >= 0)
				close(all[i].control);
		run_child(p, gen, zone, keys, pair[1]);
	}
	close(pair[1]);
	p->control = pair[0];
	p->pid = pid;
	p->lives++;
	p->generation = gen->number;
	p->started = clock_mono();
	p->respawn_at = 0;
	p->stopping = p->draining = false;
	atomic_store(&slot->lives, p->lives);
	atomic_store(&slot->configuration, gen->number);
	atomic_store(&slot->started, p->started);
	atomic_store(&slot->pid, pid);
	return 0;
}

void
process_order(struct process *p, int order)
{
	char byte = (char)order;

	if (p->pid == 0 || p->control < 0)
		return;
	p->stopping |= order == ORDER_STOP || order == ORDER_DRAIN;
	p->draining |= order == ORDER_DRAIN;
	if (send(p->control, &byte, 1, MSG_NOSIGNAL) != 1 && errno != EPIPE)
		log_event(LOG_ERROR, "master", "order not delivered",
		    LOG_S("role", process_role_name(p->role)), LOG_I("pid", p->pid),
		    LOG_ERRNO(errno), LOG_END);
}

/* ---- whom to run as ---- */

static int
numeric_ids(struct str user, uid_t *uid, gid_t *gid)
{
	struct str rest = user, first = str_split(&rest, ':');
	uint64_t u, g;

	if (str_to_u64(first, &u) != 0 || u > UINT32_MAX)
		return -1;
	g = u;
	if (rest.p != NULL && (str_to_u64(rest, &g) != 0 || g > UINT32_MAX))
		return -1;
	*uid = (uid_t)u;
	*gid = (gid_t)g;
	return 0;
}

int
process_user_ids(struct str user, uid_t *uid, gid_t *gid)
{
	char name[64];
	struct passwd *pw;

	if (numeric_ids(user, uid, gid) == 0)
		return 0;
	if (!str_copyz(name, sizeof(name), user) || (pw = getpwnam(name)) == NULL)
		return -1;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static void
log_owner(const struct core_conf *core, uid_t *uid, gid_t *gid)
{
	if (geteuid() != 0 || core->user.n == 0 || process_user_ids(core->user, uid, gid) != 0) {
		*uid = (uid_t)-1;
		*gid = (gid_t)-1;
	}
}

int
process_open_logs(struct conf *c)
{
	uid_t uid;
	gid_t gid;

	log_owner(core_of(c), &uid, &gid);
	return access_log_open(c, uid, gid) == 0 ? 0 : -1;
}

void
process_reopen_logs(struct conf *c)
{
	uid_t uid;
	gid_t gid;

	log_owner(core_of(c), &uid, &gid);
	log_reopen();
	access_log_reopen(c, uid, gid);
}

int
process_drop_privileges(const struct core_conf *core)
{
	uid_t uid;
	gid_t gid;

	if (core->user.n == 0 || geteuid() != 0)
		return 0;
	if (process_user_ids(core->user, &uid, &gid) == 0 && setgroups(0, NULL) == 0 &&
	    setgid(gid) == 0 && setuid(uid) == 0)
		return 0;
	log_event(LOG_ERROR, "master", "cannot become the configured user",
	    LOG_STR("user", core->user), LOG_ERRNO(errno), LOG_END);
	return -1;
}

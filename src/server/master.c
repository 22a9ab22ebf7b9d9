/*
 * See master.h. Who is to live is decided here: in each phase of the server's life, after a reload, at a stop. How children are kept is children.c's.
 */
#include "server/master.h"

#include <signal.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "gate/access_log.h"
#include "gate/limit.h"
#include "server/bind.h"
#include "server/children.h"
#include "server/daemon.h"
#include "server/state.h"

/* Beyond the deadline of a stop, before children are killed. */
#define STOP_GRACE (2 * NS_PER_S)
/* What a second signal leaves for ending in good order. */
#define STOP_FAST (200 * NS_PER_MS)

/* A stop goes two steps: first the workers finish (STOPPING), then the shipper and the janitor, who see all that the workers did (DRAINING). */
enum phase { RUNNING, STOPPING, DRAINING };

static struct {
	const struct generation_source *from;
	struct generation *gen;
	struct zone *zone;
	struct idem *keys;
	enum phase phase;
	int64_t stop_deadline;
	int status; /* exit status so far */
	bool failed_start;
	unsigned room_wanted; /* slots that a postponed reload waits for; 0: none is */
} master;

static volatile sig_atomic_t got_stop, got_reload, got_reopen, got_child;

/* ---- signals ---- */

static void
on_signal(int signo)
{
	switch (signo) {
	case SIGHUP:
		got_reload = 1;
		break;
	case SIGUSR1:
		got_reopen = 1;
		break;
	case SIGCHLD:
		got_child = 1;
		break;
	default:
		got_stop++;
	}
}

/* Blocked but for the wait, so that no signal is missed between looking and waiting. */
static void
catch_signals(sigset_t *waiting)
{
	static const int caught[] = { SIGHUP, SIGUSR1, SIGCHLD, SIGTERM, SIGINT, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++) {
		sigaction(caught[i], &sa, NULL);
		sigaddset(&blocked, caught[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ,
	    SIG_IGN); /* a limit of file sizes is an error of the write, like a full disk */
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigemptyset(waiting);
}

/* ---- who is to live ---- */

static bool
past_grace(int64_t now)
{
	return master.phase != RUNNING && now > master.stop_deadline + STOP_GRACE;
}

/* A worker of the current generation, until we stop. A shipper until it has drained, a janitor until it was told to, or the time is up. */
static bool
wanted(const struct process *p, int status, int64_t now)
{
	switch (p->role) {
	case PROCESS_SHIPPER:
		return !past_grace(now) && !(WIFEXITED(status) && p->draining);
	case PROCESS_JANITOR:
		return !past_grace(now) && !p->draining;
	default:
		return master.phase == RUNNING && !p->stopping &&
		       p->generation == master.gen->number;
	}
}

static void
buried(const struct process *p, int status)
{
	/* Only of the first workers: later the others go on serving, and this one is tried again and again. So are the others:
	 * what is taken in without a shipper is safe on disk. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_START && p->lives == 1 &&
	    p->role == PROCESS_WORKER && master.gen->number == 1)
		master.failed_start = true;
	if (p->role == PROCESS_SHIPPER && p->draining && WIFEXITED(status))
		master.status = WEXITSTATUS(status);
	if (p->role == PROCESS_WORKER)
		process_order(children_only(PROCESS_SHIPPER), ORDER_ORPHANS);
}

static void
reborn(struct process *p)
{
	if (p->role != PROCESS_WORKER && master.phase == DRAINING)
		process_order(p, ORDER_DRAIN);
}

static const struct children_policy policy = { wanted, buried, reborn };

/* ---- reload ---- */

/* Each worker of the new generation needs a slot. Old ones that still finish what they have may hold too many: then the reload waits, and
 * those who serve go on serving. */
static bool
has_room(struct conf *next)
{
	unsigned workers = (unsigned)core_of(next)->workers;

	if (children_room() >= workers)
		return true;
	log_event(LOG_WARN, "master", "reload waits: workers of earlier ones are still stopping",
	    LOG_I("free_slots", children_room()), LOG_I("needed", workers), LOG_END);
	master.room_wanted = workers;
	return false;
}

static void
open_log(const struct core_conf *core)
{
	char path[1024];

	log_threshold = core->error_log.n == 0 ? LOG_INFO : (enum log_level)core->log_level;
	log_set_style((enum log_style)core->log_style);
	str_copyz(path, sizeof(path), core->error_log);
	if (log_open(core->error_log.n == 0 || str_is(core->error_log, "stderr") ? NULL : path) !=
	    0)
		log_event(LOG_ERROR, "master", "cannot open the log", LOG_S("path", path), LOG_END);
	state_give_log(core);
}

/* From here on next is in force. */
static void
enter_generation(struct generation *old, struct generation *next)
{
	master.gen = next;
	limit_prepare(next->conf, master.zone);
	children_follow(next);
	open_log(core_of(next->conf));
	log_event(LOG_INFO, "master", "configuration reloaded", LOG_I("generation", next->number),
	    LOG_END);
	/* Before the fork, or the new workers would keep addresses open that nobody serves any more. */
	bind_release(old, next);
	access_log_close(old->conf);
	/* One that died and was to be started again is replaced like the others. */
	children_forget_workers();
	children_start_workers();
	children_order(PROCESS_WORKER, ORDER_STOP, true);
	children_order(PROCESS_SHIPPER, ORDER_STOP, true);
	children_order(PROCESS_JANITOR, ORDER_STOP, true);
	/* The children forked under the old configuration have copies of their own. */
	generation_free(old);
}

static void
reload(void)
{
	struct generation *old = master.gen, *next = NULL;
	struct conf *c = generation_load(master.from, old, children_slots() - ZONE_SLOT_WORKER);

	if (c != NULL && !has_room(c)) {
		conf_free(c);
		return;
	}
	if (c != NULL)
		next = generation_new(c, old, master.zone);
	if (next != NULL)
		enter_generation(old, next);
	else
		log_event(
		    LOG_ERROR, "master", "reload failed: the old configuration stays", LOG_END);
}

/* ---- stop ---- */

static void
begin_stop(void)
{
	master.phase = STOPPING;
	master.stop_deadline = clock_mono() + core_of(master.gen->conf)->shutdown_timeout;
	zone_set_stop_deadline(master.zone, master.stop_deadline);
	log_event(LOG_INFO, "master", "shutdown start", LOG_END);
	children_forget_workers();
	children_order(PROCESS_WORKER, ORDER_STOP, false);
	bind_release(master.gen, NULL);
}

static void
stop_fast(void)
{
	master.stop_deadline = MIN(master.stop_deadline, clock_mono() + STOP_FAST);
	zone_set_stop_deadline(master.zone, master.stop_deadline);
	log_event(LOG_WARN, "master", "second signal: stopping fast", LOG_END);
	/* Before it was told to drain, the shipper cannot say whether anything waits. */
	if (master.phase == DRAINING)
		children_order(PROCESS_SHIPPER, ORDER_STOP, false);
}

/* The workers are gone. A shipper or a janitor that a reload sent away comes again, and gets the order then; not one that keeps dying:
 * nobody waits for a janitor. */
static void
begin_drain(int64_t now)
{
	struct process *shipper = children_only(PROCESS_SHIPPER),
		       *janitor = children_only(PROCESS_JANITOR);

	master.phase = DRAINING;
	master.status = EXIT_WAITING;
	if (!shipper->stopping)
		process_order(shipper, ORDER_DRAIN);
	if (!janitor->stopping)
		process_order(janitor, ORDER_DRAIN);
	if (janitor->respawn_at > now)
		janitor->respawn_at = 0;
}

static bool
is_gone(const struct process *p)
{
	return p->pid == 0 && p->respawn_at == 0;
}

/* One step of a stop; true when it is over. */
static bool
stop_step(void)
{
	struct process *shipper = children_only(PROCESS_SHIPPER),
		       *janitor = children_only(PROCESS_JANITOR);
	int64_t now = clock_mono();

	if (master.phase == STOPPING) {
		if (now > master.stop_deadline)
			children_kill(PROCESS_WORKER);
		if (children_alive(PROCESS_WORKER))
			return false;
		begin_drain(now);
	}
	if (past_grace(now)) {
		children_kill(PROCESS_SHIPPER);
		children_kill(PROCESS_JANITOR);
		shipper->respawn_at = janitor->respawn_at = 0;
	}
	return is_gone(shipper) && is_gone(janitor);
}

/* ---- running ---- */

static void
wait_for_signal(const sigset_t *waiting, int64_t until)
{
	int64_t wait = master.phase == RUNNING ? 3600 * NS_PER_S : 50 * NS_PER_MS;
	struct timespec ts;

	if (until != CLOCK_NEVER)
		wait = MIN(wait, MAX(until - clock_mono(), 0));
	ts.tv_sec = wait / NS_PER_S;
	ts.tv_nsec = wait % NS_PER_S;
	pselect(0, NULL, NULL, NULL, &ts, waiting);
}

static void
obey_signals(void)
{
	static int stops_seen;

	if (got_child) {
		got_child = 0;
		children_reap();
	}
	if (got_reopen) {
		got_reopen = 0;
		process_reopen_logs(master.gen->conf);
		state_give_log(core_of(master.gen->conf));
		children_order(PROCESS_WORKER, ORDER_REOPEN, false);
		children_order(PROCESS_SHIPPER, ORDER_REOPEN, false);
		children_order(PROCESS_JANITOR, ORDER_REOPEN, false);
	}
	if (got_reload || (master.room_wanted > 0 && children_room() >= master.room_wanted)) {
		got_reload = 0;
		master.room_wanted = 0;
		if (master.phase == RUNNING)
			reload();
	}
	if (got_stop > stops_seen) {
		if (master.phase == RUNNING)
			begin_stop();
		else
			stop_fast();
		stops_seen = got_stop;
	}
}

static int
run(const sigset_t *waiting)
{
	int64_t next = CLOCK_NEVER;

	for (;;) {
		wait_for_signal(waiting, next);
		obey_signals();
		next = children_respawn();
		if (master.failed_start && master.phase == RUNNING) {
			log_event(LOG_ERROR, "master", "cannot start", LOG_END);
			children_kill(PROCESS_WORKER);
			children_kill(PROCESS_SHIPPER);
			children_kill(PROCESS_JANITOR);
			return EXIT_START;
		}
		if (master.phase != RUNNING && stop_step())
			return master.status;
	}
}

/* What there is once a server, whatever it is configured to do. */
static int
prepare(struct conf *c)
{
	const struct core_conf *core = core_of(c);

	if (state_lock(core) != 0)
		return -1;
	master.zone = state_open_zone(c, 4 * (unsigned)core->workers + 4);
	if (master.zone != NULL) {
		master.keys = state_open_keys(core, master.zone);
		if (children_init(master.zone, master.keys, &policy) == 0)
			return 0;
	}
	log_event(LOG_ERROR, "master", "out of memory", LOG_END);
	return -1;
}

/* Takes c. */
static int
start(struct conf *c)
{
	if (prepare(c) != 0) {
		conf_free(c);
		return -1;
	}
	master.gen = generation_new(c, NULL, master.zone);
	if (master.gen == NULL)
		return -1;
	if (state_write_pid(core_of(c)) == 0)
		return 0;
	bind_release(master.gen, NULL);
	generation_free(master.gen);
	return -1;
}

int
master_run(struct conf *c, const struct generation_source *from)
{
	sigset_t waiting;
	int status;

	master.from = from;
	file_test_role("master");
	open_log(core_of(c));
	catch_signals(&waiting);
	if (start(c) != 0)
		return EXIT_START;
	daemon_ready();
	limit_prepare(master.gen->conf, master.zone);
	zone_unload(master.zone);
	children_follow(master.gen);
	children_start(PROCESS_SHIPPER);
	children_start(PROCESS_JANITOR);
	children_start_workers();
	log_event(LOG_INFO, "master", "started", LOG_I("pid", getpid()),
	    LOG_I("workers", core_of(c)->workers), LOG_STR("state_dir", core_of(c)->state_dir),
	    LOG_END);
	status = run(&waiting);
	bind_release(master.gen, NULL);
	state_remove_pid(core_of(master.gen->conf));
	log_event(LOG_INFO, "master", "shutdown complete", LOG_I("status", status), LOG_END);
	return status;
}

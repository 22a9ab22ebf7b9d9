/*
 * See master.h. Children are rows of a table, one a slot; what happens to them is decided here and nowhere else.
 */
#include "server/master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "server/bind.h"
#include "server/state.h"

/* A child that lived less than this died quickly; it is started again later and later. */
#define QUICK_DEATH NS_PER_S
#define RESPAWN_MAX (5 * NS_PER_S)
/* Beyond the deadline of a stop, before children are killed. */
#define STOP_GRACE (2 * NS_PER_S)
/* What a second signal leaves for ending in good order. */
#define STOP_FAST (200 * NS_PER_MS)

enum phase { RUNNING, STOPPING, DRAINING };

static struct {
	const struct generation_source *from;
	struct generation *gen;
	struct zone *zone;
	struct idem *keys;
	struct process *processes; /* by slot */
	unsigned n;                /* slots */
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

/* ---- children ---- */

static struct process *
free_slot(void)
{
	for (unsigned i = ZONE_SLOT_WORKER; i < master.n; i++)
		if (master.processes[i].pid == 0 && master.processes[i].respawn_at == 0)
			return &master.processes[i];
	return NULL;
}

static unsigned
free_slots(void)
{
	unsigned n = 0;

	for (unsigned i = ZONE_SLOT_WORKER; i < master.n; i++)
		n += master.processes[i].pid == 0;
	return n;
}

static void
spawn(struct process *p)
{
	if (process_spawn(p, master.gen, master.zone, master.keys, master.processes, master.n) == 0)
		return;
	log_event(LOG_ERROR, "master", "cannot fork", LOG_ERRNO(errno), LOG_END);
	p->respawn_at = clock_mono() + NS_PER_S;
}

static void
spawn_workers(void)
{
	unsigned workers = (unsigned)core_of(master.gen->conf)->workers;

	for (unsigned i = 0; i < workers; i++) {
		struct process *p = free_slot();

		if (p == NULL) {
			log_event(LOG_ERROR, "master",
			    "no slot free for another worker: old ones are still stopping",
			    LOG_I("slots", master.n), LOG_END);
			return;
		}
		*p = (struct process){ .role = PROCESS_WORKER,
			.slot = (unsigned)(p - master.processes),
			.index = i,
			.control = -1 };
		spawn(p);
	}
}

static void
order_all(enum process_role role, int order, bool only_old)
{
	for (unsigned i = 0; i < master.n; i++) {
		struct process *p = &master.processes[i];

		if (p->pid != 0 && p->role == role &&
		    !(only_old && p->generation == master.gen->number))
			process_order(p, order);
	}
}

static bool
any_alive(enum process_role role)
{
	for (unsigned i = 0; i < master.n; i++)
		if (master.processes[i].pid != 0 && master.processes[i].role == role)
			return true;
	return false;
}

/* When a dead child is to be started again: later and later if it dies at once. */
static int64_t
respawn_time(struct process *p, int64_t now)
{
	int64_t wait = 0;

	if (now - p->started > QUICK_DEATH)
		p->quick_deaths = 0;
	else if (p->quick_deaths < 16)
		p->quick_deaths++;
	if (p->quick_deaths > 1)
		wait = MIN((int64_t)(100 * NS_PER_MS) << MIN(p->quick_deaths, 10u), RESPAWN_MAX);
	return now + wait;
}

static void
log_death(const struct process *p, int status)
{
	bool expected = p->stopping && WIFEXITED(status);

	log_event(expected ? LOG_DEBUG : LOG_ERROR, "master",
	    expected ? "child ended" : "child died", LOG_S("role", process_role_name(p->role)),
	    LOG_I("pid", p->pid), LOG_I("slot", p->slot),
	    LOG_I("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
	    LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0), LOG_END);
}

static bool
past_grace(int64_t now)
{
	return master.phase != RUNNING && now > master.stop_deadline + STOP_GRACE;
}

/* Is a child of this row still wanted? A shipper always, until it has drained or the time is up; a worker of the current generation, until we stop. */
static bool
wanted(const struct process *p, int status, int64_t now)
{
	if (p->role == PROCESS_SHIPPER)
		return !past_grace(now) && !(WIFEXITED(status) && p->draining);
	return master.phase == RUNNING && !p->stopping && p->generation == master.gen->number;
}

static void
buried(struct process *p, int status)
{
	int64_t now = clock_mono();

	log_death(p, status);
	close(p->control);
	p->control = -1;
	p->pid = 0;
	atomic_store(&zone_slot(master.zone, p->slot)->pid, 0);
	/* From here on what the slot owned belongs to nobody. */
	atomic_fetch_add(&zone_slot(master.zone, p->slot)->generation, 1);
	/* Only of the first workers: later the others go on serving, and this one is tried again and again. So is a shipper: what
	 * is taken in meanwhile is safe on disk. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_START && p->lives == 1 &&
	    p->role == PROCESS_WORKER && master.gen->number == 1)
		master.failed_start = true;
	if (p->role == PROCESS_SHIPPER && p->draining && WIFEXITED(status))
		master.status = WEXITSTATUS(status);
	if (wanted(p, status, now))
		p->respawn_at = p->stopping ? now : respawn_time(p, now);
	if (p->role == PROCESS_WORKER)
		process_order(&master.processes[ZONE_SLOT_SHIPPER], ORDER_ORPHANS);
}

static void
reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < master.n; i++)
			if (master.processes[i].pid == pid)
				buried(&master.processes[i], status);
}

/* Starts what is due; when the next one is due. */
static int64_t
respawn(void)
{
	int64_t next = CLOCK_NEVER, now = clock_mono();

	for (unsigned i = 0; i < master.n; i++) {
		struct process *p = &master.processes[i];

		if (p->respawn_at != 0 && p->respawn_at <= now) {
			p->respawn_at = 0;
			spawn(p);
			if (p->role == PROCESS_SHIPPER && master.phase == DRAINING)
				process_order(p, ORDER_DRAIN);
		}
		if (p->respawn_at != 0)
			next = MIN(next, p->respawn_at);
	}
	return next;
}

/* ---- reload ---- */

/* Each worker of the new generation needs a slot. Old ones that still finish what they have may hold too many: then the reload waits, and
 * those who serve go on serving. */
static bool
has_room(struct conf *next)
{
	unsigned workers = (unsigned)core_of(next)->workers;

	if (free_slots() >= workers)
		return true;
	log_event(LOG_WARN, "master", "reload waits: workers of earlier ones are still stopping",
	    LOG_I("free_slots", free_slots()), LOG_I("needed", workers), LOG_END);
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
	open_log(core_of(next->conf));
	log_event(LOG_INFO, "master", "configuration reloaded", LOG_I("generation", next->number),
	    LOG_END);
	/* Before the fork, or the new workers would keep addresses open that nobody serves any more. */
	bind_release(old, next);
	/* One that died and was to be started again is replaced like the others. */
	for (unsigned i = ZONE_SLOT_WORKER; i < master.n; i++)
		master.processes[i].respawn_at = 0;
	spawn_workers();
	order_all(PROCESS_WORKER, ORDER_STOP, true);
	order_all(PROCESS_SHIPPER, ORDER_STOP, true);
	/* The children forked under the old configuration have copies of their own. */
	generation_free(old);
}

static void
reload(void)
{
	struct generation *old = master.gen, *next = NULL;
	struct conf *c = generation_load(master.from, old, master.n - ZONE_SLOT_WORKER);

	if (c != NULL && !has_room(c)) {
		conf_free(c);
		return;
	}
	if (c != NULL)
		next = generation_new(c, old);
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
	for (unsigned i = ZONE_SLOT_WORKER; i < master.n; i++)
		master.processes[i].respawn_at = 0;
	order_all(PROCESS_WORKER, ORDER_STOP, false);
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
		order_all(PROCESS_SHIPPER, ORDER_STOP, false);
}

static void
kill_all(enum process_role role)
{
	for (unsigned i = 0; i < master.n; i++)
		if (master.processes[i].pid != 0 && master.processes[i].role == role)
			kill(master.processes[i].pid, SIGKILL);
}

/* One step of a stop; true when it is over. */
static bool
stop_step(void)
{
	struct process *shipper = &master.processes[ZONE_SLOT_SHIPPER];
	int64_t now = clock_mono();

	if (master.phase == STOPPING) {
		if (now > master.stop_deadline)
			kill_all(PROCESS_WORKER);
		if (any_alive(PROCESS_WORKER))
			return false;
		master.phase = DRAINING;
		master.status = EXIT_WAITING;
		/* One that a reload sent away comes again, and gets the order then. */
		if (!shipper->stopping)
			process_order(shipper, ORDER_DRAIN);
	}
	if (past_grace(now)) {
		kill_all(PROCESS_SHIPPER);
		shipper->respawn_at = 0;
	}
	return shipper->pid == 0 && shipper->respawn_at == 0;
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
		reap();
	}
	if (got_reopen) {
		got_reopen = 0;
		log_reopen();
		state_give_log(core_of(master.gen->conf));
		order_all(PROCESS_WORKER, ORDER_REOPEN, false);
		order_all(PROCESS_SHIPPER, ORDER_REOPEN, false);
	}
	if (got_reload || (master.room_wanted > 0 && free_slots() >= master.room_wanted)) {
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
		next = respawn();
		if (master.failed_start && master.phase == RUNNING) {
			log_event(LOG_ERROR, "master", "cannot start", LOG_END);
			kill_all(PROCESS_WORKER);
			kill_all(PROCESS_SHIPPER);
			return EXIT_START;
		}
		if (master.phase != RUNNING && stop_step())
			return master.status;
	}
}

/* What there is once a server, whatever it is configured to do. */
static int
prepare(const struct core_conf *core)
{
	if (state_lock(core) != 0)
		return -1;
	master.n = 4 * (unsigned)core->workers + 4;
	master.zone = zone_new(master.n);
	master.processes = calloc(master.n, sizeof(*master.processes));
	if (master.zone == NULL || master.processes == NULL) {
		log_event(LOG_ERROR, "master", "out of memory", LOG_END);
		return -1;
	}
	master.keys = state_open_keys(core, master.zone);
	return 0;
}

/* Takes c. */
static int
start(struct conf *c)
{
	if (prepare(core_of(c)) != 0) {
		conf_free(c);
		return -1;
	}
	master.gen = generation_new(c, NULL);
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
	struct process *shipper;
	sigset_t waiting;
	int status;

	master.from = from;
	file_test_role("master");
	open_log(core_of(c));
	catch_signals(&waiting);
	if (start(c) != 0)
		return EXIT_START;
	shipper = &master.processes[ZONE_SLOT_SHIPPER];
	*shipper =
	    (struct process){ .role = PROCESS_SHIPPER, .slot = ZONE_SLOT_SHIPPER, .control = -1 };
	spawn(shipper);
	spawn_workers();
	log_event(LOG_INFO, "master", "started", LOG_I("pid", getpid()),
	    LOG_I("workers", core_of(c)->workers), LOG_STR("state_dir", core_of(c)->state_dir),
	    LOG_END);
	status = run(&waiting);
	bind_release(master.gen, NULL);
	state_remove_pid(core_of(master.gen->conf));
	log_event(LOG_INFO, "master", "shutdown complete", LOG_I("status", status), LOG_END);
	return status;
}

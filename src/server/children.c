/*
 * See children.h.
 */
#include "server/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "zone/durable.h"
#include "zone/series.h"

/* A child that lived less than this died quickly; it is started again later and later. */
#define QUICK_DEATH NS_PER_S
#define RESPAWN_MAX (5 * NS_PER_S)

static struct {
	struct process *rows; /* by slot */
	unsigned n;
	struct zone *zone;
	struct idem *keys;
	struct generation *gen;
	const struct children_policy *policy;
} children;

int
children_init(struct zone *zone, struct idem *keys, const struct children_policy *policy)
{
	children.n = zone_slots(zone);
	children.zone = zone;
	children.keys = keys;
	children.policy = policy;
	children.rows = calloc(children.n, sizeof(*children.rows));
	return children.rows ? 0 : ERR_NOMEM;
}

unsigned
children_slots(void)
{
	return children.n;
}

void
children_follow(struct generation *gen)
{
	children.gen = gen;
}

/* ---- starting ---- */

static void
spawn(struct process *p)
{
	if (process_spawn(
		p, children.gen, children.zone, children.keys, children.rows, children.n) == 0)
		return;
	log_event(LOG_ERROR, "master", "cannot fork", LOG_ERRNO(errno), LOG_END);
	p->respawn_at = clock_mono() + NS_PER_S;
}

static void
start_in(struct process *p, enum process_role role, unsigned index)
{
	*p = (struct process){
		.role = role, .slot = (unsigned)(p - children.rows), .index = index, .control = -1
	};
	spawn(p);
}

struct process *
children_only(enum process_role role)
{
	assert(role != PROCESS_WORKER);
	return &children.rows[process_only_slot(role)];
}

void
children_start(enum process_role role)
{
	start_in(children_only(role), role, 0);
}

static struct process *
free_slot(void)
{
	for (unsigned i = ZONE_SLOT_WORKER; i < children.n; i++)
		if (children.rows[i].pid == 0 && children.rows[i].respawn_at == 0)
			return &children.rows[i];
	return NULL;
}

unsigned
children_room(void)
{
	unsigned n = 0;

	for (unsigned i = ZONE_SLOT_WORKER; i < children.n; i++)
		n += children.rows[i].pid == 0;
	return n;
}

void
children_start_workers(void)
{
	unsigned workers = (unsigned)core_of(children.gen->conf)->workers;

	for (unsigned i = 0; i < workers; i++) {
		struct process *p = free_slot();

		if (p == NULL) {
			log_event(LOG_ERROR, "master",
			    "no slot free for another worker: old ones are still stopping",
			    LOG_I("slots", children.n), LOG_END);
			return;
		}
		start_in(p, PROCESS_WORKER, i);
	}
}

/* ---- orders ---- */

void
children_order(enum process_role role, int order, bool only_old)
{
	for (unsigned i = 0; i < children.n; i++) {
		struct process *p = &children.rows[i];

		if (p->pid != 0 && p->role == role &&
		    !(only_old && p->generation == children.gen->number))
			process_order(p, order);
	}
}

bool
children_alive(enum process_role role)
{
	for (unsigned i = 0; i < children.n; i++)
		if (children.rows[i].pid != 0 && children.rows[i].role == role)
			return true;
	return false;
}

void
children_kill(enum process_role role)
{
	for (unsigned i = 0; i < children.n; i++)
		if (children.rows[i].pid != 0 && children.rows[i].role == role)
			kill(children.rows[i].pid, SIGKILL);
}

void
children_forget_workers(void)
{
	for (unsigned i = ZONE_SLOT_WORKER; i < children.n; i++)
		children.rows[i].respawn_at = 0;
}

/* ---- dying, and being born again ---- */

/* When a dead child is to be started again: later and later if it dies at once. */
static int64_t
respawn_time(struct process *p, int64_t now)
{
	int64_t wait = 0;

	if (p->stopping)
		return now;
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

static void
bury(struct process *p, int status)
{
	struct zone_slot *slot = zone_slot(children.zone, p->slot);
	int64_t now = clock_mono();

	log_death(p, status);
	close(p->control);
	p->control = -1;
	p->pid = 0;
	atomic_store(&slot->pid, 0);
	/* From here on what the slot owned belongs to nobody. */
	atomic_fetch_add(&slot->generation, 1);
	durable_clear(children.zone, p->slot);
	series_clear_slot(children.zone, p->slot);
	if (children.policy->wanted(p, status, now))
		p->respawn_at = respawn_time(p, now);
	children.policy->buried(p, status);
}

void
children_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < children.n; i++)
			if (children.rows[i].pid == pid)
				bury(&children.rows[i], status);
}

int64_t
children_respawn(void)
{
	int64_t next = CLOCK_NEVER, now = clock_mono();

	for (unsigned i = 0; i < children.n; i++) {
		struct process *p = &children.rows[i];

		if (p->respawn_at != 0 && p->respawn_at <= now) {
			p->respawn_at = 0;
			spawn(p);
			children.policy->reborn(p);
		}
		if (p->respawn_at != 0)
			next = MIN(next, p->respawn_at);
	}
	return next;
}

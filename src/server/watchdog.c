/*
 * See watchdog.h. It counts looks, not time: when the whole machine was held up, nobody is to blame.
 */
#include "server/watchdog.h"

#include <stdlib.h>

#include "base/log.h"
#include "server/process.h"
#include "zone/janitor.h"

/* Looks in a row, one a second, that find no new heartbeat. */
#define STUCK 5

struct watched {
	int32_t pid;
	int64_t beat; /* as last seen */
	unsigned looks;
};

static struct {
	struct zone *zone;
	unsigned self;
	struct watched *slots;
} watchdog;

static void
tell(enum log_level level, const char *what, unsigned slot)
{
	log_event(level, "janitor", what, LOG_S("role", process_role_name(process_role_at(slot))),
	    LOG_I("pid", watchdog.slots[slot].pid), LOG_I("slot", slot), LOG_END);
}

static void
look_at(unsigned i)
{
	struct watched *w = &watchdog.slots[i];
	struct zone_slot *slot = zone_slot(watchdog.zone, i);
	int32_t pid = atomic_load(&slot->pid);
	int64_t beat = atomic_load_explicit(&slot->heartbeat, memory_order_relaxed);

	if (pid == 0 || pid != w->pid || beat != w->beat) {
		if (pid != 0 && pid == w->pid && w->looks >= STUCK)
			tell(LOG_WARN, "process goes on", i);
		*w = (struct watched){ .pid = pid, .beat = beat };
		return;
	}
	if (++w->looks == STUCK)
		tell(LOG_ERROR, "process does not respond", i);
}

static void
look(void *arg)
{
	(void)arg;
	for (unsigned i = ZONE_SLOT_MASTER + 1; i < zone_slots(watchdog.zone); i++)
		if (i != watchdog.self)
			look_at(i);
}

void
watchdog_start(struct zone *zone, unsigned self)
{
	watchdog.zone = zone;
	watchdog.self = self;
	watchdog.slots = calloc(zone_slots(zone), sizeof(*watchdog.slots));
	if (watchdog.slots == NULL || janitor_add("watchdog", NS_PER_S, look, NULL) != 0)
		log_event(LOG_ERROR, "janitor", "no watchdog", LOG_ERR(ERR_NOMEM), LOG_END);
}

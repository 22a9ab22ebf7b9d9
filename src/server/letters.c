/*
 * See letters.h.
 */
#include "server/letters.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define TEND_EVERY (60 * NS_PER_S)

struct letters {
	struct admin_shipper doors;
};

/* Retention and compaction. */
static void
tend_task(void *arg)
{
	struct letters *l = arg;

	do
		dlq_tend(l->doors.dlq);
	while (task_sleep_until(clock_mono() + TEND_EVERY) == 0);
}

int
letters_open(struct conf *c, const char *dir, struct letters **out)
{
	struct letters *l = calloc(1, sizeof(*l));
	int err;

	*out = l;
	if (l == NULL)
		return ERR_NOMEM;
	l->doors.conf = c;
	err = dlq_open(dir, &dlq_conf(c)->limits, &l->doors.dlq);
	if (err == 0)
		err = jobs_open(l->doors.dlq, dir, stream_first(c), &l->doors.jobs);
	if (err == 0)
		err = task_go("letters", tend_task, l, NULL);
	if (err != 0)
		log_event(LOG_ERROR, "shipper", "cannot open the dead letters", LOG_S("path", dir),
		    LOG_ERR(err), LOG_END);
	return err;
}

struct dlq *
letters_store(struct letters *l)
{
	return l->doors.dlq;
}

int
letters_serve(struct letters *l, struct ship *ship)
{
	int err = rules_open(
	    l->doors.dlq, dlq_conf(l->doors.conf), stream_first(l->doors.conf), &l->doors.rules);

	l->doors.ship = ship;
	admin_shipper_open(&l->doors);
	return err;
}

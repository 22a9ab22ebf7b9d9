/*
 * Segments whose owner died or gave them up: step 5 of the durability protocol, for all streams, and the idempotency keys of what is found.
 * Run at start, when a child was reaped, when a worker gave a segment up, and last thing before the shipper ends.
 */
#include <stdlib.h>

#include "base/log.h"
#include "ship/ship_priv.h"
#include "spool/idem_sweep.h"
#include "spool/keys.h"
#include "spool/recover.h"

struct recover_job {
	const struct stream_conf *conf;
	struct idem_sweep *sweep;
	bool first, complete;
	struct recover_stats open, origin;
};

/* ---- segments ---- */

static int
recover_on_disk(void *arg)
{
	struct recover_job *job = arg;
	bool object = job->conf->mode == STREAM_OBJECT;
	int err = recover_dir(job->conf->dir, &job->open), other = 0;

	if (job->first)
		other = recover_origin_files(job->conf->dir, object, &job->origin);
	return err ? err : other;
}

static int
recover_stream(struct recover_job *job)
{
	int err;

	memset(&job->open, 0, sizeof(job->open));
	memset(&job->origin, 0, sizeof(job->origin));
	err = ship_block(recover_on_disk, job);
	if (job->open.sealed > 0 || job->origin.sealed > 0 || err != 0)
		log_event(err ? LOG_ERROR : LOG_INFO, "ship", "open segments recovered",
		    LOG_STR("stream", job->conf->name), LOG_I("sealed", job->open.sealed),
		    LOG_I("origin_files", job->origin.sealed), LOG_I("empty", job->open.empty),
		    LOG_I("torn_bytes", job->open.torn_bytes), LOG_ERR(err), LOG_END);
	return err;
}

/* ---- keys ---- */

static int
begin_sweep(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_begin(keys_table(), &job->sweep);
}

static int
is_sweep_needed(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_needed(job->sweep);
}

static int
read_keys(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_segments(job->sweep, job->conf->dir);
}

static int
end_sweep(void *arg)
{
	struct recover_job *job = arg;

	return idem_sweep_end(job->sweep, job->complete);
}

/* What is on disk answers for the keys whose owners are gone, once all of their segments are sealed. */
static int
look_after_keys(struct ship *ship, struct recover_job *job)
{
	int err = ship_block(is_sweep_needed, job);

	if (err == 1) {
		err = 0;
		for (unsigned i = 0; i < ship->n && err == 0; i++) {
			job->conf = ship->streams[i].conf;
			err = ship_block(read_keys, job);
		}
	}
	return err;
}

static int
sweep_keys(struct ship *ship, struct recover_job *job, bool recovered)
{
	int err = recovered ? look_after_keys(ship, job) : 0, end;

	job->complete = recovered && err == 0;
	end = ship_block(end_sweep, job);
	return err ? err : end;
}

/* ---- both ---- */

static int
recover_all(struct ship *ship, struct recover_job *job)
{
	int keys_err = ship_block(begin_sweep, job), err = 0;

	for (unsigned i = 0; i < ship->n; i++) {
		int one;

		job->conf = ship->streams[i].conf;
		one = recover_stream(job);
		err = err ? err : one;
	}
	if (keys_err == 0)
		keys_err = sweep_keys(ship, job, err == 0);
	if (keys_err != 0)
		log_event(LOG_ERROR, "ship", "idempotency keys not looked after", LOG_ERR(keys_err),
		    LOG_END);
	return err ? err : keys_err;
}

int
orphans_recover(struct ship *ship, bool first)
{
	struct recover_job *job = calloc(1, sizeof(*job));
	int err;

	if (job == NULL)
		return ERR_NOMEM;
	job->first = first;
	/* Two at a time would each take what the other has locked for owned. */
	while (ship->recovering)
		if (waitq_park(&ship->recovered, CLOCK_NEVER) != 0) {
			free(job);
			return ERR_CANCELLED;
		}
	ship->recovering = true;
	err = recover_all(ship, job);
	ship->recovering = false;
	waitq_wake_all(&ship->recovered);
	free(job);
	return err;
}

/* ship->orphans stays true until a pass that began after the last request succeeded. */
static void
orphans_task(void *arg)
{
	struct ship *ship = arg;
	unsigned failures = 0;

	do {
		ship->orphans = false;
		if (orphans_recover(ship, false) != 0) {
			ship->orphans = true;
			ship_retreat(failures++);
		}
	} while (ship->orphans && !task_cancelled());
	ship->orphans_task = false;
	for (unsigned i = 0; i < ship->n; i++) {
		ship->streams[i].rescan = true;
		ship->streams[i].idle = false;
		ship_stream_wake(&ship->streams[i]);
	}
	waitq_wake_all(&ship->drained); /* streams tell by themselves, where there are any */
}

void
orphans_look(struct ship *ship)
{
	ship->orphans = true;
	if (!ship->orphans_task)
		ship->orphans_task = task_go("orphans", orphans_task, ship, NULL) == 0;
}

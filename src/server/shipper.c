/*
 * The shipper: delivers what the workers stored. Its life from fork to exit; the work is in ship/.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/api.h"
#include "base/log.h"
#include "server/bind.h"
#include "server/letters.h"
#include "server/process.h"
#include "ship/ship.h"
#include "task/loop.h"

/* How long records that are on their way may take when the shipper is to go at once. */
#define CLOSE_NS (2 * NS_PER_S)

static struct {
	const struct process_env *env;
	struct ship *ship; /* NULL until started */
	bool wake, orphans, draining, stopping;
	int status;
} shipper;

/* Nothing is asked of us any more, but what is under way may take a moment: a successor answers the next. What of the messages is on its way, and
 * what came of them, is waited for until the deadline. */
static void
leave(int64_t deadline)
{
	int64_t end = clock_mono() + CLOSE_NS / 2;

	http_drain();
	while (http_connections() > 0 && clock_mono() < MIN(end, deadline))
		if (task_sleep_until(clock_mono() + 5 * NS_PER_MS) != 0)
			break;
	admin_shipper_close();
	ship_close(shipper.ship, deadline);
}

static void
drain_task(void *arg)
{
	int64_t deadline = zone_stop_deadline(shipper.env->zone);
	unsigned left = ship_drain(shipper.ship, deadline);

	(void)arg;
	leave(MAX(deadline, clock_mono() + CLOSE_NS / 4));
	if (left > 0) {
		log_event(LOG_ERROR, "shipper", "stopped with data still waiting on disk",
		    LOG_I("files", left),
		    LOG_STR("state_dir", core_of(shipper.env->gen->conf)->state_dir), LOG_END);
		shipper.status = EXIT_WAITING;
	}
	loop_stop();
}

static void
drain(void)
{
	if (shipper.ship == NULL || task_go("drain", drain_task, NULL, NULL) != 0) {
		shipper.status = EXIT_WAITING;
		loop_stop();
	}
}

/* What workers ask of us; the same socket served an earlier shipper, whose clients may be waiting. */
static int
serve_api(void)
{
	const struct generation *gen = shipper.env->gen;
	int err = 0;

	api_be_shipper();
	for (unsigned i = 0; i < gen->n_fds && err == 0; i++)
		if (gen->fds[i].shipper)
			err = http_serve(gen->fds[i].fd, gen->fds[i].listen);
	return err;
}

static void
close_task(void *arg)
{
	(void)arg;
	leave(clock_mono() + CLOSE_NS);
	loop_stop();
}

/* At once, but for what is on its way and what came of it: else it would be sent a second time. */
static void
stop(void)
{
	shipper.status = shipper.draining ? EXIT_WAITING : EXIT_CLEAN;
	if (shipper.ship == NULL || shipper.stopping ||
	    task_go("close", close_task, NULL, NULL) != 0)
		loop_stop();
	shipper.stopping = true;
}

/* The dead letters first, once the lock is ours: delivery may have some to add. */
static int
start(const struct process_env *env, struct ship **out)
{
	char dir[CORE_STATE_DIR_MAX + 1], dlq[CORE_STATE_DIR_MAX + 8];
	struct letters *letters;
	int err;

	str_copyz(dir, sizeof(dir), core_of(env->gen->conf)->state_dir);
	snprintf(dlq, sizeof(dlq), "%s/dlq", dir);
	err = ship_lock(dir);
	if (err == 0)
		err = letters_open(env->gen->conf, dlq, &letters);
	if (err == 0)
		err = ship_start(stream_first(env->gen->conf), env->zone, env->keys,
		    letters_store(letters), out);
	if (err == 0)
		err = letters_serve(letters, *out);
	return err ? err : serve_api();
}

static void
start_task(void *arg)
{
	const struct process_env *env = shipper.env;
	struct ship *ship = NULL;
	int err;

	(void)arg;
	if (env->keys != NULL)
		idem_attach(env->keys, env->slot,
		    atomic_load(&zone_slot(env->zone, env->slot)->generation));
	err = start(env, &ship);
	if (err != 0) {
		log_event(LOG_ERROR, "shipper", "cannot start", LOG_ERR(err), LOG_END);
		shipper.status = EXIT_START;
		loop_stop();
		return;
	}
	shipper.ship = ship;
	if (shipper.orphans)
		ship_wake(ship, true);
	if (shipper.draining)
		drain();
}

static void
on_order(int order, void *arg)
{
	(void)arg;
	switch (order) {
	case ORDER_STOP:
		stop();
		break;
	case ORDER_ORPHANS:
		shipper.orphans = true;
		if (shipper.ship != NULL)
			ship_wake(shipper.ship, true);
		break;
	case ORDER_DRAIN:
		shipper.draining = true;
		if (shipper.ship != NULL)
			drain();
		break;
	}
}

static void
on_ring(void *arg)
{
	(void)arg;
	if (shipper.ship != NULL)
		ship_wake(shipper.ship, false);
}

int
shipper_main(const struct process_env *env)
{
	int err;

	shipper.env = env;
	bind_forget_workers(env->gen);
	err = process_enter(env, "shipper", on_order, NULL);
	if (err == 0)
		err = zone_listen(env->zone, env->slot, on_ring, NULL);
	if (err == 0)
		err = task_go("start", start_task, NULL, NULL);
	if (err != 0) {
		log_event(LOG_ERROR, "shipper", "cannot start", LOG_ERR(err), LOG_END);
		return EXIT_START;
	}
	return loop_run() == 0 ? shipper.status : EXIT_START;
}

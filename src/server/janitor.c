/*
 * The janitor: does what is due now and then for all processes. Its life from fork to exit; the
 * jobs are those of zone/janitor.h. What it does must be able to wait: while it is dead, nobody
 * else does.
 */
#include "zone/janitor.h"

#include "base/log.h"
#include "server/bind.h"
#include "server/process.h"
#include "server/watchdog.h"
#include "task/loop.h"

static struct {
	const struct process_env *env;
	bool started, told; /* told to end */
} janitor;

/* Until when jobs may take to return: at a stop until it must be over, at a reload as long as a stop may take. */
static int64_t
patience(void)
{
	int64_t stop = zone_stop_deadline(janitor.env->zone), now = clock_mono();
	int64_t timeout = core_of(janitor.env->gen->conf)->shutdown_timeout;

	if (stop != 0)
		return stop;
	return timeout < CLOCK_NEVER - now ? now + timeout : CLOCK_NEVER;
}

static void
end_task(void *arg)
{
	(void)arg;
	janitor_end(patience());
	loop_stop();
}

static void
end(void)
{
	if (task_go("end", end_task, NULL, NULL) != 0)
		loop_stop();
}

static void
start_task(void *arg)
{
	(void)arg;
	janitor_start(janitor.env->gen->conf);
	watchdog_start(janitor.env->zone, janitor.env->slot);
	janitor.started = true;
	if (janitor.told)
		end();
}

/* ORDER_STOP and ORDER_DRAIN are the same to it. */
static void
on_order(int order, void *arg)
{
	(void)arg;
	if ((order != ORDER_STOP && order != ORDER_DRAIN) || janitor.told)
		return;
	janitor.told = true;
	if (janitor.started)
		end();
}

static void
on_ring(void *arg)
{
	(void)arg;
}

int
janitor_main(const struct process_env *env)
{
	int err;

	janitor.env = env;
	bind_forget(env->gen);
	err = process_enter(env, "janitor", on_order, NULL);
	if (err == 0)
		err = zone_listen(env->zone, env->slot, on_ring, NULL);
	if (err == 0)
		err = task_go("start", start_task, NULL, NULL);
	if (err != 0) {
		log_event(LOG_ERROR, "janitor", "cannot start", LOG_ERR(err), LOG_END);
		return EXIT_START;
	}
	return loop_run() == 0 ? EXIT_CLEAN : EXIT_START;
}

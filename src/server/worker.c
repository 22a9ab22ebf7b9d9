/*
 * A worker: accepts, serves, stores. Everything it does is in the layers below; this is its life from fork to exit.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "gate/auth.h"
#include "gate/limit.h"
#include "http/metrics.h"
#include "ingest/ingest.h"
#include "server/bind.h"
#include "server/process.h"
#include "server/version.h"
#include "status/figures.h"
#include "task/loop.h"

static struct {
	const struct process_env *env;
	bool stopping;
} worker;

/* Until when connections may finish what they have. A tenth of the time-out is left for sealing; the master ends us if it passes. The bound is ours because
 * a reload's old workers, and those of a master that died, have nobody else to end them. */
static int64_t
patience(void)
{
	int64_t timeout = core_of(worker.env->gen->conf)->shutdown_timeout;
	int64_t now = clock_mono();

	timeout -= timeout / 10;
	return timeout < CLOCK_NEVER - now ? now + timeout : CLOCK_NEVER;
}

/* Finish requests in flight, seal, exit. */
static void
stop_task(void *arg)
{
	int64_t end = patience();

	(void)arg;
	http_drain();
	/* The accepting tasks let go of their descriptors first. */
	if (task_yield() == 0)
		bind_forget(worker.env->gen);
	while (http_connections() > 0 && clock_mono() < end)
		if (task_sleep_until(clock_mono() + 5 * NS_PER_MS) != 0)
			break;
	if (http_connections() > 0)
		log_event(LOG_WARN, "worker", "connections cut: worker_shutdown_timeout has passed",
		    LOG_I("open", http_connections()), LOG_END);
	ingest_close(CLOCK_NEVER);
	loop_stop();
}

static void
on_order(int order, void *arg)
{
	(void)arg;
	if (order != ORDER_STOP || worker.stopping)
		return;
	worker.stopping = true;
	if (task_go("stop", stop_task, NULL, NULL) != 0)
		loop_stop();
}

static void
on_ring(void *arg)
{
	(void)arg;
}

/* As many as the configuration says, or as there are descriptors, less some for files and sockets of our own. */
static unsigned
connection_limit(const struct core_conf *core)
{
	struct rlimit files;

	if (core->worker_connections > 0)
		return (unsigned)core->worker_connections;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > UINT_MAX)
		return UINT_MAX;
	return files.rlim_cur > 128 ? (unsigned)files.rlim_cur - 64 : 64;
}

/* What health and the admin API show of the server. */
static void
introduce(const struct process_env *env)
{
	static struct figures_server server;
	const struct core_conf *core = core_of(env->gen->conf);

	server = (struct figures_server){ .conf = env->gen->conf,
		.zone = env->zone,
		.state_dir = core->state_dir,
		.error_log = str_is(core->error_log, "stderr") ? STR("") : core->error_log,
		.version = SLUICE_VERSION,
		.started = env->gen->started,
		.configuration = env->gen->number,
		.workers = (unsigned)core->workers };
	figures_open(&server);
}

static int
serve(const struct process_env *env)
{
	const struct generation *gen = env->gen;
	uint32_t life = atomic_load(&zone_slot(env->zone, env->slot)->generation);
	int err = zone_listen(env->zone, env->slot, on_ring, NULL);

	if (err == 0)
		err = http_metrics_start();
	if (err == 0)
		err = ingest_open(gen->conf, env->zone, env->keys, env->slot, life);
	if (err == 0)
		err = auth_start(gen->conf);
	limit_start(gen->conf, env->slot);
	introduce(env);
	http_limit_connections(connection_limit(core_of(gen->conf)));
	bind_forget_others(gen, env->index);
	for (unsigned i = 0; i < gen->n_fds && err == 0; i++)
		if (gen->fds[i].fd >= 0)
			err = http_serve(gen->fds[i].fd, gen->fds[i].listen);
	return err;
}

int
worker_main(const struct process_env *env)
{
	int err = process_enter(env, "worker", on_order, NULL);

	worker.env = env;
	if (err == 0)
		err = serve(env);
	if (err != 0) {
		log_event(LOG_ERROR, "worker", "cannot start", LOG_ERR(err), LOG_END);
		return EXIT_START;
	}
	log_event(LOG_DEBUG, "worker", "started", LOG_I("slot", env->slot), LOG_END);
	return loop_run() == 0 ? EXIT_CLEAN : EXIT_START;
}

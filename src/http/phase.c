/*
 * What upper layers hang around every request: what is to be known first (the client's address),
 * phases before its handler (limits, auth),
 * counts before the end of its answer, logs after it. Filled by the modules before serving.
 */
#include "http/http_priv.h"

#define ROUTED_MAX 4
#define PHASES_MAX 12
#define COUNTS_MAX 8
#define LOGS_MAX 4

static http_routed_fn *routed[ROUTED_MAX];
static http_phase_fn *phases[PHASES_MAX];
static http_count_fn *counts[COUNTS_MAX];
static http_log_fn *logs[LOGS_MAX];
static unsigned n_routed, n_phases, n_counts, n_logs, n_contexts;

void
http_add_routed(http_routed_fn *fn)
{
	assert(n_routed < ROUTED_MAX);
	routed[n_routed++] = fn;
}

void
http_run_routed(struct http_request *r)
{
	for (unsigned i = 0; i < n_routed; i++)
		routed[i](r);
}

void
http_add_phase(http_phase_fn *fn)
{
	assert(n_phases < PHASES_MAX);
	phases[n_phases++] = fn;
}

void
http_add_count(http_count_fn *fn)
{
	assert(n_counts < COUNTS_MAX);
	counts[n_counts++] = fn;
}

void
http_add_log(http_log_fn *fn)
{
	assert(n_logs < LOGS_MAX);
	logs[n_logs++] = fn;
}

int
http_run_phases(struct http_request *r)
{
	int done = 0;

	for (unsigned i = 0; i < n_phases && !done; i++)
		done = phases[i](r);
	return done;
}

unsigned
http_context_new(void)
{
	assert(n_contexts < HTTP_CONTEXTS_MAX);
	return n_contexts++;
}

void
http_run_counts(struct http_request *r)
{
	int64_t duration;

	if (r->conn->work->counted)
		return;
	r->conn->work->counted = true;
	duration = n_counts ? clock_mono() - r->start : 0;
	for (unsigned i = 0; i < n_counts; i++)
		counts[i](r, duration);
}

int64_t
http_request_time(const struct http_request *r)
{
	int64_t ended = r->conn->work->ended;

	return (ended ? ended : clock_mono()) - r->start;
}

void
http_run_logs(struct http_request *r)
{
	int64_t duration;

	if (n_logs == 0)
		return;
	r->conn->work->ended = clock_mono();
	duration = http_request_time(r);
	for (unsigned i = 0; i < n_logs; i++)
		logs[i](r, duration);
}

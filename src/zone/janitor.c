/*
 * See janitor.h. Jobs are rows of a table that only grows, as long as the janitor lives.
 */
#include "zone/janitor.h"

#include "base/log.h"

struct job {
	const char *name;
	int64_t interval; /* 0: at the end */
	void (*run)(void *arg);
	void *arg;
	struct task_handle task;
};

static void (*setups[JANITOR_SETUPS_MAX])(struct conf *c);
static unsigned n_setups;

static struct {
	struct job jobs[JANITOR_JOBS_MAX];
	unsigned n;
	bool ending;
} janitor;

void
janitor_register(void (*setup)(struct conf *c))
{
	for (unsigned i = 0; i < n_setups; i++)
		if (setups[i] == setup)
			return;
	assert(n_setups < JANITOR_SETUPS_MAX);
	setups[n_setups++] = setup;
}

static void
periodic(void *arg)
{
	struct job *job = arg;

	while (task_sleep_until(clock_mono() + job->interval) == 0)
		job->run(job->arg);
}

static int
add(const struct job *job)
{
	struct job *added = &janitor.jobs[janitor.n];
	int err = 0;

	if (janitor.n == JANITOR_JOBS_MAX || janitor.ending)
		return ERR_BUSY;
	*added = *job;
	if (job->interval > 0)
		err = task_go(job->name, periodic, added, &added->task);
	if (err == 0)
		janitor.n++;
	return err;
}

int
janitor_add(const char *name, int64_t interval, void (*run)(void *arg), void *arg)
{
	assert(interval > 0);
	return add(&(struct job){ .name = name, .interval = interval, .run = run, .arg = arg });
}

int
janitor_at_end(const char *name, void (*run)(void *arg), void *arg)
{
	return add(&(struct job){ .name = name, .run = run, .arg = arg });
}

void
janitor_start(struct conf *c)
{
	janitor.n = 0;
	janitor.ending = false;
	for (unsigned i = 0; i < n_setups; i++)
		setups[i](c);
}

void
janitor_end(int64_t deadline)
{
	janitor.ending = true;
	for (unsigned i = 0; i < janitor.n; i++)
		if (janitor.jobs[i].interval > 0)
			task_cancel(janitor.jobs[i].task);
	for (unsigned i = 0; i < janitor.n; i++) {
		struct job *job = &janitor.jobs[i];

		if (job->interval > 0 && task_join(job->task, deadline) != 0)
			log_event(LOG_WARN, "janitor", "job does not end", LOG_S("job", job->name),
			    LOG_END);
	}
	for (unsigned i = 0; i < janitor.n; i++)
		if (janitor.jobs[i].interval == 0)
			janitor.jobs[i].run(janitor.jobs[i].arg);
}

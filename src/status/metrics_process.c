/*
 * Families of the processes: who is there and gives signs of life, and what the kernel says each uses, under Prometheus's usual names with
 * role and slot beside them. The kernel is asked on a helper. See metrics.h.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "status/figures.h"
#include "status/metrics.h"
#include "status/metrics_families.h"
#include "status/procfs.h"
#include "task/task.h"

#define LABELS_MAX 48

struct one {
	struct figures_process p;
	struct procfs use;
	char labels[LABELS_MAX]; /* role and slot */
};

struct all {
	unsigned n;
	struct one of[];
};

static struct all *
list(void)
{
	unsigned slot = 0, most = zone_slots(figures_server()->zone);
	struct all *all = calloc(1, sizeof(*all) + most * sizeof(all->of[0]));

	while (all && all->n < most && figures_next_process(&slot, &all->of[all->n].p)) {
		struct one *o = &all->of[all->n++];
		struct buf labels;

		buf_init_fixed(&labels, o->labels, sizeof(o->labels));
		prom_label(&labels, "role", str_of(o->p.role));
		buf_printf(&labels, ",slot=\"%u\"", o->p.slot);
		(void)buf_cstr(&labels);
	}
	return all;
}

static int
ask_kernel(void *arg)
{
	struct all *all = arg;

	for (unsigned i = 0; i < all->n; i++)
		procfs_read(all->of[i].p.pid, &all->of[i].use);
	return 0;
}

/* ---- signs of life ---- */

static void
put_up(struct prom *p, const struct all *all)
{
	metrics_family(p, FAMILY_PROCESS_UP);
	for (unsigned i = 0; i < all->n; i++) {
		enum figures_state state = all->of[i].p.state;

		prom_count(p, str_of(all->of[i].labels),
		    state == FIGURES_RUNNING || state == FIGURES_STOPPING);
	}
}

static void
put_heartbeats(struct prom *p, const struct all *all)
{
	metrics_family(p, FAMILY_HEARTBEAT_AGE);
	for (unsigned i = 0; i < all->n; i++)
		if (all->of[i].p.heartbeat_age >= 0)
			prom_sample(p, str_of(all->of[i].labels),
			    all->of[i].p.heartbeat_age / NS_PER_MS, 3);
}

static void
put_workers(struct prom *p)
{
	metrics_family(p, FAMILY_WORKERS);
	prom_count(p, STR(""), figures_workers());
	metrics_family(p, FAMILY_WORKERS_WANTED);
	prom_count(p, STR(""), figures_server()->workers);
}

/* ---- what they use ---- */

/* UTC seconds, the same at each scrape; -1: not known. */
static int64_t
started(const struct figures_process *p)
{
	static int64_t offset;

	if (offset == 0)
		offset = clock_wall() - clock_mono();
	if (p->pid == 0 || p->uptime < 0)
		return -1;
	return (clock_mono() - p->uptime + offset) / NS_PER_S;
}

static int64_t
most_fds(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur <= INT64_MAX
		   ? (int64_t)files.rlim_cur
		   : -1;
}

/* Each family: what it shows of a process; -1: nothing. */
static const struct use {
	enum metrics_family family;
	unsigned decimals;
	size_t offset; /* of an int64_t in struct procfs */
} uses[] = {
	{ FAMILY_CPU, 3, offsetof(struct procfs, cpu_ms) },
	{ FAMILY_RESIDENT, 0, offsetof(struct procfs, resident) },
	{ FAMILY_VIRTUAL, 0, offsetof(struct procfs, virtual) },
	{ FAMILY_THREADS, 0, offsetof(struct procfs, threads) },
	{ FAMILY_OPEN_FDS, 0, offsetof(struct procfs, fds) },
};

static void
put_use(struct prom *p, const struct all *all, const struct use *u)
{
	metrics_family(p, u->family);
	for (unsigned i = 0; i < all->n; i++) {
		int64_t value;

		memcpy(&value, (const char *)&all->of[i].use + u->offset, sizeof(value));
		if (value >= 0 && all->of[i].p.pid != 0)
			prom_sample(p, str_of(all->of[i].labels), value, u->decimals);
	}
}

static void
put_limits(struct prom *p, const struct all *all)
{
	int64_t most = most_fds();

	metrics_family(p, FAMILY_MAX_FDS);
	for (unsigned i = 0; i < all->n && most >= 0; i++)
		if (all->of[i].p.pid != 0)
			prom_sample(p, str_of(all->of[i].labels), most, 0);
	metrics_family(p, FAMILY_PROCESS_START);
	for (unsigned i = 0; i < all->n; i++)
		if (started(&all->of[i].p) >= 0)
			prom_sample(p, str_of(all->of[i].labels), started(&all->of[i].p), 0);
}

void
metrics_collect_processes(struct prom *p)
{
	struct all *all = list();

	if (all == NULL)
		return;
	put_up(p, all);
	put_heartbeats(p, all);
	put_workers(p);
	if (offload(OFFLOAD_MISC, ask_kernel, all) == 0)
		for (size_t i = 0; i < ARRAY_LEN(uses); i++)
			put_use(p, all, &uses[i]);
	put_limits(p, all);
	free(all);
}

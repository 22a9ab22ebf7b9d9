/*
 * Families of the processes: who is there and gives signs of life, and what the kernel says each uses, under Prometheus's usual names with
 * role and slot beside them. The kernel is asked on a helper. See metrics.h.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "status/figures.h"
#include "status/metrics.h"
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
	prom_family(p, "sluice_process_up", METRIC_GAUGE,
	    "1 while the process is there and gave a sign of life within 5 seconds; else 0.");
	for (unsigned i = 0; i < all->n; i++) {
		enum figures_state state = all->of[i].p.state;

		prom_count(p, str_of(all->of[i].labels),
		    state == FIGURES_RUNNING || state == FIGURES_STOPPING);
	}
}

static void
put_heartbeats(struct prom *p, const struct all *all)
{
	prom_family(p, "sluice_process_heartbeat_age_seconds", METRIC_GAUGE,
	    "Time since the process's last sign of life; it gives one a second.");
	for (unsigned i = 0; i < all->n; i++)
		if (all->of[i].p.heartbeat_age >= 0)
			prom_sample(p, str_of(all->of[i].labels),
			    all->of[i].p.heartbeat_age / NS_PER_MS, 3);
}

static void
put_workers(struct prom *p)
{
	prom_family(p, "sluice_workers", METRIC_GAUGE,
	    "Workers of the configuration in force that give signs of life.");
	prom_count(p, STR(""), figures_workers());
	prom_family(p, "sluice_workers_wanted", METRIC_GAUGE,
	    "Workers that the configuration in force asks for.");
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
	const char *name;
	enum metric_type type;
	unsigned decimals;
	size_t offset; /* of an int64_t in struct procfs */
	const char *help;
} uses[] = {
	{ "process_cpu_seconds_total", METRIC_COUNTER, 3, offsetof(struct procfs, cpu_ms),
	    "Processor time used, user and system." },
	{ "process_resident_memory_bytes", METRIC_GAUGE, 0, offsetof(struct procfs, resident),
	    "Memory resident, the shared zone included." },
	{ "process_virtual_memory_bytes", METRIC_GAUGE, 0, offsetof(struct procfs, virtual),
	    "Address space in use." },
	{ "process_threads", METRIC_GAUGE, 0, offsetof(struct procfs, threads),
	    "Threads, helpers included." },
	{ "process_open_fds", METRIC_GAUGE, 0, offsetof(struct procfs, fds), "Open descriptors." },
};

static void
put_use(struct prom *p, const struct all *all, const struct use *u)
{
	prom_family(p, u->name, u->type, u->help);
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

	prom_family(p, "process_max_fds", METRIC_GAUGE, "Most descriptors a process may open.");
	for (unsigned i = 0; i < all->n && most >= 0; i++)
		if (all->of[i].p.pid != 0)
			prom_sample(p, str_of(all->of[i].labels), most, 0);
	prom_family(p, "process_start_time_seconds", METRIC_GAUGE,
	    "When the process began, in seconds since 1970.");
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

/*
 * How many cores we may use: the scheduler's affinity mask, and the CPU quota of our cgroup (version 2, then 1), as container engines set it.
 */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "server/core.h"

/* Two numbers of a file such as cpu.max ("200000 100000", "max 100000"): quota / period rounded up, or 0. */
static unsigned
quota_of(const char *quota_path, const char *period_path)
{
	long quota = 0, period = 0;
	FILE *f = fopen(quota_path, "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld %ld", &quota, &period) < 1)
		quota = 0;
	fclose(f);
	if (period_path != NULL && (f = fopen(period_path, "re")) != NULL) {
		if (fscanf(f, "%ld", &period) != 1)
			period = 0;
		fclose(f);
	}
	return quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

static unsigned
affinity(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

unsigned
core_cpus(void)
{
	unsigned n = affinity();
	unsigned quota = quota_of("/sys/fs/cgroup/cpu.max", NULL);

	if (quota == 0)
		quota = quota_of(
		    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us");
	if (quota > 0 && quota < n)
		n = quota;
	return n > 256 ? 256 : n;
}

/*
 * What the kernel says of a process: from /proc, where there is one. For metrics_process.c.
 */
#ifndef SLUICE_STATUS_PROCFS_H
#define SLUICE_STATUS_PROCFS_H

#include "base/base.h"

/* -1: not known (no /proc, no permission, the process is gone). */
struct procfs {
	int64_t cpu_ms;            /* user and system, all threads */
	int64_t resident, virtual; /* bytes */
	int64_t threads, fds;
};

/* Blocks. */
void procfs_read(int32_t pid, struct procfs *out);
/* The text of /proc/PID/stat, pure. */
void procfs_parse_stat(struct str text, int64_t ticks_a_second, int64_t page, struct procfs *out);

#endif

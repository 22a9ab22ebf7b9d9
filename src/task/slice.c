/*
 * See slice.h. On Linux from 6.12 on, sched_runtime of an ordinary thread is the slice it asks for (kernel documentation, "EEVDF Scheduler"); older kernels ignore it.
 */
#include "task/slice.h"

#ifdef __linux__

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHORT_SLICE_NS 100000 /* the least that the kernel grants */

/* The kernel's struct sched_attr, first version. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

void
slice_ask_short(void)
{
	struct attr attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0 || attr.policy != 0)
		return;
	attr.size = sizeof(attr);
	attr.runtime = SHORT_SLICE_NS;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

#else

void
slice_ask_short(void)
{
}

#endif

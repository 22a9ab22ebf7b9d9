/*
 * What AddressSanitizer and valgrind must be told about stacks and switches, as empty functions in ordinary builds.
 * Callers: task.c around each switch, stack.c for each stack.
 */
#ifndef SLUICE_TASK_FIBER_H
#define SLUICE_TASK_FIBER_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif

#if defined(FIBER_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#define FIBER_STACK_SIZE (256 * 1024) /* redzones make frames several times as large */
#define FIBER_UNCHECKED __attribute__((no_sanitize("address")))

/* Before a switch: where the running stack keeps its fake stack (NULL: it ends here) and the stack that comes. */
static inline void
fiber_leave(void **fake, const void *low, size_t size)
{
	__sanitizer_start_switch_fiber(fake, low, size);
}

/* After a switch: the fake stack kept by fiber_leave, and, if wanted, the stack that we come from. */
static inline void
fiber_enter(void *fake, const void **from_low, size_t *from_size)
{
	__sanitizer_finish_switch_fiber(fake, from_low, from_size);
}

static inline void
fiber_forget(void *low, size_t size)
{
	__asan_unpoison_memory_region(low, size);
}
#else
#define FIBER_STACK_SIZE (64 * 1024)
#define FIBER_UNCHECKED

static inline void
fiber_leave(void **fake, const void *low, size_t size)
{
	(void)fake, (void)low, (void)size;
}

static inline void
fiber_enter(void *fake, const void **from_low, size_t *from_size)
{
	(void)fake, (void)from_low, (void)from_size;
}

/* What the ended task left on its stack is no longer anything's. */
static inline void
fiber_forget(void *low, size_t size)
{
	(void)low, (void)size;
}
#endif

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#define FIBER_VALGRIND 1
#endif
#endif

#if defined(FIBER_VALGRIND)
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>

static inline unsigned
fiber_register(void *low, void *high)
{
	return VALGRIND_STACK_REGISTER(low, high);
}

static inline void
fiber_unregister(unsigned id)
{
	VALGRIND_STACK_DEREGISTER(id);
}

/* The bytes may be read although no frame holds them now. */
static inline void
fiber_readable(const void *p, size_t n)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, n);
}
#else
static inline unsigned
fiber_register(void *low, void *high)
{
	(void)low, (void)high;
	return 0;
}

static inline void
fiber_unregister(unsigned id)
{
	(void)id;
}

static inline void
fiber_readable(const void *p, size_t n)
{
	(void)p, (void)n;
}
#endif

#endif

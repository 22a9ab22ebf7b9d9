/*
 * What AddressSanitizer must be told about memory that we hand out ourselves, as empty functions in ordinary builds.
 */
#ifndef SLUICE_BASE_POISON_H
#define SLUICE_BASE_POISON_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POISON_ASAN 1
#endif

#if defined(POISON_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>

/* Nobody may touch it until it is unpoisoned. */
static inline void
poison(void *p, size_t n)
{
	__asan_poison_memory_region(p, n);
}

static inline void
unpoison(void *p, size_t n)
{
	__asan_unpoison_memory_region(p, n);
}

/* It holds pointers to the heap: what they point to is no leak. */
static inline void
poison_root(const void *p, size_t n)
{
	__lsan_register_root_region(p, n);
}
#else
static inline void
poison(void *p, size_t n)
{
	(void)p, (void)n;
}

static inline void
unpoison(void *p, size_t n)
{
	(void)p, (void)n;
}

static inline void
poison_root(const void *p, size_t n)
{
	(void)p, (void)n;
}
#endif

#endif

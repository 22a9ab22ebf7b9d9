/*
 * Input for parsers between two unreadable pages: reading one byte beyond either end of a placed
 * text is a SIGSEGV, with or without sanitizers.
 *
 *	struct guard g;
 *	guard_init(&g, 4096);
 *	parse(guard_tail(&g, text));      its last byte is the last readable one
 *	parse(guard_front(&g, text));     its first byte is the first readable one
 *	guard_fini(&g);
 */
#ifndef SLUICE_TEST_GUARD_H
#define SLUICE_TEST_GUARD_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

struct guard {
	char *map; /* page, room, page */
	size_t page;
	size_t room; /* readable bytes, whole pages */
};

static inline void
guard_init(struct guard *g, size_t max)
{
	g->page = (size_t)sysconf(_SC_PAGESIZE);
	g->room = (max / g->page + 1) * g->page;
	g->map = mmap(NULL, g->room + 2 * g->page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->map == MAP_FAILED || mprotect(g->map, g->page, PROT_NONE) ||
	    mprotect(g->map + g->page + g->room, g->page, PROT_NONE)) {
		perror("guard_init");
		abort();
	}
}

static inline void
guard_fini(struct guard *g)
{
	munmap(g->map, g->room + 2 * g->page);
}

static inline struct str
guard_tail(struct guard *g, struct str s)
{
	char *to = g->map + g->page + g->room - s.n;

	assert(s.n <= g->room);
	if (s.n)
		memcpy(to, s.p, s.n);
	return str_make(to, s.n);
}

static inline struct str
guard_front(struct guard *g, struct str s)
{
	char *to = g->map + g->page;

	assert(s.n <= g->room);
	if (s.n)
		memcpy(to, s.p, s.n);
	return str_make(to, s.n);
}

#endif

/*
 * The arena: a list of blocks, the newest handing out memory from its front; a request larger than
 * a block gets one of its own. Called for configurations and requests.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 1024, LAST_BLOCK = 64 * 1024, ALIGN = alignof(max_align_t) };

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	alignas(max_align_t) char mem[];
};

void
arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max, .block = FIRST_BLOCK };
}

void
arena_fini(struct arena *a)
{
	struct arena_block *b = a->head, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	arena_init(a, a->max);
}

/* A block with room for n bytes. It becomes the head, except that a big one goes behind a head that
 * still has room. */
static struct arena_block *
add_block(struct arena *a, size_t n)
{
	bool big = n > a->block / 4 && a->head;
	size_t cap = big ? n : MAX(n, a->block);
	struct arena_block *b = malloc(sizeof(*b) + cap);

	if (!b)
		return NULL;
	b->used = 0;
	b->cap = cap;
	if (big) {
		b->next = a->head->next;
		a->head->next = b;
		return b;
	}
	b->next = a->head;
	a->head = b;
	a->block = MIN(a->block * 2, (size_t)LAST_BLOCK);
	return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	if (a->failed || n > SIZE_MAX / 2)
		goto fail;
	n = (MAX(n, (size_t)1) + ALIGN - 1) / ALIGN * ALIGN;
	if (a->max && n > a->max - a->used)
		goto fail;
	if (!b || n > b->cap - b->used)
		b = add_block(a, n);
	if (!b)
		goto fail;
	p = b->mem + b->used;
	b->used += n;
	a->used += n;
	return memset(p, 0, n);
fail:
	a->failed = true;
	return NULL;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (!p)
		return str_make(NULL, 0);
	if (s.n)
		memcpy(p, s.p, s.n);
	return str_make(p, s.n);
}

char *
arena_strz(struct arena *a, struct str s)
{
	return (char *)(uintptr_t)arena_str(a, s).p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	char *p;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0) {
		a->failed = true;
		return NULL;
	}
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(args, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, args);
	va_end(args);
	return p;
}

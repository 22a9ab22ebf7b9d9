/*
 * Stacks. Each is a mapping of its own:
 *
 *	low address                                                    high
 *	| guard, no access | stack, growing down ...  first frame | struct task |
 *
 * which the kernel counts as two maps. Stacks of ended tasks stay warm and are taken again last in, first out. They do not
 * keep memory for ever: one found touched deeper than KEEP when it is returned gives back what lies below, and
 * once a second those that nobody needed since the second before are unmapped. Caller: task.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/mman.h>

#include "task/fiber.h"
#include "task/switch.h"
#include "task/task_priv.h"

#ifndef MAP_STACK
#define MAP_STACK 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define KEEP (16 * 1024) /* bytes at the top that a warm stack keeps */
#define PROBE \
	(2048 + 64) /* a frame is at most 2048 bytes, so this many hold a return address if used */
#define PROBE_EVERY 8      /* tasks run on a stack between two looks */
#define WARM_MIN 16        /* so many are never unmapped */
#define MAPS_DEFAULT 65530 /* Linux's vm.max_map_count where it cannot be read */
#define MAPS_SPARE 2000    /* for libraries, buffers, and the rest of the process */
#define TRIM_INTERVAL (1 * NS_PER_S)

static struct list warm;
static unsigned warm_count, warm_least; /* least: the lowest count since the last trim */
static struct timer trim_timer;
static size_t page_size, guard_size, stack_size, map_size;

static void
trim(struct timer *t)
{
	unsigned surplus = warm_count > WARM_MIN ? warm_count - WARM_MIN : 0;

	for (unsigned n = MIN(warm_least, surplus); n > 0; n--) {
		struct list *coldest = warm.prev;

		list_del(coldest);
		warm_count--;
		stack_unmap(CONTAINER_OF(coldest, struct task, link));
	}
	warm_least = warm_count;
	if (warm_count > WARM_MIN)
		timer_set(t, clock_cached_mono() + TRIM_INTERVAL);
}

int
stack_init(size_t size)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	guard_size = page_size;
	stack_size = size ? size : FIBER_STACK_SIZE;
	map_size = guard_size + (stack_size + page_size - 1) / page_size * page_size;
	list_init(&warm);
	warm_count = warm_least = 0;
	trim_timer = (struct timer){ .fire = trim };
	return 0;
}

void
stack_fini(void)
{
	struct list *node;

	timer_clear(&trim_timer);
	while ((node = list_pop(&warm)))
		stack_unmap(CONTAINER_OF(node, struct task, link));
	warm_count = 0;
}

void
stack_unmap(struct task *t)
{
	char *map = t->low - guard_size;

	fiber_unregister(t->valgrind_id);
	fiber_forget(t->low, t->size);
	munmap(map, map_size);
}

static struct task *
map_stack(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE;
	char *map = mmap(NULL, map_size, PROT_NONE, flags, -1, 0);
	struct task *t;

	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map + guard_size, map_size - guard_size, PROT_READ | PROT_WRITE) != 0) {
		munmap(map, map_size);
		return NULL;
	}
	t = (struct task *)(void *)(map + (map_size - sizeof(*t)) / 64 * 64);
	t->low = map + guard_size;
	t->size = (size_t)((char *)t - t->low);
	t->valgrind_id = fiber_register(t->low, t);
	t->context = switch_make(t->low, t->size, task_main);
	if (!t->context) {
		stack_unmap(t);
		return NULL;
	}
	return t;
}

struct task *
stack_take(void)
{
	struct list *node = list_pop(&warm);

	if (!node)
		return map_stack();
	if (--warm_count < warm_least)
		warm_least = warm_count;
	return CONTAINER_OF(node, struct task, link);
}

/* True if the stack was used below its top KEEP bytes. Frames are aligned to 16 bytes with the return address in the upper
 * half, so every second word is enough. Reading a page never touched maps the one page of zeros. */
FIBER_UNCHECKED static bool
touched_deeply(const struct task *t)
{
	const uint64_t *word =
	    (uint64_t *)(void *)(t->low + (map_size - guard_size) - KEEP - PROBE);
	uint64_t a = 0, b = 0, c = 0, d = 0;

	fiber_readable(word, PROBE);
	for (size_t i = 1; i < PROBE / sizeof(*word); i += 8) {
		a |= word[i];
		b |= word[i + 2];
		c |= word[i + 4];
		d |= word[i + 6];
	}
	return (a | b | c | d) != 0;
}

void
stack_give(struct task *t)
{
	fiber_forget(t->low, t->size);
	if (++t->uses % PROBE_EVERY == 0 && map_size - guard_size > KEEP + PROBE &&
	    touched_deeply(t))
		madvise(t->low, map_size - guard_size - KEEP, MADV_DONTNEED);
	list_push_front(&warm, &t->link);
	if (++warm_count > WARM_MIN && !timer_armed(&trim_timer))
		timer_set(&trim_timer, clock_cached_mono() + TRIM_INTERVAL);
}

unsigned
stack_max(void)
{
	long maps = MAPS_DEFAULT;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");

	if (f) {
		if (fscanf(f, "%ld", &maps) != 1 || maps <= 0)
			maps = MAPS_DEFAULT;
		fclose(f);
	}
	return (unsigned)(MIN(MAX(maps - MAPS_SPARE, 512), 1 << 20) / 2);
}

bool
stack_in_guard(const struct task *t, const void *address)
{
	uintptr_t low = (uintptr_t)t->low, at = (uintptr_t)address;

	return at < low && at >= low - guard_size;
}

/*
 * See heap.h. glibc only: other libraries' heaps (musl, the BSDs) do so by themselves.
 */
#include "base/heap.h"

#include "config.h"

#if defined(HAVE_MALLOPT)
#include <malloc.h>

#define LARGE (128 * 1024)

/*
 * One arena: our threads allocate little, and each arena of its own would keep its pages. Large blocks are mappings, also after the first of
 * them was freed (glibc would raise the limit to its size, and from then on keep as much and twice as much at the top of the heap).
 */
void
heap_tune(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
}
#else
void
heap_tune(void)
{
}
#endif

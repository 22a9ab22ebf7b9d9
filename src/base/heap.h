/*
 * The C library's heap, told that this is a server that runs for months: a peak must not become the size it keeps.
 */
#ifndef SLUICE_BASE_HEAP_H
#define SLUICE_BASE_HEAP_H

/* First thing in main(), before threads and large allocations. Where the library has nothing to set, it does nothing. */
void heap_tune(void);

#endif

/*
 * A thread that works in short bursts, and for which others wait, may ask the scheduler for short slices: then it comes to run soon after
 * it is woken, although others keep the cores busy. Its share of the CPU stays the same.
 */
#ifndef SLUICE_TASK_SLICE_H
#define SLUICE_TASK_SLICE_H

/* For the calling thread. Where the system knows no such thing, nothing changes. */
void slice_ask_short(void);

#endif

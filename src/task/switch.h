/*
 * The switch from one stack to another: one file a platform (switch_x86_64.S, switch_aarch64.S, switch_sigaltstack.c),
 * chosen by configure. Callers: task.c, and stack.c for new stacks.
 *
 * A context that is not running is one pointer into its own stack, where the registers that a call preserves are kept. The
 * floating-point control words and the signal mask are the thread's and never switched.
 */
#ifndef SLUICE_TASK_SWITCH_H
#define SLUICE_TASK_SWITCH_H

#include <stddef.h>

/* A context that calls entry, which never returns, on the memory from low on. NULL if it cannot be made. */
void *switch_make(void *low, size_t size, void (*entry)(void));
/* Leaves the running context in *from and goes on with to. Returns when somebody switches back. */
void switch_to(void **from, void *to);

#endif

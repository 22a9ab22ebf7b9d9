/*
 * switch.h with nothing but POSIX: a signal handled on the new memory as its alternate stack leaves a jump buffer
 * there; later a jump goes back in, and entry runs on the handler's stack. A suspended context is a sigjmp_buf on
 * its own stack; the signal mask is neither saved nor restored.
 *
 * The checked longjmp of some C libraries refuses jumps between stacks, so it is turned off here.
 */
#undef _FORTIFY_SOURCE

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include <pthread.h>

#include "task/switch.h"

#define BOUNCE_SIGNAL SIGUSR2 /* blocked, raised and taken here; the previous action is put back */

static sigjmp_buf
    *volatile made; /* where the handler is to leave the new context; NULL once it did */
static void (*entry_of_made)(void);

static void
on_bounce(int signo)
{
	(void)signo;
	if (!made)
		return;
	if (sigsetjmp(*made, 0) == 0) {
		made = NULL;
		return;
	}
	/* Here for the second time, long after the handler returned: only the stack is left of it, so no local is read. */
	entry_of_made();
	abort();
}

/* Takes one signal on the alternate stack that is set up. */
static int
bounce(void)
{
	struct sigaction action = { .sa_handler = on_bounce, .sa_flags = SA_ONSTACK }, old_action;
	sigset_t block, old_mask, wait;

	sigemptyset(&block);
	sigaddset(&block, BOUNCE_SIGNAL);
	sigfillset(&action.sa_mask);
	if (pthread_sigmask(SIG_BLOCK, &block, &old_mask) != 0)
		return -1;
	sigaction(BOUNCE_SIGNAL, &action, &old_action);
	pthread_kill(pthread_self(), BOUNCE_SIGNAL);
	sigfillset(&wait);
	sigdelset(&wait, BOUNCE_SIGNAL);
	while (made)
		sigsuspend(&wait);
	sigaction(BOUNCE_SIGNAL, &old_action, NULL);
	pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
	return 0;
}

void *
switch_make(void *low, size_t size, void (*entry)(void))
{
	uintptr_t top = ((uintptr_t)low + size - sizeof(sigjmp_buf)) & ~(uintptr_t)63;
	stack_t stack = { .ss_sp = low, .ss_size = top - (uintptr_t)low, .ss_flags = 0 }, old;
	void *context = (void *)top;
	int rc;

	if (sigaltstack(&stack, &old) != 0)
		return NULL;
	made = context;
	entry_of_made = entry;
	rc = bounce();
	made = NULL;
	sigaltstack(&old, NULL);
	return rc == 0 ? context : NULL;
}

void
switch_to(void **from, void *to)
{
	sigjmp_buf env;

	*from = &env;
	if (sigsetjmp(env, 0) == 0)
		siglongjmp(*(sigjmp_buf *)to, 1);
}

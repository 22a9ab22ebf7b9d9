/*
 * The loop. One turn: run what is ready (bounded), let the hooks gather what the turn produced, wait once for
 * events, then take in signals, finished jobs and timers, all of which only make tasks ready.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "task/event.h"
#include "task/loop.h"
#include "task/task_priv.h"

#define HOOKS_MAX 4
#define SIGNALS_MAX 65

static struct {
	pid_t owner; /* 0: no loop */
	bool stop;
	struct io waker;
	int waker_fd[2];
	unsigned hooks;
	struct {
		void (*fn)(void *arg);
		void *arg;
	} hook[HOOKS_MAX];
	unsigned signals; /* with a handler */
	void (*on_signal[SIGNALS_MAX])(int signo);
	sigset_t wait_mask;
} loop;

static volatile sig_atomic_t signal_seen, signal_pending[SIGNALS_MAX];

static void
on_wake(struct io *io, unsigned events)
{
	char bytes[64];

	(void)events;
	while (read(io->fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		continue;
	io_unready(io, IO_READ);
}

void
loop_wake(void)
{
	uint64_t one = 1;
	ssize_t n = write(loop.waker_fd[1], &one, sizeof(one));

	(void)n; /* a full pipe wakes as well */
}

static int
open_waker(void)
{
	int rc = event_waker(loop.waker_fd);

	return rc != 0 ? rc : io_add(&loop.waker, loop.waker_fd[0], on_wake);
}

static void
close_all(void)
{
	/* Descriptors and timers first: some lie on the stacks of tasks. */
	io_fini();
	event_fini();
	timer_fini();
	task_fini();
	stack_fini();
	close(loop.waker_fd[0]);
	if (loop.waker_fd[1] != loop.waker_fd[0])
		close(loop.waker_fd[1]);
	memset(&loop, 0, sizeof(loop));
}

int
loop_init(const struct loop_options *opt)
{
	static const struct loop_options none;
	unsigned tasks;
	int rc;

	if (!opt)
		opt = &none;
	if (loop.owner) {
		assert(loop.owner != getpid());
		offload_forget();
		close_all();
	}
	clock_refresh();
	tasks = opt->max_tasks ? opt->max_tasks : stack_max();
	loop.waker_fd[0] = loop.waker_fd[1] = -1;
	loop.owner = getpid();
	if ((rc = stack_init(opt->stack_size)) != 0 || (rc = timer_init(tasks)) != 0 ||
	    (rc = task_init(tasks)) != 0 || (rc = io_init(opt->max_fds)) != 0 ||
	    (rc = event_init()) != 0 || (rc = offload_init()) != 0 || (rc = open_waker()) != 0) {
		close_all();
		return rc;
	}
	return 0;
}

void
loop_fini(void)
{
	if (!loop.owner)
		return;
	assert(loop.owner == getpid());
	offload_fini();
	for (int signo = 1; signo < SIGNALS_MAX; signo++)
		if (loop.on_signal[signo])
			loop_on_signal(signo, NULL);
	close_all();
}

static void
note_signal(int signo)
{
	int saved = errno;

	signal_pending[signo] = 1;
	signal_seen = 1;
	loop_wake();
	errno = saved;
}

static void
take_signals(void)
{
	if (!signal_seen)
		return;
	signal_seen = 0; /* they are blocked here: nothing comes in between */
	for (int signo = 1; signo < SIGNALS_MAX; signo++) {
		if (!signal_pending[signo])
			continue;
		signal_pending[signo] = 0;
		if (loop.on_signal[signo])
			loop.on_signal[signo](signo);
	}
}

int
loop_on_signal(int signo, void (*handler)(int signo))
{
	struct sigaction action = { .sa_handler = handler ? note_signal : SIG_DFL };
	sigset_t one;

	if (signo <= 0 || signo >= SIGNALS_MAX)
		return ERR_BAD;
	loop.signals += (handler != NULL) - (loop.on_signal[signo] != NULL);
	loop.on_signal[signo] = handler;
	sigfillset(&action.sa_mask);
	sigemptyset(&one);
	sigaddset(&one, signo);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	if (sigaction(signo, &action, NULL) != 0)
		return ERR_BAD;
	if (!handler)
		pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &loop.wait_mask);
	for (int i = 1; i < SIGNALS_MAX; i++)
		if (loop.on_signal[i])
			sigdelset(&loop.wait_mask, i);
	return 0;
}

int
loop_before_sleep(void (*fn)(void *arg), void *arg)
{
	if (loop.hooks == HOOKS_MAX)
		return ERR_BUSY;
	loop.hook[loop.hooks].fn = fn;
	loop.hook[loop.hooks++].arg = arg;
	return 0;
}

static int64_t
time_to_sleep(void)
{
	int64_t next = timer_next(), now;

	if (task_any_ready() || !offload_sleep())
		return 0;
	if (next == CLOCK_NEVER)
		return CLOCK_NEVER;
	now = clock_mono();
	return next > now ? next - now : 0;
}

static int
sleep_and_take_in(void)
{
	int rc = event_wait(time_to_sleep(), loop.signals ? &loop.wait_mask : NULL);

	offload_awake();
	clock_refresh();
	take_signals();
	offload_drain();
	timer_run(clock_cached_mono());
	return rc;
}

/* Whether something may still happen; the waker's descriptor alone is nothing. */
static bool
anything_left(bool until_idle)
{
	if (task_count() > 0)
		return true;
	return !until_idle &&
	       (io_count() > 1 || timer_count() > 0 || offload_pending() > 0 || loop.signals > 0);
}

static int
run(bool until_idle)
{
	int rc = 0;

	assert(loop.owner && !task_current);
	loop.stop = false;
	clock_refresh();
	while (rc == 0 && anything_left(until_idle)) {
		task_run_ready();
		for (unsigned i = 0; i < loop.hooks; i++)
			loop.hook[i].fn(loop.hook[i].arg);
		if (loop.stop || !anything_left(until_idle))
			break;
		rc = sleep_and_take_in();
	}
	return rc;
}

int
loop_run(void)
{
	return run(false);
}

int
loop_run_until_idle(void)
{
	return run(true);
}

void
loop_stop(void)
{
	loop.stop = true;
}

unsigned
loop_tasks(void)
{
	return task_count();
}

const char *
loop_backend(void)
{
	return event_name;
}

/*
 * What a crash says: SIGSEGV and SIGBUS run on a stack of their own and name the task whose stack overflowed, or
 * in which a bad address was used; then the signal takes its default action, with a core as the system is set up.
 * Only write(2) is called: nothing else is safe here.
 */
#include <signal.h>
#include <unistd.h>

#include "task/loop.h"
#include "task/task_priv.h"

static char crash_stack[64 * 1024];

static size_t
append(char *line, size_t at, size_t room, const char *text)
{
	for (; *text && at < room; text++)
		line[at++] = *text;
	return at;
}

static size_t
append_hex(char *line, size_t at, size_t room, uintptr_t v)
{
	char digits[2 * sizeof(v) + 1];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do {
		digits[--i] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	return append(line, at, room, &digits[i]);
}

static void
on_crash(int signo, siginfo_t *info, void *context)
{
	const struct task *t = task_current;
	char line[256];
	size_t n = 0, room = sizeof(line) - 1;

	(void)context;
	if (t && stack_in_guard(t, info->si_addr)) {
		n = append(line, n, room, "stack overflow");
	} else {
		n = append(line, n, room, signo == SIGBUS ? "SIGBUS" : "SIGSEGV");
		n = append(line, n, room, " at address 0x");
		n = append_hex(line, n, room, (uintptr_t)info->si_addr);
	}
	if (t) {
		n = append(line, n, room, " in task ");
		n = append(line, n, room, t->name ? t->name : "(no name)");
	}
	line[n++] = '\n';
	signo = write(STDERR_FILENO, line, n) < 0 ? 0 : signo;
	/* SA_RESETHAND: returning repeats the access, which now takes the default action. */
}

void
loop_catch_overflow(void)
{
	stack_t stack = { .ss_sp = crash_stack, .ss_size = sizeof(crash_stack) };
	struct sigaction action = { .sa_sigaction = on_crash,
		.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };

	sigemptyset(&action.sa_mask);
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

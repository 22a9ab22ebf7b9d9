/*
 * See daemon.h. The pipe between the two says all: a byte is "it runs", its end without one is "it is gone".
 */
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int pipe_end = -1; /* ours, while somebody waits */
static bool streams_stay;

static _Noreturn void
wait_for(pid_t child, int fd)
{
	int status;
	ssize_t n;
	char byte;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int
daemon_detach(bool keep_streams)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) != 0)
		return -1;
	pid = fork();
	if (pid > 0) {
		close(fds[1]);
		wait_for(pid, fds[0]);
	}
	close(fds[0]);
	if (pid < 0) {
		int saved = errno;

		close(fds[1]);
		errno = saved;
		return -1;
	}
	(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	pipe_end = fds[1];
	streams_stay = keep_streams;
	(void)setsid();
	return 0;
}

static void
drop_streams(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

void
daemon_ready(void)
{
	if (pipe_end < 0)
		return;
	if (!streams_stay)
		drop_streams();
	(void)!write(pipe_end, "", 1);
	close(pipe_end);
	pipe_end = -1;
}

/* aide.c - see aide.h. */
#include "config.h"

#include "aide.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASK_FD 3

static void ignore_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT,
		SIGTSTP, SIGUSR1, SIGUSR2, SIGPIPE };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		(void)sigaction(numbers[i], &ignore, NULL);
}

/* Nothing of the daemon's stays open: whoever reads its messages to the end
 * waits for the daemon alone. */
static bool keep_only(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd != ASK_FD && dup3(fd, ASK_FD, O_CLOEXEC) < 0)
		return false;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		(void)dup2(null, i);
	return close_range(ASK_FD + 1, ~0U, 0) == 0;
}

int aide_start(struct aide *a, const char *name, aide_work_fn work, void *arg)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	a->pid = fork();
	if (a->pid == 0) {
		(void)close(fds[1]);
		(void)prctl(PR_SET_NAME, name);
		ignore_signals();
		if (keep_only(fds[0]) && chdir("/") == 0)
			work(arg, ASK_FD);
		_exit(0);
	}
	(void)close(fds[0]);
	if (a->pid < 0) {
		int error = errno;

		a->pid = 0;
		(void)close(fds[1]);
		return -error;
	}
	a->fd = fds[1];
	return 0;
}

void aide_finish(struct aide *a)
{
	if (a->pid == 0)
		return;
	(void)close(a->fd);
	a->fd = -1;
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	a->pid = 0;
}

/* detacher.c - see detacher.h. */
#include "config.h"

#include "detacher.h"

#include "fusermount.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASK_FD 3

/* --- its process ---------------------------------------------------------- */

/* Who stops the mount by signals means the daemon, which will ask. */
static void ignore_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT,
		SIGUSR1, SIGUSR2, SIGPIPE };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		(void)sigaction(numbers[i], &ignore, NULL);
}

/* Nothing of the daemon's stays open: whoever reads its messages to the end
 * waits for the daemon alone. */
static bool keep_only(int ask_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (ask_fd != ASK_FD && dup3(ask_fd, ASK_FD, O_CLOEXEC) < 0)
		return false;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	return close_range(ASK_FD + 1, ~0U, 0) == 0;
}

static bool hear(uint64_t *ret_mount_id)
{
	ssize_t n;

	do
		n = read(ASK_FD, ret_mount_id, sizeof(*ret_mount_id));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*ret_mount_id);
}

static _Noreturn void be_detacher(const char *directory, int ask_fd)
{
	const char *program = fusermount_find();
	uint64_t id = 0;

	(void)setsid();
	(void)prctl(PR_SET_NAME, "pycloud-detach");
	ignore_signals();
	if (keep_only(ask_fd) && chdir("/") == 0 && hear(&id) && id != 0 &&
		mountinfo_id(directory) == id && program != NULL)
		(void)execl(program, "fusermount3", "-uzq", "--", directory,
			(char *)NULL);
	_exit(0);
}

/* --- the daemon's side ---------------------------------------------------- */

int detacher_start(struct detacher *d, const char *directory)
{
	int fds[2];

	if (geteuid() == 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	d->pid = fork();
	if (d->pid == 0) {
		(void)close(fds[1]);
		be_detacher(directory, fds[0]);
	}
	(void)close(fds[0]);
	if (d->pid < 0) {
		int error = errno;

		d->pid = 0;
		(void)close(fds[1]);
		return -error;
	}
	d->ask_fd = fds[1];
	return 0;
}

void detacher_finish(struct detacher *d, uint64_t mount_id)
{
	if (d->pid == 0)
		return;
	if (mount_id != 0 && write(d->ask_fd, &mount_id, sizeof(mount_id)) < 0)
		log_debug("there is no detacher any more");
	(void)close(d->ask_fd);
	d->ask_fd = -1;
	while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	d->pid = 0;
}

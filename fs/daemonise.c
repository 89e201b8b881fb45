/* daemonise.c - see daemonise.h. */
#include "config.h"

#include "daemonise.h"

#include "log.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One byte of exit code, then the line. */
#define REPORT_BYTES_MAX 4096

static const int end_signals[] = { SIGINT, SIGTERM, SIGHUP };
static volatile sig_atomic_t waited_for;
static volatile sig_atomic_t was_interrupted;

static void end_signals_set(sigset_t *set)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < G_N_ELEMENTS(end_signals); i++)
		(void)sigaddset(set, end_signals[i]);
}

/* The child may have been told by the terminal, too: once is enough for it. */
static void pass_on(int number)
{
	(void)number;
	was_interrupted = 1;
	(void)kill((pid_t)waited_for, SIGTERM);
}

/* The first one is the child's, which says when it has ended; a second one
 * ends us. Ignored ones (nohup) stay ignored. */
static void pass_signals_on(pid_t child)
{
	struct sigaction action = {
		.sa_handler = pass_on,
		.sa_flags = (int)SA_RESETHAND,
	};

	waited_for = (sig_atomic_t)child;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < G_N_ELEMENTS(end_signals); i++) {
		struct sigaction old;

		if (sigaction(end_signals[i], NULL, &old) == 0 &&
			old.sa_handler != SIG_IGN)
			(void)sigaction(end_signals[i], &action, NULL);
	}
}

static size_t read_report(int fd, char *buffer, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, buffer + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

static void wait_for_child(int fd)
{
	char report[REPORT_BYTES_MAX + 1];
	size_t got = read_report(fd, report, REPORT_BYTES_MAX);

	if (got == 0 && was_interrupted) {
		(void)fputs("mount.pycloud: interrupted\n", stderr);
		_exit(MOUNT_INTERRUPTED);
	}
	if (got == 0) {
		(void)fputs("mount.pycloud: the daemon died before the mount "
			    "was there; try --foreground to see why\n",
			stderr);
		_exit(MOUNT_BUG);
	}
	report[got] = '\0';
	if (got > 1)
		(void)fprintf(stderr, "mount.pycloud: %s\n", report + 1);
	_exit((unsigned char)report[0]);
}

bool daemonise_fork(struct daemonise *d, bool is_foreground)
{
	sigset_t passed_on;
	sigset_t before;
	int fds[2];
	pid_t child;

	d->report_fd = -1;
	if (is_foreground)
		return true;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	/* Blocked until it is clear whom they are for. */
	end_signals_set(&passed_on);
	(void)sigprocmask(SIG_BLOCK, &passed_on, &before);
	child = fork();
	if (child > 0)
		pass_signals_on(child);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return false;
	}
	if (child > 0) {
		(void)close(fds[1]);
		wait_for_child(fds[0]);
	}
	(void)close(fds[0]);
	d->report_fd = fds[1];
	return true;
}

static void report(struct daemonise *d, int code, const char *line)
{
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_append_c(text, (char)code);
	if (line != NULL)
		g_string_append(text, line);
	if (text->len > REPORT_BYTES_MAX)
		g_string_truncate(text, REPORT_BYTES_MAX);
	/* A parent that was killed does not listen; the mount stands. */
	if (write(d->report_fd, text->str, text->len) < 0)
		log_debug("nobody waits for the mount any more");
	(void)close(d->report_fd);
	d->report_fd = -1;
}

static void close_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		(void)close(null);
}

void daemonise_ready(struct daemonise *d)
{
	if (d->report_fd < 0)
		return;
	/* A session of its own: Ctrl-C at the terminal is not for us. Not
	 * before the mount is there: an automount waits for everybody but the
	 * process group that is to mount. */
	(void)setsid();
	/* The daemon must not keep the directory it was started in busy. */
	if (chdir("/") < 0)
		log_warning("cannot change to /: %s", g_strerror(errno));
	if (g_getenv("PYCLOUD_LOG_STDERR") == NULL) {
		log_to_syslog("mount.pycloud");
		close_terminal();
	}
	report(d, MOUNT_OK, NULL);
}

int daemonise_failed(struct daemonise *d, int exit_code, const char *line)
{
	if (d->report_fd >= 0)
		report(d, exit_code, line);
	else
		(void)fprintf(stderr, "mount.pycloud: %s\n", line);
	return exit_code;
}

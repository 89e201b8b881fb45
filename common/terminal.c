/* terminal.c - see terminal.h. */
#include "config.h"

#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* What a terminal takes as one line (N_TTY_BUF_SIZE). */
#define LINE_MAX_BYTES 4096

bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

static void say(const char *text)
{
	/* Who does not see the question will not answer it. */
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static int wait_for_line(const struct cancel *cancel)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = cancel_fd(cancel), .events = POLLIN },
		};
		int rc = cancel_check(cancel);

		if (rc < 0)
			return rc;
		if (poll(p, 2, cancel_remaining_ms(cancel, -1)) < 0 &&
			errno != EINTR)
			return -errno;
		if (p[0].revents != 0 && cancel_check(cancel) == 0)
			return 0;
	}
}

/* How many bytes, without what ends the line. */
static ssize_t read_line(
	const struct cancel *cancel, char line[static LINE_MAX_BYTES])
{
	int rc = wait_for_line(cancel);
	ssize_t n;

	if (rc < 0)
		return rc;
	n = read(STDIN_FILENO, line, LINE_MAX_BYTES);
	if (n < 0)
		return -errno;
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	return n;
}

/* What was typed before the question is not its answer, and is thrown away; so
 * the question comes last, and all that is typed after it is seen. */
static int ask_hidden(const char *prompt, const struct cancel *cancel,
	char line[static LINE_MAX_BYTES])
{
	struct termios before;
	struct termios hidden;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	hidden = before;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ICANON | ISIG;
	/* It would end us, who put it back. */
	hidden.c_cc[VQUIT] = _POSIX_VDISABLE;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
		return -errno;
	say(prompt);
	n = read_line(cancel, line);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	say("\n");
	return (int)n;
}

int terminal_ask_secret(
	const char *prompt, const struct cancel *cancel, struct secret **ret)
{
	char line[LINE_MAX_BYTES];
	int n;

	if (!terminal_is_there())
		return -ENOTTY;
	n = ask_hidden(prompt, cancel, line);
	if (n > 0) {
		*ret = secret_new_phrase(line, (size_t)n);
		secret_wipe(line, sizeof(line));
		return *ret == NULL ? -EINVAL : 0;
	}
	return n == 0 ? -ENOENT : n;
}

int terminal_ask(const char *prompt, const struct cancel *cancel, char **ret)
{
	char line[LINE_MAX_BYTES];
	ssize_t n;

	if (!terminal_is_there())
		return -ENOTTY;
	say(prompt);
	n = read_line(cancel, line);
	if (n <= 0)
		return n == 0 ? -ENOENT : (int)n;
	*ret = g_strndup(line, (gsize)n);
	return 0;
}

/* client_run.c - starting a run and watching it; see client.h. */
#include "config.h"

#include "client.h"
#include "client_show.h"
#include "run_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- starting ------------------------------------------------------------- */

static int explain_start(
	const struct client_mount *m, const char *const *words, int error)
{
	switch (error) {
	case ENOENT:
		return client_error(CLIENT_FAILED,
			"there is no such script in %s: %s", m->directory,
			words[0]);
	case EISDIR:
		return client_error(CLIENT_FAILED,
			"%s is a directory; name a script in it", words[0]);
	case EINVAL:
		return client_error(CLIENT_FAILED,
			"the workspace makes no sense of this command; say "
			"what you would say to python3 (a notebook takes no "
			"arguments)");
	case E2BIG:
		return client_error(CLIENT_FAILED,
			"the command is too long; put the arguments into a "
			"file, or send them by stdin");
	case EAGAIN:
		return client_error(CLIENT_FAILED,
			"too many runs are going on; wait for one, or end one "
			"(`pycloud runs`, `pycloud kill N`)");
	case ETIMEDOUT:
		return client_error(CLIENT_FAILED,
			"the server's Python did not start in time: "
			".pycloud/status in %s says whether the server answers; "
			"if it does, a file there with the name of one of "
			"Python's own modules (random.py, copy.py) may be why",
			m->root);
	case ENOEXEC:
		return client_error(CLIENT_FAILED,
			"the server's Python does not start; a file in %s "
			"with the name of one of Python's own modules "
			"(random.py, copy.py) would be why",
			m->root);
	case EOPNOTSUPP:
		return client_error(CLIENT_FAILED,
			"this server cannot run that: it has no Python "
			"kernels, or may not start them");
	case ENOTCONN:
	case ENODEV:
		return client_error(CLIENT_FAILED,
			"the mount of %s has ended; mount it again (after "
			"fusermount3 -u, if its daemon was killed)",
			m->root);
	case ENOTDIR:
		return client_error(
			CLIENT_FAILED, "%s is no directory", m->directory);
	default:
		return client_error(CLIENT_FAILED,
			"cannot start %s: %s; .pycloud/status in %s says how "
			"the server is",
			words[0], g_strerror(error), m->root);
	}
}

/* The handle that has started it, or -1 with errno. */
static int start(const struct client_mount *m, const char *const *words)
{
	g_autofree char *path = g_build_filename(m->directory, ".run", NULL);
	g_autofree char *line = client_text_line(words);
	int handle = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n;
	int error;

	if (handle < 0)
		return -1;
	/* In one piece: a newline in a word is then one of the word's. Never
	 * again after a failure: it might start twice. */
	n = write(handle, line, strlen(line));
	if (n >= 0)
		return handle;
	error = errno;
	(void)close(handle);
	errno = error;
	return -1;
}

/* --- watching ------------------------------------------------------------- */

static int explain_lost(const struct client_mount *m, const char *number)
{
	g_autofree char *path = client_mount_path(m, number, "status");
	g_autofree char *status = client_text_read(path);
	g_autofree char *why = NULL;

	if (status != NULL)
		why = client_text_value(status, "why");
	return client_error(CLIENT_FAILED, "run %s is lost: %s", number,
		why != NULL ? why : "nobody knows how it ended");
}

static int exit_status(const struct client_mount *m, const char *number)
{
	g_autofree char *path = client_mount_path(m, number, "exit");
	g_autofree char *text = client_text_read(path);
	gint64 status;

	if (text == NULL)
		return client_error(CLIENT_FAILED,
			"cannot read how run %s ended: %s; `pycloud attach "
			"%s` tries again",
			number, g_strerror(errno), number);
	if (!g_ascii_string_to_signed(
		    g_strstrip(text), 10, 0, 255, &status, NULL))
		return explain_lost(m, number);
	if (status == 0 && client_feed_has_failed())
		return CLIENT_FAILED;
	return (int)status;
}

static int explain_output(
	const struct client_mount *m, const char *number, int error)
{
	if (error == ENOTCONN || error == ENODEV || error == ECONNABORTED)
		return client_error(CLIENT_FAILED,
			"the mount of %s has ended, and the run is left alone: "
			"mount it again (after fusermount3 -u, if its daemon "
			"was killed), then `pycloud attach %s`",
			m->root, number);
	return client_error(CLIENT_FAILED,
		"cannot read the output of run %s: %s; the run is left alone, "
		"and `pycloud attach %s` tries again",
		number, g_strerror(error), number);
}

/* A line stands where something is missing, but in stdout there is none: that
 * is the script's to the byte. */
static void tell_missing(const struct client_mount *m, const char *number,
	const struct client_show *show)
{
	g_autofree char *path = client_mount_path(m, number, "status");
	g_autofree char *status = client_text_read(path);
	g_autofree char *text = NULL;
	gint64 written;

	if (status == NULL || show->err < 0)
		return;
	text = client_text_value(status, "stdout_bytes");
	if (text != NULL && g_ascii_string_to_signed(text, 10, show->shown + 1,
				    G_MAXINT64, &written, NULL))
		(void)client_error(CLIENT_FAILED,
			"%" G_GINT64_FORMAT " bytes of the run's stdout are "
			"missing: they were not kept; see run_output_max in "
			"pycloud-run(7)",
			written - show->shown);
}

/* Shows what the run writes until it ends; the exit status. is_brief: what it
 * has written; 0. The handle: what gives it its input, or -1. The number stays
 * as it is to the program's end. */
static int watch(const struct client_mount *m, const char *number, int handle,
	bool is_brief)
{
	static struct client_watch watch;
	struct client_show show;
	int rc;

	watch = (struct client_watch){ m, number, handle < 0 };
	if (!client_signals_start(&watch))
		return explain_output(m, number, EAGAIN);
	rc = client_show_open(m, number, &show);
	if (rc == -ENOENT)
		return client_error(CLIENT_FAILED,
			"there is no run %s; `pycloud runs` lists them",
			number);
	if (rc == 0 && handle >= 0 && !client_feed_start(handle, number))
		rc = -EAGAIN;
	if (rc == 0)
		rc = client_show_all(&show, is_brief);
	if (rc == 0 && is_brief)
		return 0;
	if (rc == 0)
		tell_missing(m, number, &show);
	return rc < 0 ? explain_output(m, number, -rc) : exit_status(m, number);
}

int client_run(const struct client_mount *m, const char *const *words)
{
	int handle = start(m, words);
	static char number[24];
	uint64_t n = 0;

	if (handle < 0)
		return explain_start(m, words, errno);
	if (ioctl(handle, RUN_IOC_NUMBER, &n) < 0)
		return client_error(CLIENT_FAILED,
			"cannot tell which run was started: %s; `pycloud "
			"attach last` shows it",
			g_strerror(errno));
	(void)g_snprintf(number, sizeof(number), "%" PRIu64, n);
	return watch(m, number, handle, false);
}

int client_attach(
	const struct client_mount *m, const char *number, bool is_brief)
{
	g_autofree char *path = client_mount_path(m, number, NULL);
	/* "last" may be another's in a moment. */
	char *real = realpath(path, NULL);
	static char name[24];

	if (real == NULL && errno == ENOENT)
		return client_error(CLIENT_FAILED,
			"there is no run %s; `pycloud runs` lists them",
			number);
	if (real == NULL)
		return explain_output(m, number, errno);
	(void)g_strlcpy(name, strrchr(real, '/') + 1, sizeof(name));
	free(real);
	return watch(m, name, -1, is_brief);
}

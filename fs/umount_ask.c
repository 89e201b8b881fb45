/* umount_ask.c - see umount_ask.h. */
#include "config.h"

#include "umount_ask.h"

#include "mount_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_FORMAT "%u %" PRId64
#define ANSWER_SCAN   "%u %" SCNd64

/* What .pycloud/status and pending may be at most; more is cut off. */
#define TEXT_BYTES_MAX (4 << 20)

/* --- the child ------------------------------------------------------------ */

/* 0 or -errno; a text file of the mount, which ends where it ends. */
static int read_text(const char *path, GString *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buffer[4096];
	ssize_t n = 1;
	int rc = 0;

	if (fd < 0)
		return -errno;
	while (n > 0 && text->len < TEXT_BYTES_MAX) {
		n = read(fd, buffer, sizeof(buffer));
		if (n > 0)
			g_string_append_len(text, buffer, n);
	}
	if (n < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

static int open_note(const char *status)
{
	g_auto(GStrv) lines = g_strsplit(status, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		g_autofree char *path = NULL;

		if (!g_str_has_prefix(*line, "drain: "))
			continue;
		path = g_strcompress(*line + strlen("drain: "));
		return open(
			path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	return -1;
}

/* Lines of path, bytes and more, separated by tabs. */
static void count(const char *pending, struct umount_answer *a)
{
	g_auto(GStrv) lines = g_strsplit(pending, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		const char *tab = strchr(*line, '\t');

		if (tab == NULL)
			continue;
		a->files++;
		a->bytes += g_ascii_strtoll(tab + 1, NULL, 10);
	}
}

static char *look(const char *point, int *ret_fd)
{
	g_autoptr(GString) text = g_string_new(NULL);
	struct umount_answer counted = { 0 };
	int rc = mount_ask_enter(point);

	if (rc == 0)
		rc = read_text(".pycloud/status", text);
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	*ret_fd = open_note(text->str);
	g_string_truncate(text, 0);
	/* The list of all workspaces has none. */
	if (read_text(".pycloud/pending", text) == 0)
		count(text->str, &counted);
	return g_strdup_printf(ANSWER_FORMAT, counted.files, counted.bytes);
}

/* --- the parent ----------------------------------------------------------- */

void umount_ask(const struct mountinfo_entry *e, int limit_ms,
	struct umount_answer *ret)
{
	const char *point = e->point;
	struct mount_seen seen;

	mount_ask_all(look, &point, 1, limit_ms, &seen);
	*ret = (struct umount_answer){ .error = -seen.error,
		.note_fd = seen.fd };
	if (seen.text != NULL &&
		sscanf(seen.text, ANSWER_SCAN, &ret->files, &ret->bytes) != 2)
		ret->error = -EIO;
	g_free(seen.text);
}

/* umount_ask.c - see umount_ask.h. */
#include "config.h"

#include "umount_ask.h"

#include "client.h"
#include "common_limits.h"
#include "drain_note.h"
#include "fs_limits.h"
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

/* --- the child ------------------------------------------------------------ */

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
		gint64 bytes;

		if (tab == NULL)
			continue;
		a->files++;
		/* Whoever unmounts as root reads what a user mounted. */
		bytes = g_ascii_strtoll(tab + 1, NULL, 10);
		bytes = CLAMP(bytes, 0, CONTENTS_FILE_MAX);
		a->bytes = MIN(a->bytes + bytes, PENDING_BYTES_MAX);
	}
}

static char *look(const char *point, int *ret_fd)
{
	g_autofree char *status = NULL;
	g_autofree char *pending = NULL;
	struct umount_answer counted = { 0 };
	int rc = mount_ask_enter(point);

	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	status = client_text_read(".pycloud/status");
	if (status == NULL)
		return NULL;
	*ret_fd = open_note(status);
	/* The list of all workspaces has none. */
	pending = client_text_read(".pycloud/pending");
	if (pending != NULL)
		count(pending, &counted);
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
	if (ret->note_fd >= 0 && !drain_note_may_be_asked(ret->note_fd)) {
		(void)close(ret->note_fd);
		ret->note_fd = -1;
	}
}

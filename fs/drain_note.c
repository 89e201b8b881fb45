/* drain_note.c - see drain_note.h. */
#include "config.h"

#include "drain_note.h"

#include "mountinfo.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* All lines are equally long, so that one write replaces the other. */
#define NOTE_BYTES   40
#define NOTE_FORMAT  "drain %c %10u %20" PRId64 "\n"
#define NOTE_MOUNTED 'm'
#define NOTE_LEFT    'l'

static int note_write(int fd, char state, unsigned files, int64_t bytes)
{
	char line[NOTE_BYTES + 1];
	int length =
		snprintf(line, sizeof(line), NOTE_FORMAT, state, files, bytes);

	if (length != NOTE_BYTES)
		return -EINVAL;
	return pwrite(fd, line, NOTE_BYTES, 0) == NOTE_BYTES ? 0 : -EIO;
}

/* --- the daemon's side ---------------------------------------------------- */

static void remove_if_left_behind(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	if (drain_note_is_over(fd))
		(void)unlink(path);
	(void)close(fd);
}

static void remove_left_behind(const char *directory)
{
	GDir *dir = g_dir_open(directory, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(directory, name, NULL);

		if (g_str_has_prefix(name, DRAIN_NOTE_PREFIX))
			remove_if_left_behind(path);
	}
	if (dir != NULL)
		g_dir_close(dir);
}

/* It gets its name when it is locked, so that nobody takes it for one that was
 * left behind. */
static int make(struct drain_note *n, const char *directory)
{
	g_autofree char *temporary =
		g_strdup_printf("%s/." DRAIN_NOTE_PREFIX "XXXXXX", directory);
	int rc = 0;

	n->path = g_strdup_printf(
		"%s/" DRAIN_NOTE_PREFIX "%ld", directory, (long)getpid());
	n->fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0600);
	if (n->fd < 0)
		return -errno;
	if (flock(n->fd, LOCK_EX | LOCK_NB) < 0)
		rc = -errno;
	if (rc == 0)
		rc = note_write(n->fd, NOTE_MOUNTED, 0, 0);
	if (rc == 0 && rename(temporary, n->path) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlink(temporary);
	return rc;
}

int drain_note_open(struct drain_note *n, const char *directory)
{
	int rc;

	remove_left_behind(directory);
	rc = make(n, directory);
	if (rc < 0) {
		if (n->fd >= 0)
			(void)close(n->fd);
		n->fd = -1;
		g_clear_pointer(&n->path, g_free);
	}
	return rc;
}

void drain_note_describe(const struct drain_note *n, GString *text)
{
	g_autofree char *path = n->path == NULL ? NULL : name_escape(n->path);

	if (path != NULL)
		g_string_append_printf(text, "drain: %s\n", path);
}

void drain_note_tell(struct drain_note *n, unsigned files, int64_t bytes)
{
	if (n->fd >= 0)
		(void)note_write(n->fd, NOTE_LEFT, files, bytes);
}

void drain_note_close(struct drain_note *n)
{
	if (n->path != NULL)
		(void)unlink(n->path);
	g_clear_pointer(&n->path, g_free);
}

/* --- who waits ------------------------------------------------------------ */

/* By the table of mounts, as fstat(2) or fstatfs(2) would wait, too. A mount that
 * the table lacks was detached, or is in a namespace of somebody's own. */
static bool is_served_by_a_user(int fd)
{
	g_autofree char *table = mountinfo_text();
	g_autoptr(GPtrArray) all = mountinfo_parse(table == NULL ? "" : table);
	uint64_t id = mountinfo_id_of(fd);

	for (guint i = 0; i < all->len; i++) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (e->id == id)
			return e->owner != 0;
	}
	return true;
}

bool drain_note_may_be_asked(int fd)
{
	struct stat st;

	/* Whoever waits for a program of his own may end it. */
	if (geteuid() == 0 && is_served_by_a_user(fd))
		return false;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

bool drain_note_read(int fd, struct drain_left *ret)
{
	char line[NOTE_BYTES + 1] = "";
	g_auto(GStrv) words = NULL;
	guint64 files, bytes;

	if (pread(fd, line, NOTE_BYTES, 0) != NOTE_BYTES)
		return false;
	/* As NOTE_FORMAT has it: two numbers, with spaces before them. */
	if (!g_str_has_prefix(line, "drain ") ||
		(line[6] != NOTE_MOUNTED && line[6] != NOTE_LEFT))
		return false;
	words = g_strsplit(g_strstrip(line + 7), " ", 2);
	if (g_strv_length(words) != 2 ||
		!g_ascii_string_to_unsigned(
			words[0], 10, 0, UINT_MAX, &files, NULL) ||
		!g_ascii_string_to_unsigned(
			g_strstrip(words[1]), 10, 0, INT64_MAX, &bytes, NULL))
		return false;
	*ret = (struct drain_left){ .has_begun = line[6] == NOTE_LEFT,
		.files = (unsigned)files,
		.bytes = (int64_t)bytes };
	return true;
}

bool drain_note_is_over(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno != EWOULDBLOCK && errno != EINTR;
	(void)flock(fd, LOCK_UN);
	return true;
}

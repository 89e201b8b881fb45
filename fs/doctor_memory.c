/*
 * doctor_memory.c - pycloud doctor: what workspaces have in the state directory,
 * above all whether something there still waits to be uploaded, and for whom.
 *
 * Bytes that a daemon has are locked. A mount's are its own affair, which
 * doctor_mounts() asks about; a daemon whose mount is gone (umount -f, umount -l)
 * is in no mount table and speaks only by its note (drain_note.h).
 */
#include "config.h"

#include "client.h"
#include "client_ask.h"
#include "doctor.h"
#include "drain_note.h"
#include "fs_limits.h"
#include "local_dirs.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK                                                           \
	"is the disk that holds your home whole, has it room, and is " \
	"that file yours?"
#define UPLOADING                                                       \
	"leave this computer on, and the server reachable, until that " \
	"daemon has ended; what it cannot upload is kept here for the " \
	"workspace's next mount"

struct memory {
	const struct doctor_probe *probe;
	char *locks;	   /* the text of /proc/locks; NULL: unreadable */
	GPtrArray *mounts; /* of struct client_asked; NULL: not asked yet */
};

/* Files of a workspace that are not uploaded yet. */
struct spooled {
	unsigned waiting; /* nobody has them */
	unsigned held;	  /* a daemon has them */
};

/* The daemons of a workspace. */
struct daemons {
	bool are_mounted;	/* one has a mount, or may have */
	bool are_detached;	/* the mount of one is gone */
	struct drain_left left; /* that those say */
};

/* --- files ---------------------------------------------------------------- */

static void read_locks(struct memory *m)
{
	g_clear_pointer(&m->locks, g_free);
	(void)g_file_get_contents("/proc/locks", &m->locks, NULL, NULL);
}

/* Whether somebody holds a lock on the file. Taking one to find out would keep
 * a mount that starts just now from taking the file up. */
static bool is_locked(const char *locks, int directory_fd, const char *name)
{
	struct stat st;
	g_autofree char *inode = NULL;

	if (locks == NULL || fstatat(directory_fd, name, &st, 0) < 0)
		return false;
	inode = g_strdup_printf(":%ju ", (uintmax_t)st.st_ino);
	return strstr(locks, inode) != NULL;
}

static struct spooled count_spooled(const char *locks, const char *state_path)
{
	g_autofree char *spool = g_build_filename(state_path, "spool", NULL);
	GDir *dir = g_dir_open(spool, 0, NULL);
	int fd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct spooled count = { 0 };
	const char *name;

	while (dir != NULL && fd >= 0 &&
		(name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *bytes = NULL;

		if (!g_str_has_suffix(name, ".log"))
			continue;
		bytes = g_strdup_printf(
			"%.*s.data", (int)strlen(name) - 4, name);
		if (is_locked(locks, fd, bytes))
			count.held++;
		else
			count.waiting++;
	}
	if (dir != NULL)
		g_dir_close(dir);
	if (fd >= 0)
		(void)close(fd);
	return count;
}

/* --- daemons -------------------------------------------------------------- */

static bool is_note_of(const struct client_asked *a, const struct stat *note)
{
	g_autofree char *line = client_text_value(a->status, "drain");
	g_autofree char *path = line == NULL ? NULL : g_strcompress(line);
	struct stat st;

	/* One that does not say may be anything. */
	if (path == NULL)
		return a->answer != ANSWER_STALE;
	return stat(path, &st) == 0 && st.st_dev == note->st_dev &&
	       st.st_ino == note->st_ino;
}

/* Whether a mount of the table has that daemon. */
static bool has_mount(struct memory *m, int note_fd)
{
	struct stat st;

	if (fstat(note_fd, &st) < 0)
		return true;
	if (m->mounts == NULL)
		m->mounts = client_ask_mounts(NULL);
	for (guint i = 0; i < m->mounts->len; i++)
		if (is_note_of(m->mounts->pdata[i], &st))
			return true;
	return false;
}

static void take_note(struct memory *m, int fd, struct daemons *d)
{
	struct drain_left left;

	if (drain_note_is_over(fd) || !drain_note_read(fd, &left))
		return;
	if (left.has_begun) {
		d->are_detached = true;
		d->left.files += left.files;
		d->left.bytes += left.bytes;
	} else if (has_mount(m, fd)) {
		d->are_mounted = true;
	} else {
		d->are_detached = true;
	}
}

static struct daemons find_daemons(struct memory *m, const char *state_path)
{
	GDir *dir = g_dir_open(state_path, 0, NULL);
	struct daemons found = { 0 };
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path =
			g_build_filename(state_path, name, NULL);
		int fd;

		if (!g_str_has_prefix(name, DRAIN_NOTE_PREFIX))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		take_note(m, fd, &found);
		(void)close(fd);
	}
	if (dir != NULL)
		g_dir_close(dir);
	return found;
}

/* --- a workspace ---------------------------------------------------------- */

static void tell_waiting(
	const struct doctor_probe *p, unsigned count, const char *path)
{
	doctor_tell(p, DOCTOR_WARN, "not uploaded",
		"mount that workspace again: its next mount uploads them",
		"%u file%s of an earlier mount wait%s in %s/spool", count,
		count == 1 ? "" : "s", count == 1 ? "s" : "", path);
}

/* True: something was told. */
static bool tell_held(const struct doctor_probe *p, const struct daemons *d,
	unsigned held, const char *path)
{
	g_autofree char *size = g_format_size((guint64)d->left.bytes);

	if (d->left.files > 0)
		doctor_tell(p, DOCTOR_WARN, "not uploaded", UPLOADING,
			"a daemon whose mount is gone has not ended: it has "
			"%u file%s to upload (%s) in %s/spool",
			d->left.files, d->left.files == 1 ? "" : "s", size,
			path);
	else if (held > 0 && !d->are_mounted)
		doctor_tell(p, DOCTOR_WARN, "not uploaded", UPLOADING,
			"a daemon without a mount has not ended: %u file%s in "
			"%s/spool %s not uploaded yet",
			held, held == 1 ? "" : "s", path,
			held == 1 ? "is" : "are");
	else
		return false;
	return true;
}

static bool check_files(struct memory *m, const char *path)
{
	struct daemons daemons = find_daemons(m, path);
	struct spooled spooled = count_spooled(m->locks, path);
	bool told;

	/* It may have ended since the locks were read. */
	if (spooled.held > 0 && !daemons.are_mounted) {
		read_locks(m);
		daemons = find_daemons(m, path);
		spooled = count_spooled(m->locks, path);
	}
	told = tell_held(m->probe, &daemons, spooled.held, path);
	if (spooled.waiting > 0)
		tell_waiting(m->probe, spooled.waiting, path);
	return told || spooled.waiting > 0;
}

static bool check_database(const struct doctor_probe *p, const char *path)
{
	int rc = state_examine(path);

	if (rc == -EUCLEAN)
		doctor_tell(p, DOCTOR_WARN, "memory",
			"mount the workspace: the damaged file is kept aside "
			"then, and a new one begun; modes and times that the "
			"server cannot hold may be lost",
			"%s/state.db is damaged", path);
	else if (rc == -EOVERFLOW)
		doctor_tell(p, DOCTOR_WARN, "memory",
			"use that newer pycloud; this one would keep the file "
			"aside and begin a new one",
			"%s/state.db was written by a newer pycloud", path);
	else if (rc < 0)
		doctor_tell(p, DOCTOR_FAILED, "memory", DISK,
			"%s/state.db cannot be read: %s", path,
			g_strerror(-rc));
	return rc < 0;
}

/* --- all of them ---------------------------------------------------------- */

/* Runs of servers of this computer, and what their Pythons load, stand beside
 * the workspaces. */
static bool is_workspace(const char *path)
{
	g_autofree char *spool = g_build_filename(path, "spool", NULL);
	g_autofree char *database = g_build_filename(path, "state.db", NULL);

	return g_file_test(spool, G_FILE_TEST_IS_DIR) ||
	       g_file_test(database, G_FILE_TEST_EXISTS);
}

static void check_states(struct memory *m, const char *base)
{
	GDir *dir = g_dir_open(base, 0, NULL);
	unsigned seen = 0, told = 0;
	const char *id;

	while (dir != NULL && seen < DOCTOR_STATES_MAX &&
		(id = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(base, id, NULL);
		bool is_damaged;

		if (!is_workspace(path))
			continue;
		is_damaged = check_database(m->probe, path);
		told += check_files(m, path) || is_damaged;
		seen++;
	}
	if (dir != NULL)
		g_dir_close(dir);
	if (told == 0)
		doctor_tell(m->probe, DOCTOR_OK, "memory", NULL,
			"%u workspace%s remembered, nothing damaged, nothing "
			"left to upload by earlier mounts",
			seen, seen == 1 ? "" : "s");
}

void doctor_memory(const struct doctor_probe *p)
{
	g_autofree char *base = local_dirs_state_base();
	struct memory memory = { .probe = p };

	read_locks(&memory);
	check_states(&memory, base);
	if (memory.mounts != NULL)
		g_ptr_array_unref(memory.mounts);
	g_free(memory.locks);
}

/*
 * mountinfo.h - what is mounted where, without touching any of it: the table
 * of /proc/self/mountinfo, see proc(5).
 *
 * The one reader of its lines. Parsing is pure.
 */
#ifndef PYCLOUD_MOUNTINFO_H
#define PYCLOUD_MOUNTINFO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One mount. All text is as it was before the kernel escaped it. */
struct mountinfo_entry {
	uint64_t id;
	char *device; /* "0:44", the same for all places of a filesystem */
	char *root;   /* what of the filesystem is there: "/" is all of it */
	char *point;
	char *type;
	char *source;
	bool is_ours; /* of the type fuse.pycloud */
	uid_t owner;  /* who mounted it, of a FUSE mount */
	gid_t group;
};

void mountinfo_entry_free(struct mountinfo_entry *);

/* NULL: it is no line of such a table. */
struct mountinfo_entry *mountinfo_entry_read(const char *line);
/* All lines that are: elements are struct mountinfo_entry, freed with the
 * array. Of two on one place the later one lies on top. */
GPtrArray *mountinfo_parse(const char *text);
/* "NAME" of a source "pycloud:NAME", borrowed; NULL: it is no such one. */
const char *mountinfo_workspace(const struct mountinfo_entry *);
/* Whether a path is the point, or below it. */
bool mountinfo_holds(const struct mountinfo_entry *, const char *path);

/* The id of what is mounted on exactly this directory, on top; 0: nothing. In
 * the text of the table. */
uint64_t mountinfo_find(const char *text, const char *directory);
/* The same of now. 0 also where it cannot be read. */
uint64_t mountinfo_id(const char *directory);
/* Of what a descriptor is in, O_PATH too; asks the mount nothing. */
uint64_t mountinfo_id_of(int fd);

/* A descriptor whose POLLPRI says that mounts have changed since it was opened
 * or mountinfo_read(): what is read is handed back (g_free; NULL: it cannot be
 * read). -1 with errno. */
int mountinfo_open(void);
char *mountinfo_read(int fd);
/* All of it, once; g_free, NULL: it cannot be read. */
char *mountinfo_text(void);
/* What to say then. */
#define MOUNTINFO_UNREADABLE \
	"cannot read /proc/self/mountinfo; is /proc mounted?"

/* The directory as the table names it: what is mounted there may be dead, so
 * only its parent is looked at. g_free. */
char *mountinfo_name(const char *directory);

#endif

/*
 * drain_note.h - what a daemon says to whoever waits for its end.
 *
 * When the mount is gone there is no file of it left to ask, but there may be
 * bytes to upload. So each daemon has a note, a small file in its state
 * directory whose path .pycloud/status tells (`drain`). Who is about to unmount
 * opens it first. It holds one line, rewritten in place, of what is left, and
 * the daemon's lock (flock), which ends with the process, however it ends:
 * neither a pid, which may be another's by then, nor a name is relied upon.
 *
 * Not locked: one thread of the daemon tells.
 */
#ifndef PYCLOUD_DRAIN_NOTE_H
#define PYCLOUD_DRAIN_NOTE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* How its name in the directory begins. */
#define DRAIN_NOTE_PREFIX "drain-"

struct drain_note {
	int fd;	    /* -1: there is none */
	char *path; /* NULL: it has no name (any more) */
};

#define DRAIN_NOTE_INIT  \
	{                \
		.fd = -1 \
	}

/* Of this process, in that directory, which must be there; notes that killed
 * daemons left in it go. 0 or -errno: a mount without a note works as well, it
 * is only not waited for. */
int drain_note_open(struct drain_note *, const char *directory);
/* Its line of .pycloud/status. */
void drain_note_describe(const struct drain_note *, GString *text);
/* The mount is gone; so much is to be uploaded still. */
void drain_note_tell(struct drain_note *, unsigned files, int64_t bytes);
/* Takes the name away. The file stays locked until the process ends. */
void drain_note_close(struct drain_note *);

struct drain_left {
	bool has_begun; /* false: the mount stands, and nobody has counted */
	unsigned files;
	int64_t bytes;
};

/* Whether the two below never wait: its path is what a daemon says, and root
 * asks those of others. A file of a filesystem that a user's program serves, and
 * what is no file, may keep its reader for ever. Asks the file only where that
 * is not so. */
bool drain_note_may_be_asked(int fd);
/* Of a descriptor of it. False: that is no note. */
bool drain_note_read(int fd, struct drain_left *ret);
/* The daemon whose note this is has ended. */
bool drain_note_is_over(int fd);

#endif

/*
 * state_place.h - the directory of the state, who is in it, and setting aside.
 *
 * Knows files and locks, no SQL. The file state.lock has two bytes that are
 * locked: one alone by whoever is opening, one shared by everybody who has
 * the state open. So nobody renames a database that somebody uses, and two
 * that open at once do not both replace it.
 */
#ifndef PYCLOUD_STATE_PLACE_H
#define PYCLOUD_STATE_PLACE_H

#include <stdbool.h>

struct state_place {
	int directory_fd;
	int lock_fd;
};

#define STATE_PLACE_INIT \
	{                \
		-1, -1   \
	}

/* Makes and checks the directory, and enters it as the only opener: 0,
 * -EPERM, -ENOTDIR, -EBUSY after STATE_BUSY_MS, or another -errno. */
int state_place_enter(struct state_place *, const char *directory);
/* Ends the opening. With `stay` *ret_users_fd says that we have it open until
 * it is closed. */
int state_place_leave(struct state_place *, bool stay, int *ret_users_fd);

/* A journal without the database it belongs to: an interrupted setting aside,
 * or a database that was emptied. */
bool state_place_has_orphans(const struct state_place *);
/* Renames state.db, -wal and -shm; *ret_name (g_free) is the database's new
 * one. -EBUSY when somebody has it open. */
int state_place_set_aside(const struct state_place *, char **ret_name);

#endif

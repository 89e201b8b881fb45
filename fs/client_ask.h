/*
 * client_ask.h - how the mounts of this computer are, without waiting for them.
 *
 * A mount is known by the mount table, and how it is by its .pycloud/status,
 * read as mount_ask.h says.
 *
 * Not for a program with threads.
 */
#ifndef PYCLOUD_CLIENT_ASK_H
#define PYCLOUD_CLIENT_ASK_H

#include <glib.h>
#include <stdbool.h>

enum client_answer {
	ANSWER_GIVEN,
	ANSWER_NONE,	 /* it did not say anything in time */
	ANSWER_STALE,	 /* nobody is there: its daemon is dead */
	ANSWER_NOT_OURS, /* another user's, or hidden by another mount */
};

struct client_asked {
	char *name;  /* what is mounted, by the mount table */
	char *point; /* where */
	enum client_answer answer;
	char *status; /* what it said; "" without an answer */
};

/* All there are, asked at the same time; `point` not NULL: that one only.
 * Blocks for ASK_MS. Elements are struct client_asked, freed with the array. */
GPtrArray *client_ask_mounts(const char *point);

/* The mount that a directory is in (g_free). NULL, with a sentence in *ret_why:
 * it is in none, or cannot be looked at. Blocks for ASK_MS. */
char *client_ask_root(const char *directory, char **ret_why);

#endif

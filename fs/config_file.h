/*
 * config_file.h - what pycloud.conf(5) files say about a mount.
 *
 * A file is a GLib key file. [defaults] is for every mount, [workspace "lab"]
 * for the workspace that is mounted by that name; each key is an option of
 * option_table.h, and `url` is what the name stands for. The system's file is
 * taken first and the user's over it; the command line is over both, which is
 * the caller's part.
 *
 * What is wrong is named with file and line. A file that others may write is
 * refused, since it says where files and tokens go; so is a token in one. Not
 * locked: one thread. Reads regular files of CONFIG_BYTES_MAX at most, and so
 * does not block longer than the disk does.
 */
#ifndef PYCLOUD_CONFIG_FILE_H
#define PYCLOUD_CONFIG_FILE_H

#include "options.h"

#include <glib.h>
#include <stdbool.h>

#define CONFIG_SYSTEM_FILE "/etc/pycloud.conf"
#define CONFIG_BYTES_MAX   65536

struct config_file; /* all that has been read, one file over the other */

struct config_file *config_file_new(void);
void config_file_free(struct config_file *);

/* Takes what the file says about every mount, and about the workspace `name`
 * (NULL: none). Sloppy: an unknown key, group or value is logged and left
 * out. False with a sentence in *ret_why (g_free). A file that is not there is
 * as good as an empty one, unless it `must_exist`. */
bool config_file_read(struct config_file *, const char *path, bool must_exist,
	const char *name, bool is_sloppy, char **ret_why);

/* The files that the options mean: the system's and then the user's, or
 * o->config_file instead of both, which counts as the user's. `spec` is the
 * workspace, as it stands on the command line. */
bool config_file_read_system(struct config_file *, const struct options *,
	const char *spec, char **ret_why);
bool config_file_read_own(struct config_file *, const struct options *,
	const char *spec, char **ret_why);

/* Sets what was read. */
bool config_file_apply(
	const struct config_file *, struct options *, char **ret_why);
/* What the name stands for; NULL: for itself. Borrowed. */
const char *config_file_url(const struct config_file *);

/* The name that a group could have, within `spec`: "lab", "pycloud:lab".
 * NULL: it is no bare name. */
const char *config_file_bare_name(const char *spec);

#endif

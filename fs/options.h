/*
 * options.h - what the command line of mount.pycloud asks for.
 *
 * Which options there are stands in option_table.c. The files of
 * config_file.h are read first, and the command line is over them.
 *
 * mount(8) calls `mount.pycloud SPEC DIR [-sfnv] [-o ...]`; people put options
 * before or after the operands. Options that mount(8) and fstab use for
 * themselves (_netdev, user, nofail, x-...) are accepted and ignored; unknown
 * ones are named and refused, unless -s (sloppy) says otherwise.
 *
 * Root's uid= is looked for first: files that belong to that user, such as the
 * user's configuration, are read with that user's rights (identity.h), which
 * are given back before options_parse() returns.
 *
 * Secrets: a token in the URL is blotted out of argv as soon as it has been
 * copied, so that ps shows it as briefly as can be; options_clear() wipes the
 * copy.
 */
#ifndef PYCLOUD_OPTIONS_H
#define PYCLOUD_OPTIONS_H

#include "identity.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* mount(8)'s exit codes. */
enum mount_exit {
	MOUNT_OK = 0,
	MOUNT_USAGE = 1,
	MOUNT_SYSTEM = 2,
	MOUNT_BUG = 4,
	MOUNT_INTERRUPTED = 8,
	MOUNT_FAILED = 32,
};

struct options {
	char *spec; /* what the name stands for, where a file says it */
	char *name; /* that name; NULL: the spec says all */
	char *directory;
	bool is_foreground;
	bool is_fake;
	bool is_sloppy;
	bool is_verbose;
	bool is_debug;
	bool has_no_mtab; /* of mount(8), and nothing to us */
	bool wants_version;
	bool wants_help;

	/* -o */
	int64_t timeout_ms;
	int64_t stall_ms;
	int64_t attr_timeout_ms;
	uid_t uid; /* of all files */
	gid_t gid;
	bool has_uid; /* somebody said so */
	bool has_gid;
	mode_t fmask;
	mode_t dmask;
	bool is_read_only;
	int64_t cache_bytes;
	bool has_prefetch;
	bool has_assist;
	int64_t writeback_ms; /* 0: close waits for the upload */
	unsigned runs_keep;
	int64_t run_output_max;
	char *overlay_patterns; /* names that stay here, besides editors' */
	bool refuses_hidden;	/* dot names that the server refuses */
	/* Of a cluster. */
	char *kubeconfig;
	char *context;
	char *namespace;
	bool is_portforwarded;
	bool never_starts;
	bool creates;
	char *image;
	int64_t start_timeout_ms;
	char *url; /* instead of what the name means */
	char *credentials_file;
	char *token_command;
	bool is_insecure;
	bool allows_nonempty;
	char *ca_file;
	char *config_file;     /* instead of the usual ones */
	char *given;	       /* all of -o, as one list; NULL: none */
	GString *fuse_options; /* ",ro,allow_other": passed on */

	/* As whom root's mount is to run; NULL: as who we are. What root said,
	 * on the command line, in the system's file or in its own, decides it;
	 * a user's own file does not. */
	struct identity *identity;
	bool root_lets_others; /* allow_other or allow_root is of the same */
};

/* True, or false with a sentence in *ret_why (g_free). Blots secrets out of
 * argv in either case. */
bool options_parse(int argc, char **argv, struct options *ret, char **ret_why);
void options_clear(struct options *);

/* What holds where nobody says anything; options_clear() it. */
void options_init(struct options *);
/* One option, as it stands between the commas of -o. False: *ret_why. */
bool options_take(struct options *, const char *word, char **ret_why);
/* All of -o, each time it was given; NULL: never. False: *ret_why. */
bool options_take_lists(struct options *, char **lists, char **ret_why);
/* All of -o for a process that starts elsewhere: with the paths as they are seen
 * from there (the last of an option counts). g_free. */
char *options_pass_on(const struct options *);
/* Blots the secrets out of a word of the command line. */
void options_blot(char *word);
void options_print_help(void);

#endif

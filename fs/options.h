/*
 * options.h - what the command line of mount.pycloud asks for.
 *
 * mount(8) calls `mount.pycloud SPEC DIR [-sfnv] [-o ...]`; people put options
 * before or after the operands. Options that mount(8) and fstab use for
 * themselves (_netdev, user, nofail, x-...) are accepted and ignored; unknown
 * ones are named and refused, unless -s (sloppy) says otherwise.
 *
 * Secrets: a token in the URL is blotted out of argv as soon as it has been
 * copied, so that ps shows it as briefly as can be; options_clear() wipes the
 * copy.
 */
#ifndef PYCLOUD_OPTIONS_H
#define PYCLOUD_OPTIONS_H

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
	char *spec;
	char *directory;
	bool is_foreground;
	bool is_fake;
	bool is_sloppy;
	bool is_verbose;
	bool is_debug;
	bool wants_version;
	bool wants_help;

	/* -o */
	int64_t timeout_ms;
	int64_t stall_ms;
	int64_t attr_timeout_ms;
	uid_t uid;
	gid_t gid;
	mode_t fmask;
	mode_t dmask;
	bool is_read_only;
	int64_t cache_bytes;
	bool has_prefetch;
	int64_t writeback_ms;	/* 0: close waits for the upload */
	char *overlay_patterns; /* names that stay here, besides editors' */
	bool refuses_hidden;	/* dot names that the server refuses */
	bool is_insecure;
	bool allows_nonempty;
	char *ca_file;
	GString *fuse_options; /* ",ro,allow_other": passed on */
};

/* True, or false with a sentence in *ret_why (g_free). Blots secrets out of
 * argv in either case. */
bool options_parse(int argc, char **argv, struct options *ret, char **ret_why);
void options_clear(struct options *);
void options_print_help(void);

#endif

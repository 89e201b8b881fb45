/*
 * umount_options.h - the command line of umount.pycloud.
 *
 * All options stand in one table, by which they are parsed, shown by --help and
 * completed by the shells; a test holds umount.pycloud(8) against it. Those that
 * umount(8) passes to every helper are accepted. Pure.
 */
#ifndef PYCLOUD_UMOUNT_OPTIONS_H
#define PYCLOUD_UMOUNT_OPTIONS_H

#include "option_table.h"

#include <stdbool.h>

/* All is borrowed from argv. */
struct umount_options {
	const char *what; /* DIR or SPEC, as it was given */
	bool is_forced;
	bool is_lazy;
	bool wants_help;
	bool wants_version;
	bool is_ignored;   /* what changes nothing for us */
	bool is_elsewhere; /* in another namespace: refused */
};

/* Their offsets are of a bool in struct umount_options. */
extern const struct option_letter umount_letters[];
extern const size_t umount_letter_count;

/* False: wrong, with a sentence in *ret_why (g_free). argv is reordered. */
bool umount_options_parse(
	int argc, char **argv, struct umount_options *ret, char **ret_why);
void umount_options_print_help(void);

#endif

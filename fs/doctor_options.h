/*
 * doctor_options.h - the command line of `pycloud doctor`. Pure, but for GLib's
 * words for what is wrong.
 */
#ifndef PYCLOUD_DOCTOR_OPTIONS_H
#define PYCLOUD_DOCTOR_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

/* The texts are owned; NULL: not given. */
struct doctor_options {
	char *target; /* a workspace's name, a URL, or a directory */
	char *bundle; /* where the report goes */
	char **lists; /* of -o, as mount.pycloud takes them */
	bool is_json;
	bool is_quiet; /* only what is not well is shown */
	bool tries;    /* a kernel, an upload */
	bool wants_help;
};

/* argv[0] is "doctor". False: wrong, with a sentence in *ret_why (g_free).
 * Blots secrets out of argv. doctor_options_clear() in either case. */
bool doctor_options_parse(
	int argc, char **argv, struct doctor_options *ret, char **ret_why);
void doctor_options_clear(struct doctor_options *);

/* On stdout; 0. */
int doctor_options_print_help(void);

#endif

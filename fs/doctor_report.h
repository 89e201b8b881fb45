/*
 * doctor_report.h - the file that `pycloud doctor --bundle` writes.
 *
 * Plain text, for whoever is asked for help. Without secrets (doctor_text.h),
 * names of people and computers shown as USER, HOST and SERVER; only its owner
 * can read it.
 */
#ifndef PYCLOUD_DOCTOR_REPORT_H
#define PYCLOUD_DOCTOR_REPORT_H

#include "doctor_options.h"

#include <glib.h>

/* All borrowed. */
struct doctor_report {
	const char *target;	   /* without secrets; NULL: none */
	const GPtrArray *findings; /* of struct doctor_finding */
	const GPtrArray *aliases;  /* of struct doctor_alias */
	const char *notes;	   /* texts with headings */
	const struct doctor_options *options;
};

/* Makes the file, which must not be there yet. 0, or -errno with a sentence in
 * *ret_why (g_free). */
int doctor_report_write(
	const char *path, const struct doctor_report *, char **ret_why);

#endif

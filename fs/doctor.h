/*
 * doctor.h - `pycloud doctor`: looks at all that a mount needs, and says what
 * to do where something is missing.
 *
 * A family of checks is a function that looks and tells (doctor_tell) what it
 * found. Each runs in a process of its own, with a limit: what hangs there (a
 * dead file server, a resolver, a keyring that waits for its password) is left
 * behind or killed, what crashes there is a finding like others, and what was
 * told before counts. Families know neither each other nor how findings are
 * shown; that is doctor.c's and doctor_text.h's.
 *
 * Nothing is changed, here or on a server, and no workspace is started, but for
 * a workspace of this computer, whose server runs while it is looked at. With
 * --run a kernel is started and a file is uploaded; both are taken away again.
 *
 * A finding never holds a secret: tokens are struct secret; doctor_text.h
 * blots out what looks like one all the same.
 */
#ifndef PYCLOUD_DOCTOR_H
#define PYCLOUD_DOCTOR_H

#include "cancel.h"
#include "doctor_options.h"
#include "doctor_text.h"

#include <glib.h>

/* What a family is given. */
struct doctor_probe {
	const struct doctor_options *options;
	const struct cancel *cancel; /* Ctrl-C */
	int fd;			     /* doctor.c's */
};

/* A finding. `what` names the check, the printf-like text says what was found,
 * `advice` (NULL: none) what to do about it. */
void doctor_tell(const struct doctor_probe *, enum doctor_state,
	const char *what, const char *advice, const char *found, ...)
	G_GNUC_PRINTF(5, 6);
/* A text that only the report shows, below a heading. */
void doctor_attach(
	const struct doctor_probe *, const char *heading, const char *text);
/* A name that the report does not show: of a server, of a user. */
void doctor_conceal(
	const struct doctor_probe *, const char *name, const char *shown);

/* Runs all of it; the program's exit status: DOCTOR_WELL, DOCTOR_UNWELL, or
 * DOCTOR_INTERRUPTED. Once per process. */
int doctor_run(const struct doctor_options *);

#define DOCTOR_WELL	   0 /* warnings included */
#define DOCTOR_UNWELL	   1
#define DOCTOR_INTERRUPTED 130

/* The families, each in its file doctor_NAME.c. */
void doctor_versions(const struct doctor_probe *);
void doctor_fuse(const struct doctor_probe *);
void doctor_places(const struct doctor_probe *);
void doctor_memory(const struct doctor_probe *);
void doctor_config(const struct doctor_probe *);
void doctor_keyring(const struct doctor_probe *);
void doctor_mounts(const struct doctor_probe *);
void doctor_reach(const struct doctor_probe *);
void doctor_target(const struct doctor_probe *);
void doctor_journal(const struct doctor_probe *);

#endif

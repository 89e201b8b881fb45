/*
 * doctor_text.h - what `pycloud doctor` found, as text. Pure.
 *
 * One line for each finding, an object for programs, and the report that can be
 * handed to somebody else. All text goes through here on its way out: secrets
 * are blotted out everywhere, names of people and computers in the report.
 */
#ifndef PYCLOUD_DOCTOR_TEXT_H
#define PYCLOUD_DOCTOR_TEXT_H

#include <glib.h>

/* In the order of their gravity. */
enum doctor_state {
	DOCTOR_OK,
	DOCTOR_SKIPPED, /* not tried, and why */
	DOCTOR_WARN,
	DOCTOR_FAILED,
	DOCTOR_STATES
};

struct doctor_finding {
	enum doctor_state state;
	char *what;   /* owned, as all */
	char *found;  /* printable */
	char *advice; /* NULL: none is needed */
};

void doctor_finding_free(gpointer);

/* A name, and what the report shows instead. Both owned. */
struct doctor_alias {
	char *name;
	char *shown;
};

void doctor_alias_free(gpointer);

/* What the report does not show. */
struct doctor_privacy {
	const char *home;	  /* shown as ~; NULL: none, as below */
	const char *user;	  /* shown as USER */
	const char *host;	  /* shown as HOST */
	const GPtrArray *aliases; /* of struct doctor_alias; may be NULL */
};

/* "ok", "skip", "warn", "FAILED". */
const char *doctor_state_name(enum doctor_state);
/* The gravest of them; DOCTOR_OK for none. Elements as below. */
enum doctor_state doctor_text_worst(const GPtrArray *findings);

/* "FAILED  what: found -- advice\n". */
void doctor_text_append_line(GString *, const struct doctor_finding *);
/* "17 checks: 1 failed, 2 warnings\n". */
void doctor_text_append_sum(GString *, const GPtrArray *findings);
/* All of it, an object in one line; `target` NULL: none was named. */
char *doctor_text_json(
	const char *version, const char *target, const GPtrArray *findings);

/* What is, or looks like, a secret becomes "****": what follows "token=" and
 * its like, a header's value, what stands before an '@' in a URL; and, for the
 * report (`is_strict`), all words of 24 letters and digits or more, and of a
 * token_command the rest of the line behind the program's name. g_free. */
char *doctor_text_blot(const char *text, gboolean is_strict);
/* Names of people and computers, too: those above, hosts of URLs (SERVER), and
 * what stands behind /home/ and /user/ (USER). Strict. g_free. */
char *doctor_text_anonymous(const char *text, const struct doctor_privacy *);

#endif

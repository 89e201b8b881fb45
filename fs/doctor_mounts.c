/* doctor_mounts.c - pycloud doctor: how this computer's mounts are, and what
 * their log says. */
#include "config.h"

#include "client.h"
#include "client_ask.h"
#include "client_status.h"
#include "doctor.h"
#include "fs_limits.h"

#include "child.h"

#include <string.h>

static void tell_answer(
	const struct doctor_probe *p, const struct client_asked *a)
{
	g_autofree char *why = client_text_value(a->status, "why");
	g_autofree char *pending = client_text_value(a->status, "pending");
	g_autofree char *conflicts = client_text_value(a->status, "conflicts");

	switch (client_status_health(a)) {
	case HEALTH_OFFLINE:
		doctor_tell(p, DOCTOR_FAILED, "mount",
			"what is known is still answered; check the way to the "
			"server: pycloud doctor DIR",
			"%s on %s is offline: %s", a->name, a->point,
			why != NULL ? why : "its server does not answer");
		break;
	case HEALTH_PENDING:
		doctor_tell(p, DOCTOR_WARN, "mount",
			".pycloud/pending and .pycloud/conflicts in it say "
			"which and why",
			"%s on %s is online; files that are not uploaded yet: "
			"%s, in conflict: %s",
			a->name, a->point, pending != NULL ? pending : "0",
			conflicts != NULL ? conflicts : "0");
		break;
	case HEALTH_FINE:
	case HEALTH_DEAD:
	default:
		doctor_tell(p, DOCTOR_OK, "mount", NULL,
			"%s on %s is online, everything is uploaded", a->name,
			a->point);
	}
}

static void tell_mount(
	const struct doctor_probe *p, const struct client_asked *a)
{
	g_autofree char *heading = g_strdup_printf("status of %s", a->point);

	switch (a->answer) {
	case ANSWER_STALE:
		doctor_tell(p, DOCTOR_FAILED, "mount",
			"unmount it (fusermount3 -u, or as root umount -l) and "
			"mount it again; what was not uploaded is kept",
			"the daemon of %s is dead", a->point);
		break;
	case ANSWER_NONE:
		doctor_tell(p, DOCTOR_FAILED, "mount",
			"look at its log (journalctl -t mount.pycloud); if it "
			"stays so, end its daemon and mount again",
			"%s on %s does not answer", a->name, a->point);
		break;
	case ANSWER_NOT_OURS:
		doctor_tell(p, DOCTOR_SKIPPED, "mount", NULL,
			"%s is another user's", a->point);
		break;
	case ANSWER_GIVEN:
	default:
		tell_answer(p, a);
	}
	if (*a->status != '\0' && strlen(a->status) <= DOCTOR_TEXT_MAX)
		doctor_attach(p, heading, a->status);
}

void doctor_mounts(const struct doctor_probe *p)
{
	GPtrArray *mounts = client_ask_mounts(NULL);

	for (guint i = 0; i < mounts->len; i++)
		tell_mount(p, mounts->pdata[i]);
	if (mounts->len == 0)
		doctor_tell(p, DOCTOR_OK, "mount", NULL,
			"no workspace is mounted now");
	g_ptr_array_unref(mounts);
}

/* --- the log -------------------------------------------------------------- */

/* What daemons told syslog, where a journal keeps it. For the report alone. */
void doctor_journal(const struct doctor_probe *p)
{
	g_autofree char *program = child_find_program("journalctl");
	g_autofree char *lines = g_strdup_printf("%d", DOCTOR_LOG_LINES);
	g_auto(GStrv) env = child_environment();
	char *argv[] = { (char[]){ "journalctl" }, (char[]){ "--no-pager" },
		(char[]){ "--quiet" }, (char[]){ "--output=short-iso" },
		(char[]){ "--identifier=mount.pycloud" }, (char[]){ "-n" },
		lines, NULL };
	const struct child_call call = {
		.program = program,
		.argv = argv,
		.env = env,
		.timeout_ms = DOCTOR_QUICK_MS / 2,
		.output_max = DOCTOR_TEXT_MAX,
	};
	struct child_result result = { 0 };
	g_autofree char *text = NULL;
	gconstpointer bytes;
	gsize length = 0;

	if (program == NULL) {
		doctor_attach(p, "log", "there is no journal here");
		return;
	}
	if (child_run(&call, p->cancel, &result) == 0) {
		bytes = g_bytes_get_data(result.output, &length);
		text = g_strndup(length > 0 ? bytes : "", length);
		doctor_attach(p, "log", *text != '\0' ? text : "no lines");
	} else {
		doctor_attach(p, "log", "the journal cannot be read");
	}
	child_result_clear(&result);
}

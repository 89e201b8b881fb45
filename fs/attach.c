/* attach.c - see attach.h. */
#include "config.h"

#include "attach.h"

#include "detacher.h"
#include "fusermount.h"
#include "harden.h"
#include "identity.h"
#include "mounter.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- before --------------------------------------------------------------- */

static int become(const struct identity *who, char **ret_why)
{
	int rc = identity_become(who);

	if (rc < 0)
		*ret_why = g_strdup_printf(
			"cannot become the user %u: %s; mount where root may "
			"be every user, or as that user",
			(unsigned)who->uid, g_strerror(-rc));
	/* What becoming another has changed of it. */
	harden_memory();
	return rc;
}

int attach_start(struct attach *a, const struct options *o, bool lets_root_in,
	char **ret_why)
{
	struct mounter_params params = { .directory = o->directory };
	int rc;

	a->options = o;
	a->is_by_mounter = o->identity != NULL;
	if (a->is_by_mounter) {
		params.uid = o->identity->uid;
		params.gid = o->identity->gid;
		/* Where root did not say so the user may have, in a file of the
		 * user's own: as fusermount3 would decide. */
		params.may_let_others = lets_root_in || o->root_lets_others ||
					fusermount_lets_others();
		rc = mounter_start(&a->aide, &params);
	} else {
		rc = detacher_start(&a->aide, o->directory);
	}
	if (rc < 0)
		*ret_why = g_strdup("cannot start a process; end some "
				    "programs, or raise the limit of "
				    "processes (ulimit -u)");
	else if (a->is_by_mounter)
		rc = become(o->identity, ret_why);
	return rc;
}

/* --- mounting ------------------------------------------------------------- */

static char *explain(const struct attach *a, int rc)
{
	const char *directory = a->options->directory;

	if (access("/dev/fuse", F_OK) < 0)
		return g_strdup("this computer has no /dev/fuse; load the "
				"fuse module (modprobe fuse), or run the "
				"container with --device /dev/fuse");
	if (!a->is_by_mounter)
		return g_strdup_printf("cannot mount on %s; is fusermount3 "
				       "installed (package fuse3), %sand is "
				       "the directory yours?",
			directory,
			strstr(a->options->fuse_options->str, ",allow_") == NULL
				? ""
				: "does " FUSERMOUNT_CONF " have the line "
				  "user_allow_other (so that others, and "
				  "what mounts below it, are let in), ");
	if (rc == -EPERM)
		return g_strdup_printf(
			"cannot mount on %s: the user's own options let others "
			"in, for which " FUSERMOUNT_CONF " needs the line "
			"user_allow_other; or give allow_other with uid=",
			directory);
	return g_strdup_printf("root cannot mount on %s: %s; may it mount "
			       "here (pycloud doctor says), and is the "
			       "directory still there?",
		directory, g_strerror(-rc));
}

static int mount_by_mounter(struct attach *a, struct fuse_session *fuse,
	const char *name, bool checks_modes)
{
	const struct mounter_wish wish = {
		.name = name,
		.options = a->options->fuse_options->str,
		.checks_modes = checks_modes,
	};
	g_autofree char *path = NULL;
	int fd = -1;
	int rc = mounter_mount(&a->aide, &wish, &fd, &a->mount_id);

	if (rc < 0)
		return rc;
	/* How libfuse is given a connection that is there. */
	path = g_strdup_printf("/dev/fd/%d", fd);
	if (fuse_session_mount(fuse, path) == 0)
		return 0;
	(void)close(fd);
	return -ENODEV;
}

static int mount_by_libfuse(struct attach *a, struct fuse_session *fuse)
{
	if (fuse_session_mount(fuse, a->options->directory) != 0)
		return -ENODEV;
	a->mount_id = mountinfo_id(a->options->directory);
	return 0;
}

int attach_mount(struct attach *a, struct fuse_session *fuse, const char *name,
	bool checks_modes, char **ret_why)
{
	int rc = a->is_by_mounter
			 ? mount_by_mounter(a, fuse, name, checks_modes)
			 : mount_by_libfuse(a, fuse);

	if (rc < 0)
		*ret_why = explain(a, rc);
	a->is_mounted = rc == 0;
	return rc;
}

/* --- the end -------------------------------------------------------------- */

/* The descriptor stays libfuse's to close, and leads nowhere. */
static void cut_connection(struct fuse_session *fuse)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	(void)dup3(null, fuse_session_fd(fuse), O_CLOEXEC);
	(void)close(null);
}

void attach_end(struct attach *a, struct fuse_session *fuse)
{
	if (a->is_by_mounter)
		mounter_finish(&a->aide);
	else
		detacher_finish(&a->aide, a->mount_id);
	if (!a->is_mounted)
		return;
	if (a->is_by_mounter)
		cut_connection(fuse);
	else
		fuse_session_unmount(fuse);
	a->is_mounted = false;
}

/* name_policy.c - see name_policy.h. */
#include "config.h"

#include "name_policy.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glib.h>

static const char *const table[] = {
	/* vim: swap files (.swp, .swo, .swn ...) and what it saves under */
	".*.sw?",
	"?*~",
	/* emacs: locks and automatic saves */
	".#*",
	"#*#",
	/* GLib's, KDE's, LibreOffice's and JetBrains' */
	".goutputstream-*",
	".*.kate-swp",
	".~lock.*#",
	"*___jb_tmp___",
	"*___jb_old___",
	/* desktops and NFS clients */
	".Trash-*",
	".DS_Store",
	".directory",
	".nfs*",
};

/* vim tries 4913, and 123 more as long as there is such a file. */
#define VIM_FIRST 4913
#define VIM_STEP  123
#define VIM_TRIES 10

struct name_policy {
	char **patterns; /* the user's */
};

struct name_policy *name_policy_new(const char *patterns)
{
	struct name_policy *p = g_new0(struct name_policy, 1);

	p->patterns = g_strsplit(patterns == NULL ? "" : patterns, ":", -1);
	return p;
}

void name_policy_free(struct name_policy *p)
{
	if (p == NULL)
		return;
	g_strfreev(p->patterns);
	g_free(p);
}

bool name_policy_keeps(const struct name_policy *p, const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
		if (fnmatch(table[i], name, 0) == 0)
			return true;
	for (char **pattern = p->patterns; *pattern != NULL; pattern++)
		if (**pattern != '\0' && fnmatch(*pattern, name, 0) == 0)
			return true;
	return false;
}

static bool is_vims_number(const char *name)
{
	guint64 number;

	return name[0] != '0' &&
	       g_ascii_string_to_unsigned(name, 10, VIM_FIRST,
		       VIM_FIRST + VIM_STEP * (VIM_TRIES - 1), &number, NULL) &&
	       (number - VIM_FIRST) % VIM_STEP == 0;
}

bool name_policy_keeps_new(
	const struct name_policy *p, const char *name, int flags)
{
	const int probing = O_EXCL | O_NOFOLLOW;

	return name_policy_keeps(p, name) ||
	       ((flags & probing) == probing &&
		       (flags & O_ACCMODE) == O_WRONLY && is_vims_number(name));
}

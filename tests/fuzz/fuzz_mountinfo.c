/* Any text as the table of mounts, for all who read it. The first line is what
 * is looked for. */
#include "config.h"

#include "fuzz.h"

#include "client_mount.h"
#include "cluster_mounts.h"
#include "mountinfo.h"
#include "umount_table.h"

#include <string.h>

static void check_below(GPtrArray *found, const char *directory)
{
	for (guint i = 0; i < found->len; i++) {
		const struct mountinfo_entry *e = found->pdata[i];

		if (!e->is_ours || !g_str_has_prefix(e->point, directory) ||
			strcmp(e->point, directory) == 0)
			g_error("%s is not below %s", e->point, directory);
	}
	g_ptr_array_unref(found);
}

void fuzz_mountinfo(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	g_autofree char *what = fuzz_take_line(&in);
	g_autofree char *text = fuzz_take_text(&in);
	struct mountinfo_entry *at = umount_table_at(text, what);
	g_autoptr(GPtrArray) from = umount_table_from(text, what);
	g_autoptr(GPtrArray) mounts = cluster_mounts_parse(text);

	g_free(client_mount_root(text, what));
	(void)mountinfo_find(text, what);
	if (at != NULL && strcmp(at->point, what) != 0)
		g_error("%s was found at %s", at->point, what);
	mountinfo_entry_free(at);
	for (guint i = 0; i < from->len; i++) {
		const struct mountinfo_entry *e = from->pdata[i];

		if (!e->is_ours)
			g_error("not one of ours");
	}
	check_below(umount_table_below(text, what), what);
	for (guint i = 0; i < mounts->len; i++) {
		const struct cluster_mount *m = mounts->pdata[i];

		if (m->name == NULL || m->point == NULL)
			g_error("a mount without a name");
	}
}

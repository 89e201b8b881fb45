/*
 * umount.c - umount.pycloud: unmounting, and waiting for what is to be saved.
 *
 * The mount is gone at once; its daemon then uploads what the server does not
 * have yet, and ends. umount(8) calls this helper as umount.fuse.pycloud, so
 * that whoever says umount knows, when it returns, where the bytes are: on the
 * server, or in the spool for the next mount.
 *
 * Every mount that ends (the list of all workspaces has others below it) is
 * asked first for what it has to upload and for its note (drain_note.h), which
 * outlives the mount. One thread.
 */
#include "config.h"

#include "cancel.h"
#include "drain_note.h"
#include "fs_limits.h"
#include "mountinfo.h"
#include "options.h"
#include "progress.h"
#include "standard_files.h"
#include "umount_ask.h"
#include "umount_detach.h"
#include "umount_options.h"
#include "umount_table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The mount is gone, but not all of it is on the server: mount(8)'s "some
 * succeeded". */
#define UMOUNT_KEPT 64

/* What a daemon may need to answer, to end after its last upload, and what -f
 * waits. */
#define ASK_MS	 5000
#define END_MS	 30000
#define FORCE_MS 3000
/* How long a busy mount may become free. */
#define BUSY_MS 1000
/* How often one looks, and tells who reads no terminal. */
#define LOOK_MS 50
#define SAY_MS	2000

/* A mount that is to end, and its daemon. */
struct ending {
	struct mountinfo_entry *entry;
	struct umount_answer answer;
	struct drain_left left;
	bool is_over;
};

static volatile sig_atomic_t was_interrupted;

static void on_interrupt(int number)
{
	(void)number;
	was_interrupted = 1;
}

static int fail(int code, const char *format, ...) G_GNUC_PRINTF(2, 3);

static int fail(int code, const char *format, ...)
{
	g_autofree char *line = NULL;
	va_list args;

	va_start(args, format);
	line = g_strdup_vprintf(format, args);
	va_end(args);
	(void)fprintf(stderr, "umount.pycloud: %s\n", line);
	return code;
}

static void free_ending(gpointer ending)
{
	struct ending *e = ending;

	if (e->answer.note_fd >= 0)
		(void)close(e->answer.note_fd);
	mountinfo_entry_free(e->entry);
	g_free(e);
}

/* Owns the entry from now on. */
static void add_ending(GPtrArray *endings, struct mountinfo_entry *entry)
{
	struct ending *e = g_new0(struct ending, 1);

	e->entry = entry;
	e->answer.note_fd = -1;
	g_ptr_array_add(endings, e);
}

/* --- which one ------------------------------------------------------------ */

/* The link's own name is no mount point, but where it leads may be one. */
static struct mountinfo_entry *find_at(const char *table, const char *what)
{
	g_autofree char *directory = mountinfo_name(what);
	struct mountinfo_entry *e = umount_table_at(table, directory);
	char *real;

	if (e != NULL || !g_file_test(directory, G_FILE_TEST_IS_SYMLINK))
		return e;
	real = realpath(directory, NULL);
	if (real != NULL)
		e = umount_table_at(table, real);
	free(real);
	return e;
}

/* 0 and the mount, or an exit code. */
static int find(
	const char *table, const char *what, struct mountinfo_entry **ret)
{
	g_autoptr(GPtrArray) from = NULL;

	*ret = find_at(table, what);
	if (*ret != NULL)
		return MOUNT_OK;
	from = umount_table_from(table, what);
	if (from->len == 0)
		return fail(MOUNT_FAILED,
			"%s is not mounted; findmnt -t fuse.pycloud lists what "
			"is",
			what);
	if (from->len > 1)
		return fail(MOUNT_USAGE,
			"%s is mounted %u times; name the directory: findmnt "
			"-t fuse.pycloud lists them",
			what, from->len);
	*ret = g_ptr_array_steal_index(from, 0);
	return MOUNT_OK;
}

static int check(const struct mountinfo_entry *e)
{
	if (!e->is_ours)
		return fail(MOUNT_USAGE,
			"%s is not a mount of pycloud's; unmount it with: "
			"umount -i %s",
			e->point, e->point);
	if (geteuid() != 0 && e->owner != geteuid())
		return fail(MOUNT_USAGE,
			"%s was mounted by the user %u; only that user and "
			"root may unmount it",
			e->point, (unsigned)e->owner);
	return MOUNT_OK;
}

/* --- unmounting ----------------------------------------------------------- */

/* Who only looked how the mount is (pycloud status, a file manager) is gone in
 * a moment, and no reason to fail. */
static int detach_patiently(
	const struct mountinfo_entry *e, bool is_lazy, char **ret_why)
{
	struct cancel limit;
	int rc;

	cancel_init(&limit, BUSY_MS);
	while ((rc = umount_detach(e->point, e->id, is_lazy, ret_why)) ==
			-EBUSY &&
		!was_interrupted && cancel_check(&limit) == 0)
		(void)usleep(LOOK_MS * 1000);
	cancel_fini(&limit);
	return rc;
}

static int detach(const struct mountinfo_entry *e, bool is_lazy)
{
	g_autofree char *why = NULL;
	int rc = detach_patiently(e, is_lazy, &why);

	if (rc == -EBUSY)
		return fail(MOUNT_FAILED,
			"%s is busy: programs use it (fuser -vm %s shows "
			"which); end them or leave the directory, or detach it "
			"without waiting: umount -l %s",
			e->point, e->point, e->point);
	if (rc < 0)
		return fail(MOUNT_FAILED, "cannot unmount %s: %s", e->point,
			why != NULL ? why : g_strerror(-rc));
	return MOUNT_OK;
}

static int detach_all(GPtrArray *endings)
{
	int code = MOUNT_OK;

	for (guint i = 0; code == MOUNT_OK && i < endings->len; i++) {
		const struct ending *e = endings->pdata[i];

		/* What waits for its answer keeps it busy: we do. */
		code = detach(e->entry, e->answer.error == -ETIMEDOUT);
	}
	return code;
}

/* --- waiting -------------------------------------------------------------- */

static char *size_text(int64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
		"TiB" };
	double size = (double)bytes;
	size_t unit = 0;

	while (size >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
		size /= 1024;
		unit++;
	}
	return g_strdup_printf(
		unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

static char *left_text(const struct drain_left *left)
{
	g_autofree char *size = size_text(left->bytes);

	return g_strdup_printf("%u file%s with %s", left->files,
		left->files == 1 ? "" : "s", size);
}

static void look(struct ending *e)
{
	/* Without a note there is nothing to wait for (is_any_unknown()). */
	bool is_over =
		e->answer.note_fd < 0 || drain_note_is_over(e->answer.note_fd);
	struct drain_left left;

	/* Before it is read, or the last word might be missed. */
	e->is_over = is_over;
	if (e->answer.note_fd >= 0 &&
		drain_note_read(e->answer.note_fd, &left) && left.has_begun)
		e->left = left;
	else if (!e->left.has_begun)
		e->left = (struct drain_left){
			.files = e->answer.files,
			.bytes = e->answer.bytes,
		};
}

/* True: all have ended. */
static bool look_at_all(GPtrArray *endings, struct drain_left *ret_left)
{
	bool are_over = true;

	*ret_left = (struct drain_left){ 0 };
	for (guint i = 0; i < endings->len; i++) {
		struct ending *e = endings->pdata[i];

		look(e);
		are_over = are_over && e->is_over;
		ret_left->files += e->left.files;
		ret_left->bytes += e->left.bytes;
	}
	return are_over;
}

static void say(
	struct progress *p, const struct drain_left *left, int64_t *said_ms)
{
	g_autofree char *text = left_text(left);
	g_autofree char *line = g_strdup_printf("uploading: %s left", text);
	int64_t now_ms = clock_now_ms();

	if (left->files == 0 || (!isatty(STDERR_FILENO) && *said_ms != 0 &&
					now_ms - *said_ms < SAY_MS))
		return;
	progress_line(p, line);
	*said_ms = now_ms;
}

/* True: all have ended; false: the time is up, or somebody does not want to
 * wait. */
static bool wait_for_all(
	GPtrArray *endings, int limit_ms, struct drain_left *ret_left)
{
	struct progress progress = { .program = "umount.pycloud" };
	int64_t said_ms = 0;
	struct cancel limit;
	bool are_over;

	cancel_init(&limit, limit_ms);
	while (!(are_over = look_at_all(endings, ret_left)) &&
		!was_interrupted && cancel_check(&limit) == 0) {
		say(&progress, ret_left, &said_ms);
		(void)usleep(LOOK_MS * 1000);
	}
	progress_end(&progress);
	cancel_fini(&limit);
	return are_over;
}

static bool is_any_unknown(GPtrArray *endings)
{
	for (guint i = 0; i < endings->len; i++) {
		const struct ending *e = endings->pdata[i];

		if (e->answer.note_fd < 0)
			return true;
	}
	return false;
}

static int report(
	GPtrArray *endings, bool are_over, const struct drain_left *left)
{
	g_autofree char *text = left_text(left);

	if (are_over && is_any_unknown(endings))
		return fail(UMOUNT_KEPT,
			"unmounted, but the daemon did not answer, and cannot "
			"be waited for; what it cannot upload is kept in the "
			"spool and will be uploaded by the next mount");
	if (are_over && left->files == 0)
		return MOUNT_OK;
	if (was_interrupted)
		return fail(MOUNT_INTERRUPTED,
			"interrupted; the daemon goes on uploading, and what "
			"it cannot upload (%s now) is kept in the spool and "
			"uploaded by the next mount",
			text);
	if (are_over)
		return fail(UMOUNT_KEPT,
			"unmounted, but %s could not be uploaded; they are "
			"kept in the spool and will be uploaded by the next "
			"mount",
			text);
	return fail(UMOUNT_KEPT,
		"unmounted, but the daemon has not ended yet; what it cannot "
		"upload (%s now) is kept in the spool and will be uploaded by "
		"the next mount",
		text);
}

/* --- the command ---------------------------------------------------------- */

/* Its daemon is dead, or a lazy one is wished. */
static int let_go(const struct mountinfo_entry *e, const char *why)
{
	if (why != NULL)
		(void)fail(0, "%s", why);
	return detach(e, true);
}

static int end(const struct umount_options *c, GPtrArray *endings)
{
	const struct ending *top = endings->pdata[endings->len - 1];
	struct drain_left left;
	bool are_over;
	int code;

	if (c->is_lazy)
		return let_go(top->entry, NULL);
	for (guint i = endings->len; i-- > 0;) {
		struct ending *e = endings->pdata[i];

		umount_ask(e->entry, ASK_MS, &e->answer);
		if (e->answer.error == -ENOTCONN && e == top)
			return let_go(e->entry,
				"its daemon had died; what was not uploaded is "
				"kept in the spool and will be uploaded by the "
				"next mount");
	}
	code = detach_all(endings);
	if (code != MOUNT_OK)
		return code;
	are_over = wait_for_all(
		endings, c->is_forced ? FORCE_MS : DRAIN_MS + END_MS, &left);
	return report(endings, are_over, &left);
}

static int run(const struct umount_options *c)
{
	g_autofree char *table = mountinfo_text();
	g_autoptr(GPtrArray) endings =
		g_ptr_array_new_with_free_func(free_ending);
	g_autoptr(GPtrArray) below = NULL;
	struct mountinfo_entry *entry = NULL;
	int code;

	if (table == NULL)
		return fail(MOUNT_SYSTEM, MOUNTINFO_UNREADABLE);
	code = find(table, c->what, &entry);
	if (code == MOUNT_OK)
		code = entry == NULL ? MOUNT_BUG : check(entry);
	if (code != MOUNT_OK) {
		mountinfo_entry_free(entry);
		return code;
	}
	if (strcmp(entry->source, "pycloud:/") == 0)
		below = umount_table_below(table, entry->point);
	while (below != NULL && below->len > 0)
		add_ending(endings, g_ptr_array_steal_index(below, 0));
	add_ending(endings, entry);
	return end(c, endings);
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct umount_options *c)
{
	g_autofree char *why = NULL;

	if (!umount_options_parse(argc, argv, c, &why))
		return fail(MOUNT_USAGE, "%s", why);
	if (c->wants_help)
		umount_options_print_help();
	else if (c->wants_version)
		(void)puts("umount.pycloud " PACKAGE_VERSION);
	else
		return -1;
	return MOUNT_OK;
}

int main(int argc, char **argv)
{
	struct sigaction interrupt = { .sa_handler = on_interrupt };
	struct umount_options c;
	int code;

	standard_files_fill();
	code = parse(argc, argv, &c);
	if (code >= 0)
		return code;
	(void)sigaction(SIGINT, &interrupt, NULL);
	(void)sigaction(SIGTERM, &interrupt, NULL);
	return run(&c);
}

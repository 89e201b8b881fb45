/* client_mount.c - see client_mount.h. */
#include "config.h"

#include "client_mount.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTINFO "/proc/self/mountinfo"

/* A line of it: the fields before " - ", and the type behind. */
enum field {
	FIELD_DEVICE = 2,
	FIELD_ROOT = 3,
	FIELD_POINT = 4,
	FIELDS_MIN
};

struct line {
	char *device, *root, *point; /* owned */
	bool is_ours;
};

static bool line_read(const char *text, struct line *ret)
{
	g_auto(GStrv) fields = g_strsplit(text, " ", -1);
	const char *type = strstr(text, " - ");

	if (g_strv_length(fields) <= FIELDS_MIN || type == NULL)
		return false;
	/* Spaces, newlines and backslashes are written as \040 and so on. */
	*ret = (struct line){
		.device = g_strdup(fields[FIELD_DEVICE]),
		.root = g_strcompress(fields[FIELD_ROOT]),
		.point = g_strcompress(fields[FIELD_POINT]),
		.is_ours =
			g_str_has_prefix(type + strlen(" - "), "fuse.pycloud "),
	};
	return true;
}

static void line_clear(struct line *l)
{
	g_free(l->device);
	g_free(l->root);
	g_free(l->point);
	*l = (struct line){ 0 };
}

static bool is_below(const char *path, const char *point)
{
	size_t length = strlen(point);

	if (strcmp(point, "/") == 0)
		return true;
	return strncmp(path, point, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* The deepest mount point that the path is below; of two on the same place the
 * later one hides the other. */
static bool find_deepest(char **lines, const char *path, struct line *ret)
{
	struct line line;

	*ret = (struct line){ 0 };
	for (; *lines != NULL; lines++) {
		if (!line_read(*lines, &line))
			continue;
		if (is_below(path, line.point) &&
			(ret->point == NULL ||
				strlen(line.point) >= strlen(ret->point))) {
			line_clear(ret);
			*ret = line;
		} else {
			line_clear(&line);
		}
	}
	return ret->point != NULL;
}

/* Where all of that filesystem is mounted, or "". */
static char *find_whole(char **lines, const char *device)
{
	char *found = g_strdup("");
	struct line line;

	for (; *lines != NULL; lines++) {
		if (!line_read(*lines, &line))
			continue;
		if (strcmp(line.device, device) == 0 &&
			strcmp(line.root, "/") == 0) {
			g_free(found);
			found = g_strdup(line.point);
		}
		line_clear(&line);
	}
	return found;
}

char *client_mount_root(const char *mountinfo, const char *path)
{
	g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);
	struct line line;
	char *root = NULL;

	if (find_deepest(lines, path, &line) && line.is_ours)
		root = strcmp(line.root, "/") == 0
			       ? g_strdup(line.point)
			       : find_whole(lines, line.device);
	line_clear(&line);
	return root;
}

static char *explain(const char *directory, int error)
{
	if (error == ENOTCONN)
		return g_strdup_printf("%s is a mount whose daemon died; "
				       "unmount it (fusermount3 -u) and "
				       "mount it again",
			directory);
	return g_strdup_printf("%s: %s", directory, g_strerror(error));
}

bool client_mount_find(
	const char *directory, struct client_mount *ret, char **ret_why)
{
	g_autofree char *mountinfo = NULL;
	char *path = realpath(directory == NULL ? "." : directory, NULL);

	*ret = (struct client_mount){ 0 };
	if (path == NULL) {
		*ret_why = explain(
			directory == NULL ? "the current directory" : directory,
			errno);
		return false;
	}
	ret->directory = g_strdup(path);
	free(path);
	if (!g_file_get_contents(MOUNTINFO, &mountinfo, NULL, NULL)) {
		*ret_why = g_strdup("cannot read " MOUNTINFO "; is /proc "
				    "mounted?");
		return false;
	}
	ret->root = client_mount_root(mountinfo, ret->directory);
	if (ret->root == NULL)
		*ret_why = g_strdup_printf(
			"%s is not inside a mounted workspace; go into one, "
			"name one with -C DIR, or mount one: mount.pycloud "
			"WORKSPACE DIR",
			ret->directory);
	else if (ret->root[0] == '\0')
		*ret_why = g_strdup_printf(
			"%s shows only a part of a workspace; use a directory "
			"below the place where all of it is mounted",
			ret->directory);
	return *ret_why == NULL;
}

void client_mount_clear(struct client_mount *m)
{
	g_free(m->directory);
	g_free(m->root);
	*m = (struct client_mount){ 0 };
}

char *client_mount_path(
	const struct client_mount *m, const char *run, const char *name)
{
	return g_build_filename(m->root, ".pycloud", "runs", run,
		run == NULL ? NULL : name, NULL);
}

/* scratch_place.h - a directory of its own for a test's files. */
#ifndef PYCLOUD_TESTS_UNIT_SCRATCH_PLACE_H
#define PYCLOUD_TESTS_UNIT_SCRATCH_PLACE_H

#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

struct scratch_place {
	char *path;
	int fd;
};

static inline void scratch_place_make(struct scratch_place *p)
{
	p->path = g_dir_make_tmp("pycloud-test-XXXXXX", NULL);
	g_assert_nonnull(p->path);
	p->fd = open(p->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(p->fd, >=, 0);
}

/* How many names are in it; the spool's empty logs are nothing. */
static inline unsigned scratch_place_count(const struct scratch_place *p)
{
	GDir *dir = g_dir_open(p->path, 0, NULL);
	unsigned count = 0;
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
		count += !g_str_has_prefix(name, "spare-");
	if (dir != NULL)
		g_dir_close(dir);
	return count;
}

/* The contents of the only file whose name ends so; g_free; NULL: none. */
static inline char *scratch_place_read(
	const struct scratch_place *p, const char *end)
{
	GDir *dir = g_dir_open(p->path, 0, NULL);
	char *text = NULL;
	const char *name;

	while (dir != NULL && text == NULL &&
		(name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(p->path, name, NULL);

		if (g_str_has_suffix(name, end))
			(void)g_file_get_contents(path, &text, NULL, NULL);
	}
	if (dir != NULL)
		g_dir_close(dir);
	return text;
}

static inline int scratch_place_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* Removes it with all that is in it. */
static inline void scratch_place_remove(struct scratch_place *p)
{
	(void)close(p->fd);
	(void)nftw(p->path, scratch_place_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	g_clear_pointer(&p->path, g_free);
}

#endif

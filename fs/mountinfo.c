/* mountinfo.c - see mountinfo.h. */
#include "config.h"

#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The fields of a line that count. */
enum field {
	FIELD_ID = 0,
	FIELD_POINT = 4,
	FIELDS_MIN
};

static uint64_t id_at(const char *line, const char *directory)
{
	g_auto(GStrv) fields = g_strsplit(line, " ", FIELDS_MIN + 1);
	g_autofree char *point = NULL;

	if (g_strv_length(fields) <= FIELDS_MIN)
		return 0;
	/* Spaces, newlines and backslashes are written as \040 and so on. */
	point = g_strcompress(fields[FIELD_POINT]);
	if (strcmp(point, directory) != 0)
		return 0;
	return g_ascii_strtoull(fields[FIELD_ID], NULL, 10);
}

uint64_t mountinfo_find(const char *text, const char *directory)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	uint64_t found = 0;

	for (char **line = lines; *line != NULL; line++) {
		uint64_t id = id_at(*line, directory);

		if (id != 0)
			found = id; /* the last one lies on top */
	}
	return found;
}

int mountinfo_open(void)
{
	return open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
}

char *mountinfo_read(int fd)
{
	GString *text = g_string_new(NULL);
	char buffer[4096];
	ssize_t n = 1;

	if (lseek(fd, 0, SEEK_SET) < 0)
		n = -1;
	while (n > 0) {
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			g_string_append_len(text, buffer, n);
	}
	return g_string_free(text, n < 0);
}

char *mountinfo_text(void)
{
	int fd = mountinfo_open();
	char *text = fd < 0 ? NULL : mountinfo_read(fd);

	if (fd >= 0)
		(void)close(fd);
	return text;
}

char *mountinfo_name(const char *directory)
{
	g_autofree char *full = g_canonicalize_filename(directory, NULL);
	g_autofree char *parent = g_path_get_dirname(full);
	g_autofree char *name = g_path_get_basename(full);
	char *real = realpath(parent, NULL);
	char *found;

	if (real == NULL || strcmp(full, "/") == 0)
		found = g_strdup(full);
	else
		found = g_build_filename(real, name, NULL);
	free(real);
	return found;
}

uint64_t mountinfo_id(const char *directory)
{
	g_autofree char *text = mountinfo_text();

	return text == NULL ? 0 : mountinfo_find(text, directory);
}

/* fusermount.c - see fusermount.h. */
#include "config.h"

#include "fusermount.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

/* The last: of systems that keep what is setuid apart. */
static const char *const places[] = { "/usr/bin/fusermount3",
	"/bin/fusermount3", "/usr/local/bin/fusermount3",
	"/run/wrappers/bin/fusermount3" };

const char *fusermount_find(void)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

bool fusermount_lets_others(void)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(FUSERMOUNT_CONF, &text, NULL, NULL))
		return false;
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if (strcmp(g_strstrip(*line), "user_allow_other") == 0)
			return true;
	return false;
}

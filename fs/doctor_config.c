/* doctor_config.c - pycloud doctor: the files of pycloud.conf(5). */
#include "config.h"

#include "config_file.h"
#include "doctor.h"
#include "fs_limits.h"
#include "option_list.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Without comments, which may be about anything. */
static void attach(const struct doctor_probe *p, const char *path)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	GString *kept;

	if (!g_file_get_contents(path, &text, NULL, NULL) ||
		strlen(text) > DOCTOR_TEXT_MAX)
		return;
	kept = g_string_new(NULL);
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if (*g_strstrip(*line) != '\0' && **line != '#')
			g_string_append_printf(kept, "%s\n", *line);
	doctor_attach(p, path, kept->str);
	g_string_free(kept, TRUE);
}

/* True: there is a file, good or bad. */
static bool check(const struct doctor_probe *p, const char *path)
{
	struct config_file *config = config_file_new();
	struct options options;
	g_autofree char *why = NULL;

	options_init(&options);
	if (access(path, R_OK) < 0 && errno == EACCES)
		doctor_tell(p, DOCTOR_WARN, "configuration",
			"make the file yours, or readable (chmod a+r)",
			"%s cannot be read, so it is passed over", path);
	else if (!config_file_read(config, path, false, NULL, false, &why) ||
		 !config_file_apply(config, &options, &why))
		doctor_tell(p, DOCTOR_FAILED, "configuration",
			"correct that line; pycloud.conf(5) says what may "
			"stand there",
			"%s", why);
	else if (access(path, F_OK) == 0)
		doctor_tell(p, DOCTOR_OK, "configuration", NULL,
			"%s is understood", path);
	options_clear(&options);
	config_file_free(config);
	return access(path, F_OK) == 0;
}

/* Which the options mean, or the usual ones. */
static char *named_file(const struct doctor_probe *p)
{
	for (char **list = p->options->lists; list != NULL && *list != NULL;
		list++) {
		g_autofree char *why = NULL;
		g_auto(GStrv) words = option_list_split(*list, &why);

		for (char **word = words; word != NULL && *word != NULL; word++)
			if (g_str_has_prefix(*word, "config="))
				return g_strdup(*word + strlen("config="));
	}
	return NULL;
}

void doctor_config(const struct doctor_probe *p)
{
	g_autofree char *named = named_file(p);
	g_autofree char *user = g_build_filename(
		g_get_user_config_dir(), "pycloud", "config", NULL);
	const char *files[] = { CONFIG_SYSTEM_FILE, user, NULL };
	const char *one[] = { named, NULL };
	bool is_any = false;

	for (const char **file = named != NULL ? one : files; *file != NULL;
		file++) {
		is_any = check(p, *file) || is_any;
		attach(p, *file);
	}
	if (!is_any)
		doctor_tell(p, DOCTOR_OK, "configuration", NULL,
			"there is no file, and none is needed");
}

/* Any bytes as a configuration file: taken, or refused with a sentence that
 * names file and line and shows no secret. */
#include "config.h"

#include "fuzz.h"

#include "config_file.h"

#include <string.h>

static void check_url(const char *url)
{
	if (strstr(url, "token=") != NULL)
		g_error("a token came through");
}

static void read_it(const char *path, bool is_sloppy)
{
	struct config_file *config = config_file_new();
	struct options o;
	char *why = NULL;

	options_init(&o);
	if (config_file_read(config, path, true, "lab", is_sloppy, &why) !=
		(why == NULL))
		g_error("neither read nor refused");
	if (why != NULL)
		fuzz_check_sentence(why, SIZE_MAX);
	if (why != NULL && !g_str_has_prefix(why, path))
		g_error("a sentence without the file's name: %s", why);
	if (why == NULL && config_file_url(config) != NULL)
		check_url(config_file_url(config));
	if (why == NULL && !config_file_apply(config, &o, &why))
		g_error("what was tried is refused: %s", why);
	g_free(why);
	options_clear(&o);
	config_file_free(config);
}

void fuzz_config_file(const uint8_t *bytes, size_t length)
{
	g_autofree char *path =
		g_build_filename(fuzz_scratch(), "pycloud.conf", NULL);

	fuzz_write(path, bytes, length, 0600);
	read_it(path, false);
	read_it(path, true);
}

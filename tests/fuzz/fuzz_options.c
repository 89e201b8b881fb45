/* Any text as the options of a mount, and as command lines of pycloud. */
#include "config.h"

#include "fuzz.h"

#include "client_options.h"
#include "cluster_options.h"
#include "fs_limits.h"
#include "options.h"

#include <string.h>

static void check_options(const struct options *o)
{
	if (o->timeout_ms < 0 || o->stall_ms < 0 || o->attr_timeout_ms < 0 ||
		o->writeback_ms < 0 || o->start_timeout_ms < 0 ||
		o->cache_bytes < 0 || o->run_output_max < RUN_OUTPUT_LEAST ||
		o->runs_keep < 1 || o->runs_keep > RUNS_KEEP_MAX ||
		(o->fmask & ~0777u) != 0 || (o->dmask & ~0777u) != 0)
		g_error("an option out of bounds");
	/* Each word of it goes on to libfuse. */
	if (strchr(o->fuse_options->str, '\n') != NULL)
		g_error("options with a line's end: %s", o->fuse_options->str);
}

/* The first that is refused ends it, as it ends the program. */
static void take_words(const char *list)
{
	g_auto(GStrv) words = g_strsplit(list, ",", -1);
	bool is_good = true;
	struct options o;

	options_init(&o);
	for (char **word = words; is_good && *word != NULL; word++) {
		char *why = NULL;

		is_good = options_take(&o, *word, &why);
		if (is_good != (why == NULL))
			g_error("neither taken nor refused: %s", *word);
		g_free(why);
		if (is_good)
			check_options(&o);
	}
	options_clear(&o);
}

static void parse_client(int argc, char **argv)
{
	struct client_options o;
	char *why = NULL;

	if (client_options_parse(argc, argv, &o, &why) != (why == NULL))
		g_error("neither parsed nor refused");
	g_free(why);
}

static void parse_cluster(int argc, char **argv)
{
	struct cluster_options o;
	char *why = NULL;
	bool is_good;

	if (argc < 2 || !cluster_options_has(argv[1]))
		return;
	is_good = cluster_options_parse(argc, argv, &o, &why);
	if (is_good != (why == NULL))
		g_error("neither parsed nor refused");
	if (is_good && (o.timeout_ms < 0 || o.tail < -1))
		g_error("a number out of bounds");
	g_free(why);
	cluster_options_clear(&o);
}

/* No file is read but an empty one. */
static void parse_mount(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, "\n", 16);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	struct options o;
	char *why = NULL;

	g_ptr_array_add(argv, (gpointer)(uintptr_t) "mount.pycloud");
	for (char **word = words; *word != NULL; word++)
		if (strstr(*word, "config") == NULL)
			g_ptr_array_add(argv, *word);
	g_ptr_array_add(argv, g_strdup("-oconfig=/dev/null"));
	if (options_parse((int)argv->len, (char **)argv->pdata, &o, &why) !=
		(why == NULL))
		g_error("neither parsed nor refused");
	for (guint i = 1; i < argv->len; i++)
		if (strstr(argv->pdata[i], "token=secret") != NULL)
			g_error("a token stays in argv");
	g_free(argv->pdata[argv->len - 1]);
	g_free(why);
	options_clear(&o);
}

void fuzz_options(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = fuzz_text(bytes, length);
	g_autofree char *line = g_strconcat("pycloud\n", text, NULL);
	g_auto(GStrv) argv = g_strsplit(line, "\n", 32);
	int argc = (int)g_strv_length(argv);

	take_words(text);
	parse_mount(text);
	parse_client(argc, argv);
	parse_cluster(argc, argv);
}

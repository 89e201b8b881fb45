/* options.c - see options.h. */
#include "config.h"

#include "options.h"

#include "fs_limits.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS	30000
#define DEFAULT_STALL_MS	30000
#define DEFAULT_ATTR_TIMEOUT_MS 5000
#define SECONDS_MAX		86400
#define SIZE_NUMBER_MAX		(1 << 20) /* in any unit */

enum kind {
	KIND_SECONDS, /* int64_t of milliseconds */
	KIND_LIMIT,   /* the same, and never none */
	KIND_ID,      /* uid_t or gid_t */
	KIND_MASK,    /* mode_t, octal */
	KIND_SIZE,    /* int64_t of bytes: 100M, 2G */
	KIND_SWITCH,  /* bool: on or off */
	KIND_HIDDEN,  /* bool: keep or refuse */
	KIND_FLAG,    /* bool, set by its presence */
	KIND_STRING,
	KIND_PASS,   /* handed to libfuse as it is */
	KIND_IGNORE, /* of mount(8)'s own, or the default anyway */
};

static const struct {
	const char *name;
	enum kind kind;
	size_t offset;
} table[] = {
	{ "timeout", KIND_LIMIT, offsetof(struct options, timeout_ms) },
	{ "stall", KIND_LIMIT, offsetof(struct options, stall_ms) },
	{ "attr_timeout", KIND_SECONDS,
		offsetof(struct options, attr_timeout_ms) },
	{ "uid", KIND_ID, offsetof(struct options, uid) },
	{ "gid", KIND_ID, offsetof(struct options, gid) },
	{ "fmask", KIND_MASK, offsetof(struct options, fmask) },
	{ "dmask", KIND_MASK, offsetof(struct options, dmask) },
	{ "cache_size", KIND_SIZE, offsetof(struct options, cache_bytes) },
	{ "prefetch", KIND_SWITCH, offsetof(struct options, has_prefetch) },
	{ "writeback", KIND_SECONDS, offsetof(struct options, writeback_ms) },
	{ "overlay", KIND_STRING, offsetof(struct options, overlay_patterns) },
	{ "hidden", KIND_HIDDEN, offsetof(struct options, refuses_hidden) },
	{ "insecure", KIND_FLAG, offsetof(struct options, is_insecure) },
	{ "nonempty", KIND_FLAG, offsetof(struct options, allows_nonempty) },
	{ "debug", KIND_FLAG, offsetof(struct options, is_debug) },
	{ "cacert", KIND_STRING, offsetof(struct options, ca_file) },
	{ "allow_other", KIND_PASS, 0 },
	{ "allow_root", KIND_PASS, 0 },
	{ "noexec", KIND_PASS, 0 },
	{ "noatime", KIND_PASS, 0 },
	{ "auto", KIND_IGNORE, 0 },
	{ "noauto", KIND_IGNORE, 0 },
	{ "defaults", KIND_IGNORE, 0 },
	{ "user", KIND_IGNORE, 0 },
	{ "users", KIND_IGNORE, 0 },
	{ "nouser", KIND_IGNORE, 0 },
	{ "owner", KIND_IGNORE, 0 },
	{ "group", KIND_IGNORE, 0 },
	{ "_netdev", KIND_IGNORE, 0 },
	{ "nofail", KIND_IGNORE, 0 },
	{ "rw", KIND_IGNORE, 0 },
	{ "exec", KIND_IGNORE, 0 },
	{ "atime", KIND_IGNORE, 0 },
	{ "relatime", KIND_IGNORE, 0 },
	{ "async", KIND_IGNORE, 0 },
	/* A mount of somebody's server never has these. */
	{ "suid", KIND_IGNORE, 0 },
	{ "dev", KIND_IGNORE, 0 },
	{ "nosuid", KIND_IGNORE, 0 },
	{ "nodev", KIND_IGNORE, 0 },
};

static bool parse_seconds(const char *text, int64_t least_ms, int64_t *ret_ms)
{
	char *end = NULL;
	double seconds;

	if (text == NULL || *text == '\0')
		return false;
	seconds = g_ascii_strtod(text, &end);
	if (*end != '\0' || !(seconds >= 0) || seconds > SECONDS_MAX)
		return false;
	*ret_ms = (int64_t)(seconds * 1000);
	return *ret_ms >= least_ms;
}

static bool parse_number(
	const char *text, guint base, guint64 max, guint64 *ret)
{
	return text != NULL &&
	       g_ascii_string_to_unsigned(text, base, 0, max, ret, NULL);
}

static bool parse_size(const char *text, int64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end = NULL;
	guint64 number;

	if (text == NULL || !g_ascii_isdigit(*text))
		return false;
	number = g_ascii_strtoull(text, &end, 10);
	unit = *end == '\0' ? NULL : strchr(units, *end);
	if ((*end != '\0' && (unit == NULL || end[1] != '\0')) ||
		number > SIZE_NUMBER_MAX)
		return false;
	if (unit != NULL)
		number <<= 10 * (unit - units + 1);
	*ret_bytes = (int64_t)number;
	return true;
}

/* Sets what table[i] describes. False: the value makes no sense. */
static bool set_option(struct options *o, size_t i, const char *value)
{
	char *field = (char *)o + table[i].offset;
	guint64 number;

	switch (table[i].kind) {
	case KIND_SECONDS:
		return parse_seconds(value, 0, (void *)field);
	case KIND_LIMIT:
		return parse_seconds(value, 1, (void *)field);
	case KIND_ID:
		if (!parse_number(value, 10, UINT32_MAX - 1, &number))
			return false;
		*(uid_t *)(void *)field = (uid_t)number;
		return true;
	case KIND_MASK:
		if (!parse_number(value, 8, 0777, &number))
			return false;
		*(mode_t *)(void *)field = (mode_t)number;
		return true;
	case KIND_SIZE:
		return parse_size(value, (void *)field);
	case KIND_SWITCH:
		*(bool *)(void *)field = g_strcmp0(value, "on") == 0;
		return g_strcmp0(value, "on") == 0 ||
		       g_strcmp0(value, "off") == 0;
	case KIND_HIDDEN:
		*(bool *)(void *)field = g_strcmp0(value, "refuse") == 0;
		return g_strcmp0(value, "refuse") == 0 ||
		       g_strcmp0(value, "keep") == 0;
	case KIND_FLAG:
		*(bool *)(void *)field = true;
		return value == NULL;
	case KIND_STRING:
		if (value == NULL || *value == '\0')
			return false;
		g_free(*(char **)(void *)field);
		*(char **)(void *)field = g_strdup(value);
		return true;
	case KIND_PASS:
		g_string_append_printf(o->fuse_options, ",%s", table[i].name);
		return value == NULL;
	case KIND_IGNORE:
	default:
		return true;
	}
}

static bool find_option(const char *name, size_t *ret)
{
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool parse_one(struct options *o, const char *word, char **ret_why)
{
	const char *equals = strchr(word, '=');
	const char *value = equals == NULL ? NULL : equals + 1;
	g_autofree char *name =
		equals == NULL ? g_strdup(word)
			       : g_strndup(word, (gsize)(equals - word));
	size_t i;

	if (*name == '\0' || g_str_has_prefix(name, "x-") ||
		g_str_has_prefix(name, "comment"))
		return true;
	if (strcmp(name, "ro") == 0) {
		o->is_read_only = true;
		g_string_append(o->fuse_options, ",ro");
		return true;
	}
	if (strcmp(name, "umask") == 0) {
		guint64 mask;

		if (parse_number(value, 8, 0777, &mask)) {
			o->fmask = o->dmask = (mode_t)mask;
			return true;
		}
	} else if (!find_option(name, &i)) {
		if (o->is_sloppy)
			return true;
		*ret_why = g_strdup_printf("unknown option '%s'; "
					   "mount.pycloud --help lists them",
			name);
		return false;
	} else if (set_option(o, i, value)) {
		return true;
	}
	*ret_why = g_strdup_printf("option '%s' does not take '%s'; "
				   "mount.pycloud --help says what it takes",
		name, value == NULL ? "" : value);
	return false;
}

static bool parse_mount_options(struct options *o, char **lists, char **ret_why)
{
	for (; lists != NULL && *lists != NULL; lists++) {
		g_auto(GStrv) words = g_strsplit(*lists, ",", -1);

		for (char **word = words; *word != NULL; word++)
			if (!parse_one(o, *word, ret_why))
				return false;
	}
	return true;
}

static void blot(char *from, const char *to)
{
	for (; from < to; from++)
		*from = '*';
}

/* Blots what follows each "token=", and what stands before the last '@' of a
 * URL's host. */
static void blot_secrets(char *arg)
{
	char *host = strstr(arg, "://");
	char *p = arg;

	while ((p = strstr(p, "token=")) != NULL) {
		p += strlen("token=");
		blot(p, p + strcspn(p, "&"));
	}
	if (host != NULL) {
		host += strlen("://");
		p = host + strcspn(host, "/?#");
		while (p > host && *p != '@')
			p--;
		blot(host, p);
	}
}

static void set_defaults(struct options *o)
{
	*o = (struct options){
		.timeout_ms = DEFAULT_TIMEOUT_MS,
		.stall_ms = DEFAULT_STALL_MS,
		.attr_timeout_ms = DEFAULT_ATTR_TIMEOUT_MS,
		.cache_bytes = CACHE_BYTES,
		.has_prefetch = true,
		.uid = getuid(),
		.gid = getgid(),
		.fuse_options = g_string_new(NULL),
	};
}

static void wipe_strv(char **strv)
{
	for (char **p = strv; *p != NULL; p++)
		explicit_bzero(*p, strlen(*p));
	g_strfreev(strv);
}

/* The words of the command line, given to GLib as it wants them. */
static bool parse_words(char ***words, struct options *o, char ***ret_lists,
	char ***ret_operands, char **ret_why)
{
	gboolean foreground = FALSE, fake = FALSE, sloppy = FALSE;
	gboolean verbose = FALSE, debug = FALSE, version = FALSE;
	gboolean help = FALSE, no_mtab = FALSE;
	const GOptionEntry entries[] = {
		{ "options", 'o', 0, G_OPTION_ARG_STRING_ARRAY, ret_lists, NULL,
			NULL },
		{ "foreground", 0, 0, G_OPTION_ARG_NONE, &foreground, NULL,
			NULL },
		{ "debug", 'd', 0, G_OPTION_ARG_NONE, &debug, NULL, NULL },
		{ "fake", 'f', 0, G_OPTION_ARG_NONE, &fake, NULL, NULL },
		{ "sloppy", 's', 0, G_OPTION_ARG_NONE, &sloppy, NULL, NULL },
		{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, NULL, NULL },
		{ "no-mtab", 'n', 0, G_OPTION_ARG_NONE, &no_mtab, NULL, NULL },
		{ "version", 'V', 0, G_OPTION_ARG_NONE, &version, NULL, NULL },
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &help, NULL, NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY,
			ret_operands, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	GOptionContext *context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	bool is_good;

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, entries, NULL);
	is_good = g_option_context_parse_strv(context, words, &error);
	g_option_context_free(context);
	if (!is_good)
		*ret_why = g_strdup_printf(
			"%s; see mount.pycloud --help", error->message);
	o->is_foreground = foreground;
	o->is_fake = fake;
	o->is_sloppy = sloppy;
	o->is_verbose = verbose;
	o->is_debug = debug;
	o->wants_version = version;
	o->wants_help = help;
	return is_good;
}

static bool take_operands(struct options *o, char **operands, char **ret_why)
{
	guint count = operands == NULL ? 0 : g_strv_length(operands);

	if (o->wants_help || o->wants_version)
		return true;
	if (count != 2) {
		*ret_why = g_strdup("mount.pycloud takes a workspace and a "
				    "directory: mount.pycloud demo ~/ws");
		return false;
	}
	o->spec = g_strdup(operands[0]);
	o->directory = g_canonicalize_filename(operands[1], NULL);
	return true;
}

bool options_parse(int argc, char **argv, struct options *ret, char **ret_why)
{
	char **words = g_new0(char *, (gsize)argc + 1);
	g_auto(GStrv) lists = NULL;
	char **operands = NULL;
	bool is_good;

	set_defaults(ret);
	for (int i = 0; i < argc; i++) {
		words[i] = g_strdup(argv[i]);
		if (i > 0)
			blot_secrets(argv[i]);
	}
	is_good = parse_words(&words, ret, &lists, &operands, ret_why) &&
		  parse_mount_options(ret, lists, ret_why) &&
		  take_operands(ret, operands, ret_why);
	if (operands != NULL)
		wipe_strv(operands);
	wipe_strv(words);
	return is_good;
}

void options_clear(struct options *o)
{
	if (o->spec != NULL)
		explicit_bzero(o->spec, strlen(o->spec));
	g_clear_pointer(&o->spec, g_free);
	g_clear_pointer(&o->directory, g_free);
	g_clear_pointer(&o->ca_file, g_free);
	g_clear_pointer(&o->overlay_patterns, g_free);
	if (o->fuse_options != NULL)
		g_string_free(o->fuse_options, TRUE);
	o->fuse_options = NULL;
}

void options_print_help(void)
{
	(void)puts(
		"Usage: mount.pycloud WORKSPACE DIR [-o OPTION,...]\n"
		"Mount a workspace (a Jupyter server) as a directory.\n"
		"\n"
		"WORKSPACE is a name (demo: served by this computer's Jupyter) or "
		"the URL of\n"
		"any Jupyter server. Its token comes from $PYCLOUD_TOKEN, from "
		"the URL's\n"
		"?token=, or from the desktop's keyring.\n"
		"\n"
		"  -o timeout=SECONDS       limit of a request (30)\n"
		"  -o stall=SECONDS         limit of a transfer without a byte "
		"(30)\n"
		"  -o attr_timeout=SECONDS  how long names and attributes are "
		"believed (5)\n"
		"  -o uid=N,gid=N           owner of all files (you)\n"
		"  -o umask=M,fmask=M,dmask=M  permission bits to take away, "
		"octal\n"
		"  -o cache_size=BYTES      of files kept on the local disk (1G)\n"
		"  -o prefetch=off          ask for nothing before it is asked for\n"
		"  -o writeback=SECONDS     upload so long after close (0: before)\n"
		"  -o overlay=GLOB:GLOB...  names that stay on this computer, "
		"besides editors' own\n"
		"  -o hidden=refuse         where the server refuses dot names, "
		"do not keep them\n"
		"                           here: EPERM\n"
		"  -o ro                    read only\n"
		"  -o allow_other           other users may enter too\n"
		"  -o nonempty              mount over a directory that has files\n"
		"  -o cacert=FILE           trust this certificate authority\n"
		"  -o insecure              do not verify the server's "
		"certificate\n"
		"      --foreground         do not become a daemon\n"
		"  -d, --debug              log every operation (implies "
		"--foreground)\n"
		"  -s  ignore unknown options   -f  do all but mount   -v  say "
		"more\n"
		"  -h, --help   -V, --version\n"
		"\n"
		"Unmount with: umount DIR, or fusermount3 -u DIR");
}

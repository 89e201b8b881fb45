/* options.c - see options.h. */
#include "config.h"

#include "options.h"

#include "config_file.h"
#include "fs_limits.h"
#include "option_help.h"
#include "option_list.h"
#include "option_table.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS	30000
#define DEFAULT_STALL_MS	30000
#define DEFAULT_ATTR_TIMEOUT_MS 5000
/* An image is pulled first, by a small computer perhaps. */
#define DEFAULT_START_TIMEOUT_MS 600000

static bool parse_seconds(const char *text, int64_t least_ms, int64_t *ret_ms)
{
	char *end = NULL;
	double seconds;

	if (text == NULL || *text == '\0')
		return false;
	seconds = g_ascii_strtod(text, &end);
	if (*end != '\0' || !(seconds >= 0) || seconds > OPTION_SECONDS_MAX)
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
		number > OPTION_SIZE_MAX)
		return false;
	if (unit != NULL)
		number <<= 10 * (unit - units + 1);
	*ret_bytes = (int64_t)number;
	return true;
}

/* One word for false, another for true. */
static bool parse_choice(
	const char *text, const char *no, const char *yes, bool *ret)
{
	*ret = g_strcmp0(text, yes) == 0;
	return *ret || g_strcmp0(text, no) == 0;
}

/* The words stand in the row: "no's|yes's". */
static bool set_choice(
	const struct option_row *row, const char *value, bool *field)
{
	g_auto(GStrv) words = g_strsplit(row->value, "|", 2);

	return parse_choice(value, words[0], words[1], field);
}

static bool parse_id(const char *value, uint32_t *ret)
{
	guint64 number;

	if (!parse_number(value, 10, UINT32_MAX - 1, &number))
		return false;
	*ret = (uint32_t)number;
	return true;
}

/* A number, or the name of a user. */
static bool set_uid(const char *value, uid_t *field)
{
	const struct passwd *pw;

	if (value == NULL || parse_id(value, field))
		return value != NULL;
	pw = getpwnam(value);
	if (pw != NULL)
		*field = pw->pw_uid;
	return pw != NULL;
}

static bool set_gid(const char *value, gid_t *field)
{
	const struct group *gr;

	if (value == NULL || parse_id(value, field))
		return value != NULL;
	gr = getgrnam(value);
	if (gr != NULL)
		*field = gr->gr_gid;
	return gr != NULL;
}

static bool set_mask(const char *value, mode_t *field)
{
	guint64 mask;

	if (!parse_number(value, 8, 0777, &mask))
		return false;
	*field = (mode_t)mask;
	return true;
}

static bool set_runs(const char *value, unsigned *field)
{
	guint64 number;

	if (!parse_number(value, 10, RUNS_KEEP_MAX, &number) || number == 0)
		return false;
	*field = (unsigned)number;
	return true;
}

static bool set_string(const char *value, char **field)
{
	if (value == NULL || *value == '\0')
		return false;
	g_free(*field);
	*field = g_strdup(value);
	return true;
}

/* Sets what the row describes. False: the value makes no sense. */
static bool set_option(
	struct options *o, const struct option_row *row, const char *value)
{
	char *field = (char *)o + row->offset;

	switch (row->kind) {
	case KIND_SECONDS:
		return parse_seconds(value, 0, (void *)field);
	case KIND_LIMIT:
		return parse_seconds(value, 1, (void *)field);
	case KIND_UID:
		o->has_uid = set_uid(value, (void *)field);
		return o->has_uid;
	case KIND_GID:
		o->has_gid = set_gid(value, (void *)field);
		return o->has_gid;
	case KIND_MASK:
		return set_mask(value, (void *)field);
	case KIND_UMASK:
		return set_mask(value, &o->fmask) && set_mask(value, &o->dmask);
	case KIND_RUNS:
		return set_runs(value, (void *)field);
	case KIND_SIZE:
		return parse_size(value, (void *)field);
	case KIND_OUTPUT:
		return parse_size(value, (void *)field) &&
		       *(int64_t *)(void *)field >= RUN_OUTPUT_LEAST;
	case KIND_CHOICE:
		return set_choice(row, value, (void *)field);
	case KIND_FLAG:
		*(bool *)(void *)field = true;
		return value == NULL;
	case KIND_STRING:
		return set_string(value, (void *)field);
	case KIND_READ_ONLY:
		*(bool *)(void *)field = true;
		__attribute__((fallthrough));
	case KIND_PASS:
		g_string_append_printf(o->fuse_options, ",%s", row->name);
		return value == NULL;
	case KIND_IGNORE:
	default:
		return true;
	}
}

static char *refuse_value(const struct option_row *row, const char *value)
{
	bool is_user = row->kind == KIND_UID;

	if ((is_user || row->kind == KIND_GID) && g_ascii_isalpha(*value))
		return g_strdup_printf("option '%s': there is no %s '%s' here; "
				       "getent %s lists them",
			row->name, is_user ? "user" : "group", value,
			is_user ? "passwd" : "group");
	return g_strdup_printf("option '%s' does not take '%s'; "
			       "mount.pycloud --help says what it takes",
		row->name, value);
}

bool options_take(struct options *o, const char *word, char **ret_why)
{
	const char *equals = strchr(word, '=');
	const char *value = equals == NULL ? NULL : equals + 1;
	g_autofree char *name =
		equals == NULL ? g_strdup(word)
			       : g_strndup(word, (gsize)(equals - word));
	const struct option_row *row;

	if (*name == '\0' || g_str_has_prefix(name, "x-") ||
		g_str_has_prefix(name, "comment"))
		return true;
	if (strcmp(name, "remount") == 0) {
		*ret_why = g_strdup("a workspace cannot be remounted; unmount "
				    "it, and mount it with the options that "
				    "you want");
		return false;
	}
	row = option_table_find(name);
	if (row == NULL && o->is_sloppy)
		return true;
	if (row == NULL)
		*ret_why = g_strdup_printf("unknown option '%s'; "
					   "mount.pycloud --help lists them",
			name);
	else if (!set_option(o, row, value))
		*ret_why = refuse_value(row, value == NULL ? "" : value);
	return *ret_why == NULL;
}

static void wipe_strv(char **strv)
{
	for (char **p = strv; *p != NULL; p++)
		explicit_bzero(*p, strlen(*p));
	g_strfreev(strv);
}

bool options_take_lists(struct options *o, char **lists, char **ret_why)
{
	bool is_good = true;

	for (; is_good && lists != NULL && *lists != NULL; lists++) {
		GStrv words = option_list_split(*lists, ret_why);

		is_good = words != NULL;
		for (char **word = words; is_good && *word != NULL; word++)
			is_good = options_take(o, *word, ret_why);
		if (words != NULL) /* with the url's secrets */
			wipe_strv(words);
	}
	return is_good;
}

static bool parse_mount_options(struct options *o, char **lists, char **ret_why)
{
	o->given = lists == NULL ? NULL : g_strjoinv(",", lists);
	return options_take_lists(o, lists, ret_why);
}

static void blot(char *from, const char *to)
{
	for (; from < to; from++)
		*from = '*';
}

/* Blots what follows each "token=", and what stands before the last '@' of a
 * URL's host. */
void options_blot(char *arg)
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

void options_init(struct options *o)
{
	*o = (struct options){
		.timeout_ms = DEFAULT_TIMEOUT_MS,
		.stall_ms = DEFAULT_STALL_MS,
		.attr_timeout_ms = DEFAULT_ATTR_TIMEOUT_MS,
		.start_timeout_ms = DEFAULT_START_TIMEOUT_MS,
		.cache_bytes = CACHE_BYTES,
		.runs_keep = RUNS_KEEP,
		.run_output_max = RUN_OUTPUT_MAX,
		.has_prefetch = true,
		.uid = getuid(),
		.gid = getgid(),
		.fuse_options = g_string_new(NULL),
	};
}

/* The words of the command line, given to GLib as it wants them. */
static bool parse_words(char ***words, struct options *o, char ***ret_lists,
	char ***ret_operands, char **ret_why)
{
	g_autofree char *type = NULL; /* mount(8)'s; it has chosen us */
	g_autofree char *namespace = NULL;
	const GOptionEntry other[] = {
		{ "type", 't', 0, G_OPTION_ARG_STRING, &type, NULL, NULL },
		{ "mount-namespace", 'N', 0, G_OPTION_ARG_STRING, &namespace,
			NULL, NULL },
		{ "options", 'o', 0, G_OPTION_ARG_STRING_ARRAY, ret_lists, NULL,
			NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY,
			ret_operands, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	g_autofree GOptionEntry *letters =
		g_new0(GOptionEntry, option_letter_count + 1);
	g_autofree gboolean *given = g_new0(gboolean, option_letter_count);
	GOptionContext *context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	bool is_good;

	for (size_t i = 0; i < option_letter_count; i++) {
		letters[i].long_name = option_letters[i].name;
		letters[i].short_name = option_letters[i].letter;
		letters[i].arg = G_OPTION_ARG_NONE;
		letters[i].arg_data = &given[i];
	}
	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, other, NULL);
	g_option_context_add_main_entries(context, letters, NULL);
	is_good = g_option_context_parse_strv(context, words, &error);
	g_option_context_free(context);
	if (!is_good)
		*ret_why = g_strdup_printf(
			"%s; see mount.pycloud --help", error->message);
	if (is_good && namespace != NULL) {
		*ret_why = g_strdup_printf("cannot mount in another namespace; "
					   "run: nsenter --mount=%s "
					   "mount.pycloud WORKSPACE DIR",
			namespace);
		is_good = false;
	}
	for (size_t i = 0; i < option_letter_count; i++)
		*((bool *)(void *)((char *)o + option_letters[i].offset)) =
			given[i];
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
	if (o->spec == NULL) /* the name stands for itself */
		o->spec = g_strdup(operands[0]);
	o->directory = g_canonicalize_filename(operands[1], NULL);
	return true;
}

/* --- files, and whose they are --------------------------------------------- */

/* Whom root names, if it is not root. False: there is no such user. */
static bool find_identity(
	struct options *o, const struct options *said, char **ret_why)
{
	if (geteuid() != 0 || !said->has_uid || said->uid == 0)
		return true;
	o->identity = identity_new(
		said->uid, said->has_gid ? &said->gid : NULL, ret_why);
	return o->identity != NULL;
}

static bool lets_others(const struct options *o)
{
	return strstr(o->fuse_options->str, ",allow_") != NULL;
}

/* What the system's file says by itself, the command line over it. */
static bool hear_root(struct options *o, const struct config_file *config,
	char **lists, char **ret_why)
{
	struct options said;
	bool is_good;

	options_init(&said);
	said.is_sloppy = o->is_sloppy;
	is_good = config_file_apply(config, &said, ret_why) &&
		  parse_mount_options(&said, lists, ret_why) &&
		  find_identity(o, &said, ret_why);
	o->root_lets_others = lets_others(&said);
	options_clear(&said);
	return is_good;
}

static bool read_own_file(struct config_file *config, const struct options *o,
	const struct options *early, const char *spec, char **ret_why)
{
	int rc = o->identity == NULL ? 0 : identity_borrow(o->identity);
	bool is_good = false;

	if (rc == 0) {
		is_good = config_file_read_own(config, early, spec, ret_why);
		rc = o->identity == NULL ? 0 : identity_give_back();
	}
	if (rc < 0) {
		g_free(*ret_why);
		*ret_why = g_strdup_printf("cannot take the rights of the user "
					   "%u: %s; mount where root may be "
					   "every user, or as that user",
			(unsigned)o->identity->uid, g_strerror(-rc));
	}
	return rc == 0 && is_good;
}

/* The files, and the command line over them. Its options are looked at first:
 * they say which files. */
static bool take_files(
	struct options *o, char **lists, const char *spec, char **ret_why)
{
	struct config_file *config = config_file_new();
	struct options early;
	bool is_good;

	options_init(&early);
	early.is_sloppy = o->is_sloppy;
	is_good = parse_mount_options(&early, lists, ret_why) &&
		  config_file_read_system(config, &early, spec, ret_why) &&
		  hear_root(o, config, lists, ret_why) &&
		  read_own_file(config, o, &early, spec, ret_why) &&
		  config_file_apply(config, o, ret_why);
	if (is_good && config_file_url(config) != NULL) {
		o->spec = g_strdup(config_file_url(config));
		o->name = g_strdup(config_file_bare_name(spec));
	}
	options_clear(&early);
	config_file_free(config);
	return is_good;
}

/* Root's own file may name a user, too. */
static bool settle_identity(struct options *o, char **ret_why)
{
	if (o->identity == NULL) {
		if (!find_identity(o, o, ret_why))
			return false;
		o->root_lets_others = lets_others(o);
	}
	if (o->identity != NULL && !o->has_gid)
		o->gid = o->identity->gid;
	return true;
}

#define PATHS 3

/* Options that name a file. */
static const char *const path_keys[PATHS] = { "kubeconfig", "cacert",
	"credentials" };

/* The daemon looks for them later, from the root directory. */
static void settle_paths(struct options *o)
{
	char **paths[PATHS] = { &o->kubeconfig, &o->ca_file,
		&o->credentials_file };

	for (size_t i = 0; i < PATHS; i++) {
		char *given = *paths[i];

		if (given == NULL)
			continue;
		*paths[i] = g_canonicalize_filename(given, NULL);
		g_free(given);
	}
}

char *options_pass_on(const struct options *o)
{
	const char *const paths[PATHS] = { o->kubeconfig, o->ca_file,
		o->credentials_file };
	GString *all = g_string_new(o->given);

	for (size_t i = 0; i < PATHS; i++) {
		g_autofree char *value =
			paths[i] == NULL ? NULL : option_list_escape(paths[i]);

		if (value != NULL)
			g_string_append_printf(all, "%s%s=%s",
				all->len == 0 ? "" : ",", path_keys[i], value);
	}
	return g_string_free(all, FALSE);
}

bool options_parse(int argc, char **argv, struct options *ret, char **ret_why)
{
	char **words = g_new0(char *, (gsize)argc + 1);
	g_auto(GStrv) lists = NULL;
	char **operands = NULL;
	bool is_good;

	options_init(ret);
	for (int i = 0; i < argc; i++) {
		words[i] = g_strdup(argv[i]);
		if (i > 0)
			options_blot(argv[i]);
	}
	is_good = parse_words(&words, ret, &lists, &operands, ret_why) &&
		  (operands == NULL || ret->wants_help || ret->wants_version ||
			  take_files(ret, lists, operands[0], ret_why)) &&
		  parse_mount_options(ret, lists, ret_why) &&
		  settle_identity(ret, ret_why) &&
		  take_operands(ret, operands, ret_why);
	settle_paths(ret);
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
	g_clear_pointer(&o->name, g_free);
	g_clear_pointer(&o->config_file, g_free);
	g_clear_pointer(&o->directory, g_free);
	g_clear_pointer(&o->ca_file, g_free);
	g_clear_pointer(&o->credentials_file, g_free);
	g_clear_pointer(&o->token_command, g_free);
	g_clear_pointer(&o->overlay_patterns, g_free);
	g_clear_pointer(&o->kubeconfig, g_free);
	g_clear_pointer(&o->context, g_free);
	g_clear_pointer(&o->namespace, g_free);
	g_clear_pointer(&o->image, g_free);
	if (o->given != NULL) /* with the url's secrets */
		explicit_bzero(o->given, strlen(o->given));
	g_clear_pointer(&o->given, g_free);
	if (o->url != NULL)
		explicit_bzero(o->url, strlen(o->url));
	g_clear_pointer(&o->url, g_free);
	if (o->fuse_options != NULL)
		g_string_free(o->fuse_options, TRUE);
	o->fuse_options = NULL;
	identity_free(o->identity);
	o->identity = NULL;
}

void options_print_help(void)
{
	GString *text = g_string_new(NULL);

	option_help(text);
	(void)fputs(text->str, stdout);
	g_string_free(text, TRUE);
}

/* config_file.c - see config_file.h. */
#include "config.h"

#include "config_file.h"

#include "fs_limits.h"
#include "log.h"
#include "option_table.h"
#include "printable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULTS  "defaults"
#define WORKSPACE "workspace \""
#define URL_KEY	  "url"

/* A key and what it says, as -o would have it; NULL: a flag that is false. */
struct setting {
	char *name;
	char *word;
};

struct config_file {
	GPtrArray *settings; /* of struct setting, a name once */
	char *url;
};

/* Where the reader is. */
struct place {
	struct config_file *config;
	const char *path;
	unsigned line;
	const char *name; /* of the workspace; NULL: none */
	char *group;	  /* NULL: before the first */
	bool is_meant;	  /* the group is for this mount */
	bool is_sloppy;
	bool is_known; /* the group's name is one of ours */
	char **ret_why;
};

static void setting_free(void *memory)
{
	struct setting *s = memory;

	g_free(s->name);
	g_free(s->word);
	g_free(s);
}

struct config_file *config_file_new(void)
{
	struct config_file *config = g_new0(struct config_file, 1);

	config->settings = g_ptr_array_new_with_free_func(setting_free);
	return config;
}

void config_file_free(struct config_file *config)
{
	g_ptr_array_unref(config->settings);
	g_free(config->url);
	g_free(config);
}

const char *config_file_url(const struct config_file *config)
{
	return config->url;
}

const char *config_file_bare_name(const char *spec)
{
	if (g_str_has_prefix(spec, "pycloud:"))
		spec += strlen("pycloud:");
	return *spec == '\0' || strpbrk(spec, ":/") != NULL ? NULL : spec;
}

/* --- reading its bytes ---------------------------------------------------- */

/* NULL: it may be used. */
static const char *distrust(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs to somebody else, who could direct your "
		       "mounts; make a file of your own";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "can be written by others, who could direct your "
		       "mounts; chmod go-w it";
	if (st->st_size > CONFIG_BYTES_MAX)
		return "is longer than 64 KiB";
	return NULL;
}

static char *read_bytes(int fd, const char **ret_problem)
{
	g_autofree char *bytes = g_malloc(CONFIG_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, bytes + length, CONFIG_BYTES_MAX + 1 - length)) >
		0)
		length += (size_t)n;
	if (n < 0)
		*ret_problem = g_strerror(errno);
	else if (length > CONFIG_BYTES_MAX)
		*ret_problem = "is longer than 64 KiB";
	else if (!g_utf8_validate(bytes, (gssize)length, NULL))
		*ret_problem = "is no text in UTF-8";
	if (*ret_problem != NULL)
		return NULL;
	bytes[length] = '\0';
	return g_steal_pointer(&bytes);
}

/* *ret_text is NULL where there is nothing to read. */
static bool read_file(
	const char *path, bool must_exist, char **ret_text, char **ret_why)
{
	/* A pipe must not keep us waiting. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *problem = NULL;
	struct stat st;

	*ret_text = NULL;
	if (fd < 0 && !must_exist && (errno == ENOENT || errno == ENOTDIR))
		return true;
	/* Another's home, as that of who called sudo. */
	if (fd < 0 && !must_exist && errno == EACCES) {
		log_warning("%s: %s", path, g_strerror(errno));
		return true;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		problem = g_strerror(errno);
	else
		problem = distrust(&st);
	if (problem == NULL)
		*ret_text = read_bytes(fd, &problem);
	if (problem != NULL)
		*ret_why = g_strdup_printf("%s: %s", path, problem);
	if (fd >= 0)
		(void)close(fd);
	return problem == NULL;
}

/* --- what it says --------------------------------------------------------- */

static bool G_GNUC_PRINTF(2, 3)
	refuse(const struct place *at, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	/* It is shown on a terminal, and may quote what the file says. */
	printable_make(text, '?');
	*at->ret_why = g_strdup_printf("%s:%u: %s", at->path, at->line, text);
	return false;
}

/* Of what -s lets pass: takes the sentence that *at->ret_why has got. */
static bool forgive(const struct place *at)
{
	if (!at->is_sloppy)
		return false;
	log_warning("%s; it is ignored", *at->ret_why);
	g_clear_pointer(at->ret_why, g_free);
	return true;
}

static void set(struct config_file *config, const char *name, const char *word)
{
	struct setting *s = g_new0(struct setting, 1);

	for (guint i = 0; i < config->settings->len; i++) {
		const struct setting *old = config->settings->pdata[i];

		if (strcmp(old->name, name) != 0)
			continue;
		(void)g_ptr_array_remove_index(config->settings, i);
		break;
	}
	s->name = g_strdup(name);
	s->word = g_strdup(word);
	g_ptr_array_add(config->settings, s);
}

/* A URL's "token=", or what stands before an '@' in its host. */
static bool has_secret(const char *url)
{
	const char *host = strstr(url, "://");
	g_autofree char *lower = g_ascii_strdown(url, -1);

	if (strstr(lower, "token=") != NULL)
		return true;
	if (host == NULL)
		return false;
	host += strlen("://");
	return memchr(host, '@', strcspn(host, "/?#")) != NULL;
}

static bool take_url(const struct place *at, const char *url)
{
	if (strcmp(at->group, DEFAULTS) == 0)
		return refuse(at, "url is for a [workspace \"NAME\"]") ||
		       forgive(at);
	/* Not for -s: the secret is in the file. */
	if (has_secret(url))
		return refuse(at, "a token does not belong into this file; "
				  "take it out of the url, and keep it in the "
				  "desktop's keyring or give it in "
				  "PYCLOUD_TOKEN");
	if (strstr(url, "://") == NULL && !g_str_has_prefix(url, "kube:") &&
		!g_str_has_prefix(url, "local:"))
		return refuse(at, "url takes https://..., kube:NAME or "
				  "local:NAME") ||
		       forgive(at);
	if (at->is_meant) {
		g_free(at->config->url);
		at->config->url = g_strdup(url);
	}
	return true;
}

/* The word that -o would have: NULL where a flag is false. */
static bool make_word(const struct place *at, const struct option_row *row,
	const char *value, char **ret_word)
{
	bool is_true = strcmp(value, "true") == 0;

	*ret_word = NULL;
	if (row->value != NULL) {
		*ret_word = g_strdup_printf("%s=%s", row->name, value);
		return true;
	}
	if (!is_true && strcmp(value, "false") != 0)
		return refuse(at, "%s takes true or false", row->name);
	if (is_true)
		*ret_word = g_strdup(row->name);
	return true;
}

/* Tried on options that nobody uses: a value must make sense in groups that
 * are not meant, too. */
static bool is_taken(const struct place *at, const char *word)
{
	struct options scratch;
	g_autofree char *why = NULL;
	bool is_good;

	options_init(&scratch);
	is_good = options_take(&scratch, word, &why);
	options_clear(&scratch);
	return is_good || refuse(at, "%s", why);
}

static bool take_option(
	const struct place *at, const struct option_row *row, const char *value)
{
	g_autofree char *word = NULL;

	if (!make_word(at, row, value, &word) ||
		(word != NULL && !is_taken(at, word)))
		return forgive(at);
	if (at->is_meant)
		set(at->config, row->name, word);
	return true;
}

/* --- its lines ------------------------------------------------------------ */

/* The NAME of 'workspace "NAME"' (g_free), or NULL. */
static char *workspace_name(const char *group)
{
	size_t length = strlen(group);
	g_autofree char *name = NULL;

	if (!g_str_has_prefix(group, WORKSPACE) ||
		length < strlen(WORKSPACE) + 2 || group[length - 1] != '"')
		return NULL;
	name = g_strndup(
		group + strlen(WORKSPACE), length - strlen(WORKSPACE) - 1);
	if (strchr(name, '"') != NULL || config_file_bare_name(name) != name)
		return NULL;
	return g_steal_pointer(&name);
}

static bool take_group(struct place *at, const char *line)
{
	size_t length = strlen(line);
	g_autofree char *name = NULL;

	if (line[length - 1] != ']')
		return refuse(at, "the group has no ']' at its end");
	g_free(at->group);
	at->group = g_strndup(line + 1, length - 2);
	name = workspace_name(at->group);
	at->is_known = name != NULL || strcmp(at->group, DEFAULTS) == 0;
	at->is_meant = at->is_known &&
		       (name == NULL || g_strcmp0(name, at->name) == 0);
	if (at->is_known)
		return true;
	return refuse(at,
		       "unknown group '%s'; there are [defaults] and "
		       "[workspace \"NAME\"]",
		       at->group) ||
	       forgive(at);
}

/* As GLib understands the line: its escapes, its white space. */
static char *read_value(const char *line, const char *key)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *text = g_strconcat("[x]\n", line, "\n", NULL);
	g_autofree char *value = NULL;
	g_autoptr(GError) error = NULL;

	if (!g_key_file_load_from_data(
		    file, text, strlen(text), G_KEY_FILE_NONE, NULL))
		return NULL;
	/* It gives what it could read beside the error. */
	value = g_key_file_get_string(file, "x", key, &error);
	return error == NULL ? g_steal_pointer(&value) : NULL;
}

static bool take_pair(const struct place *at, const char *line, const char *key)
{
	bool is_url = strcmp(key, URL_KEY) == 0;
	const struct option_row *row = option_table_find(key);
	g_autofree char *value = NULL;

	if (row == NULL || row->kind == KIND_IGNORE ||
		strcmp(key, "config") == 0)
		return refuse(at,
			       "unknown key '%s'; pycloud.conf(5) lists them",
			       key) ||
		       forgive(at);
	value = read_value(line, key);
	if (value == NULL)
		return refuse(at,
			"the value of '%s' cannot be read; a backslash is "
			"written \\\\",
			key);
	return is_url ? take_url(at, value) : take_option(at, row, value);
}

static bool take_key(const struct place *at, const char *line)
{
	const char *equals = strchr(line, '=');
	g_autofree char *key = NULL;

	/* The line is not shown: it may hold what nobody should read. */
	if (equals == NULL || equals == line)
		return refuse(at, "the line is no [group], no key=value and "
				  "no # comment");
	key = g_strchomp(g_strndup(line, (gsize)(equals - line)));
	if (at->group == NULL)
		return refuse(at, "'%s' stands before the first [group]", key);
	/* What stands in a strange group was said to be ignored. */
	return !at->is_known || take_pair(at, line, key);
}

static bool take_line(struct place *at, const char *line)
{
	if (*line == '\0' || *line == '#')
		return true;
	return *line == '[' ? take_group(at, line) : take_key(at, line);
}

bool config_file_read(struct config_file *config, const char *path,
	bool must_exist, const char *name, bool is_sloppy, char **ret_why)
{
	struct place at = { .config = config,
		.path = path,
		.name = name,
		.is_sloppy = is_sloppy,
		.ret_why = ret_why };
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	bool is_good = true;

	if (!read_file(path, must_exist, &text, ret_why))
		return false;
	lines = g_strsplit(text == NULL ? "" : text, "\n", -1);
	for (char **line = lines; is_good && *line != NULL; line++) {
		at.line++;
		is_good = take_line(&at, g_strstrip(*line));
	}
	g_free(at.group);
	return is_good;
}

bool config_file_read_system(struct config_file *config,
	const struct options *o, const char *spec, char **ret_why)
{
	return o->config_file != NULL ||
	       config_file_read(config, CONFIG_SYSTEM_FILE, false,
		       config_file_bare_name(spec), o->is_sloppy, ret_why);
}

bool config_file_read_own(struct config_file *config, const struct options *o,
	const char *spec, char **ret_why)
{
	const char *name = config_file_bare_name(spec);
	g_autofree char *user = NULL;

	if (o->config_file != NULL)
		return config_file_read(config, o->config_file, true, name,
			o->is_sloppy, ret_why);
	/* Of the user that mounts, without $HOME too. */
	user = g_build_filename(
		g_get_user_config_dir(), "pycloud", "config", NULL);
	return config_file_read(
		config, user, false, name, o->is_sloppy, ret_why);
}

bool config_file_apply(
	const struct config_file *config, struct options *o, char **ret_why)
{
	for (guint i = 0; i < config->settings->len; i++) {
		const struct setting *s = config->settings->pdata[i];

		if (s->word != NULL && !options_take(o, s->word, ret_why))
			return false;
	}
	return true;
}

/* client_options.c - see client_options.h. */
#include "config.h"

#include "client_options.h"

#include "command_table.h"

#include <glib.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	enum client_command command;
} commands[] = {
	{ "run", COMMAND_RUN },
	{ "runs", COMMAND_RUNS },
	{ "attach", COMMAND_ATTACH },
	{ "kill", COMMAND_KILL },
	{ "status", COMMAND_STATUS },
	{ "help", COMMAND_HELP },
	{ "--help", COMMAND_HELP },
	{ "-h", COMMAND_HELP },
	{ "--version", COMMAND_VERSION },
	{ "-V", COMMAND_VERSION },
};

#define AT(field) offsetof(struct client_options, field)

/* A const char * for what takes a value, else a bool. */
static const struct command_place places[] = {
	{ "directory", AT(directory) },
	{ "signal", AT(signal_name) },
	{ "json", AT(is_json) },
	{ "watch", AT(watches) },
	{ "no-follow", AT(is_brief) },
	{ "help", AT(wants_help) },
};

/* What is left of the arguments. */
struct arguments {
	int count;
	char **next;
};

enum taken {
	TAKEN,
	NO_OPTION,
	WRONG
};

static void set_option(struct client_options *o,
	const struct command_option *option, const char *value)
{
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		void *to = (char *)o + places[i].offset;

		if (strcmp(places[i].option, option->name) != 0)
			continue;
		if (option->value != NULL)
			*(const char **)to = value;
		else
			*(bool *)to = true;
		return;
	}
	g_assert_not_reached();
}

/* What follows "-C" or "--directory"; NULL: it begins with neither. */
static const char *behind_name(
	const char *argument, const struct command_option *option)
{
	size_t length = strlen(option->name);

	if (argument[0] != '-')
		return NULL;
	if (argument[1] != '-')
		return argument[1] != '\0' && argument[1] == option->letter
			       ? argument + 2
			       : NULL;
	return strncmp(argument + 2, option->name, length) == 0
		       ? argument + 2 + length
		       : NULL;
}

/* "-C DIR", "-CDIR", "--directory DIR", "--directory=DIR": NULL when the
 * argument is none of these; "" when the value is the next argument. */
static const char *match(
	const char *argument, const struct command_option *option)
{
	const char *rest = behind_name(argument, option);
	bool is_long = argument[0] == '-' && argument[1] == '-';

	if (rest == NULL || *rest == '\0')
		return rest;
	if (option->value == NULL || (is_long && *rest != '='))
		return NULL;
	return rest + is_long;
}

static enum taken take_option(struct arguments *a,
	const struct command_row *row, struct client_options *o, char **ret_why)
{
	const struct command_option *option;

	for (unsigned i = 0; (option = command_option_at(row, i)) != NULL;
		i++) {
		const char *value = match(a->next[0], option);
		bool wants_next = option->value != NULL && value != NULL &&
				  value[0] == '\0';

		if (value == NULL)
			continue;
		if (wants_next && a->count < 2) {
			*ret_why =
				g_strdup_printf("%s needs a value", a->next[0]);
			return WRONG;
		}
		set_option(o, option, wants_next ? a->next[1] : value);
		a->next += 1 + wants_next;
		a->count -= 1 + wants_next;
		return TAKEN;
	}
	return NO_OPTION;
}

/* The whole line begins here. */
static bool take_line(
	struct arguments *a, struct client_options *o, char **ret_why)
{
	if (a->count > 0 && strcmp(a->next[0], "--") == 0)
		a->next++;
	o->words = (const char *const *)a->next;
	if (a->next[0] != NULL && a->next[0][0] != '\0')
		return true;
	*ret_why = g_strdup("what shall run? Name a script and its arguments, "
			    "as for python3");
	return false;
}

static bool take_operand(struct arguments *a, const struct command_row *row,
	struct client_options *o, char **ret_why)
{
	const char *word = a->next[0];
	bool is_directory = g_strcmp0(row->completes, "directory") == 0;

	if (word[0] == '-' && word[1] != '\0')
		*ret_why = g_strdup_printf("there is no option %s here", word);
	else if (row->operand == NULL || o->number != NULL ||
		 (is_directory && o->directory != NULL))
		*ret_why = g_strdup_printf("%s is too much", word);
	else if (is_directory)
		o->directory = word;
	else if (strcmp(word, "last") != 0 &&
		 strspn(word, "0123456789") != strlen(word))
		*ret_why = g_strdup_printf("%s is no run's number", word);
	else
		o->number = word;
	a->next++;
	a->count--;
	return *ret_why == NULL;
}

static bool take_all(struct arguments *a, const struct command_row *row,
	struct client_options *o, char **ret_why)
{
	bool is_line = o->command == COMMAND_RUN;

	while (a->count > 0 && !o->wants_help) {
		enum taken taken = take_option(a, row, o, ret_why);

		if (taken == WRONG)
			return false;
		if (taken == NO_OPTION && is_line)
			break;
		if (taken == NO_OPTION && !take_operand(a, row, o, ret_why))
			return false;
	}
	if (o->wants_help) {
		o->command = COMMAND_HELP;
		o->topic = row->name;
		return true;
	}
	if (is_line)
		return take_line(a, o, ret_why);
	if (g_strcmp0(row->operand, "N") == 0 && o->number == NULL)
		*ret_why = g_strdup("which run? `pycloud runs` lists them");
	return *ret_why == NULL;
}

bool client_options_parse(
	int argc, char **argv, struct client_options *ret, char **ret_why)
{
	struct arguments a = { argc - 2, argv + 2 };

	*ret = (struct client_options){ .signal_name = "TERM" };
	if (argc < 2) {
		*ret_why = g_strdup("a command is missing");
		return false;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		ret->command = commands[i].command;
		if (ret->command == COMMAND_HELP)
			ret->topic = argv[2]; /* NULL ends them */
		if (ret->topic != NULL &&
			command_table_find(ret->topic) == NULL) {
			*ret_why = g_strdup_printf(
				"there is no command %s", ret->topic);
			return false;
		}
		return ret->command >= COMMAND_HELP ||
		       take_all(&a, command_table_find(argv[1]), ret, ret_why);
	}
	*ret_why = g_strdup_printf("there is no command %s", argv[1]);
	return false;
}

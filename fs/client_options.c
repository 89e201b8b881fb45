/* client_options.c - see client_options.h. */
#include "config.h"

#include "client_options.h"

#include <glib.h>
#include <string.h>

/* An operand that may be missing, and is no number. */
#define DIRECTORY 2

static const struct {
	const char *name;
	enum client_command command;
	const char *options; /* one letter each */
	int operands;	     /* -1: any number, and they end the options */
} commands[] = {
	{ "run", COMMAND_RUN, "C", -1 },
	{ "runs", COMMAND_RUNS, "Cj", 0 },
	{ "attach", COMMAND_ATTACH, "Cn", 1 },
	{ "kill", COMMAND_KILL, "Cs", 1 },
	{ "status", COMMAND_STATUS, "Cjw", DIRECTORY },
	{ "help", COMMAND_HELP, "", -1 },
	{ "--help", COMMAND_HELP, "", -1 },
	{ "-h", COMMAND_HELP, "", -1 },
	{ "--version", COMMAND_VERSION, "", -1 },
	{ "-V", COMMAND_VERSION, "", -1 },
};

static const struct {
	const char *name;
	char letter;
	bool has_value;
} options[] = {
	{ "--directory", 'C', true },
	{ "-C", 'C', true },
	{ "--signal", 's', true },
	{ "-s", 's', true },
	{ "--json", 'j', false },
	{ "--no-follow", 'n', false },
	{ "--watch", 'w', false },
	{ "-w", 'w', false },
	{ "--help", 'h', false },
	{ "-h", 'h', false },
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

static void set_option(struct client_options *o, char letter, const char *value)
{
	switch (letter) {
	case 'C':
		o->directory = value;
		break;
	case 's':
		o->signal_name = value;
		break;
	case 'j':
		o->is_json = true;
		break;
	case 'w':
		o->watches = true;
		break;
	case 'n':
		o->is_brief = true;
		break;
	default:
		o->command = COMMAND_HELP;
	}
}

/* "-C DIR", "-CDIR", "--directory DIR", "--directory=DIR": NULL when the
 * argument is none of these; "" when the value is the next argument. */
static const char *match(const char *argument, size_t i)
{
	size_t length = strlen(options[i].name);
	bool is_long = options[i].name[1] == '-';

	if (strncmp(argument, options[i].name, length) != 0)
		return NULL;
	argument += length;
	if (*argument == '\0')
		return argument;
	if (!options[i].has_value || (is_long && *argument != '='))
		return NULL;
	return argument + is_long;
}

static enum taken take_option(struct arguments *a, const char *allowed,
	struct client_options *o, char **ret_why)
{
	for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
		const char *value = match(a->next[0], i);
		bool wants_next = options[i].has_value && value != NULL &&
				  value[0] == '\0';

		if (value == NULL ||
			(options[i].letter != 'h' &&
				!strchr(allowed, options[i].letter)))
			continue;
		if (wants_next && a->count < 2) {
			*ret_why =
				g_strdup_printf("%s needs a value", a->next[0]);
			return WRONG;
		}
		set_option(
			o, options[i].letter, wants_next ? a->next[1] : value);
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

static bool take_operand(struct arguments *a, int operands,
	struct client_options *o, char **ret_why)
{
	const char *word = a->next[0];

	if (word[0] == '-' && word[1] != '\0')
		*ret_why = g_strdup_printf("there is no option %s here", word);
	else if (operands == 0 || o->number != NULL ||
		 (operands == DIRECTORY && o->directory != NULL))
		*ret_why = g_strdup_printf("%s is too much", word);
	else if (operands == DIRECTORY)
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

static bool take_all(struct arguments *a, const char *allowed, int operands,
	struct client_options *o, char **ret_why)
{
	while (a->count > 0 && o->command != COMMAND_HELP) {
		enum taken taken = take_option(a, allowed, o, ret_why);

		if (taken == WRONG)
			return false;
		if (taken == NO_OPTION && operands < 0)
			break;
		if (taken == NO_OPTION &&
			!take_operand(a, operands, o, ret_why))
			return false;
	}
	if (o->command == COMMAND_HELP)
		return true;
	if (operands < 0)
		return take_line(a, o, ret_why);
	if (operands == 1 && o->number == NULL)
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
		return ret->command >= COMMAND_HELP ||
		       take_all(&a, commands[i].options, commands[i].operands,
			       ret, ret_why);
	}
	*ret_why = g_strdup_printf("there is no command %s", argv[1]);
	return false;
}

/*
 * pycloud.c - pycloud: runs in a mounted workspace, and how it is; the door to
 * the commands that are other programs' (command_table.h), for workspaces in a
 * cluster for example, or for login.
 *
 * See client.h for what it may know of a mount, and pycloud(1).
 */
#include "config.h"

#include "client.h"
#include "client_options.h"
#include "client_status.h"
#include "command_help.h"
#include "command_table.h"
#include "standard_files.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

static bool is_watching(const struct client_options *o)
{
	return o->command == COMMAND_RUN || o->command == COMMAND_ATTACH;
}

static int in_mount(
	const struct client_options *o, const struct client_mount *m)
{
	if (o->command == COMMAND_RUN)
		return client_run(m, o->words);
	if (o->command == COMMAND_ATTACH)
		return client_attach(m, o->number, o->is_brief);
	if (o->command == COMMAND_KILL)
		return client_kill(m, o->number, o->signal_name);
	return client_runs(m, o->is_json);
}

static int run_command(const struct client_options *o)
{
	/* Threads that wait for signals use it to the end. */
	static struct client_mount m;
	g_autofree char *why = NULL;

	if (o->command == COMMAND_HELP)
		return command_print_help(o->topic);
	if (o->command == COMMAND_VERSION)
		return printf("pycloud %s\n", PACKAGE_VERSION) < 0;
	if (o->command == COMMAND_STATUS)
		return client_status(o->directory, o->is_json, o->watches);
	if (!client_mount_find(o->directory, &m, &why))
		return client_error(
			is_watching(o) ? CLIENT_FAILED : CLIENT_REFUSED, "%s",
			why);
	return in_mount(o, &m);
}

/* What links all that talks to a cluster would cost every run more time than
 * all the rest. Not installed yet, such a program stands beside us. */
static int in_program(const char *program, char **argv)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *here = self == NULL ? NULL : g_path_get_dirname(self);
	g_autofree char *beside =
		here == NULL ? NULL : g_build_filename(here, program, NULL);
	g_autofree char *installed =
		g_build_filename(PKGLIBEXECDIR, program, NULL);

	if (beside != NULL)
		(void)execv(beside, argv);
	(void)execv(installed, argv);
	return client_error(CLIENT_REFUSED,
		"cannot start %s: %s; is pycloud installed as a whole?",
		installed, g_strerror(errno));
}

int main(int argc, char **argv)
{
	const struct command_row *row =
		argc > 1 ? command_table_find(argv[1]) : NULL;
	g_autofree char *why = NULL;
	struct client_options options;

	(void)setlocale(LC_ALL, "");
	standard_files_fill();
	if (row != NULL && row->program != NULL)
		return in_program(row->program, argv);
	if (!client_options_parse(argc, argv, &options, &why))
		return client_error(
			is_watching(&options) ? CLIENT_FAILED : CLIENT_USAGE,
			"%s; see pycloud --help", why);
	return run_command(&options);
}

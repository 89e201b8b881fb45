/*
 * pycloud.c - pycloud: runs in a mounted workspace, and how it is; the door to
 * the commands for workspaces in a cluster, which are pycloud_cluster.c's, and
 * to login and logout, which are pycloud_login.c's.
 *
 * See client.h for what it may know of a mount, and pycloud(1).
 */
#include "config.h"

#include "client.h"
#include "client_options.h"
#include "client_status.h"
#include "cluster_options.h"
#include "login_options.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER_PROGRAM "pycloud-cluster"
#define LOGIN_PROGRAM	"pycloud-login"
#define DOCTOR_PROGRAM	"pycloud-doctor"

static int print_help(void)
{
	(void)puts(
		"Usage: pycloud run [-C DIR] [--] LINE...\n"
		"       pycloud runs [-C DIR] [--json]\n"
		"       pycloud attach [-C DIR] [--no-follow] N\n"
		"       pycloud kill [-C DIR] [-s SIGNAL] N\n"
		"       pycloud status [--json] [--watch] [DIR]\n"
		"       pycloud doctor [OPTIONS] [WORKSPACE|URL|DIR]\n"
		"Run Python in a mounted workspace, as if it ran here.\n"
		"\n"
		"  run     start `python3 LINE...` in the current directory's "
		"counterpart: its\n"
		"          input, output, errors and exit status are this "
		"command's; Ctrl-C\n"
		"          interrupts it, a second one kills it\n"
		"  runs    list the runs of the workspace\n"
		"  attach  show a run's output from its beginning, follow it "
		"to its end, and\n"
		"          exit as it did\n"
		"  kill    send a run a signal (TERM)\n"
		"  status  show how the mount is that we are in, or all: "
		"online, pending, ...\n"
		"  doctor  look at all that a mount needs, and say what to do; "
		"see doctor --help\n"
		"\n"
		"  -C, --directory DIR  instead of the current directory\n"
		"  -s, --signal SIGNAL  INT, KILL, ... or a number\n"
		"      --no-follow      show what there is, and end\n"
		"      --json           for programs\n"
		"  -w, --watch          go on showing what changes\n"
		"\n"
		"N is a run's number, or `last`. Exit status: the script's "
		"(128+N for a signal);\n"
		"125 when there is none.");
	return 0;
}

/* Files that are opened must not become stdin, stdout or stderr. */
static void fill_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

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
		return print_help() + cluster_options_print_help() +
		       login_options_print_help();
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

/* The other parts link what talks to a cluster or a server, which would cost
 * every run more time than all the rest. Not installed yet, they stand beside
 * us. */
static int become(const char *program, char **argv)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *installed =
		g_build_filename(PKGLIBEXECDIR, program, NULL);
	g_autofree char *here = self == NULL ? NULL : g_path_get_dirname(self);
	g_autofree char *beside =
		here == NULL ? NULL : g_build_filename(here, program, NULL);

	if (beside != NULL)
		(void)execv(beside, argv);
	(void)execv(installed, argv);
	return client_error(CLIENT_REFUSED,
		"cannot start %s: %s; is pycloud installed as a whole?",
		installed, g_strerror(errno));
}

int main(int argc, char **argv)
{
	g_autofree char *why = NULL;
	struct client_options options;

	(void)setlocale(LC_ALL, "");
	fill_standard_files();
	if (argc > 1 && cluster_options_has(argv[1]))
		return become(CLUSTER_PROGRAM, argv);
	if (argc > 1 && strcmp(argv[1], "doctor") == 0)
		return become(DOCTOR_PROGRAM, argv);
	if (argc > 1 && login_options_has(argv[1]))
		return become(LOGIN_PROGRAM, argv);
	if (!client_options_parse(argc, argv, &options, &why))
		return client_error(
			is_watching(&options) ? CLIENT_FAILED : CLIENT_USAGE,
			"%s; see pycloud --help", why);
	return run_command(&options);
}

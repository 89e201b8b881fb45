/* command_table.c - see command_table.h. */
#include "config.h"

#include "command_table.h"

#include <string.h>

#define CLUSTER_PROGRAM "pycloud-cluster"
#define LOGIN_PROGRAM	"pycloud-login"
#define WHERE		"context namespace kubeconfig"

/* One row in five lines: rows are added by many hands, and merge well so. */
/* clang-format off */
const struct command_row command_table[] = {
	{ "run", NULL, COMMANDS_OF_RUNS,
		"LINE...", "file",
		"directory",
		"start `python3 LINE...` in this directory's counterpart" },
	{ "runs", NULL, COMMANDS_OF_RUNS,
		NULL, NULL,
		"directory json",
		"list the runs of the workspace" },
	{ "attach", NULL, COMMANDS_OF_RUNS,
		"N", "run",
		"directory no-follow",
		"show a run's output from its beginning, to its end" },
	{ "kill", NULL, COMMANDS_OF_RUNS,
		"N", "run",
		"directory signal",
		"send a run a signal" },
	{ "status", NULL, COMMANDS_OF_RUNS,
		"[DIR]", "directory",
		"directory json watch",
		"show how the mount is that we are in, or all of them" },

	{ "create", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		"NAME", NULL,
		"image cpu memory storage storage-class wait no-wait timeout "
		WHERE,
		"make a workspace, or change it, and wait until it is ready" },
	{ "list", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		NULL, NULL,
		"json " WHERE,
		"show all workspaces of a namespace" },
	{ "start", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		"NAME", "workspace",
		"wait no-wait timeout " WHERE,
		"start one that was stopped; mounting it does that, too" },
	{ "stop", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		"NAME", "workspace",
		"wait no-wait timeout " WHERE,
		"end its pod, and keep its files" },
	{ "delete", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		"NAME", "workspace",
		"keep-files yes timeout " WHERE,
		"remove it and, without --keep-files, its files" },
	{ "logs", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		"NAME", "workspace",
		"follow previous tail " WHERE,
		"show what its server wrote" },
	{ "describe", CLUSTER_PROGRAM, COMMANDS_OF_CLUSTERS,
		"NAME", "workspace",
		"json " WHERE,
		"say how it is, and why it is not ready" },

	{ "login", LOGIN_PROGRAM, COMMANDS_OF_COMPUTER,
		"URL|NAME", "configured",
		"token-stdin password-stdin user file cacert insecure config",
		"ask for a server's token or password, try it, keep it" },
	{ "logout", LOGIN_PROGRAM, COMMANDS_OF_COMPUTER,
		"URL|NAME", "configured",
		"user cacert insecure config",
		"remove from the keyring what login has put there" },
	{ "doctor", "pycloud-doctor", COMMANDS_OF_COMPUTER,
		"[WORKSPACE|URL|DIR]", "workspace configured directory",
		"run json quiet bundle options",
		"look at all that a mount needs, and say what to do" },
};

static const struct command_option option_rows[] = {
	{ "directory", 'C', "DIR", "directory",
		"instead of the current directory" },
	{ "signal", 's', "SIGNAL", "INT|TERM|KILL|HUP|QUIT|USR1|USR2|STOP|CONT",
		"a name or a number (TERM)" },
	{ "json", '\0', NULL, NULL,
		"for programs" },
	{ "no-follow", '\0', NULL, NULL,
		"show what there is, and end" },
	{ "watch", 'w', NULL, NULL,
		"go on showing what changes" },

	{ "image", '\0', "IMAGE", NULL,
		"what its pod is made from" },
	{ "cpu", '\0', "N", NULL,
		"processors that it may use" },
	{ "memory", '\0', "SIZE", NULL,
		"memory that it may use (1Gi)" },
	{ "storage", '\0', "SIZE", NULL,
		"how large its files may become (5Gi)" },
	{ "storage-class", '\0', "CLASS", NULL,
		"of which kind its volume is" },
	{ "wait", '\0', NULL, NULL,
		"until it is so; the default" },
	{ "no-wait", '\0', NULL, NULL,
		"only say what is to be done" },
	{ "timeout", '\0', "SECONDS", NULL,
		"how long to wait (600)" },
	{ "keep-files", '\0', NULL, NULL,
		"leave its volume" },
	{ "yes", 'y', NULL, NULL,
		"ask nothing" },
	{ "follow", 'f', NULL, NULL,
		"until the server ends" },
	{ "previous", 'p', NULL, NULL,
		"of the server before, which crashed" },
	{ "tail", '\0', "N", NULL,
		"the last lines only" },
	{ "context", '\0', "CONTEXT", NULL,
		"which cluster, as for kubectl" },
	{ "namespace", 'n', "NAMESPACE", NULL,
		"which namespace of it" },
	{ "kubeconfig", '\0', "FILE", "file",
		"where clusters are described" },

	{ "token-stdin", '\0', NULL, NULL,
		"read the token from standard input" },
	{ "password-stdin", '\0', NULL, NULL,
		"read the password from there" },
	{ "user", 'u', "NAME", NULL,
		"of a hub: whose token or password it is" },
	{ "file", '\0', "FILE", "file",
		"keep it in this file, for the option credentials=" },
	{ "cacert", '\0', "FILE", "file",
		"trust this certificate authority" },
	{ "insecure", '\0', NULL, NULL,
		"do not verify the server's certificate" },
	{ "config", '\0', "FILE", "file",
		"instead of the usual pycloud.conf(5)" },

	{ "run", '\0', NULL, NULL,
		"also start a kernel and upload a file" },
	{ "quiet", 'q', NULL, NULL,
		"show only what is not well" },
	{ "bundle", '\0', "FILE", "file",
		"write a report without secrets" },
	{ "options", 'o', "OPTIONS", NULL,
		"as for mount.pycloud" },
};

static const struct command_option help_row = {
	"help", 'h', NULL, NULL,
		"show this",
};
/* clang-format on */

const size_t command_table_count = G_N_ELEMENTS(command_table);

const struct command_row *command_table_find(const char *name)
{
	for (size_t i = 0; i < command_table_count; i++)
		if (strcmp(command_table[i].name, name) == 0)
			return &command_table[i];
	return NULL;
}

const char *command_section_title(enum command_section section)
{
	static const char *const titles[COMMAND_SECTIONS] = {
		[COMMANDS_OF_RUNS] = "In a mounted workspace",
		[COMMANDS_OF_CLUSTERS] = "Workspaces in a Kubernetes cluster",
		[COMMANDS_OF_COMPUTER] =
			"This computer, and the way to a server",
	};

	return section < COMMAND_SECTIONS ? titles[section] : NULL;
}

static const struct command_option *find_option(const char *name, size_t length)
{
	for (size_t i = 0; i < G_N_ELEMENTS(option_rows); i++)
		if (strlen(option_rows[i].name) == length &&
			strncmp(option_rows[i].name, name, length) == 0)
			return &option_rows[i];
	g_assert_not_reached();
}

const struct command_option *command_option_at(
	const struct command_row *row, unsigned index)
{
	const char *at = row->options;
	size_t length = strcspn(at, " ");

	while (index > 0 && length > 0) {
		at += length;
		at += strspn(at, " ");
		length = strcspn(at, " ");
		index--;
	}
	if (length > 0)
		return find_option(at, length);
	return index == 0 ? &help_row : NULL;
}

static GOptionEntry entry(const struct command_option *o,
	const struct command_place *places, size_t count, void *base)
{
	size_t i = 0;

	while (i < count && strcmp(places[i].option, o->name) != 0)
		i++;
	g_assert(i < count);
	return (GOptionEntry){
		.long_name = o->name,
		.short_name = o->letter,
		.arg = o->value == NULL ? G_OPTION_ARG_NONE
		       : g_strcmp0(o->completes, "file") == 0
			       ? G_OPTION_ARG_FILENAME
			       : G_OPTION_ARG_STRING,
		.arg_data = (char *)base + places[i].offset,
	};
}

GOptionEntry *command_option_entries(const struct command_row *row,
	const struct command_place *places, size_t count, void *base,
	char ***operands)
{
	const struct command_option *o;
	GOptionEntry *entries = NULL;
	unsigned n = 0;

	while (command_option_at(row, n) != NULL)
		n++;
	/* The operands, and the end. */
	entries = g_new0(GOptionEntry, n + 2);
	for (n = 0; (o = command_option_at(row, n)) != NULL; n++)
		entries[n] = entry(o, places, count, base);
	if (operands != NULL)
		entries[n] = (GOptionEntry){
			.long_name = G_OPTION_REMAINING,
			.arg = G_OPTION_ARG_STRING_ARRAY,
			.arg_data = operands,
		};
	return entries;
}

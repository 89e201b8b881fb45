/*
 * pycloud_cluster.c - pycloud's commands for workspaces in a cluster.
 *
 * Started by pycloud with its own arguments; see cluster.h and pycloud(1).
 */
#include "config.h"

#include "client.h"
#include "cluster_options.h"
#include "command_help.h"
#include "config_file.h"
#include "harden.h"

#include <locale.h>

/* Takes the string, where the command line did not say. */
static void take(char **option, char **from)
{
	if (*option == NULL)
		*option = g_steal_pointer(from);
}

/* Which cluster is meant: as for a mount, by the [defaults] of pycloud.conf(5).
 */
static bool take_defaults(struct cluster_options *options, char **ret_why)
{
	struct config_file *config = config_file_new();
	struct options defaults;
	bool is_good;

	options_init(&defaults);
	is_good = config_file_read_system(config, &defaults, "/", ret_why) &&
		  config_file_read_own(config, &defaults, "/", ret_why) &&
		  config_file_apply(config, &defaults, ret_why);
	take(&options->context, &defaults.context);
	take(&options->namespace, &defaults.namespace);
	take(&options->kubeconfig, &defaults.kubeconfig);
	options_clear(&defaults);
	config_file_free(config);
	return is_good;
}

int main(int argc, char **argv)
{
	struct cluster_options options;
	g_autofree char *why = NULL;
	int status;

	harden_memory();
	(void)setlocale(LC_ALL, "");
	if (argc < 2 || !cluster_options_has(argv[1]))
		return client_error(CLIENT_USAGE,
			"this program is pycloud's; see pycloud --help");
	if (!cluster_options_parse(argc, argv, &options, &why))
		status = client_error(
			CLIENT_USAGE, "%s; see pycloud --help", why);
	else if (options.wants_help)
		status = command_print_help(argv[1]);
	else if (!take_defaults(&options, &why))
		status = client_error(CLIENT_USAGE, "%s", why);
	else
		status = cluster_run(&options);
	cluster_options_clear(&options);
	return status;
}

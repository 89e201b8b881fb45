/*
 * pycloud_doctor.c - pycloud doctor: is all there that a mount needs?
 *
 * Started by pycloud with its own arguments; see doctor.h and pycloud(1).
 */
#include "config.h"

#include "client.h"
#include "doctor.h"
#include "harden.h"

#include <locale.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct doctor_options options;
	g_autofree char *why = NULL;
	int status;

	harden_memory();
	(void)setlocale(LC_ALL, "");
	if (argc < 2 || strcmp(argv[1], "doctor") != 0)
		return client_error(CLIENT_USAGE,
			"this program is pycloud's; see pycloud --help");
	/* The command takes the place of the program's name. */
	if (!doctor_options_parse(argc - 1, argv + 1, &options, &why))
		status = client_error(
			CLIENT_USAGE, "%s; see pycloud doctor --help", why);
	else if (options.wants_help)
		status = doctor_options_print_help();
	else
		status = doctor_run(&options);
	doctor_options_clear(&options);
	return status;
}

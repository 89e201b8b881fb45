/*
 * show_options.c - prints the table of options for one of the shells.
 *
 * Run by the build, which puts what it prints before the text of
 * packaging/completion/mount.pycloud.SHELL; not installed.
 */
#include "config.h"

#include "option_help.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	GString *text = g_string_new(NULL);
	bool is_good = argc == 2 && option_completion(argv[1], text);

	if (is_good)
		(void)fputs(text->str, stdout);
	else
		(void)fputs("show_options: bash, zsh or fish?\n", stderr);
	g_string_free(text, TRUE);
	return is_good ? 0 : 1;
}

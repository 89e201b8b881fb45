/*
 * option_shell.h - the tables of options, as the shells' completions have them.
 *
 * The build puts what is appended here before the text that uses it, which is
 * in packaging/completion. Pure.
 */
#ifndef PYCLOUD_OPTION_SHELL_H
#define PYCLOUD_OPTION_SHELL_H

#include "option_table.h"

#include <glib.h>

enum option_shell {
	SHELL_BASH,
	SHELL_ZSH,
	SHELL_FISH,
	SHELLS,
};

/* What mount.pycloud takes behind -o: bash, zsh and fish have it as the array
 * _pycloud_mount_options. */
void option_shell_add_options(enum option_shell, GString *text);

/* A function that prints the names of the workspaces in the files of
 * pycloud.conf(5), or in those that are its arguments: _pycloud_configured, in
 * fish __pycloud_configured. */
void option_shell_add_names(enum option_shell, GString *text);

/* What a program takes besides: in bash and zsh the array `array`, in fish
 * lines of `complete -c program`. */
void option_shell_add_letters(enum option_shell, const char *program,
	const char *array, const struct option_letter *, size_t count,
	GString *text);

#endif

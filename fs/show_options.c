/*
 * show_options.c - prints a program's table of options for one of the shells.
 *
 * Run by the build, which puts what it prints before the text of
 * packaging/completion/PROGRAM.SHELL.in; not installed.
 */
#include "config.h"

#include "command_shell.h"
#include "option_shell.h"
#include "umount_options.h"

#include <stdio.h>
#include <string.h>

static void add_mount(enum option_shell shell, GString *text)
{
	option_shell_add_names(shell, text);
	option_shell_add_options(shell, text);
	option_shell_add_letters(shell, "mount.pycloud",
		"_pycloud_mount_letters", option_letters, option_letter_count,
		text);
}

static void add_umount(enum option_shell shell, GString *text)
{
	option_shell_add_letters(shell, "umount.pycloud",
		"_pycloud_umount_letters", umount_letters, umount_letter_count,
		text);
}

static void add_commands(enum option_shell shell, GString *text)
{
	option_shell_add_names(shell, text);
	command_shell_add(shell, text);
}

static const struct {
	const char *name;
	void (*add)(enum option_shell, GString *);
} programs[] = {
	{ "mount.pycloud", add_mount },
	{ "umount.pycloud", add_umount },
	{ "pycloud", add_commands },
};

/* zsh reads in the first line which command it is about. */
static bool add(const char *program, const char *shell, GString *text)
{
	static const char *const shells[SHELLS] = { "bash", "zsh", "fish" };

	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++)
		for (int s = 0; s < SHELLS; s++) {
			if (strcmp(programs[i].name, program) != 0 ||
				strcmp(shells[s], shell) != 0)
				continue;
			if (s == SHELL_ZSH)
				g_string_append_printf(
					text, "#compdef %s\n", program);
			programs[i].add((enum option_shell)s, text);
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	GString *text = g_string_new(NULL);
	bool is_good = argc == 3 && add(argv[1], argv[2], text);

	if (is_good)
		(void)fputs(text->str, stdout);
	else
		(void)fputs(
			"Usage: show_options PROGRAM bash|zsh|fish\n", stderr);
	g_string_free(text, TRUE);
	return is_good ? 0 : 1;
}

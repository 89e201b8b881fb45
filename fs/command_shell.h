/*
 * command_shell.h - the table of pycloud's commands, as the shells' completions
 * have it; see option_shell.h. Pure.
 */
#ifndef PYCLOUD_COMMAND_SHELL_H
#define PYCLOUD_COMMAND_SHELL_H

#include "option_shell.h"

/* For bash: _pycloud_commands, words; _pycloud_options, lines of COMMAND OPTION
 * [KINDS]; _pycloud_operands, lines of COMMAND KINDS. Kinds are those of
 * `completes` with commas between them, or "-" for a value of which nothing is
 * known.
 *
 * For zsh: _pycloud_commands, for _describe; the function _pycloud_specs makes
 * `specs` what _arguments wants for a command. Values are completed by
 * _pycloud_kinds KIND...
 *
 * For fish: `complete -c pycloud`, with the conditions __pycloud_needs_command
 * and __pycloud_command_is NAME; values by __pycloud_kinds KIND... */
void command_shell_add(enum option_shell, GString *text);

#endif

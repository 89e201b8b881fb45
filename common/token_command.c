/* token_command.c - see token_command.h. */
#include "config.h"

#include "token_command.h"

#include "child.h"
#include "common_limits.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

char *token_command_fault(const char *command)
{
	g_autoptr(GError) error = NULL;
	char **argv = NULL;

	if (g_shell_parse_argv(command, NULL, &argv, &error)) {
		g_strfreev(argv);
		return NULL;
	}
	/* GLib's sentence repeats the command, which may hold the token. */
	if (g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_BAD_QUOTING))
		return g_strdup("token_command leaves a quote open; close it, "
				"or put a backslash before it");
	return g_strdup("token_command is empty; name the program that prints "
			"the token");
}

/* How it ended, where it ended badly; g_free. */
static char *explain_end(const struct child_result *result)
{
	const char *colon = *result->words != '\0' ? ": " : "";

	if (WIFSIGNALED(result->status))
		return g_strdup_printf("token_command was ended by signal "
				       "%d%s%s",
			WTERMSIG(result->status), colon, result->words);
	return g_strdup_printf("token_command failed with exit status %d%s%s",
		WEXITSTATUS(result->status), colon, result->words);
}

static char *explain_run(const char *program, int rc)
{
	switch (-rc) {
	case EINTR:
		return g_strdup("interrupted");
	case ETIMEDOUT:
		return g_strdup("token_command did not end in time");
	case EFBIG:
		return g_strdup("token_command prints too much; the token "
				"alone belongs on its standard output");
	default:
		return g_strdup_printf("token_command: cannot start %s: %s",
			program, g_strerror(-rc));
	}
}

static int take(
	const struct child_result *result, struct secret **ret, char **ret_why)
{
	gsize length = 0;
	const char *text = g_bytes_get_data(result->output, &length);
	int rc;

	if (!WIFEXITED(result->status) || WEXITSTATUS(result->status) != 0) {
		*ret_why = explain_end(result);
		return -EACCES;
	}
	rc = length == 0 ? -ENOENT : secret_from_text(text, length, ret);
	if (rc == -ENOENT)
		*ret_why = g_strdup("token_command prints nothing on its first "
				    "line; the token belongs there");
	else if (rc < 0)
		*ret_why = g_strdup("token_command prints something that "
				    "cannot be a token");
	return rc == 0 ? 0 : -EINVAL;
}

static int64_t limit_ms(const struct token_command_call *call)
{
	if (call->end_ms == 0)
		return TOKEN_COMMAND_MS;
	return CLAMP(call->end_ms - clock_now_ms(), 1, TOKEN_COMMAND_MS);
}

static int run(const struct token_command_call *call, char *const *argv,
	const struct cancel *cancel, struct secret **ret, char **ret_why)
{
	g_autofree char *program = child_find_program(argv[0]);
	g_auto(GStrv) env = child_environment();
	struct child_result result = { 0 };
	struct child_call c = {
		.program = program,
		.argv = argv,
		.timeout_ms = limit_ms(call),
		.output_max = SECRET_BYTES_MAX,
		.is_attended = call->is_attended,
	};
	int rc;

	if (program == NULL) {
		*ret_why = g_strdup_printf(
			"token_command: there is no program '%s'; is it "
			"installed, and in the PATH of who mounts?",
			argv[0]);
		return -ENOENT;
	}
	env = g_environ_setenv(env, "PYCLOUD_SERVER", call->server, TRUE);
	c.env = env;
	rc = child_run(&c, cancel, &result);
	if (rc == 0)
		rc = take(&result, ret, ret_why);
	else
		*ret_why = explain_run(program, rc);
	child_result_clear(&result);
	return rc;
}

int token_command_run(const struct token_command_call *call,
	const struct cancel *cancel, struct secret **ret, char **ret_why)
{
	g_auto(GStrv) argv = NULL;
	int rc;

	*ret_why = token_command_fault(call->command);
	if (*ret_why != NULL)
		return -EINVAL;
	(void)g_shell_parse_argv(call->command, NULL, &argv, NULL);
	rc = run(call, argv, cancel, ret, ret_why);
	/* Nobody is told "there is none" because of a program's fault. */
	return rc == -ENOENT ? -EACCES : rc;
}

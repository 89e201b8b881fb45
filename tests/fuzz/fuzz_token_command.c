/* Any bytes as what a token_command prints, complains about and ends with: the
 * token comes out whole or not at all, and is never shown. And any text as the
 * command itself. */
#include "config.h"

#include "fuzz_secret.h"

#include "child.h"
#include "sensitive.h"
#include "token_command.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

int __wrap_child_run(const struct child_call *, const struct cancel *,
	struct child_result *);
int __real_child_run(const struct child_call *, const struct cancel *,
	struct child_result *);

/* The program, in place of one; NULL: a program is one. */
static struct fuzz_input *program;
static uint8_t ending;

/* As child.h promises it. */
static int end_badly(void)
{
	static const int errors[] = { -EINTR, -ETIMEDOUT, -EFBIG, -EACCES };

	return errors[ending / 4 % G_N_ELEMENTS(errors)];
}

int __wrap_child_run(const struct child_call *call, const struct cancel *cancel,
	struct child_result *ret)
{
	g_autofree char *complaint = NULL;

	if (program == NULL)
		return __real_child_run(call, cancel, ret);
	complaint = fuzz_take_line(program);
	g_strdelimit(complaint, "\t", '\n');
	ret->words = child_last_words(complaint);
	fuzz_check_sentence(ret->words, 65536);
	if (ending % 4 == 3)
		return end_badly();
	if (program->left > call->output_max)
		return -EFBIG;
	ret->status = ending % 4 == 0	? 0
		      : ending % 4 == 1 ? W_EXITCODE(ending, 0)
					: 1 + ending / 4;
	ret->output = sensitive_new(program->at, program->left);
	return 0;
}

static void read_command(const char *command)
{
	g_autofree char *why = token_command_fault(command);

	if (why != NULL)
		fuzz_check_sentence(why, SIZE_MAX);
}

/* How it ends; a line of complaints, whose ends of lines are tabs; then what it
 * prints. */
void fuzz_token_command(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	const uint8_t *printed =
		length == 0 ? NULL : memchr(bytes + 1, '\n', length - 1);
	g_autofree char *expected =
		printed == NULL
			? g_strdup("")
			: fuzz_secret_word(printed + 1,
				  (size_t)(bytes + length - printed - 1));
	g_autofree char *command = fuzz_text(bytes, length);
	const struct token_command_call call = { .command = "true",
		.server = "http://127.0.0.1:1" };
	struct secret *secret = NULL;
	char *why = NULL;
	int rc;

	read_command(command);
	ending = fuzz_take_byte(&in);
	program = &in;
	rc = token_command_run(&call, NULL, &secret, &why);
	program = NULL;
	if (why != NULL)
		fuzz_check_sentence(why, 65536);
	if ((rc == 0) != (why == NULL) || (rc == 0) != (secret != NULL))
		g_error("%d, and the sentence is %s", rc, why);
	if (rc == 0 && ending % 4 != 0)
		g_error("a program that fails gives a token");
	if (rc == 0)
		fuzz_secret_check(secret, expected);
	secret_unref(secret);
	g_free(why);
}

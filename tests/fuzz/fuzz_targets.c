/* fuzz_targets.c - see fuzz.h. */
#include "config.h"

#include "fuzz.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUZZ_ENTRY(name) { #name, fuzz_##name },

const struct fuzz_target fuzz_targets[] = {
	FUZZ_TARGETS(FUZZ_ENTRY){ NULL, NULL },
};

/* Of a sentence with names in it, which have limits of their own. */
#define WHY_MAX 65536

/* g_error() ends with a breakpoint, which libFuzzer does not know. */
static void on_trap(int number)
{
	(void)number;
	abort();
}

void fuzz_begin(void)
{
	(void)signal(SIGTRAP, on_trap);
	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
}

uint8_t fuzz_take_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static void skip(struct fuzz_input *in, size_t count)
{
	in->at += count;
	in->left -= count;
}

char *fuzz_take_line(struct fuzz_input *in)
{
	const uint8_t *end =
		in->left == 0 ? NULL : memchr(in->at, '\n', in->left);
	size_t length = end == NULL ? in->left : (size_t)(end - in->at);
	char *line = fuzz_text(in->at, length);

	skip(in, length + (end != NULL));
	return line;
}

char *fuzz_take_text(struct fuzz_input *in)
{
	char *text = fuzz_text(in->at, in->left);

	skip(in, in->left);
	return text;
}

char *fuzz_take_bytes(struct fuzz_input *in, size_t *ret_length)
{
	char *bytes = g_malloc(MAX(in->left, 1));

	if (in->left > 0)
		memcpy(bytes, in->at, in->left);
	*ret_length = in->left;
	skip(in, in->left);
	return bytes;
}

char *fuzz_text(const uint8_t *bytes, size_t length)
{
	size_t n = length == 0 ? 0 : strnlen((const char *)bytes, length);
	char *text = g_malloc(n + 1);

	if (n > 0)
		memcpy(text, bytes, n);
	text[n] = '\0';
	return text;
}

void fuzz_check_sentence(const char *sentence, size_t max)
{
	if (!g_utf8_validate(sentence, -1, NULL) || strlen(sentence) > max)
		g_error("no sentence: %zu bytes", strlen(sentence));
	for (const char *p = sentence; *p != '\0';
		p += g_utf8_skip[(uint8_t)*p])
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			g_error("a control character in a sentence: %s",
				sentence);
}

void fuzz_check_why(int rc, char *why)
{
	if (rc > 0 || (rc == 0 && why != NULL) ||
		(rc < 0 && rc != -EINTR && why == NULL))
		g_error("%d, and the sentence is %s", rc, why);
	if (why != NULL)
		fuzz_check_sentence(why, WHY_MAX);
	g_free(why);
}

static char *scratch;

static void remove_scratch(void)
{
	g_autofree char *quoted = g_shell_quote(scratch);
	g_autofree char *command = g_strconcat("rm -rf ", quoted, NULL);

	if (system(command) != 0)
		g_warning("%s stays", scratch);
	g_free(scratch);
}

const char *fuzz_scratch(void)
{
	if (scratch != NULL)
		return scratch;
	scratch = g_dir_make_tmp("pycloud-fuzz-XXXXXX", NULL);
	if (scratch == NULL)
		g_error("there is no directory for temporary files");
	(void)atexit(remove_scratch);
	return scratch;
}

/* g_file_set_contents_full() leaves the end of what was longer (GLib 2.74). */
void fuzz_write(
	const char *path, const uint8_t *bytes, size_t length, unsigned mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0 || fchmod(fd, mode) < 0 ||
		write(fd, bytes, length) != (ssize_t)length)
		g_error("cannot write %s", path);
	(void)close(fd);
}

/* Any bytes as a file with a token in it: what comes out is fit for a header
 * and read the same from a file of our own making, and a refusal does not
 * repeat what it refuses. */
#include "config.h"

#include "fuzz_secret.h"

#include "token_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void write_again(const struct secret *secret)
{
	g_autofree char *path = g_build_filename(fuzz_scratch(), "own", NULL);
	struct secret *again = NULL;
	struct stat st;
	char *why = NULL;

	if (token_file_write(path, secret, &why) < 0 ||
		token_file_read(path, TOKEN_FILE_OWN, &again, &why) < 0)
		g_error("what was read cannot be written: %s", why);
	if (!secret_equal(secret, again) || stat(path, &st) < 0 ||
		(st.st_mode & 07777) != 0600)
		g_error("what was written is another");
	secret_unref(again);
}

/* The first byte says who may read it, and who has made it; then the file. */
void fuzz_token_file(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t how = fuzz_take_byte(&in);
	bool is_placed = how % 8 == 7;
	unsigned mode = how % 8 == 6 ? 0640 : 0600;
	g_autofree char *path = g_build_filename(fuzz_scratch(), "token", NULL);
	g_autofree char *expected = fuzz_secret_word(in.at, in.left);
	struct secret *secret = NULL;
	char *why = NULL;
	int rc;

	fuzz_write(path, in.at, in.left, mode);
	rc = token_file_read(path,
		is_placed ? TOKEN_FILE_PLACED : TOKEN_FILE_OWN, &secret, &why);
	if (mode != 0600 && rc != -EPERM)
		g_error("a file that is open to others is read: %d", rc);
	if (why != NULL && !g_str_has_prefix(why, path))
		g_error("a sentence without the file's name: %s", why);
	if (why != NULL)
		fuzz_secret_hidden(expected, why + strlen(path));
	fuzz_check_why(rc, why);
	if (rc == 0) {
		fuzz_secret_check(secret, expected);
		write_again(secret);
	}
	secret_unref(secret);
}

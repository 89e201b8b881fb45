/* token_systemd.c - see token_systemd.h. */
#include "config.h"

#include "token_systemd.h"

#include "mutex.h"
#include "token_file.h"

#include <errno.h>

static struct {
	struct mutex lock;
	bool is_there;	      /* guarded by lock, as all that follow */
	struct secret *token; /* what was found, */
	int rc;		      /* or why nothing was */
	char *why;
} held = { .lock = MUTEX_INIT };

static int read_it(
	enum token_file_kind kind, struct secret **ret, char **ret_why)
{
	const char *folder = g_getenv("CREDENTIALS_DIRECTORY");
	g_autofree char *path = NULL;
	int rc;

	*ret_why = NULL;
	if (folder == NULL || *folder != '/')
		return -ENOENT;
	path = g_build_filename(folder, TOKEN_SYSTEMD_NAME, NULL);
	rc = token_file_read(path, kind, ret, ret_why);
	if (rc == -ENOENT)
		g_clear_pointer(ret_why, g_free);
	return rc;
}

void token_systemd_hold(void)
{
	struct secret *token = NULL;
	char *why = NULL;
	int rc = read_it(TOKEN_FILE_ROOTS, &token, &why);

	mutex_lock(&held.lock);
	secret_unref(held.token);
	g_free(held.why);
	held.is_there = true;
	held.token = token;
	held.rc = rc;
	held.why = why;
	mutex_unlock(&held.lock);
}

int token_systemd_find(struct secret **ret, char **ret_why)
{
	bool is_held;
	int rc = 0;

	mutex_lock(&held.lock);
	is_held = held.is_there;
	if (is_held) {
		*ret = secret_ref(held.token);
		*ret_why = g_strdup(held.why);
		rc = held.rc;
	}
	mutex_unlock(&held.lock);
	return is_held ? rc : read_it(TOKEN_FILE_PLACED, ret, ret_why);
}

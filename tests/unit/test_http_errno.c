/* The table of outcomes, a line of this one for each line of that one. */
#include "config.h"

#include "http_errno.h"
#include "test.h"

#include <errno.h>
#include <glib.h>

#define HTML "<html>" /* not a message: the answer is a page */

static const struct {
	enum http_operation operation;
	int status;
	const char *text; /* message; Location of a redirect */
	int error;
} outcomes[] = {
	{ HTTP_OP_READ, 302, "/login?next=%2Ffiles%2Fa", EACCES },
	{ HTTP_OP_READ, 302, "/hub/api/oauth2/authorize?x=1", EACCES },
	{ HTTP_OP_STAT, 302, "http://h/hub/oauth_login?next=", EACCES },
	{ HTTP_OP_STAT, 302, "/hub/user/ann/api/contents/", EHOSTUNREACH },
	{ HTTP_OP_STAT, 303, "/hub/spawn-pending/ann", EHOSTUNREACH },
	{ HTTP_OP_LIST, 302, "https://elsewhere/", EPROTO },
	{ HTTP_OP_LIST, 304, NULL, EPROTO },

	{ HTTP_OP_READ, 400, "a is a directory, not a file", EISDIR },
	{ HTTP_OP_LIST, 400, "a is not a directory", ENOTDIR },
	{ HTTP_OP_READ, 400, "Cannot read non-file /a/b", ENXIO },
	{ HTTP_OP_STAT, 400, "Invalid unicode in path", EILSEQ },
	{ HTTP_OP_MKDIR, 400, "Not a directory: /w/a", EEXIST },
	{ HTTP_OP_REMOVE, 400, "Directory /w/a not empty", ENOTEMPTY },
	{ HTTP_OP_REMOVE, 400, "Can't delete root", EBUSY },
	{ HTTP_OP_REMOVE, 400, "send2trash failed: ...", EACCES },
	{ HTTP_OP_REMOVE, 400, "Permission denied: a", EACCES },
	{ HTTP_OP_WRITE, 400, "Cannot create file or directory '.a'", EPERM },
	{ HTTP_OP_MKDIR, 400, "Cannot create hidden directory '.a'", EPERM },
	{ HTTP_OP_RENAME, 400, "Cannot rename file or directory '.a'", EPERM },
	{ HTTP_OP_REMOVE, 400, "Cannot delete file or directory '.a'", EPERM },
	{ HTTP_OP_WRITE, 400, NULL, EIO },
	{ HTTP_OP_RENAME, 400, "not empty", EIO },

	{ HTTP_OP_STAT, 401, NULL, EACCES },
	{ HTTP_OP_STAT, 403, "Forbidden", EACCES },
	{ HTTP_OP_STAT, 404, NULL, ENOENT },
	{ HTTP_OP_WRITE, 405, HTML, EHOSTUNREACH },
	{ HTTP_OP_WRITE, 405, "Method Not Allowed", EOPNOTSUPP },
	{ HTTP_OP_WRITE, 408, NULL, ETIMEDOUT },
	{ HTTP_OP_RENAME, 409, "File already exists: a", EEXIST },
	{ HTTP_OP_WRITE, 413, NULL, EFBIG },
	{ HTTP_OP_STAT, 424, "server no longer running", EHOSTUNREACH },
	{ HTTP_OP_KERNEL, 429, NULL, EBUSY },
	{ HTTP_OP_STAT, 418, NULL, EIO },

	{ HTTP_OP_KERNEL, 500, "No such kernel named python3", EOPNOTSUPP },
	{ HTTP_OP_WRITE, 500,
		"[Errno 2] No such file or directory: '/w/.~a' -> '/w/a'",
		ENOSPC },
	{ HTTP_OP_WRITE, 500, "[Errno 2] No such file or directory: '/w/d/a'",
		ENOENT },
	{ HTTP_OP_STAT, 500, "[Errno 13] Permission denied: '/w/.~a'", EACCES },
	{ HTTP_OP_MKDIR, 500, "[Errno 17] File exists: '/w/a'", EEXIST },
	{ HTTP_OP_WRITE, 500, "[Errno 20] Not a directory", ENOTDIR },
	{ HTTP_OP_WRITE, 500, "[Errno 21] Is a directory: '/w/a'", EISDIR },
	{ HTTP_OP_WRITE, 500, "[Errno 27] File too large", EFBIG },
	{ HTTP_OP_WRITE, 500, "[Errno 28] No space left on device", ENOSPC },
	{ HTTP_OP_WRITE, 500, "[Errno 30] Read-only file system", EROFS },
	{ HTTP_OP_WRITE, 500, "[Errno 36] File name too long", ENAMETOOLONG },
	{ HTTP_OP_REMOVE, 500, "[Errno 39] Directory not empty", ENOTEMPTY },
	{ HTTP_OP_READ, 500, "[Errno 40] Too many levels of ...", ELOOP },
	{ HTTP_OP_WRITE, 500, "[Errno 122] Disk quota exceeded", EDQUOT },
	{ HTTP_OP_WRITE, 500, "Unhandled error", EIO },
	{ HTTP_OP_WRITE, 500, NULL, EIO },
	{ HTTP_OP_STAT, 502, HTML, EHOSTUNREACH },
	{ HTTP_OP_STAT, 503, HTML, EHOSTUNREACH },
	{ HTTP_OP_STAT, 504, NULL, EHOSTUNREACH },
	{ HTTP_OP_WRITE, 507, NULL, ENOSPC },
	{ HTTP_OP_STAT, 599, NULL, EIO },
	{ HTTP_OP_STAT, 0, NULL, EIO },
};

static void every_outcome_has_its_errno(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(outcomes); i++) {
		const char *message = outcomes[i].text;
		struct http_response r;
		int got;

		http_response_init(&r);
		r.status = outcomes[i].status;
		if (g_strcmp0(message, HTML) == 0) {
			r.is_html = true;
			message = NULL;
		} else if (r.status / 100 == 3) {
			r.location = g_strdup(message);
			message = NULL;
		}
		got = http_errno(outcomes[i].operation, &r, message);
		if (got != -outcomes[i].error)
			print_error("%d %s\n", outcomes[i].status,
				outcomes[i].text ? outcomes[i].text : "");
		assert_int_equal(got, -outcomes[i].error);
		http_response_clear(&r);
	}
}

static void success_is_zero(void **state)
{
	struct http_response r;

	(void)state;
	http_response_init(&r);
	for (r.status = 200; r.status < 300; r.status++)
		assert_int_equal(http_errno(HTTP_OP_READ, &r, NULL), 0);
}

static void a_transport_error_goes_before_any_status(void **state)
{
	struct http_response r;

	(void)state;
	http_response_init(&r);
	r.status = 200;
	r.error = -ECONNRESET;
	assert_int_equal(http_errno(HTTP_OP_READ, &r, NULL), -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_has_its_errno),
		cmocka_unit_test(success_is_zero),
		cmocka_unit_test(a_transport_error_goes_before_any_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

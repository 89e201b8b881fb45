/* mount_text.c - see mount_text.h. */
#include "config.h"

#include "mount_text.h"

#include <errno.h>
#include <glib.h>

char *mount_text_of(const char *url, int rc)
{
	switch (-rc) {
	case EACCES:
	case EPERM:
		return g_strdup_printf("%s refuses us; is the token for this "
				       "server, and may its user list the "
				       "workspace's root?",
			url);
	case EPROTO:
	case ENOENT:
		return g_strdup_printf("%s is not a Jupyter server; check "
				       "the address and its path",
			url);
	case ETIMEDOUT:
		return g_strdup_printf("%s does not answer; is the server "
				       "alive, and the address right?",
			url);
	case EINTR:
		return g_strdup("interrupted");
	default:
		return g_strdup_printf("cannot reach %s: %s; is the server "
				       "running there?",
			url, g_strerror(-rc));
	}
}

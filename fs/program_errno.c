/* program_errno.c - see program_errno.h. */
#include "config.h"

#include "program_errno.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	int ours;
	int theirs;
} rows[] = {
	{ EPROTO, EIO }, /* the server speaks nonsense */
	{ ECONNRESET, EIO },
	{ EMFILE, EIO }, /* the daemon's descriptors, not the program's */
	{ ENFILE, EIO }, { ECONNREFUSED, EHOSTUNREACH },
	{ ENETUNREACH, EHOSTUNREACH }, /* for want of a token */
};

int program_errno(int rc)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rc == -rows[i].ours)
			return -rows[i].theirs;
	return rc;
}

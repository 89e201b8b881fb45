/*
 * attr_send.h - modes and times to where they are real.
 *
 * Where the remote can set them (REMOTE_CAN_MODE and REMOTE_CAN_TIMES) they are
 * set there, and what cannot be is remembered here (overlay.h), as everything is
 * where the remote cannot. Of a file with bytes that are not saved they go along
 * with the upload, which costs nothing more: programs that copy and unpack set
 * them before they close.
 *
 * A file's time is its version. So one that is set is adopted by all that
 * knows the version before: names, content, cache, the kernel's pages. It is
 * set under the condition that this version is still there, in the path's gate
 * and alone, so that no upload finds its base to be another meanwhile.
 *
 * What was only remembered, by mounts without the helper and while it was away,
 * is sent in the background as soon as it is there: as far as it still holds,
 * and ATTR_CARRY_MAX files at most each time.
 *
 * No lock of its own.
 */
#ifndef PYCLOUD_ATTR_SEND_H
#define PYCLOUD_ATTR_SEND_H

#include "node.h"
#include "remote.h"
#include "session.h"

/* The mode and time of a change. 0: they are so over there, and known here.
 * -EOPNOTSUPP: they are to be remembered, if any; a time that may not be set is,
 * too. Not from within the gate. */
int attr_send(struct session *, struct node *, const struct node_change *,
	const struct cancel *);

/* What goes along with an upload to the path; `is_new`: nothing is there. */
void attr_send_along(struct session *, const char *path, bool is_new,
	struct remote_attr *ret);
/* What did not go along with it, or with a rename, is sent now. */
void attr_send_rest(struct session *, const char *path, const struct cancel *);

/* The helper may be there. Waits for nothing. */
void attr_send_remembered(struct session *);

/* A line of .pycloud/status. */
void attr_send_describe(struct session *, GString *text);

#endif

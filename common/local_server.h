/*
 * local_server.h - one Jupyter server process of this computer, as our child.
 *
 * It listens on a Unix socket in a private directory, reads its settings and
 * its token from a file there (nothing secret on a command line or in the
 * environment, which its kernels inherit), and writes its log there.
 *
 * It must not outlive us: the kernel sends it SIGTERM when the *thread* that
 * started it ends, however that happens (PR_SET_PDEATHSIG). So start it on the
 * program's main thread, after daemonising. Its own kernels notice by
 * themselves when it is gone.
 *
 * Used by one thread.
 */
#ifndef PYCLOUD_LOCAL_SERVER_H
#define PYCLOUD_LOCAL_SERVER_H

#include "cancel.h"
#include "private_dir.h"
#include "secret.h"

struct local_server;

/* jupyter-server and jupyter-notebook programs, the preferred first: in $PATH,
 * then where a system keeps programs (a mount from fstab has no PATH).
 * NULL-terminated, maybe empty; g_strfreev. */
char **local_server_programs(void);

/* Starts `program` for the files below `root`. Borrows the directory, which
 * must outlive the server. 0 or -errno. */
int local_server_start(const char *program, const char *root,
	const struct private_dir *, const struct secret *token,
	struct local_server **ret);

/* Waits until it accepts connections. On failure *ret_why is a sentence with
 * what the server said last (g_free). -ECHILD: it has ended. */
int local_server_wait_ready(
	struct local_server *, const struct cancel *, char **ret_why);

/* Borrowed path of its socket. */
const char *local_server_socket(const struct local_server *);

/* SIGTERM, LOCAL_STOP_TIMEOUT_MS of patience, SIGKILL; frees. NULL is fine. */
void local_server_stop(struct local_server *);

#endif

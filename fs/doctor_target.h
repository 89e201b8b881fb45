/*
 * doctor_target.h - the workspace that `pycloud doctor` was asked about, and
 * what its families share.
 *
 * Private to doctor_*.c. Each family runs in a process of its own, so each
 * resolves the name anew; what is wrong with it is told once, by doctor_target().
 */
#ifndef PYCLOUD_DOCTOR_TARGET_H
#define PYCLOUD_DOCTOR_TARGET_H

#include "doctor.h"
#include "http_pool.h"
#include "options.h"
#include "workspace.h"

struct doctor_place {
	/* The files', over them those of a mount of it that stands and is ours
	 * (cacert, kubeconfig, context, namespace), and -o over all. */
	struct options options;
	char *way;  /* the mount's, as -o; NULL: there is none */
	char *spec; /* what is mounted; may hold a token: never shown */
	struct workspace_options wishes; /* nothing is started by them */
	/* It was named by a directory, and the mount there is online: that it
	 * has what it needs counts for more than that we have not. */
	bool is_online;
};

/* What is known about a server's token before it is asked. */
struct doctor_login {
	bool has_token;
	bool is_online;	    /* as above */
	const char *advice; /* where to get one */
};

/* 0, or -errno with a sentence in *ret_why (g_free). doctor_place_clear() in
 * either case. Not for a process with threads. */
int doctor_place_resolve(
	const struct doctor_probe *, struct doctor_place *ret, char **ret_why);
void doctor_place_clear(struct doctor_place *);

/* Whether a token for the server can be found, wherever tokens are kept:
 * *ret (NULL: none). Tells, where a source fails. */
struct secret *doctor_token(const struct doctor_probe *,
	const struct doctor_place *, const char *server);

#define DOCTOR_SET_TOKEN                                                \
	"set PYCLOUD_TOKEN to the server's token (jupyter server list " \
	"shows it; of a hub: its page Token)"

/* What to do for a token; g_free. `name` is what `pycloud login` is told. */
char *doctor_login_advice(const struct doctor_place *, const char *name);
/* FAILED, but for what a mount can that is online. */
enum doctor_state doctor_failed(const struct doctor_place *);
/* No token that we have is good, but the mount has one. `here`: why not ours. */
void doctor_tell_mount_has_it(
	const struct doctor_probe *, const char *what, const char *here);

/* One GET, once, within DOCTOR_CALL_MS. first >= 0: of that one byte. As
 * http_exchange(); http_response_clear() in either case. */
int doctor_get(const struct doctor_probe *, struct http_pool *,
	const char *target, int64_t first, struct http_response *);

/* doctor_server.c: the Jupyter server there. */
void doctor_server(const struct doctor_probe *, struct endpoint *,
	const struct doctor_login *);
/* doctor_work.c: what its Python and its disk can do. */
void doctor_work(const struct doctor_probe *, struct http_pool *);
/* doctor_cluster.c, doctor_hub.c: false: there is nothing behind it that could
 * be asked, and it was told why. `name` NULL: the namespace alone. */
bool doctor_cluster(const struct doctor_probe *, const struct doctor_place *,
	const char *name);
bool doctor_hub(const struct doctor_probe *, const struct doctor_place *,
	char **ret_login_name); /* g_free */

#endif

/*
 * provider_local.c - the embedded default: a workspace on this computer.
 *
 * Its files stand in ${XDG_DATA_HOME:-~/.local/share}/pycloud/workspaces/NAME,
 * and open() starts a real Jupyter server for them (local_server.h), so that
 * everything above talks the one API whether the pod is far or here. The
 * server ends with free(), or with this process.
 */
#include "config.h"

#include "common_limits.h"
#include "local_server.h"
#include "workspace.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct local_workspace {
	struct workspace base;
	struct private_dir dir;
	struct local_server *server; /* NULL: not open */
};

/* Where this user's data is kept; NULL for a user without a home. */
static char *data_home(void)
{
	const char *path = g_getenv("XDG_DATA_HOME");
	const struct passwd *user;

	if (path != NULL && path[0] == '/')
		return g_strdup(path);
	path = g_getenv("HOME");
	if (path == NULL || path[0] != '/') {
		user = getpwuid(geteuid());
		path = user == NULL ? NULL : user->pw_dir;
	}
	return path == NULL ? NULL
			    : g_build_filename(path, ".local", "share", NULL);
}

char *provider_local_root(const char *name)
{
	g_autofree char *home = data_home();

	return home == NULL ? NULL
			    : g_build_filename(home, "pycloud", "workspaces",
				      name, NULL);
}

/* Makes the workspace's directory on first use. */
static int make_root(const char *name, char **ret_root, char **ret_why)
{
	g_autofree char *root = provider_local_root(name);
	int rc;

	if (root == NULL) {
		*ret_why = g_strdup("There is no home directory to keep the "
				    "workspace in; set HOME or "
				    "XDG_DATA_HOME.");
		return -ENOENT;
	}
	if (g_mkdir_with_parents(root, 0700) != 0) {
		rc = -errno;
		*ret_why = g_strdup_printf(
			"Cannot make %s: %s.", root, g_strerror(-rc));
		return rc;
	}
	*ret_root = g_steal_pointer(&root);
	return 0;
}

/* Tries the programs in turn: the first in PATH may be a broken shim. */
static int start_server(struct local_workspace *w, const char *root,
	const struct secret *token, const struct cancel *c, char **ret_why)
{
	g_auto(GStrv) programs = local_server_programs();
	int rc = -ENOENT;
	size_t i;

	for (i = 0; programs[i] != NULL; i++) {
		g_clear_pointer(ret_why, g_free);
		rc = local_server_start(
			programs[i], root, &w->dir, token, &w->server);
		if (rc != 0) {
			*ret_why = g_strdup_printf("Cannot start %s: %s.",
				programs[i], g_strerror(-rc));
			continue;
		}
		rc = local_server_wait_ready(w->server, c, ret_why);
		if (rc == 0)
			return 0;
		g_clear_pointer(&w->server, local_server_stop);
		if (rc != -ECHILD)
			break;
	}
	if (programs[0] == NULL)
		*ret_why = g_strdup("No Jupyter server is installed on this "
				    "computer; install the Debian packages "
				    "jupyter-server and python3-ipykernel.");
	return rc;
}

static int make_endpoint(const struct local_workspace *w, struct secret *token,
	struct endpoint **ret, char **ret_why)
{
	const struct endpoint_params params = {
		.base_url = "http://localhost",
		.unix_socket = local_server_socket(w->server),
		.token = token,
	};
	int rc = endpoint_new(&params, ret);

	if (rc != 0)
		*ret_why = g_strdup_printf("Cannot use the local server's "
					   "socket: %s.",
			g_strerror(-rc));
	return rc;
}

static void close_server(struct local_workspace *w)
{
	g_clear_pointer(&w->server, local_server_stop);
	private_dir_remove(&w->dir);
}

static int local_open(struct workspace *base, const struct cancel *c,
	struct endpoint **ret_endpoint, char **ret_why)
{
	struct local_workspace *w = (struct local_workspace *)base;
	g_autofree char *root = NULL;
	g_autofree char *why = NULL;
	struct secret *token = NULL;
	int rc = w->server == NULL ? 0 : -EALREADY;

	if (rc == 0)
		rc = make_root(w->base.name, &root, &why);
	if (rc == 0)
		rc = private_dir_make(&w->dir);
	if (rc == 0)
		token = secret_random();
	if (rc == 0)
		rc = start_server(w, root, token, c, &why);
	if (rc == 0)
		rc = make_endpoint(w, token, ret_endpoint, &why);
	secret_unref(token);
	if (rc == 0)
		return 0;
	if (rc != -EALREADY)
		close_server(w);
	*ret_why = why != NULL ? g_steal_pointer(&why)
			       : g_strdup_printf("Cannot start a local Jupyter "
						 "server: %s.",
					 g_strerror(-rc));
	return rc;
}

static void local_free(struct workspace *base)
{
	struct local_workspace *w = (struct local_workspace *)base;

	close_server(w);
	g_free(w->base.name);
	g_free(w);
}

static const struct workspace_ops local_ops = {
	.open = local_open,
	.free = local_free,
};

int provider_local_new(const char *name, struct workspace **ret, char **ret_why)
{
	struct local_workspace *w = g_new0(struct local_workspace, 1);

	(void)ret_why; /* the name was checked; the rest may fail in open() */
	w->base.ops = &local_ops;
	w->base.name = g_strdup(name);
	w->dir = (struct private_dir)PRIVATE_DIR_INIT;
	*ret = &w->base;
	return 0;
}

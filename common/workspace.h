/*
 * workspace.h - from what a person calls a workspace to its endpoint.
 *
 * One ops table per provider: `url` (any Jupyter server), `local` (a Jupyter
 * server of this computer, started here and ended with us). The spec is what
 * stands in fstab or on the command line: "demo", "pycloud:demo",
 * "http://127.0.0.1:8888/?token=...".
 *
 * workspace_parse() takes a token out of a URL at once; what the workspace
 * shows afterwards (name, endpoint URL) never has it.
 */
#ifndef PYCLOUD_WORKSPACE_H
#define PYCLOUD_WORKSPACE_H

#include "cancel.h"
#include "endpoint.h"

struct workspace;

struct workspace_options {
	const char *ca_file; /* NULL: the system's */
	bool is_insecure;
};

struct workspace_ops {
	/* Makes the workspace reachable. Blocks, bounded (a local server gets
	 * 60 s to answer). On failure *ret_why is one sentence with what to do
	 * (g_free), without secrets. */
	int (*open)(struct workspace *, const struct cancel *,
		struct endpoint **ret_endpoint, char **ret_why);
	/* Ends what open() started. Blocks for at most a few seconds. */
	void (*free)(struct workspace *);
};

struct workspace {
	const struct workspace_ops *ops;
	char *name; /* "demo", or the URL without secrets; for fsname= */
};

/* Chooses the provider. -EINVAL and *ret_why for what is neither a name
 * ([A-Za-z0-9][A-Za-z0-9._-]*, up to 63 bytes) nor an http(s) URL. */
int workspace_parse(const char *spec, const struct workspace_options *,
	struct workspace **ret, char **ret_why);

static inline int workspace_open(struct workspace *w, const struct cancel *c,
	struct endpoint **ret_endpoint, char **ret_why)
{
	return w->ops->open(w, c, ret_endpoint, ret_why);
}

static inline void workspace_free(struct workspace *w)
{
	if (w != NULL)
		w->ops->free(w);
}

/* The providers, each in its file. They copy what they are given. */
int provider_url_new(const char *url, const struct workspace_options *,
	struct workspace **ret, char **ret_why);
int provider_local_new(
	const char *name, struct workspace **ret, char **ret_why);

#endif

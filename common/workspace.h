/*
 * workspace.h - from what a person calls a workspace to its endpoint.
 *
 * One ops table per provider: `url` (any Jupyter server), `local` (a Jupyter
 * server of this computer, started here and ended with us), `kube` (a pod
 * behind a Service of a Kubernetes cluster), `hub` (somebody's server of a
 * JupyterHub). The spec is what stands in fstab or on the command line:
 * "demo", "pycloud:demo", "local:demo", "kube:demo",
 * "http://127.0.0.1:8888/?token=...", "hub+https://hub/user/ann". A bare name
 * means the cluster where there is a configuration for one, else this computer.
 *
 * workspace_parse() takes a token out of a URL at once; what the workspace
 * shows afterwards (name, endpoint URL) never has it.
 */
#ifndef PYCLOUD_WORKSPACE_H
#define PYCLOUD_WORKSPACE_H

#include "cancel.h"
#include "endpoint.h"

struct workspace;

/* What to do when a cluster's workspace is not there to be mounted. */
enum workspace_start {
	WORKSPACE_START_AUTO,  /* start what was stopped */
	WORKSPACE_START_NEVER, /* say so */
};

struct workspace_options {
	const char *ca_file; /* NULL: the system's */
	bool is_insecure;
	/* Where a token comes from (credentials.h); each may be NULL. */
	const char *credentials_file;
	const char *token_command;
	/* Of a cluster; the strings may be NULL: as kubectl would. */
	const char *kubeconfig;
	const char *context;
	const char *namespace;
	const char *url;       /* an ingress; NULL: the API server */
	bool is_portforwarded; /* instead of the API server's proxy */
	enum workspace_start start;
	bool creates;	   /* it, where there is none */
	const char *image; /* of what is created; NULL: the default */
	int start_timeout_ms;
	/* A line about what is being waited for; NULL: nobody listens. */
	void (*progress)(void *arg, const char *line);
	void *progress_arg;
};

struct workspace_ops {
	/* Finds the identity where the name does not say whose workspace it is.
	 * Blocks, bounded, as open(). NULL: the name says it. */
	int (*identify)(
		struct workspace *, const struct cancel *, char **ret_why);
	/* Makes the workspace reachable. Blocks, bounded (a local server gets
	 * 60 s to answer). On failure *ret_why is one sentence with what to do
	 * (g_free), without secrets. */
	int (*open)(struct workspace *, const struct cancel *,
		struct endpoint **ret_endpoint, char **ret_why);
	/* Appends "key: value" lines about the way to it. NULL: none. */
	void (*describe)(struct workspace *, GString *text);
	/* Why it cannot be reached at present, a sentence without secrets
	 * (g_free); NULL, or no such function: nothing is known. */
	char *(*why)(struct workspace *);
	/* Whether programs are still started once it is open: those that give
	 * credentials. NULL: none. */
	bool (*starts_programs)(const struct workspace *);
	/* Ends what open() started. Blocks for at most a few seconds. */
	void (*free)(struct workspace *);
};

struct workspace {
	const struct workspace_ops *ops;
	char *name; /* "demo", or the URL without secrets; for fsname= */
	/* By which this computer remembers it: two clusters may each have a
	 * demo. NULL: the name. */
	char *identity;
};

/* Chooses the provider. -EINVAL and *ret_why for what is neither a name
 * ([A-Za-z0-9][A-Za-z0-9._-]*, up to 63 bytes) nor an http(s) URL. */
int workspace_parse(const char *spec, const struct workspace_options *,
	struct workspace **ret, char **ret_why);

/* Before workspace_identity() is asked for. */
static inline int workspace_identify(
	struct workspace *w, const struct cancel *c, char **ret_why)
{
	return w->ops->identify == NULL ? 0 : w->ops->identify(w, c, ret_why);
}

static inline int workspace_open(struct workspace *w, const struct cancel *c,
	struct endpoint **ret_endpoint, char **ret_why)
{
	return w->ops->open(w, c, ret_endpoint, ret_why);
}

static inline const char *workspace_identity(const struct workspace *w)
{
	return w->identity != NULL ? w->identity : w->name;
}

static inline void workspace_describe(struct workspace *w, GString *text)
{
	if (w->ops->describe != NULL)
		w->ops->describe(w, text);
}

static inline char *workspace_why(struct workspace *w)
{
	return w->ops->why == NULL ? NULL : w->ops->why(w);
}

static inline bool workspace_starts_programs(const struct workspace *w)
{
	return w->ops->starts_programs != NULL && w->ops->starts_programs(w);
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
/* Where the files of one of this computer stand, or would; g_free. NULL: there
 * is no home. */
char *provider_local_root(const char *name);
int provider_hub_new(const char *spec, const struct workspace_options *,
	struct workspace **ret, char **ret_why);
int provider_kube_new(const char *name, const struct workspace_options *,
	struct workspace **ret, char **ret_why);

#endif

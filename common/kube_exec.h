/*
 * kube_exec.h - asking an exec plugin for a credential.
 *
 * Kubernetes' client.authentication.k8s.io: a program that a kubeconfig names
 * prints an ExecCredential, a JSON document with a token or a certificate in
 * it. It gets what kubectl gives it: our environment and its own entries, and
 * KUBERNETES_EXEC_INFO. It runs as child.h says, for KUBE_EXEC_TIMEOUT_MS at
 * most. Only while our own standard input is a terminal (at mount time), and
 * the file does not forbid it, it may ask the person there.
 *
 * A struct kube_exec is filled in once and then only read; no locks.
 */
#ifndef PYCLOUD_KUBE_EXEC_H
#define PYCLOUD_KUBE_EXEC_H

#include "cancel.h"
#include "kube_login.h"

#include <glib.h>
#include <stdbool.h>

enum kube_exec_person {
	KUBE_EXEC_NEVER,
	KUBE_EXEC_IF_AVAILABLE,
	KUBE_EXEC_ALWAYS,
};

struct kube_exec {
	char *api_version;
	char *command; /* looked for in PATH, unless there is a slash in it */
	char **args;   /* without the command; NULL: none */
	char **env;    /* NAME=VALUE; NULL: none; wiped, as all of it */
	char *install_hint;
	char *cluster_json; /* for provideClusterInfo; NULL: not wanted */
	enum kube_exec_person person;
};

struct kube_exec *kube_exec_copy(const struct kube_exec *);
void kube_exec_free(struct kube_exec *); /* NULL is fine */

/* Runs it. Errors and *ret_why as in kube_auth.h. *ret_words gets the last
 * line of what it complained about, "" if it did not (g_free), also with 0. */
int kube_exec_run(const struct kube_exec *, const struct cancel *,
	struct kube_login **ret, char **ret_words, char **ret_why);

/* What it printed as a login. Pure; works in the text, which must be writable
 * and is the caller's to wipe. *ret_why (g_free) is half a sentence that goes
 * on after the program's name. 0 or -EINVAL. */
int kube_exec_parse(char *text, size_t length, const char *api_version,
	struct kube_login **ret, char **ret_why);

#endif

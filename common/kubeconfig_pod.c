/* kubeconfig_pod.c - see kubeconfig_pod.h. */
#include "config.h"

#include "kubeconfig_pod.h"

#include "common_limits.h"
#include "sensitive.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Borrowed; NULL when it is not there or could not stand in a URL. */
static const char *address_word(const char *variable)
{
	const char *word = g_getenv(variable);

	if (word == NULL || *word == '\0' || strlen(word) > NAME_BYTES_MAX ||
		strspn(word,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789.-:") != strlen(word))
		return NULL;
	return word;
}

bool kubeconfig_pod_is_there(const char *dir)
{
	g_autofree char *token = g_build_filename(dir, "token", NULL);

	return address_word("KUBERNETES_SERVICE_HOST") != NULL &&
	       address_word("KUBERNETES_SERVICE_PORT") != NULL &&
	       access(token, F_OK) == 0;
}

static int read_namespace(const char *dir, char **ret)
{
	g_autofree char *file = g_build_filename(dir, "namespace", NULL);
	g_autoptr(GBytes) bytes = NULL;
	int rc = sensitive_read(file, NAME_BYTES_MAX, &bytes);

	if (rc == 0)
		*ret = g_strstrip(g_strdup(sensitive_text(bytes)));
	return rc == -ENOENT ? 0 : rc;
}

int kubeconfig_pod_load(const char *dir, struct kube_place *p, char **ret_why)
{
	const char *host = address_word("KUBERNETES_SERVICE_HOST");
	const char *port = address_word("KUBERNETES_SERVICE_PORT");
	g_autofree char *token = g_build_filename(dir, "token", NULL);
	g_autofree char *authority = g_build_filename(dir, "ca.crt", NULL);
	bool is_v6 = host != NULL && strchr(host, ':') != NULL;
	struct kube_auth_source source = { .name = "this pod",
		.token_file = token };
	const char *fault;
	int rc = sensitive_read(authority, KUBE_PEM_MAX, &p->ca_pem);

	if (rc == 0 && p->namespace == NULL)
		rc = read_namespace(dir, &p->namespace);
	if (rc != 0) {
		*ret_why = g_strdup_printf("This pod's service account in %s "
					   "cannot be read: %s.",
			dir, g_strerror(-rc));
		return rc == -ENOENT ? -EINVAL : rc;
	}
	fault = kube_pem_fault(p->ca_pem, false);
	if (fault != NULL) {
		*ret_why = g_strdup_printf("%s %s.", authority, fault);
		return -EINVAL;
	}
	p->context = g_strdup("");
	p->cluster = g_strdup("");
	p->server = g_strdup_printf("https://%s%s%s:%s", is_v6 ? "[" : "", host,
		is_v6 ? "]" : "", port);
	p->origin = g_strdup(dir);
	p->auth = kube_auth_new(&source);
	return 0;
}

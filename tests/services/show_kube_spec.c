/* Prints the manifests of a workspace as a JSON array, for test_kubernetes.py:
 * show_kube_spec NAME, with the token in PYCLOUD_TOKEN. */
#include "config.h"

#include "kube_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(cJSON *object)
{
	g_autofree char *text = json_print(object);

	(void)printf(",\n%s", text);
	cJSON_Delete(object);
}

int main(int argc, char **argv)
{
	struct kube_workspace_spec spec = { .name = argv[argc - 1] };
	const char *bytes = getenv("PYCLOUD_TOKEN");
	g_autofree char *why = NULL;
	struct secret *token, *manifest;

	if (argc != 2 || bytes == NULL || kube_spec_check(&spec, &why) != 0) {
		(void)fprintf(stderr, "%s\n", why == NULL ? "usage" : why);
		return 1;
	}
	token = secret_new(bytes, strlen(bytes));
	manifest = kube_spec_secret(&spec, token);
	(void)printf("[%s", secret_peek(manifest));
	show(kube_spec_claim(&spec));
	show(kube_spec_deployment(&spec));
	show(kube_spec_service(&spec));
	(void)printf("]\n");
	secret_unref(manifest);
	secret_unref(token);
	return 0;
}

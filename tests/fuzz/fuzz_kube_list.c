/* Any bytes as lists of a namespace's objects: workspaces, the pod behind a
 * Service, and how all that is shown. */
#include "config.h"

#include "fuzz.h"

#include "kube_list.h"
#include "kube_pick.h"
#include "kube_workspace.h"

#include <string.h>

static void check_workspaces(const cJSON *all)
{
	g_autoptr(GPtrArray) list =
		kube_list_read(json_object(all, "deployments"),
			json_object(all, "claims"), json_object(all, "pods"));
	const char *before = "";

	for (guint i = 0; i < list->len; i++) {
		const struct kube_listed *l = list->pdata[i];
		char *why = NULL;

		if (kube_spec_check_name(l->name, &why) < 0)
			g_error("a name that is none: %s", why);
		if (strcmp(before, l->name) >= 0)
			g_error("not by name, or twice: %s", l->name);
		before = l->name;
		fuzz_check_sentence(l->condition.sentence, 4096);
	}
}

static void check_pick(const cJSON *all)
{
	const cJSON *service = json_object(all, "service");
	g_autofree char *selector = kube_service_selector(service);
	unsigned count = 0;
	struct kube_pod *pod =
		kube_pod_pick(service, json_object(all, "pods"), NULL, &count);

	if (selector != NULL && strpbrk(selector, "&?#/ \r\n") != NULL)
		g_error("no selector: %s", selector);
	if (pod == NULL)
		return;
	if (!kube_name_is_good(pod->name) ||
		strpbrk(pod->name, "/%?# ") != NULL)
		g_error("a pod's name that is none: %s", pod->name);
	if (pod->port < 1 || pod->port > 65535 || count == 0)
		g_error("a port of %d", pod->port);
	kube_pod_unref(pod);
}

void fuzz_kube_list(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(cJSON) all = json_parse(text, length);

	check_workspaces(all);
	check_pick(all);
}

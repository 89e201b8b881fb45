/* doctor_cluster.c - pycloud doctor: a Kubernetes cluster, what one may do
 * there, and how a workspace's pod is. */
#include "config.h"

#include "doctor_target.h"
#include "kube_workspace.h"

#include <errno.h>

struct right {
	const char *verb;
	const char *group;
	const char *resource;
	const char *subresource;
	bool is_needed; /* by a mount; else only to start or make one */
};

/* As route_kube.c and kube_workspace.c ask: packaging/kubernetes/role.yaml. */
static const struct right rights[] = {
	{ "get", "", "services", NULL, true },
	{ "list", "", "pods", NULL, true },
	{ "get", "", "pods", "proxy", true },
	{ "create", "", "pods", "proxy", true },
	{ "update", "", "pods", "proxy", true },
	{ "patch", "apps", "deployments", "scale", false },
	{ "create", "apps", "deployments", NULL, false },
};

#define ROLE                                                           \
	"ask the cluster's administrator for the rights in pycloud's " \
	"packaging/kubernetes/role.yaml"

static struct kube *connect_cluster(
	const struct doctor_probe *p, const struct doctor_place *place)
{
	const struct kubeconfig_wish wish = {
		.file = place->options.kubeconfig,
		.context = place->options.context,
		.namespace = place->options.namespace,
	};
	g_autofree char *why = NULL;
	g_autoptr(GUri) server = NULL;
	struct kube *kube = NULL;

	if (kube_connect(&wish, &kube, &why) < 0) {
		doctor_tell(p, DOCTOR_FAILED, "kubeconfig", NULL, "%s", why);
		return NULL;
	}
	server = g_uri_parse(kube_place(kube)->server, G_URI_FLAGS_NONE, NULL);
	if (server != NULL && g_uri_get_host(server) != NULL)
		doctor_conceal(p, g_uri_get_host(server), "SERVER");
	doctor_tell(p, DOCTOR_OK, "kubeconfig", NULL,
		"context '%s', namespace '%s', server %s",
		kube_place(kube)->context, kube_place(kube)->namespace,
		kube_place(kube)->server);
	return kube;
}

/* Everybody who has logged in may ask for the version. */
static bool check_api_server(const struct doctor_probe *p, struct kube *kube)
{
	struct kube_answer answer = { 0 };
	int rc = kube_get(kube, p->cancel, &answer, "version");
	const char *version = rc == 0 && answer.object != NULL
				      ? json_string(answer.object, "gitVersion")
				      : NULL;

	if (rc == 0)
		doctor_tell(p, DOCTOR_OK, "API server", NULL,
			"Kubernetes %s answers",
			version != NULL ? version : "of an unknown version");
	else
		doctor_tell(p, DOCTOR_FAILED, "API server",
			answer.why != NULL ? NULL
					   : "does kubectl get pods work?",
			"%s",
			answer.why != NULL ? answer.why : g_strerror(-rc));
	kube_answer_clear(&answer);
	return rc == 0;
}

static void check_rights(const struct doctor_probe *p, struct kube *kube)
{
	const char *namespace = kube_place(kube)->namespace;
	unsigned missing = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(rights); i++) {
		const struct right *r = &rights[i];
		g_autofree char *why = NULL;
		int rc = kube_may(kube, r->verb, r->group, r->resource,
			r->subresource, namespace, p->cancel, &why);

		if (rc != -EACCES)
			continue;
		missing++;
		doctor_tell(p, r->is_needed ? DOCTOR_FAILED : DOCTOR_WARN,
			"rights", ROLE, "you may not %s %s%s%s in '%s'%s",
			r->verb, r->resource, r->subresource ? "/" : "",
			r->subresource ? r->subresource : "", namespace,
			r->is_needed ? ""
				     : ", so you can mount workspaces, but not "
				       "start or make them");
	}
	if (missing == 0)
		doctor_tell(p, DOCTOR_OK, "rights", NULL,
			"all that a mount needs are there");
}

static bool check_workspace(
	const struct doctor_probe *p, struct kube *kube, const char *name)
{
	const struct kube_workspace workspace = {
		.kube = kube,
		.namespace = kube_place(kube)->namespace,
		.name = name,
	};
	struct kube_look look = { 0 };
	g_autofree char *why = NULL;
	int rc = kube_workspace_look(&workspace, p->cancel, &look, &why);
	bool is_ready = rc == 0 && look.condition.state == KUBE_READY;

	if (is_ready)
		doctor_tell(p, DOCTOR_OK, "workspace", NULL, "%s is ready%s",
			name, look.is_ours ? "" : " (pycloud did not make it)");
	else if (rc == 0)
		doctor_tell(p,
			look.condition.state == KUBE_FAILED ? DOCTOR_FAILED
							    : DOCTOR_WARN,
			"workspace", NULL, "%s",
			look.condition.sentence != NULL
				? look.condition.sentence
				: kube_state_name(look.condition.state));
	else
		doctor_tell(p, DOCTOR_FAILED, "workspace",
			rc == -ENOENT ? "pycloud list shows those there are; "
					"pycloud create makes one"
				      : NULL,
			"%s", why != NULL ? why : g_strerror(-rc));
	kube_look_clear(&look);
	return is_ready;
}

bool doctor_cluster(const struct doctor_probe *p,
	const struct doctor_place *place, const char *name)
{
	struct kube *kube = connect_cluster(p, place);
	bool is_ready;

	if (kube == NULL)
		return false;
	is_ready = check_api_server(p, kube);
	if (is_ready) {
		check_rights(p, kube);
		is_ready = name != NULL && check_workspace(p, kube, name);
	}
	kube_unref(kube);
	return is_ready;
}

/*
 * kube_workspace.c - see kube_workspace.h: looking, starting, waiting.
 *
 * Waiting looks, says what it saw, and then watches the pods for the next
 * change; what no pod shows (a quota, a claim) is seen by looking again after
 * LOOK_MS at the latest.
 */
#include "config.h"

#include "kube_workspace.h"

#include "common_limits.h"
#include "kube_pick.h"

#include <errno.h>
#include <string.h>

#define LOOK_MS 2000
/* What is hopeless at first sight may be an object that comes a moment later. */
#define HOPELESS_MS 3000

void kube_look_clear(struct kube_look *look)
{
	g_clear_pointer(&look->service, cJSON_Delete);
	g_clear_pointer(&look->deployment, cJSON_Delete);
	g_clear_pointer(&look->claim, cJSON_Delete);
	g_clear_pointer(&look->pods, cJSON_Delete);
	kube_condition_clear(&look->condition);
	*look = (struct kube_look){ 0 };
}

/* --- looking -------------------------------------------------------------- */

/* 0 with *ret NULL where there is none. */
static int get_object(const struct kube_workspace *w, const char *group,
	const char *resource, const char *name, const struct cancel *cancel,
	cJSON **ret, char **ret_why)
{
	return kube_find(w->kube, cancel, ret, ret_why,
		"%s/namespaces/%s/%s/%s", group, w->namespace, resource, name);
}

/* "app%3Dx": of the Service, else of the Deployment; NULL: of neither. */
static char *pods_selector(const struct kube_look *look)
{
	const cJSON *selector =
		json_object(json_object(look->deployment, "spec"), "selector");
	const cJSON *labels = json_object(selector, "matchLabels");
	g_autoptr(cJSON) like_service = NULL;

	if (look->service != NULL)
		return kube_service_selector(look->service);
	if (labels == NULL)
		return NULL;
	like_service = cJSON_CreateObject();
	(void)cJSON_AddItemToObject(
		cJSON_AddObjectToObject(like_service, "spec"), "selector",
		cJSON_Duplicate(labels, true));
	return kube_service_selector(like_service);
}

static int get_pods(const struct kube_workspace *w, struct kube_look *look,
	const struct cancel *cancel, char **ret_why)
{
	g_autofree char *selector = pods_selector(look);
	struct kube_answer answer;
	int rc;

	if (selector == NULL)
		return 0;
	rc = kube_get(w->kube, cancel, &answer,
		"api/v1/namespaces/%s/pods?labelSelector=%s", w->namespace,
		selector);
	if (rc == 0)
		look->pods = g_steal_pointer(&answer.object);
	else
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

/* A pod that somebody else made and exposed: it is what it is. */
static void read_foreign(const struct kube_workspace *w, struct kube_look *look)
{
	unsigned count;
	struct kube_pod *pod =
		kube_pod_pick(look->service, look->pods, NULL, &count);

	look->condition.state = pod == NULL ? KUBE_FAILED : KUBE_READY;
	if (pod == NULL)
		look->condition.sentence = g_strdup_printf(
			"no pod of the Service '%s' is running (or none has "
			"its port); see: kubectl -n %s get pods",
			w->name, w->namespace);
	kube_pod_unref(pod);
}

static void read_condition(const struct kube_workspace *w,
	struct kube_look *look, const struct cancel *cancel)
{
	struct kube_view view = { .name = w->name,
		.workload = look->deployment,
		.pods = look->pods,
		.claim = look->claim };
	struct kube_answer events;

	if (look->deployment == NULL) {
		read_foreign(w, look);
		return;
	}
	kube_condition_read(&view, &look->condition);
	if (look->condition.state != KUBE_STARTING &&
		look->condition.state != KUBE_FAILED)
		return;
	/* They only add to what is known, so their absence is no error. */
	if (kube_get(w->kube, cancel, &events,
		    "api/v1/namespaces/%s/events?limit=500",
		    w->namespace) == 0) {
		view.events = events.object;
		kube_condition_clear(&look->condition);
		kube_condition_read(&view, &look->condition);
	}
	kube_answer_clear(&events);
}

/* Files that were kept when the rest was deleted are worth knowing about. */
static int explain_missing(const struct kube_workspace *w,
	struct kube_look *look, const struct cancel *cancel, char **ret_why)
{
	struct kube_view view = { .name = w->name };
	int rc = get_object(w, "api/v1", "persistentvolumeclaims", w->name,
		cancel, &look->claim, ret_why);

	if (rc < 0)
		return rc;
	if (kube_spec_is_ours(look->claim, w->name)) {
		view.claim = look->claim;
		kube_condition_read(&view, &look->condition);
		*ret_why = g_strdup(look->condition.sentence);
	} else {
		*ret_why = g_strdup_printf("there is no workspace '%s' in "
					   "namespace '%s'; pycloud list shows "
					   "those that are",
			w->name, w->namespace);
	}
	return -ENOENT;
}

int kube_workspace_look(const struct kube_workspace *w,
	const struct cancel *cancel, struct kube_look *look, char **ret_why)
{
	int rc;

	*look = (struct kube_look){ 0 };
	rc = get_object(w, "api/v1", "services", w->name, cancel,
		&look->service, ret_why);
	if (rc == 0)
		rc = get_object(w, "apis/apps/v1", "deployments", w->name,
			cancel, &look->deployment, ret_why);
	if (rc == 0 && look->service == NULL && look->deployment == NULL)
		rc = explain_missing(w, look, cancel, ret_why);
	look->is_ours = kube_spec_is_ours(look->deployment, w->name);
	if (rc == 0 && look->is_ours)
		rc = get_object(w, "api/v1", "persistentvolumeclaims", w->name,
			cancel, &look->claim, ret_why);
	if (rc == 0)
		rc = get_pods(w, look, cancel, ret_why);
	if (rc == 0)
		read_condition(w, look, cancel);
	return rc;
}

/* --- starting and stopping ------------------------------------------------ */

static int refuse_foreign(const struct kube_workspace *w, char **ret_why)
{
	*ret_why = g_strdup_printf(
		"'%s' in namespace '%s' was not made by pycloud, so it is "
		"left as it is; use kubectl for it",
		w->name, w->namespace);
	return -EPERM;
}

/* The Deployment is ours. */
static int find_own(const struct kube_workspace *w, const struct cancel *cancel,
	char **ret_why)
{
	struct kube_look look = { 0 };
	int rc = get_object(w, "apis/apps/v1", "deployments", w->name, cancel,
		&look.deployment, ret_why);

	if (rc == 0 && look.deployment == NULL)
		rc = explain_missing(w, &look, cancel, ret_why);
	else if (rc == 0 && !kube_spec_is_ours(look.deployment, w->name))
		rc = refuse_foreign(w, ret_why);
	kube_look_clear(&look);
	return rc;
}

int kube_workspace_scale(const struct kube_workspace *w, unsigned replicas,
	const struct cancel *cancel, char **ret_why)
{
	g_autofree char *path = g_strdup_printf(
		"apis/apps/v1/namespaces/%s/deployments/%s/scale", w->namespace,
		w->name);
	g_autofree char *text = kube_spec_scale(replicas);
	const struct kube_request q = { .method = "PATCH",
		.path = path,
		.content_type = KUBE_MERGE,
		.text = text };
	struct kube_answer answer;
	int rc = find_own(w, cancel, ret_why);

	if (rc < 0)
		return rc;
	rc = kube_call(w->kube, &q, cancel, &answer);
	if (rc < 0)
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

/* --- waiting -------------------------------------------------------------- */

static void say(const struct kube_workspace *w, const char *sentence)
{
	g_autofree char *line = NULL;

	if (w->progress == NULL)
		return;
	line = g_strdup_printf(
		"%s: %s", w->name, sentence != NULL ? sentence : "is starting");
	w->progress(w->progress_arg, line);
}

static int on_change(void *arg, const char *type, const cJSON *object)
{
	(void)arg;
	(void)object;
	return strcmp(type, "BOOKMARK") == 0 ? 0 : 1;
}

/* Until some pod changes, or it is time to look again. */
static int pause_for_change(const struct kube_workspace *w,
	const struct kube_look *look, int64_t left_ms,
	const struct cancel *cancel, char **ret_why)
{
	g_autofree char *selector = pods_selector(look);
	const char *version = json_string(
		json_object(look->pods, "metadata"), "resourceVersion");
	int wait_ms = (int)MIN(left_ms, LOOK_MS);
	g_autofree char *escaped = NULL;
	g_autofree char *path = NULL;
	int rc;

	if (selector == NULL || version == NULL)
		return cancel_sleep(cancel, wait_ms);
	escaped = g_uri_escape_string(version, NULL, FALSE);
	path = g_strdup_printf("api/v1/namespaces/%s/pods?labelSelector=%s"
			       "&resourceVersion=%s",
		w->namespace, selector, escaped);
	rc = kube_watch(
		w->kube, path, wait_ms, cancel, on_change, NULL, ret_why);
	if (rc == -EINTR)
		return rc;
	/* Who may not watch looks now and then. */
	g_clear_pointer(ret_why, g_free);
	return rc == 1 || rc == -ETIMEDOUT ? cancel_check(cancel)
					   : cancel_sleep(cancel, wait_ms);
}

static bool is_there(const struct kube_look *look, bool stopped)
{
	return look->condition.state == (stopped ? KUBE_STOPPED : KUBE_READY);
}

int kube_workspace_wait(const struct kube_workspace *w, bool stopped,
	int timeout_ms, const struct cancel *cancel, char **ret_why)
{
	int64_t began_ms = clock_now_ms();
	struct kube_look look;
	int rc;

	for (;;) {
		int64_t passed_ms;
		int64_t left_ms;
		g_autofree char *sentence = NULL;

		rc = kube_workspace_look(w, cancel, &look, ret_why);
		passed_ms = clock_now_ms() - began_ms;
		left_ms = timeout_ms - passed_ms;
		sentence = rc == 0 ? g_strdup(look.condition.sentence)
				   : g_steal_pointer(ret_why);
		if (rc == 0 && is_there(&look, stopped))
			break;
		if (rc == 0 && look.condition.is_hopeless &&
			passed_ms >= HOPELESS_MS)
			rc = -EHOSTDOWN;
		else if (kube_is_passing(rc) && left_ms <= 0)
			rc = -ETIMEDOUT;
		if (!kube_is_passing(rc)) {
			*ret_why = g_steal_pointer(&sentence);
			break;
		}
		say(w, sentence);
		rc = pause_for_change(w, &look, left_ms, cancel, ret_why);
		kube_look_clear(&look);
		if (rc < 0)
			break;
	}
	kube_look_clear(&look);
	return rc;
}

/* kube_pod.c - see kube_pod.h. */
#include "config.h"

#include "kube_pod.h"

#include "common_limits.h"
#include "kube_events.h"
#include "kube_text.h"

#include <glib.h>
#include <string.h>

/* A message that means something to us; it is quoted between the two. */
struct symptom {
	const char *words[4]; /* any of them, in the message */
	bool is_hopeless;
	const char *before;
	const char *after;
};

static void say(struct kube_condition *ret, enum kube_state state,
	bool is_hopeless, char *sentence)
{
	ret->state = state;
	ret->is_hopeless = is_hopeless;
	ret->sentence = sentence;
}

static void say_symptom(struct kube_condition *ret, const struct symptom *s,
	const char *message)
{
	g_autofree char *text = kube_text_clean(message);

	say(ret, KUBE_FAILED, s->is_hopeless,
		g_strconcat(s->before,
			text[0] == '\0' ? "no reason is given" : text, s->after,
			NULL));
}

/* The first of the symptoms that shows; the last of them always does. */
static const struct symptom *find_symptom(
	const struct symptom *all, size_t count, const char *message)
{
	size_t i;

	for (i = 0; i + 1 < count; i++)
		if (kube_text_has(message, all[i].words[0], all[i].words[1],
			    all[i].words[2], all[i].words[3], NULL))
			break;
	return &all[i];
}

static const char *or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

/* --- its place ----------------------------------------------------------- */

static const struct symptom claim_symptoms[] = {
	{ { "no storage class is set" }, true,
		"The cluster has no storage class of its own choice (",
		"): make the workspace with one that `kubectl get "
		"storageclass` names." },
	{ { "storageclass" }, true,
		"The cluster does not know the storage class (",
		"): make the workspace with one that `kubectl get "
		"storageclass` names." },
	{ { NULL }, false, "The storage for its files could not be made yet (",
		")." },
};

bool kube_object_is_deleted(const cJSON *object)
{
	return json_string(json_object(object, "metadata"),
		       "deletionTimestamp") != NULL;
}

bool kube_claim_read(const struct kube_view *view, struct kube_condition *ret)
{
	static const char *const reasons[] = { "ProvisioningFailed",
		"FailedBinding", "ProvisioningCleanupFailed",
		"WaitForFirstConsumer", "ExternalProvisioning", "Provisioning",
		"WaitForPodScheduled", NULL };
	const char *phase = or_empty(
		json_string(json_object(view->claim, "status"), "phase"));
	const cJSON *event;
	const char *message;

	if (kube_object_is_deleted(view->claim)) {
		say(ret, KUBE_FAILED, true,
			g_strdup("Its files are being deleted, which ends when "
				 "no pod uses them any more."));
		return true;
	}
	if (strcmp(phase, "Lost") == 0) {
		say(ret, KUBE_FAILED, true,
			g_strdup("The volume with its files is gone: ask the "
				 "cluster's administrator."));
		return true;
	}
	event = kube_event_latest(view->events, view->claim, reasons);
	if (strcmp(phase, "Pending") != 0 ||
		strstr(kube_event_reason(event), "Failed") == NULL)
		return false;
	message = kube_event_message(event);
	say_symptom(ret,
		find_symptom(
			claim_symptoms, G_N_ELEMENTS(claim_symptoms), message),
		message);
	return true;
}

static void read_no_room(const struct kube_view *view, const cJSON *pod,
	const char *message, struct kube_condition *ret)
{
	static const char *const scaled[] = { "TriggeredScaleUp", NULL };
	g_autofree char *text = kube_text_clean(message);

	if (kube_event_latest(view->events, pod, scaled) != NULL) {
		say(ret, KUBE_STARTING, false,
			g_strdup("The cluster is adding a node for it."));
		return;
	}
	/* A node that is shut out may come back with room. */
	say(ret, KUBE_FAILED,
		!kube_text_has(message, "taint", "unschedulable",
			"affinity conflict", NULL),
		g_strdup_printf("No node has room for it (%s): stop another "
				"workspace, or ask for less cpu or memory.",
			text));
}

static void read_unschedulable(const struct kube_view *view, const cJSON *pod,
	const char *message, struct kube_condition *ret)
{
	static const struct symptom symptoms[] = {
		{ { "affinity conflict" }, false,
			"The node that has its files takes no pods now (",
			"): bring that node back." },
		{ { "taint", "unschedulable", "no nodes available" }, false,
			"No node takes pods now (", ")." },
		{ { NULL }, false, "No node suits it (", ")." },
	};

	if (kube_text_has(message, "persistentvolumeclaim", NULL) &&
		kube_text_has(message, "not found", NULL)) {
		g_autofree char *text = kube_text_clean(message);

		say(ret, KUBE_FAILED, view->claim == NULL,
			g_strdup_printf("The claim for its files is missing "
					"(%s): `pycloud create %s` makes it.",
				text, view->name));
		return;
	}
	if (kube_claim_read(view, ret))
		return;
	if (kube_text_has(message, "unbound", NULL))
		say(ret, KUBE_STARTING, false,
			g_strdup("It waits for the storage for its files."));
	else if (kube_text_has(message, "insufficient", NULL))
		read_no_room(view, pod, message, ret);
	else
		say_symptom(ret,
			find_symptom(symptoms, G_N_ELEMENTS(symptoms), message),
			message);
}

/* --- its image ----------------------------------------------------------- */

static void read_image(const struct kube_view *view, const cJSON *pod,
	const char *waiting, struct kube_condition *ret)
{
	static const struct symptom symptoms[] = {
		{ { "no match for platform", "no matching manifest",
			  "exec format error" },
			true,
			"The image is not made for the nodes' processor (",
			"): choose one that is." },
		{ { "toomanyrequests", "rate limit" }, false,
			"The image's registry wants us to wait (", ")." },
		{ { "not found", "manifest unknown", "does not exist",
			  "not present" },
			true, "There is no such image (",
			"): check its name and tag." },
		{ { "unauthorized", "denied", "forbidden",
			  "no basic auth credentials" },
			true, "The image is missing or not public (",
			"): check its name, or choose a public one." },
		{ { "invalid" }, true, "The image's name is none (",
			"): check it." },
		{ { NULL }, false, "The node could not get the image yet (",
			")." },
	};
	static const char *const reasons[] = { "Failed", "ErrImageNeverPull",
		"InspectFailed", NULL };
	const cJSON *event = kube_event_latest(view->events, pod, reasons);
	const char *message = or_empty(waiting);
	const struct symptom *s =
		find_symptom(symptoms, G_N_ELEMENTS(symptoms), message);

	/* After the first failure the state says that it waits, and only the
	 * event still says why. */
	if (s == &symptoms[G_N_ELEMENTS(symptoms) - 1] &&
		kube_text_has(kube_event_message(event), "image", NULL)) {
		message = kube_event_message(event);
		s = find_symptom(symptoms, G_N_ELEMENTS(symptoms), message);
	}
	say_symptom(ret, s, message);
}

/* --- its container ------------------------------------------------------- */

/* Before the container: volumes, network, the image. */
static void read_creating(const struct kube_view *view, const cJSON *pod,
	struct kube_condition *ret)
{
	static const char *const reasons[] = { "FailedMount",
		"FailedAttachVolume", "FailedCreatePodSandBox",
		"SuccessfulAttachVolume", "Pulling", "Pulled", "Created",
		NULL };
	static const struct symptom symptoms[] = {
		{ { "multi-attach" }, false,
			"Its files are still in use on another node (",
			"): if that node is gone for good, delete it from the "
			"cluster." },
		{ { "sandbox" }, false, "The node could not prepare the pod (",
			")." },
		{ { NULL }, false, "A volume cannot be mounted yet (", ")." },
	};
	const cJSON *event = kube_event_latest(view->events, pod, reasons);
	const char *message = kube_event_message(event);

	if (strncmp(kube_event_reason(event), "Failed", 6) == 0)
		say_symptom(ret,
			find_symptom(symptoms, G_N_ELEMENTS(symptoms), message),
			message);
	else if (strcmp(kube_event_reason(event), "Pulling") == 0)
		say(ret, KUBE_STARTING, false,
			g_strdup("The node gets the image, which takes some "
				 "minutes the first time."));
	else
		say(ret, KUBE_STARTING, false,
			g_strdup("The node prepares the pod."));
}

static void read_config(const char *message, struct kube_condition *ret)
{
	static const struct symptom symptoms[] = {
		{ { "runasnonroot" }, true,
			"The image's user is root, which is not allowed (",
			"): choose an image with another user." },
		{ { "secret" }, true, "The Secret with its token is missing (",
			"): make the workspace again with the same name." },
		{ { NULL }, false, "The container cannot be made (", ")." },
	};

	say_symptom(ret,
		find_symptom(symptoms, G_N_ELEMENTS(symptoms), message),
		message);
}

static void read_start_error(
	const char *message, bool is_repeated, struct kube_condition *ret)
{
	static const struct symptom symptoms[] = {
		{ { "exec format error" }, true,
			"The image is not made for this node's processor (",
			"): choose one that is." },
		{ { "no such file or directory", "executable file not found" },
			true, "The image lacks the program to start (",
			"): choose one with sh and Jupyter." },
		{ { NULL }, false, "The container does not start (", ")." },
	};

	say_symptom(ret,
		find_symptom(symptoms, G_N_ELEMENTS(symptoms), message),
		message);
	ret->is_hopeless = ret->is_hopeless || is_repeated;
}

static char *describe_exit(int64_t code)
{
	if (code > 128 && code < 128 + 65)
		return g_strdup_printf("by signal %d", (int)code - 128);
	return g_strdup_printf(
		"with exit status %d", (int)CLAMP(code, -9999, 9999));
}

static void read_ended(const struct kube_view *view, const cJSON *terminated,
	int64_t restarts, struct kube_condition *ret)
{
	const char *reason = or_empty(json_string(terminated, "reason"));
	const char *message = or_empty(json_string(terminated, "message"));
	bool is_repeated = restarts >= KUBE_RESTARTS_MAX;
	g_autofree char *how = NULL;
	int64_t code = 0;

	(void)json_int64(terminated, "exitCode", &code);
	how = describe_exit(code);
	if (strcmp(reason, "OOMKilled") == 0)
		say(ret, KUBE_FAILED, is_repeated,
			g_strdup("It was ended for using more memory than its "
				 "limit: give it more."));
	else if (strcmp(reason, "StartError") == 0 ||
		 strcmp(reason, "ContainerCannotRun") == 0)
		read_start_error(message, is_repeated, ret);
	else if (code == 127)
		say(ret, KUBE_FAILED, true,
			g_strdup("The image has no Jupyter: choose one with "
				 "jupyter-server or jupyter-notebook."));
	else
		say(ret, KUBE_FAILED, is_repeated && code != 0,
			g_strdup_printf("Its server ended %s and is started "
					"again: `pycloud logs %s` shows why.",
				how, view->name));
}

static void read_waiting(const struct kube_view *view, const cJSON *pod,
	const cJSON *container, const cJSON *waiting,
	struct kube_condition *ret)
{
	const char *reason = or_empty(json_string(waiting, "reason"));
	const char *message = or_empty(json_string(waiting, "message"));
	const cJSON *last =
		json_object(json_object(container, "lastState"), "terminated");
	int64_t restarts = 0;

	(void)json_int64(container, "restartCount", &restarts);
	if (kube_text_has(reason, "image", NULL))
		read_image(
			view, pod, message[0] == '\0' ? reason : message, ret);
	else if (strcmp(reason, "CrashLoopBackOff") == 0)
		read_ended(view, last, restarts, ret);
	else if (strcmp(reason, "CreateContainerConfigError") == 0)
		read_config(message, ret);
	else if (kube_text_has(reason, "error", NULL))
		read_start_error(message, restarts >= KUBE_RESTARTS_MAX, ret);
	else
		read_creating(view, pod, ret);
}

static void read_not_ready(const struct kube_view *view, const cJSON *pod,
	struct kube_condition *ret)
{
	static const char *const reasons[] = { "Unhealthy", NULL };
	const cJSON *event = kube_event_latest(view->events, pod, reasons);
	g_autofree char *text = kube_text_clean(kube_event_message(event));

	say(ret, KUBE_STARTING, false,
		text[0] == '\0'
			? g_strdup("Its server does not answer yet.")
			: g_strdup_printf(
				  "Its server does not answer yet (%s).",
				  text));
}

static bool is_container_fine(const cJSON *container, bool is_init)
{
	int64_t code;

	if (!is_init)
		return json_bool(container, "ready", false);
	return json_int64(json_object(json_object(container, "state"),
				  "terminated"),
		       "exitCode", &code) &&
	       code == 0;
}

/* The first that is not as it should be; NULL: all are, or none is there. */
static const cJSON *find_trouble(const cJSON *status)
{
	const cJSON *container;

	cJSON_ArrayForEach(
		container, json_array(status, "initContainerStatuses"))
	{
		if (!is_container_fine(container, true))
			return container;
	}
	cJSON_ArrayForEach(container, json_array(status, "containerStatuses"))
	{
		if (!is_container_fine(container, false))
			return container;
	}
	return NULL;
}

/* --- the whole ----------------------------------------------------------- */

static const cJSON *find_condition(const cJSON *pod, const char *type)
{
	const cJSON *condition;

	cJSON_ArrayForEach(
		condition, json_array(json_object(pod, "status"), "conditions"))
	{
		if (strcmp(or_empty(json_string(condition, "type")), type) == 0)
			return condition;
	}
	return NULL;
}

static bool is_condition(const cJSON *condition, const char *status)
{
	return strcmp(or_empty(json_string(condition, "status")), status) == 0;
}

bool kube_pod_is_ready(const cJSON *pod)
{
	return is_condition(find_condition(pod, "Ready"), "True") &&
	       !kube_object_is_deleted(pod);
}

static void read_container(const struct kube_view *view, const cJSON *pod,
	const cJSON *container, struct kube_condition *ret)
{
	const cJSON *state = json_object(container, "state");
	int64_t restarts = 0;

	(void)json_int64(container, "restartCount", &restarts);
	if (json_object(state, "terminated") != NULL)
		read_ended(
			view, json_object(state, "terminated"), restarts, ret);
	else if (json_object(state, "running") != NULL)
		read_not_ready(view, pod, ret);
	else
		read_waiting(view, pod, container,
			json_object(state, "waiting"), ret);
}

static void read_evicted(const cJSON *status, struct kube_condition *ret)
{
	g_autofree char *text = g_strdup_printf("%s: %s",
		or_empty(json_string(status, "reason")),
		or_empty(json_string(status, "message")));
	g_autofree char *cleaned = kube_text_clean(text);

	say(ret, KUBE_FAILED, false,
		g_strdup_printf("The cluster ended the pod (%s) and makes "
				"another.",
			cleaned));
}

/* A node tells of its containers and of the pod at once. So when the one is
 * fine and the other is not, it was the cluster that wrote: it has not heard
 * from the node. */
static void read_silent(const cJSON *pod, struct kube_condition *ret)
{
	g_autofree char *node = kube_text_clean(
		json_string(json_object(pod, "spec"), "nodeName"));

	say(ret, KUBE_FAILED, false,
		g_strdup_printf("The node %s, where it runs, does not answer: "
				"see whether it is on and connected.",
			node));
}

void kube_pod_read(const struct kube_view *view, const cJSON *pod,
	struct kube_condition *ret)
{
	const cJSON *status = json_object(pod, "status");
	const cJSON *scheduled = find_condition(pod, "PodScheduled");
	const cJSON *trouble = find_trouble(status);

	if (strcmp(or_empty(json_string(status, "phase")), "Failed") == 0)
		read_evicted(status, ret);
	else if (is_condition(scheduled, "False"))
		read_unschedulable(view, pod,
			or_empty(json_string(scheduled, "message")), ret);
	else if (trouble != NULL)
		read_container(view, pod, trouble, ret);
	else if (json_array(status, "containerStatuses") == NULL)
		read_creating(view, pod, ret);
	else if (is_condition(find_condition(pod, "Ready"), "False"))
		read_silent(pod, ret);
	else
		say(ret, KUBE_STARTING, false,
			g_strdup("Its server answers, and the cluster is about "
				 "to take note."));
}

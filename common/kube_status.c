/* kube_status.c - see kube_status.h. */
#include "config.h"

#include "kube_status.h"

#include "common_limits.h"
#include "kube_error.h"
#include "kube_events.h"
#include "kube_pod.h"

#include <glib.h>
#include <string.h>

static void say(struct kube_condition *ret, enum kube_state state,
	bool is_hopeless, char *sentence)
{
	ret->state = state;
	ret->is_hopeless = is_hopeless;
	ret->sentence = sentence;
}

/* --- pods ---------------------------------------------------------------- */

static const char *string_or_empty(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);

	return text == NULL ? "" : text;
}

static bool has_ended(const cJSON *pod)
{
	const char *phase =
		string_or_empty(json_object(pod, "status"), "phase");

	return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* Not on its way out before all else, then not ended, then the newest. The
 * times sort as text. */
static bool is_better(const cJSON *a, const cJSON *b)
{
	if (kube_object_is_deleted(a) != kube_object_is_deleted(b))
		return kube_object_is_deleted(b);
	if (has_ended(a) != has_ended(b))
		return has_ended(b);
	return strcmp(string_or_empty(
			      json_object(a, "metadata"), "creationTimestamp"),
		       string_or_empty(json_object(b, "metadata"),
			       "creationTimestamp")) > 0;
}

const cJSON *kube_status_pod(const cJSON *pods)
{
	const cJSON *best = NULL;
	const cJSON *pod;
	unsigned count = 0;

	cJSON_ArrayForEach(pod, json_array(pods, "items"))
	{
		if (++count > KUBE_ITEMS_MAX)
			break;
		if (best == NULL || is_better(pod, best))
			best = pod;
	}
	return best == NULL || kube_object_is_deleted(best) ? NULL : best;
}

unsigned kube_status_live_pods(const cJSON *pods)
{
	const cJSON *pod;
	unsigned count = 0;

	cJSON_ArrayForEach(pod, json_array(pods, "items"))
	{
		count += !has_ended(pod);
		if (count >= KUBE_ITEMS_MAX)
			break;
	}
	return count;
}

/* --- the workload -------------------------------------------------------- */

/* Numbers that are 0 are left out. */
static int64_t number_of(const cJSON *object, const char *key)
{
	int64_t value;

	return json_int64(object, key, &value) ? value : 0;
}

static int64_t wanted(const cJSON *workload)
{
	int64_t replicas;

	return json_int64(json_object(workload, "spec"), "replicas", &replicas)
		       ? replicas
		       : 1;
}

/* Right after a change the old numbers are still shown. */
static bool is_seen(const cJSON *workload)
{
	return number_of(
		       json_object(workload, "status"), "observedGeneration") >=
	       number_of(json_object(workload, "metadata"), "generation");
}

static bool is_available(const cJSON *workload)
{
	const cJSON *status = json_object(workload, "status");
	int64_t replicas = wanted(workload);

	return is_seen(workload) &&
	       number_of(status, "updatedReplicas") == replicas &&
	       number_of(status, "replicas") == replicas &&
	       number_of(status, "availableReplicas") == replicas;
}

/* Between a crash and its notice, the workload is behind its pod. */
static bool is_ready(const struct kube_view *view)
{
	const cJSON *pod = kube_status_pod(view->pods);

	return is_available(view->workload) &&
	       (view->pods == NULL || (pod != NULL && kube_pod_is_ready(pod)));
}

/* Why no pod is made at all; NULL: nothing is known. A StatefulSet has no such
 * condition, only events. */
static const char *find_refusal(const struct kube_view *view)
{
	static const char *const reasons[] = { "FailedCreate", NULL };
	const cJSON *condition, *event;

	cJSON_ArrayForEach(condition,
		json_array(json_object(view->workload, "status"), "conditions"))
	{
		if (strcmp(string_or_empty(condition, "type"),
			    "ReplicaFailure") == 0 &&
			strcmp(string_or_empty(condition, "status"), "True") ==
				0)
			return string_or_empty(condition, "message");
	}
	event = kube_event_latest(view->events, view->workload, reasons);
	return event == NULL ? NULL : kube_event_message(event);
}

static void read_refusal(const char *message, struct kube_condition *ret)
{
	char *sentence;
	enum kube_error_kind kind = kube_error_explain(message, &sentence);

	say(ret, KUBE_FAILED,
		kind == KUBE_ERROR_QUOTA || kind == KUBE_ERROR_POD_SECURITY ||
			kind == KUBE_ERROR_DENIED ||
			kind == KUBE_ERROR_TERMINATING,
		sentence);
}

static void read_no_pod(
	const struct kube_view *view, struct kube_condition *ret)
{
	const char *refusal = find_refusal(view);

	if (refusal != NULL)
		read_refusal(refusal, ret);
	else if (kube_status_live_pods(view->pods) > 0)
		say(ret, KUBE_STARTING, false,
			g_strdup("The pod before it still ends."));
	else
		say(ret, KUBE_STARTING, false,
			g_strdup("The cluster has not made its pod yet."));
}

static void read_missing(
	const struct kube_view *view, struct kube_condition *ret)
{
	say(ret, KUBE_MISSING, true,
		g_strdup_printf(
			view->claim == NULL
				? "There is no workspace %s: `pycloud create "
				  "%s` makes it."
				: "The workspace %s has its files but nothing "
				  "that runs: `pycloud create %s` makes it.",
			view->name, view->name));
}

static void read_unwanted(
	const struct kube_view *view, struct kube_condition *ret)
{
	/* The workload no longer counts a pod that ends. */
	if (kube_status_live_pods(view->pods) > 0 || !is_seen(view->workload) ||
		number_of(json_object(view->workload, "status"), "replicas") >
			0)
		say(ret, KUBE_STOPPING, false,
			g_strdup_printf("The workspace %s is being stopped.",
				view->name));
	else
		say(ret, KUBE_STOPPED, true,
			g_strdup_printf("The workspace %s is stopped: "
					"`pycloud start %s` starts it.",
				view->name, view->name));
}

static void read_wanted(
	const struct kube_view *view, struct kube_condition *ret)
{
	const cJSON *pod = kube_status_pod(view->pods);

	if (is_ready(view))
		say(ret, KUBE_READY, false,
			g_strdup_printf(
				"The workspace %s is ready.", view->name));
	else if (!is_seen(view->workload))
		say(ret, KUBE_STARTING, false,
			g_strdup("The cluster has not looked at it yet."));
	else if (pod == NULL)
		read_no_pod(view, ret);
	else
		kube_pod_read(view, pod, ret);
}

void kube_condition_read(
	const struct kube_view *view, struct kube_condition *ret)
{
	if (!cJSON_IsObject(view->workload))
		read_missing(view, ret);
	else if (kube_object_is_deleted(view->workload))
		say(ret, KUBE_STOPPING, false,
			g_strdup_printf("The workspace %s is being deleted.",
				view->name));
	else if (wanted(view->workload) <= 0)
		read_unwanted(view, ret);
	else
		read_wanted(view, ret);
}

void kube_condition_clear(struct kube_condition *c)
{
	g_clear_pointer(&c->sentence, g_free);
}

const char *kube_state_name(enum kube_state state)
{
	static const char *const names[] = {
		[KUBE_MISSING] = "missing",
		[KUBE_STOPPED] = "stopped",
		[KUBE_STOPPING] = "stopping",
		[KUBE_STARTING] = "starting",
		[KUBE_FAILED] = "failed",
		[KUBE_READY] = "ready",
	};

	return names[state];
}

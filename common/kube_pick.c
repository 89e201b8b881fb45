/* kube_pick.c - see kube_pick.h. */
#include "config.h"

#include "kube_pick.h"

#include "common_limits.h"

#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

struct kube_pod *kube_pod_ref(struct kube_pod *p)
{
	return g_atomic_rc_box_acquire(p);
}

static void clear(gpointer pod)
{
	struct kube_pod *p = pod;

	g_free(p->name);
	g_free(p->uid);
}

void kube_pod_unref(struct kube_pod *p)
{
	if (p != NULL)
		g_atomic_rc_box_release_full(p, clear);
}

bool kube_name_is_good(const char *name)
{
	size_t length = name == NULL ? 0 : strlen(name);

	if (length == 0 || length > KUBE_OBJECT_NAME_MAX ||
		!g_ascii_isalnum(name[0]) || !g_ascii_isalnum(name[length - 1]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length;
}

char *kube_service_selector(const cJSON *service)
{
	const cJSON *labels =
		json_object(json_object(service, "spec"), "selector");
	g_autoptr(GString) text = g_string_new(NULL);
	const cJSON *label;

	cJSON_ArrayForEach(label, labels)
	{
		if (label->string == NULL || !cJSON_IsString(label))
			return NULL;
		g_string_append_printf(text, "%s%s=%s",
			text->len > 0 ? "," : "", label->string,
			label->valuestring);
	}
	return text->len == 0 ? NULL
			      : g_uri_escape_string(text->str, NULL, FALSE);
}

/* --- the port ------------------------------------------------------------- */

static bool is_port(const cJSON *number)
{
	return cJSON_IsNumber(number) && number->valuedouble >= 1 &&
	       number->valuedouble <= PORT_MAX &&
	       number->valuedouble == (double)number->valueint;
}

/* The Service's port that is Jupyter's: the one called http, or 8888, else the
 * first. */
static const cJSON *choose_port(const cJSON *service)
{
	const cJSON *ports = json_array(json_object(service, "spec"), "ports");
	const cJSON *first = NULL;
	const cJSON *port;

	cJSON_ArrayForEach(port, ports)
	{
		const char *name = json_string(port, "name");
		int64_t number = 0;

		if (first == NULL)
			first = port;
		if (g_strcmp0(name, "http") == 0 ||
			(json_int64(port, "port", &number) && number == 8888))
			return port;
	}
	return first;
}

/* The number of the container's port of that name; 0: none. */
static int find_named_port(const cJSON *pod, const char *name)
{
	const cJSON *containers =
		json_array(json_object(pod, "spec"), "containers");
	const cJSON *container;
	const cJSON *port;

	cJSON_ArrayForEach(container, containers)
	{
		cJSON_ArrayForEach(port, json_array(container, "ports"))
		{
			const cJSON *number = cJSON_GetObjectItemCaseSensitive(
				port, "containerPort");

			if (g_strcmp0(json_string(port, "name"), name) == 0 &&
				is_port(number))
				return number->valueint;
		}
	}
	return 0;
}

static int port_of(const cJSON *service, const cJSON *pod)
{
	const cJSON *port = choose_port(service);
	const cJSON *target =
		cJSON_GetObjectItemCaseSensitive(port, "targetPort");

	if (cJSON_IsString(target))
		return find_named_port(pod, target->valuestring);
	if (target == NULL)
		target = cJSON_GetObjectItemCaseSensitive(port, "port");
	return is_port(target) ? target->valueint : 0;
}

/* --- the pod -------------------------------------------------------------- */

static bool is_running(const cJSON *pod)
{
	const cJSON *metadata = json_object(pod, "metadata");
	const cJSON *status = json_object(pod, "status");

	return g_strcmp0(json_string(status, "phase"), "Running") == 0 &&
	       json_string(status, "podIP") != NULL &&
	       json_string(metadata, "deletionTimestamp") == NULL &&
	       json_string(metadata, "uid") != NULL &&
	       kube_name_is_good(json_string(metadata, "name"));
}

static bool is_ready(const cJSON *pod)
{
	const cJSON *conditions =
		json_array(json_object(pod, "status"), "conditions");
	const cJSON *condition;

	cJSON_ArrayForEach(condition,
		conditions) if (g_strcmp0(json_string(condition, "type"),
					"Ready") ==
				0) return g_strcmp0(json_string(condition,
							    "status"),
		"True") == 0;
	return false;
}

static int rank(const cJSON *pod, const char *pinned_uid)
{
	const char *uid = json_string(json_object(pod, "metadata"), "uid");

	if (pinned_uid != NULL && strcmp(uid, pinned_uid) == 0)
		return 3;
	return is_ready(pod) ? 2 : 1;
}

static bool is_better(
	const cJSON *pod, const cJSON *than, const char *pinned_uid)
{
	int difference;

	if (than == NULL)
		return true;
	difference = rank(pod, pinned_uid) - rank(than, pinned_uid);
	if (difference != 0)
		return difference > 0;
	return strcmp(json_string(json_object(pod, "metadata"), "name"),
		       json_string(json_object(than, "metadata"), "name")) < 0;
}

struct kube_pod *kube_pod_pick(const cJSON *service, const cJSON *pods,
	const char *pinned_uid, unsigned *ret_count)
{
	const cJSON *best = NULL;
	const cJSON *pod;
	struct kube_pod *picked;

	*ret_count = 0;
	cJSON_ArrayForEach(pod, json_array(pods, "items"))
	{
		if (!is_running(pod) || port_of(service, pod) == 0)
			continue;
		++*ret_count;
		if (is_better(pod, best, pinned_uid))
			best = pod;
	}
	if (best == NULL)
		return NULL;
	picked = g_atomic_rc_box_new0(struct kube_pod);
	picked->name =
		g_strdup(json_string(json_object(best, "metadata"), "name"));
	picked->uid =
		g_strdup(json_string(json_object(best, "metadata"), "uid"));
	picked->port = port_of(service, best);
	return picked;
}

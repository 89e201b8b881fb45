/* kube_events.c - see kube_events.h. */
#include "config.h"

#include "kube_events.h"

#include "common_limits.h"

#include <string.h>

static const char *first_string(const cJSON *object, const char *const *keys)
{
	const char *text = NULL;

	for (; *keys != NULL && text == NULL; keys++)
		text = json_string(object, *keys);
	return text == NULL ? "" : text;
}

/* The cluster's times are all in UTC and written alike: they sort as text. */
static const char *time_of(const cJSON *event)
{
	static const char *const keys[] = { "lastTimestamp",
		"deprecatedLastTimestamp", "eventTime", NULL };
	const char *last =
		json_string(json_object(event, "series"), "lastObservedTime");

	return last == NULL ? first_string(event, keys) : last;
}

static bool is_equal(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool is_about(const cJSON *event, const cJSON *object)
{
	const cJSON *about = json_object(event, "involvedObject");
	const cJSON *metadata = json_object(object, "metadata");
	const char *uid = json_string(metadata, "uid");

	if (about == NULL)
		about = json_object(event, "regarding");
	if (!is_equal(
		    json_string(about, "name"), json_string(metadata, "name")))
		return false;
	return uid == NULL || json_string(about, "uid") == NULL ||
	       is_equal(json_string(about, "uid"), uid);
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

const cJSON *kube_event_latest(
	const cJSON *list, const cJSON *object, const char *const *reasons)
{
	const cJSON *latest = NULL;
	const cJSON *event;
	unsigned count = 0;

	cJSON_ArrayForEach(event, json_array(list, "items"))
	{
		if (++count > KUBE_ITEMS_MAX)
			break;
		if (!is_one_of(kube_event_reason(event), reasons) ||
			!is_about(event, object))
			continue;
		if (latest == NULL ||
			strcmp(time_of(event), time_of(latest)) >= 0)
			latest = event;
	}
	return latest;
}

const char *kube_event_reason(const cJSON *event)
{
	static const char *const keys[] = { "reason", NULL };

	return first_string(event, keys);
}

const char *kube_event_message(const cJSON *event)
{
	static const char *const keys[] = { "message", "note", NULL };

	return first_string(event, keys);
}

/*
 * kube_events.h - the last word of a cluster's events about an object. Pure.
 *
 * Events come from two APIs (v1: involvedObject, message, lastTimestamp;
 * events.k8s.io/v1: regarding, note), and which time they bear depends on who
 * wrote them. What is found is borrowed from the list.
 */
#ifndef PYCLOUD_KUBE_EVENTS_H
#define PYCLOUD_KUBE_EVENTS_H

#include "json.h"

/* The newest event about the object whose reason is one of `reasons` (up to
 * NULL); NULL: none. Events about an earlier object of that name do not
 * count. */
const cJSON *kube_event_latest(
	const cJSON *list, const cJSON *object, const char *const *reasons);

/* "" where it says nothing. */
const char *kube_event_reason(const cJSON *event);
const char *kube_event_message(const cJSON *event);

#endif

/* cluster_logs.c - what a workspace's server has written. */
#include "config.h"

#include "cluster.h"

#include "client.h"
#include "kube_pick.h"

#include <errno.h>

struct shown {
	struct cluster *cluster;
	uint64_t bytes;
	int rc; /* of writing them */
};

static int take(void *arg, const char *bytes, size_t length)
{
	struct shown *s = arg;

	s->bytes += length;
	s->rc = cluster_write(s->cluster, bytes, length);
	return s->rc;
}

/* Named always: others may have put containers of theirs beside ours. */
static const char *container_of(const struct kube_look *look, const cJSON *pod)
{
	const cJSON *containers =
		json_array(json_object(pod, "spec"), "containers");

	if (look->is_ours)
		return KUBE_CONTAINER;
	return json_string(cJSON_GetArrayItem(containers, 0), "name");
}

/* NULL: there is no pod whose log could be asked for. */
static char *make_path(const struct cluster *c, const struct kube_look *look)
{
	const struct cluster_options *o = c->options;
	const cJSON *pod = kube_status_pod(look->pods);
	const char *name = json_string(json_object(pod, "metadata"), "name");
	const char *container = container_of(look, pod);
	GString *path;

	if (!kube_name_is_good(name) || !kube_name_is_good(container))
		return NULL;
	path = g_string_new(NULL);
	g_string_printf(path, "api/v1/namespaces/%s/pods/%s/log?container=%s",
		c->place.namespace, name, container);
	if (o->is_followed)
		g_string_append(path, "&follow=true");
	if (o->is_previous)
		g_string_append(path, "&previous=true");
	if (o->tail >= 0)
		g_string_append_printf(
			path, "&tailLines=%" G_GINT64_FORMAT, o->tail);
	return g_string_free(path, FALSE);
}

static int64_t restarts_of(const struct kube_look *look)
{
	const cJSON *statuses =
		json_array(json_object(kube_status_pod(look->pods), "status"),
			"containerStatuses");
	int64_t count;

	return json_int64(
		       cJSON_GetArrayItem(statuses, 0), "restartCount", &count)
		       ? count
		       : 0;
}

/* The API server knows only that there is none; the pod knows why. NULL: it
 * does not either. */
static char *explain_none(const struct cluster *c, const struct kube_look *look)
{
	if (c->options->is_previous && restarts_of(look) == 0)
		return g_strdup_printf(
			"the server of '%s' was not restarted in its pod, so "
			"there is no earlier log; leave out --previous",
			c->options->name);
	if (look->condition.sentence == NULL)
		return NULL;
	return g_strdup_printf("'%s' has no log yet: %s", c->options->name,
		look->condition.sentence);
}

/* Whether the answer, and not the way to it, was the trouble. */
static bool is_refusal(int rc)
{
	return rc == 0 || rc == -ENOENT || rc == -EINVAL || rc == -EIO;
}

static int finish(struct cluster *c, const struct kube_look *look,
	const struct shown *shown, int rc, char *why)
{
	g_autofree char *sentence = why;
	char *reason = NULL;

	if (shown->rc < 0 || rc == -EINTR)
		return cluster_not_written(c, shown->rc < 0 ? shown->rc : rc);
	if (rc == 0 &&
		(shown->bytes > 0 || look->condition.state == KUBE_READY))
		return 0;
	if (shown->bytes == 0 && is_refusal(rc))
		reason = explain_none(c, look);
	return cluster_failed(c, rc < 0 ? rc : -ENOENT,
		reason != NULL ? reason : g_steal_pointer(&sentence), NULL);
}

static int show(struct cluster *c, const struct kube_look *look)
{
	g_autofree char *path = make_path(c, look);
	struct shown shown = { .cluster = c };
	char *why = NULL;
	int rc = -ENOENT;

	if (path != NULL)
		rc = kube_text(c->kube, path, c->options->is_followed, take,
			&shown, &c->cancel, &why);
	return finish(c, look, &shown, rc, why);
}

int cluster_logs(struct cluster *c)
{
	struct kube_look look;
	char *why = NULL;
	int rc = kube_workspace_look(&c->workspace, &c->cancel, &look, &why);
	int status = rc < 0 ? cluster_failed(c, rc, why, NULL) : show(c, &look);

	kube_look_clear(&look);
	return status;
}

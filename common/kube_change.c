/*
 * kube_change.c - see kube_workspace.h: making and deleting.
 *
 * Rights are asked about before the first change, so that a refusal leaves
 * nothing half made; and every object that is there already is looked at, so
 * that nothing of somebody else's is touched. Whoever interrupts a creation may
 * repeat it, or delete what there is. All is applied, but for the Secret.
 */
#include "config.h"

#include "common_limits.h"
#include "kube_workspace.h"
#include "log.h"

#include <errno.h>
#include <string.h>

enum part {
	PART_SECRET,
	PART_CLAIM,
	PART_DEPLOYMENT,
	PART_SERVICE,
	PARTS,
};

/* In the order in which they are made. */
static const struct {
	const char *api;
	const char *group;
	const char *resource;
	const char *kind;
} parts[PARTS] = {
	[PART_SECRET] = { "api/v1", "", "secrets", "Secret" },
	[PART_CLAIM] = { "api/v1", "", "persistentvolumeclaims",
		"PersistentVolumeClaim" },
	[PART_DEPLOYMENT] = { "apis/apps/v1", "apps", "deployments",
		"Deployment" },
	[PART_SERVICE] = { "api/v1", "", "services", "Service" },
};

static char *part_path(const struct kube_workspace *w, enum part part)
{
	g_autofree char *secret = kube_spec_secret_name(w->name);

	return g_strdup_printf("%s/namespaces/%s/%s/%s", parts[part].api,
		w->namespace, parts[part].resource,
		part == PART_SECRET ? secret : w->name);
}

/* What stands there now; 0 with NULL: nothing. */
static int get_part(const struct kube_workspace *w, enum part part,
	const struct cancel *cancel, cJSON **ret, char **ret_why)
{
	g_autofree char *path = part_path(w, part);

	return kube_find(w->kube, cancel, ret, ret_why, "%s", path);
}

static void clear_parts(cJSON *objects[static PARTS])
{
	for (enum part part = 0; part < PARTS; part++)
		g_clear_pointer(&objects[part], cJSON_Delete);
}

static int get_parts(const struct kube_workspace *w,
	const struct cancel *cancel, cJSON *objects[static PARTS],
	char **ret_why)
{
	int rc = 0;

	for (enum part part = 0; part < PARTS && rc == 0; part++)
		rc = get_part(w, part, cancel, &objects[part], ret_why);
	return rc;
}

static int may(const struct kube_workspace *w, const char *verb,
	const struct cancel *cancel, char **ret_why)
{
	int rc = 0;

	for (enum part part = 0; part < PARTS && rc == 0; part++)
		rc = kube_may(w->kube, verb, parts[part].group,
			parts[part].resource, NULL, w->namespace, cancel,
			ret_why);
	return rc;
}

/* --- making --------------------------------------------------------------- */

static int refuse_foreign(const struct kube_workspace *w,
	cJSON *objects[static PARTS], char **ret_why)
{
	for (enum part part = 0; part < PARTS; part++) {
		if (objects[part] == NULL ||
			kube_spec_is_ours(objects[part], w->name))
			continue;
		*ret_why = g_strdup_printf(
			"a %s of the name '%s' is in namespace '%s' already, "
			"and pycloud did not make it; choose another name",
			parts[part].kind, w->name, w->namespace);
		return -EEXIST;
	}
	return 0;
}

static int apply(const struct kube_workspace *w, enum part part,
	const cJSON *manifest, const struct cancel *cancel, char **ret_why)
{
	g_autofree char *path = part_path(w, part);
	g_autofree char *target =
		g_strconcat(path, "?fieldManager=" KUBE_FIELD_MANAGER, NULL);
	const struct kube_request q = { .method = "PATCH",
		.path = target,
		.content_type = KUBE_APPLY,
		.body = manifest };
	struct kube_answer answer;
	int rc = kube_call(w->kube, &q, cancel, &answer);

	if (rc < 0)
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

/* Made, not applied: of two creations at once the second would replace the
 * token that the first one's server starts with. */
static int make_secret(const struct kube_workspace *w,
	const struct kube_workspace_spec *spec, const struct cancel *cancel,
	char **ret_why)
{
	struct secret *token = secret_random();
	struct secret *manifest = kube_spec_secret(spec, token);
	g_autofree char *path = g_strdup_printf(
		"api/v1/namespaces/%s/secrets?fieldManager=" KUBE_FIELD_MANAGER,
		w->namespace);
	const struct kube_request q = { .method = "POST",
		.path = path,
		.content_type = KUBE_JSON,
		.text = secret_peek(manifest) };
	struct kube_answer answer;
	int rc = kube_call(w->kube, &q, cancel, &answer);

	if (rc == -EEXIST)
		rc = 0;
	else if (rc < 0)
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	secret_unref(manifest);
	secret_unref(token);
	return rc;
}

static int apply_parts(const struct kube_workspace *w,
	const struct kube_workspace_spec *spec, cJSON *objects[static PARTS],
	const struct cancel *cancel, char **ret_why)
{
	g_autoptr(cJSON) claim = kube_spec_claim(spec);
	g_autoptr(cJSON) deployment = kube_spec_deployment(spec);
	g_autoptr(cJSON) service = kube_spec_service(spec);
	int rc = 0;

	/* The token that a server runs with, and its files, stay. */
	if (objects[PART_SECRET] == NULL)
		rc = make_secret(w, spec, cancel, ret_why);
	if (objects[PART_CLAIM] != NULL &&
		(spec->storage != NULL || spec->storage_class != NULL))
		log_warning("the files of '%s' stay on the volume that they "
			    "are on: its size and class were settled when it "
			    "was made",
			w->name);
	if (rc == 0 && objects[PART_CLAIM] == NULL)
		rc = apply(w, PART_CLAIM, claim, cancel, ret_why);
	if (rc == 0)
		rc = apply(w, PART_DEPLOYMENT, deployment, cancel, ret_why);
	if (rc == 0)
		rc = apply(w, PART_SERVICE, service, cancel, ret_why);
	return rc;
}

int kube_workspace_create(const struct kube_workspace *w,
	const struct kube_workspace_spec *wish, const struct cancel *cancel,
	char **ret_why)
{
	struct kube_workspace_spec spec = *wish;
	cJSON *objects[PARTS] = { 0 };
	int rc = kube_spec_check(&spec, ret_why);

	if (rc == 0)
		rc = may(w, "patch", cancel, ret_why);
	if (rc == 0)
		rc = get_parts(w, cancel, objects, ret_why);
	if (rc == 0)
		rc = refuse_foreign(w, objects, ret_why);
	if (rc == 0 && objects[PART_DEPLOYMENT] != NULL)
		kube_spec_adopt(&spec, objects[PART_DEPLOYMENT]);
	if (rc == 0)
		rc = apply_parts(w, &spec, objects, cancel, ret_why);
	clear_parts(objects);
	return rc;
}

/* --- deleting ------------------------------------------------------------- */

/* This very object, not one that was made under its name meanwhile. */
static int delete_part(const struct kube_workspace *w, enum part part,
	const cJSON *object, const struct cancel *cancel, char **ret_why)
{
	const char *uid = json_string(json_object(object, "metadata"), "uid");
	g_autofree char *path = part_path(w, part);
	g_autoptr(cJSON) options = cJSON_CreateObject();
	struct kube_request q = { .method = "DELETE",
		.path = path,
		.content_type = KUBE_JSON,
		.body = options };
	struct kube_answer answer;
	int rc;

	(void)cJSON_AddStringToObject(options, "apiVersion", "v1");
	(void)cJSON_AddStringToObject(options, "kind", "DeleteOptions");
	(void)cJSON_AddStringToObject(
		options, "propagationPolicy", "Background");
	if (uid != NULL)
		(void)cJSON_AddStringToObject(
			cJSON_AddObjectToObject(options, "preconditions"),
			"uid", uid);
	rc = kube_call(w->kube, &q, cancel, &answer);
	if (rc == -ENOENT)
		rc = 0;
	else if (rc < 0)
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

/* The Service first, so that nobody is led there any more; the claim last. */
static const enum part deletion_order[] = {
	PART_SERVICE,
	PART_DEPLOYMENT,
	PART_SECRET,
	PART_CLAIM,
};

static int delete_parts(const struct kube_workspace *w,
	cJSON *objects[static PARTS], bool keeps_files,
	const struct cancel *cancel, char **ret_why)
{
	unsigned count = 0;
	int rc = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(deletion_order) && rc == 0; i++) {
		enum part part = deletion_order[i];

		if (objects[part] == NULL ||
			(part == PART_CLAIM && keeps_files))
			continue;
		count++;
		rc = delete_part(w, part, objects[part], cancel, ret_why);
	}
	if (rc == 0 && count == 0) {
		*ret_why = g_strdup_printf(
			"there is no workspace '%s' in namespace '%s'; pycloud "
			"list shows those that are",
			w->name, w->namespace);
		return -ENOENT;
	}
	return rc;
}

#define GONE_LOOK_MS 500

/* Objects end some time after their deletion was accepted. */
static int wait_until_gone(const struct kube_workspace *w, bool keeps_files,
	int timeout_ms, const struct cancel *cancel, char **ret_why)
{
	int64_t end_ms = clock_now_ms() + timeout_ms;
	enum part last = keeps_files ? PART_DEPLOYMENT : PART_CLAIM;

	for (;;) {
		g_autoptr(cJSON) object = NULL;
		g_autofree char *line = NULL;
		int rc = get_part(w, last, cancel, &object, ret_why);

		if (rc < 0 || object == NULL)
			return rc;
		if (clock_now_ms() >= end_ms) {
			*ret_why = g_strdup_printf(
				"the deletion of '%s' was accepted, but its %s "
				"is still there; see: kubectl -n %s describe "
				"%s %s",
				w->name, parts[last].kind, w->namespace,
				parts[last].resource, w->name);
			return -ETIMEDOUT;
		}
		line = g_strdup_printf("%s: is being deleted", w->name);
		if (w->progress != NULL)
			w->progress(w->progress_arg, line);
		rc = cancel_sleep(cancel, GONE_LOOK_MS);
		if (rc < 0)
			return rc;
	}
}

int kube_workspace_delete(const struct kube_workspace *w, bool keeps_files,
	int timeout_ms, const struct cancel *cancel, char **ret_why)
{
	cJSON *objects[PARTS] = { 0 };
	int rc = may(w, "delete", cancel, ret_why);

	if (rc == 0)
		rc = get_parts(w, cancel, objects, ret_why);
	if (rc == 0)
		rc = refuse_foreign(w, objects, ret_why);
	if (rc == 0)
		rc = delete_parts(w, objects, keeps_files, cancel, ret_why);
	clear_parts(objects);
	if (rc == 0)
		rc = wait_until_gone(
			w, keeps_files, timeout_ms, cancel, ret_why);
	return rc;
}

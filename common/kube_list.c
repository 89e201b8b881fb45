/* kube_list.c - see kube_list.h, and kube_workspace_list(). */
#include "config.h"

#include "kube_list.h"

#include "common_limits.h"
#include "kube_workspace.h"

#include <string.h>

/* One workspace. The objects are borrowed from the lists. */
struct found {
	char *name;
	const cJSON *deployment;
	const cJSON *claim;
	cJSON *pods; /* a list of references to them, maybe empty */
};

void kube_listed_free(gpointer listed)
{
	struct kube_listed *l = listed;

	g_free(l->name);
	g_free(l->image);
	g_free(l->storage);
	g_free(l->created);
	kube_condition_clear(&l->condition);
	g_free(l);
}

static void found_free(gpointer found)
{
	struct found *f = found;

	cJSON_Delete(f->pods);
	g_free(f->name);
	g_free(f);
}

/* --- who belongs to whom -------------------------------------------------- */

static const char *name_of(const cJSON *object)
{
	return json_string(json_object(object, "metadata"), "name");
}

/* The workspace's name, which what it is made of bears, too. */
static const char *owner_of(const cJSON *object)
{
	const cJSON *labels =
		json_object(json_object(object, "metadata"), "labels");
	const char *name = json_string(labels, KUBE_INSTANCE_LABEL);
	g_autofree char *why = NULL;

	if (name == NULL || !kube_spec_is_ours(object, name) ||
		kube_spec_check_name(name, &why) < 0)
		return NULL;
	return name;
}

static struct found *found_get(GHashTable *table, const char *name)
{
	struct found *f = g_hash_table_lookup(table, name);

	if (f != NULL)
		return f;
	f = g_new0(struct found, 1);
	f->name = g_strdup(name);
	f->pods = cJSON_CreateObject();
	(void)cJSON_AddArrayToObject(f->pods, "items");
	g_hash_table_insert(table, f->name, f);
	return f;
}

/* Deployments or claims: what bears its workspace's name, into the member at
 * `offset` of its struct found. */
static void find_named(GHashTable *table, const cJSON *list, size_t offset)
{
	const cJSON *object;
	unsigned count = 0;

	cJSON_ArrayForEach(object, json_array(list, "items"))
	{
		const char *name = owner_of(object);

		if (++count > KUBE_ITEMS_MAX)
			break;
		if (name != NULL && g_strcmp0(name, name_of(object)) == 0)
			G_STRUCT_MEMBER(const cJSON *, found_get(table, name),
				offset) = object;
	}
}

/* Those of a workspace that is there: a pod may end after all the rest. */
static void find_pods(GHashTable *table, const cJSON *list)
{
	const cJSON *object;
	unsigned count = 0;

	cJSON_ArrayForEach(object, json_array(list, "items"))
	{
		const char *name = owner_of(object);
		struct found *f =
			name == NULL ? NULL : g_hash_table_lookup(table, name);

		if (++count > KUBE_ITEMS_MAX)
			break;
		if (f == NULL)
			continue;
		(void)cJSON_AddItemReferenceToArray(
			cJSON_GetObjectItemCaseSensitive(f->pods, "items"),
			(cJSON *)(uintptr_t)object);
	}
}

/* --- what is told of each ------------------------------------------------- */

static char *image_of(const cJSON *deployment)
{
	const cJSON *pod = json_object(
		json_object(json_object(deployment, "spec"), "template"),
		"spec");

	return g_strdup(json_string(
		cJSON_GetArrayItem(json_array(pod, "containers"), 0), "image"));
}

static char *storage_of(const cJSON *claim)
{
	const cJSON *resources =
		json_object(json_object(claim, "spec"), "resources");

	return g_strdup(
		json_string(json_object(resources, "requests"), "storage"));
}

static char *created_of(const struct found *f)
{
	const cJSON *object = f->deployment != NULL ? f->deployment : f->claim;

	return g_strdup(json_string(
		json_object(object, "metadata"), "creationTimestamp"));
}

static struct kube_listed *tell(const struct found *f)
{
	const struct kube_view view = { .name = f->name,
		.workload = f->deployment,
		.pods = f->pods,
		.claim = f->claim };
	struct kube_listed *l = g_new0(struct kube_listed, 1);

	l->name = g_strdup(f->name);
	l->image = image_of(f->deployment);
	l->storage = storage_of(f->claim);
	l->created = created_of(f);
	kube_condition_read(&view, &l->condition);
	return l;
}

static int by_name(const void *a, const void *b)
{
	const struct kube_listed *x = *(const struct kube_listed *const *)a;
	const struct kube_listed *y = *(const struct kube_listed *const *)b;

	return strcmp(x->name, y->name);
}

GPtrArray *kube_list_read(
	const cJSON *deployments, const cJSON *claims, const cJSON *pods)
{
	GHashTable *table = g_hash_table_new_full(
		g_str_hash, g_str_equal, NULL, found_free);
	GPtrArray *list = g_ptr_array_new_with_free_func(kube_listed_free);
	GHashTableIter iter;
	gpointer found;

	find_named(table, deployments, offsetof(struct found, deployment));
	find_named(table, claims, offsetof(struct found, claim));
	find_pods(table, pods);
	g_hash_table_iter_init(&iter, table);
	while (g_hash_table_iter_next(&iter, NULL, &found))
		g_ptr_array_add(list, tell(found));
	g_hash_table_unref(table);
	g_ptr_array_sort(list, by_name);
	return list;
}

/* --- asking --------------------------------------------------------------- */

static int get_list(struct kube *k, const char *api, const char *namespace,
	const char *resource, const struct cancel *cancel, cJSON **ret,
	char **ret_why)
{
	g_autofree char *selector =
		g_uri_escape_string(KUBE_OURS_SELECTOR, NULL, FALSE);
	struct kube_answer answer;
	int rc = kube_get(k, cancel, &answer,
		"%s/namespaces/%s/%s?labelSelector=%s", api, namespace,
		resource, selector);

	if (rc == 0)
		*ret = g_steal_pointer(&answer.object);
	else
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

int kube_workspace_list(struct kube *k, const char *namespace,
	const struct cancel *cancel, GPtrArray **ret, char **ret_why)
{
	g_autoptr(cJSON) deployments = NULL;
	g_autoptr(cJSON) claims = NULL;
	g_autoptr(cJSON) pods = NULL;
	int rc = get_list(k, "apis/apps/v1", namespace, "deployments", cancel,
		&deployments, ret_why);

	if (rc == 0)
		rc = get_list(k, "api/v1", namespace, "persistentvolumeclaims",
			cancel, &claims, ret_why);
	if (rc == 0)
		rc = get_list(
			k, "api/v1", namespace, "pods", cancel, &pods, ret_why);
	if (rc == 0)
		*ret = kube_list_read(deployments, claims, pods);
	return rc;
}

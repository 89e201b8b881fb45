/* The list of workspaces, from what a real API server answered. */
#include "config.h"

#include "common_limits.h"
#include "kube_list.h"
#include "kube_workspace.h"
#include "recording.h"

/* As if pycloud had made what was recorded. */
static cJSON *read_ours(const char *recording)
{
	int code;
	g_autofree char *body = recording_body(recording, &code);
	g_autoptr(GString) text = g_string_new(body);

	(void)g_string_replace(text,
		"\"app.kubernetes.io/managed-by\":\"jupyterc\"",
		"\"app.kubernetes.io/managed-by\":\"pycloud\"", 0);
	(void)g_string_replace(text, "\"jupyterc/workspace\":",
		"\"app.kubernetes.io/instance\":", 0);
	(void)g_string_replace(
		text, "\"name\":\"lab-home\"", "\"name\":\"lab\"", 0);
	return recording_parse(text->str);
}

static cJSON *list_of(cJSON *object)
{
	cJSON *list = cJSON_CreateObject();

	(void)cJSON_AddItemToArray(
		cJSON_AddArrayToObject(list, "items"), object);
	return list;
}

/* {"items":[{"metadata":{"name":NAME,"labels":{...}}}, ...]} of many. */
static cJSON *make_list(const char *const *names)
{
	g_autoptr(GString) text = g_string_new("{\"items\":[");

	for (size_t i = 0; names[i] != NULL; i++)
		g_string_append_printf(text,
			"%s{\"metadata\":{\"name\":\"%s\",\"labels\":{"
			"\"app.kubernetes.io/managed-by\":\"pycloud\","
			"\"app.kubernetes.io/instance\":\"%s\"}}}",
			i > 0 ? "," : "", names[i], names[i]);
	g_string_append(text, "]}");
	return recording_parse(text->str);
}

static const struct kube_listed *at(const GPtrArray *list, guint i)
{
	assert_true(i < list->len);
	return list->pdata[i];
}

static void a_workspace_is_told_from_its_objects(void **state)
{
	g_autoptr(cJSON) deployments =
		list_of(read_ours("get-deployment-ready-200"));
	g_autoptr(cJSON) claims = list_of(read_ours("get-pvc-bound-200"));
	g_autoptr(cJSON) pods = read_ours("list-pods-ready-200");
	GPtrArray *list = kube_list_read(deployments, claims, pods);

	(void)state;
	assert_int_equal(list->len, 1);
	assert_string_equal(at(list, 0)->name, "lab");
	assert_int_equal(at(list, 0)->condition.state, KUBE_READY);
	assert_string_equal(at(list, 0)->created, "2026-11-22T08:45:47Z");
	assert_string_equal(at(list, 0)->storage, "1Gi");
	assert_non_null(at(list, 0)->image);
	g_ptr_array_unref(list);
}

static void without_a_pod_of_its_own_it_is_not_ready(void **state)
{
	g_autoptr(cJSON) deployments =
		list_of(read_ours("get-deployment-ready-200"));
	g_autoptr(cJSON) pods = recording_json("list-pods-ready-200");
	GPtrArray *list = kube_list_read(deployments, NULL, pods);

	(void)state;
	assert_int_equal(list->len, 1);
	assert_int_equal(at(list, 0)->condition.state, KUBE_STARTING);
	assert_null(at(list, 0)->storage);
	g_ptr_array_unref(list);
}

static void files_alone_are_listed_as_missing(void **state)
{
	g_autoptr(cJSON) claims = list_of(read_ours("get-pvc-bound-200"));
	GPtrArray *list = kube_list_read(NULL, claims, NULL);

	(void)state;
	assert_int_equal(list->len, 1);
	assert_int_equal(at(list, 0)->condition.state, KUBE_MISSING);
	assert_non_null(strstr(at(list, 0)->condition.sentence, "create lab"));
	assert_null(at(list, 0)->image);
	assert_non_null(at(list, 0)->created);
	g_ptr_array_unref(list);
}

static void what_others_made_is_left_out(void **state)
{
	g_autoptr(cJSON) deployments =
		list_of(recording_json("get-deployment-ready-200"));
	g_autoptr(cJSON) claims = list_of(recording_json("get-pvc-bound-200"));
	GPtrArray *list = kube_list_read(deployments, claims, NULL);

	(void)state;
	assert_int_equal(list->len, 0);
	g_ptr_array_unref(list);
}

static void they_come_by_name(void **state)
{
	static const char *const names[] = { "zoo", "a-b", "ant", NULL };
	g_autoptr(cJSON) deployments = make_list(names);
	GPtrArray *list = kube_list_read(deployments, NULL, NULL);

	(void)state;
	assert_int_equal(list->len, 3);
	assert_string_equal(at(list, 0)->name, "a-b");
	assert_string_equal(at(list, 1)->name, "ant");
	assert_string_equal(at(list, 2)->name, "zoo");
	g_ptr_array_unref(list);
}

static void names_that_lead_elsewhere_are_left_out(void **state)
{
	static const char *const names[] = { "..", "../x", "a/b", "-a", "", "A",
		"a b", NULL };
	g_autoptr(cJSON) deployments = make_list(names);
	GPtrArray *list = kube_list_read(deployments, NULL, NULL);

	(void)state;
	assert_int_equal(list->len, 0);
	g_ptr_array_unref(list);
}

static void a_list_may_be_of_any_length(void **state)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(cJSON) deployments = NULL;
	GPtrArray *list;

	(void)state;
	for (int i = 0; i < 2 * KUBE_ITEMS_MAX; i++)
		g_ptr_array_add(names, g_strdup_printf("w%d", i));
	g_ptr_array_add(names, NULL);
	deployments = make_list((const char *const *)names->pdata);
	list = kube_list_read(deployments, deployments, deployments);
	assert_int_equal(list->len, KUBE_ITEMS_MAX);
	g_ptr_array_unref(list);
}

static void anything_else_is_no_list(void **state)
{
	static const char *const texts[] = { "{}", "[]", "{\"items\":{}}",
		("{\"items\":[1,null,\"x\",{},{\"metadata\":7},"
		 "{\"metadata\":{\"labels\":[]}}]}") };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autofree char *text = g_strdup(texts[i]);
		g_autoptr(cJSON) json = recording_parse(text);
		GPtrArray *list = kube_list_read(json, json, json);

		assert_int_equal(list->len, 0);
		g_ptr_array_unref(list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_workspace_is_told_from_its_objects),
		cmocka_unit_test(without_a_pod_of_its_own_it_is_not_ready),
		cmocka_unit_test(files_alone_are_listed_as_missing),
		cmocka_unit_test(what_others_made_is_left_out),
		cmocka_unit_test(they_come_by_name),
		cmocka_unit_test(names_that_lead_elsewhere_are_left_out),
		cmocka_unit_test(a_list_may_be_of_any_length),
		cmocka_unit_test(anything_else_is_no_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Any bytes as what is shown of workspaces: a terminal gets lines, a program
 * gets JSON. */
#include "config.h"

#include "fuzz.h"

#include "cluster_mounts.h"
#include "cluster_text.h"
#include "kube_list.h"

#include <string.h>

#define NOW ((int64_t)1764201600)

static const struct cluster_place place = { "context", "n" };

static void check_lines(char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line != NULL; line++)
		fuzz_check_sentence(*line, SIZE_MAX);
	g_free(text);
}

static void check_json(char *text)
{
	g_autoptr(cJSON) json = json_parse(text, strlen(text));

	if (json == NULL)
		g_error("no JSON: %s", text);
	g_free(text);
}

static void show_rows(const cJSON *all, const GPtrArray *mounts)
{
	g_autoptr(GPtrArray) list =
		kube_list_read(json_object(all, "deployments"),
			json_object(all, "claims"), json_object(all, "pods"));
	g_autoptr(cJSON) rows = cJSON_CreateArray();

	for (guint i = 0; i < list->len; i++)
		(void)cJSON_AddItemToArray(
			rows, cluster_row(list->pdata[i], &place, mounts));
	check_lines(cluster_table(rows, NOW));
	check_json(cluster_json(rows));
}

static void show_facts(const cJSON *all, const GPtrArray *mounts)
{
	struct kube_look look = {
		.service = cJSON_Duplicate(json_object(all, "service"), true),
		.deployment =
			cJSON_Duplicate(json_object(all, "deployment"), true),
		.claim = cJSON_Duplicate(json_object(all, "claim"), true),
		.pods = cJSON_Duplicate(json_object(all, "pods"), true),
		.is_ours = true,
	};
	const struct kube_view view = { .name = "lab",
		.workload = look.deployment,
		.pods = look.pods,
		.claim = look.claim };
	g_autoptr(cJSON) facts = NULL;

	kube_condition_read(&view, &look.condition);
	facts = cluster_facts("lab", &look, &place, mounts);
	check_lines(cluster_lines(facts, NOW));
	check_json(cluster_json(facts));
	kube_look_clear(&look);
}

/* A mount's status as a first line's worth; then the objects. */
void fuzz_cluster_text(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	g_autofree char *status = fuzz_take_line(&in);
	size_t left = 0;
	g_autofree char *text = fuzz_take_bytes(&in, &left);
	g_autoptr(cJSON) all = json_parse(text, left);
	g_autoptr(GPtrArray) mounts = cluster_mounts_parse(
		"40 25 0:50 / /home/a\\040b rw shared:1 - fuse.pycloud "
		"pycloud:lab rw,user_id=0\n");
	g_autofree char *age = cluster_age(status, NOW);

	g_strdelimit(status, ";", '\n');
	for (guint i = 0; i < mounts->len; i++)
		cluster_mount_take(mounts->pdata[i], status);
	fuzz_check_sentence(age, 32);
	show_rows(all, mounts);
	show_facts(all, mounts);
}

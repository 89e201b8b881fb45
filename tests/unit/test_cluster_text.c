/* How workspaces are shown, and where they are mounted. */
#include "config.h"

#include "cluster_mounts.h"
#include "cluster_text.h"
#include "test.h"

#include <string.h>

#define NOW  ((int64_t)1764201600) /* 2025-11-27T00:00:00Z */
#define OURS "fuse.pycloud pycloud:"

/* --- ages ----------------------------------------------------------------- */

static void assert_age(const char *created, const char *expected)
{
	g_autofree char *age = cluster_age(created, NOW);

	assert_string_equal(age, expected);
}

static void an_age_is_a_number_and_a_unit(void **state)
{
	(void)state;
	assert_age("2025-11-27T00:00:00Z", "0s");
	assert_age("2025-11-26T23:59:15Z", "45s");
	assert_age("2025-11-26T23:58:01Z", "119s");
	assert_age("2025-11-26T23:58:00Z", "2m");
	assert_age("2025-11-26T22:01:00Z", "119m");
	assert_age("2025-11-26T22:00:00Z", "2h");
	assert_age("2025-11-25T00:00:01Z", "47h");
	assert_age("2025-11-25T00:00:00Z", "2d");
	assert_age("2024-11-27T00:00:00Z", "365d");
	assert_age("2023-11-27T00:00:00Z", "2y");
}

static void what_is_no_time_has_no_age(void **state)
{
	(void)state;
	assert_age(NULL, "-");
	assert_age("", "-");
	assert_age("yesterday", "-");
	assert_age("2025-11-27T00:00:01Z", "-");
}

/* --- mounts --------------------------------------------------------------- */

static GPtrArray *parse(const char *root, const char *point, const char *type)
{
	g_autofree char *line = g_strdup_printf(
		"40 25 0:50 %s %s rw,nosuid shared:1 - %s rw,user_id=0\n", root,
		point, type);

	return cluster_mounts_parse(line);
}

static void the_mount_table_names_workspaces(void **state)
{
	GPtrArray *mounts = parse("/", "/home/a\\040b", OURS "demo");
	const struct cluster_mount *m = mounts->pdata[0];

	(void)state;
	assert_int_equal(mounts->len, 1);
	assert_string_equal(m->name, "demo");
	assert_string_equal(m->point, "/home/a b");
	assert_int_equal(m->state, CLUSTER_MOUNT_SILENT);
	g_ptr_array_unref(mounts);
}

static void assert_none(const char *root, const char *type)
{
	GPtrArray *mounts = parse(root, "/mnt", type);

	assert_int_equal(mounts->len, 0);
	g_ptr_array_unref(mounts);
}

static void other_mounts_are_none(void **state)
{
	GPtrArray *mounts =
		cluster_mounts_parse("\n - \n - fuse.pycloud pycloud:x\njunk");

	(void)state;
	assert_int_equal(mounts->len, 0);
	g_ptr_array_unref(mounts);
	assert_none("/", "fuse.sshfs pycloud:demo");
	assert_none("/", "fuse.pycloud other:demo");
	assert_none("/", "fuse.pycloudy pycloud:demo");
	assert_none("/part", OURS "demo");
}

static void the_status_says_which_cluster_it_is(void **state)
{
	GPtrArray *mounts = parse("/", "/mnt", OURS "demo");
	struct cluster_mount *m = mounts->pdata[0];

	(void)state;
	assert_false(cluster_mount_is(m, "demo", "c", "n"));
	cluster_mount_take(
		m, "workspace: demo\ncontext: c\nnamespace: n\nvia: proxy\n");
	assert_true(cluster_mount_is(m, "demo", "c", "n"));
	assert_false(cluster_mount_is(m, "demo", "c", "other"));
	assert_false(cluster_mount_is(m, "demo", "other", "n"));
	assert_false(cluster_mount_is(m, "lab", "c", "n"));
	g_ptr_array_unref(mounts);
}

static void a_local_one_is_in_no_cluster(void **state)
{
	GPtrArray *mounts = parse("/", "/mnt", OURS "demo");
	struct cluster_mount *m = mounts->pdata[0];

	(void)state;
	cluster_mount_take(m, "workspace: demo\nendpoint: http://x\n");
	assert_int_equal(m->state, CLUSTER_MOUNT_KNOWN);
	assert_false(cluster_mount_is(m, "demo", "c", "n"));
	g_ptr_array_unref(mounts);
}

static void what_is_mounted_over_it_hides_it(void **state)
{
	GPtrArray *mounts = parse("/", "/mnt", OURS "demo");
	struct cluster_mount *m = mounts->pdata[0];

	(void)state;
	cluster_mount_take(m, "workspace: lab\ncontext: c\nnamespace: n\n");
	assert_int_equal(m->state, CLUSTER_MOUNT_OTHER);
	assert_false(cluster_mount_is(m, "demo", "c", "n"));
	g_ptr_array_unref(mounts);
}

/* --- what is shown -------------------------------------------------------- */

static const struct cluster_place place = { "c", "n" };

static cJSON *make_rows(
	const struct kube_listed *listed, size_t count, const GPtrArray *mounts)
{
	cJSON *rows = cJSON_CreateArray();

	for (size_t i = 0; i < count; i++)
		(void)cJSON_AddItemToArray(
			rows, cluster_row(&listed[i], &place, mounts));
	return rows;
}

static char name_a[] = "a";
static char name_lab[] = "laboratory";
static char image[] = "img:1";
static char evil[] = "\033[31mimg\n2";
static char size[] = "5Gi";
static char created[] = "2025-11-26T23:59:15Z";
static char sentence[] = "It waits.";

static const struct kube_listed listed[] = {
	{ name_a, image, size, created, { KUBE_READY, sentence, false } },
	{ name_lab, evil, NULL, NULL, { KUBE_STOPPED, sentence, true } },
};

static void the_table_is_in_columns(void **state)
{
	GPtrArray *mounts = parse("/", "/mnt", OURS "a");
	g_autoptr(cJSON) rows = NULL;
	g_autofree char *table = NULL;

	(void)state;
	cluster_mount_take(
		mounts->pdata[0], "workspace: a\ncontext: c\nnamespace: n\n");
	rows = make_rows(listed, G_N_ELEMENTS(listed), mounts);
	table = cluster_table(rows, NOW);
	assert_string_equal(table,
		"NAME        STATE    IMAGE      AGE  STORAGE  MOUNTED\n"
		"a           ready    img:1      45s  5Gi      /mnt\n"
		"laboratory  stopped  [31mimg 2  -    -        -\n");
	g_ptr_array_unref(mounts);
}

static void no_rows_are_no_table(void **state)
{
	g_autoptr(cJSON) rows = cJSON_CreateArray();
	g_autofree char *table = cluster_table(rows, NOW);
	g_autofree char *json = cluster_json(rows);

	(void)state;
	assert_string_equal(table, "");
	assert_string_equal(json, "[]\n");
}

static void programs_are_told_what_is_not_known(void **state)
{
	GPtrArray *mounts = cluster_mounts_parse("");
	g_autoptr(cJSON) rows = make_rows(listed, G_N_ELEMENTS(listed), mounts);
	g_autofree char *json = cluster_json(rows);

	(void)state;
	assert_non_null(strstr(json,
		"[{\"name\":\"a\",\"state\":\"ready\",\"why\":\"It waits.\","
		"\"image\":\"img:1\",\"created\":\"2025-11-26T23:59:15Z\","
		"\"storage\":\"5Gi\",\"mounted\":[]},\n "));
	assert_non_null(strstr(json, "\"storage\":null"));
	g_ptr_array_unref(mounts);
}

static void lines_tell_only_what_is_known(void **state)
{
	GPtrArray *mounts = cluster_mounts_parse("");
	struct kube_look look = { 0 };
	g_autoptr(cJSON) facts = NULL;
	g_autofree char *lines = NULL;

	(void)state;
	look.condition.state = KUBE_FAILED;
	look.condition.sentence = sentence;
	facts = cluster_facts("a", &look, &place, mounts);
	lines = cluster_lines(facts, NOW);
	assert_string_equal(lines,
		"name: a\ncontext: c\nnamespace: n\nmade_by_pycloud: no\n"
		"state: failed\nwhy: It waits.\n");
	g_ptr_array_unref(mounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_age_is_a_number_and_a_unit),
		cmocka_unit_test(what_is_no_time_has_no_age),
		cmocka_unit_test(the_mount_table_names_workspaces),
		cmocka_unit_test(other_mounts_are_none),
		cmocka_unit_test(the_status_says_which_cluster_it_is),
		cmocka_unit_test(a_local_one_is_in_no_cluster),
		cmocka_unit_test(what_is_mounted_over_it_hides_it),
		cmocka_unit_test(the_table_is_in_columns),
		cmocka_unit_test(no_rows_are_no_table),
		cmocka_unit_test(programs_are_told_what_is_not_known),
		cmocka_unit_test(lines_tell_only_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

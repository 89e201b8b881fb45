/* cluster_text.c - see cluster_text.h. */
#include "config.h"

#include "cluster_text.h"

#include "cluster_mounts.h"
#include "kube_text.h"
#include "timefmt.h"

#include <string.h>

#define MINUTE 60
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define YEAR   (365 * DAY)

char *cluster_age(const char *created, int64_t now_s)
{
	/* From how many seconds on it is said in units of how many. */
	static const struct {
		int64_t from, unit;
		char letter;
	} units[] = {
		{ 2 * YEAR, YEAR, 'y' },
		{ 2 * DAY, DAY, 'd' },
		{ 2 * HOUR, HOUR, 'h' },
		{ 2 * MINUTE, MINUTE, 'm' },
		{ 0, 1, 's' },
	};
	struct timespec then;

	if (created == NULL || time_parse_iso8601(created, &then) < 0)
		return g_strdup("-");
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
		if (now_s - then.tv_sec >= units[i].from)
			return g_strdup_printf("%" G_GINT64_FORMAT "%c",
				(now_s - then.tv_sec) / units[i].unit,
				units[i].letter);
	return g_strdup("-");
}

/* --- what is known -------------------------------------------------------- */

static void add_text(cJSON *object, const char *key, const char *text)
{
	if (text == NULL)
		(void)cJSON_AddNullToObject(object, key);
	else
		(void)cJSON_AddStringToObject(object, key, text);
}

static void add_mounts(cJSON *object, const char *name,
	const struct cluster_place *place, const GPtrArray *mounts)
{
	cJSON *points = cJSON_AddArrayToObject(object, "mounted");

	for (guint i = 0; i < mounts->len; i++) {
		const struct cluster_mount *m = mounts->pdata[i];
		g_autofree char *point = g_utf8_make_valid(m->point, -1);

		if (cluster_mount_is(m, name, place->context, place->namespace))
			(void)cJSON_AddItemToArray(
				points, cJSON_CreateString(point));
	}
}

static void add_condition(cJSON *object, const struct kube_condition *c)
{
	add_text(object, "state", kube_state_name(c->state));
	add_text(object, "why", c->sentence);
}

cJSON *cluster_row(const struct kube_listed *l,
	const struct cluster_place *place, const GPtrArray *mounts)
{
	cJSON *row = cJSON_CreateObject();

	add_text(row, "name", l->name);
	add_condition(row, &l->condition);
	add_text(row, "image", l->image);
	add_text(row, "created", l->created);
	add_text(row, "storage", l->storage);
	add_mounts(row, l->name, place, mounts);
	return row;
}

static const cJSON *first_container(const cJSON *pod_or_template)
{
	return cJSON_GetArrayItem(
		json_array(json_object(pod_or_template, "spec"), "containers"),
		0);
}

static void add_template(cJSON *facts, const struct kube_look *look)
{
	const cJSON *template =
		json_object(json_object(look->deployment, "spec"), "template");
	const cJSON *container = first_container(
		template != NULL ? template : kube_status_pod(look->pods));
	const cJSON *limits =
		json_object(json_object(container, "resources"), "limits");

	add_text(facts, "image", json_string(container, "image"));
	add_text(facts, "cpu", json_string(limits, "cpu"));
	add_text(facts, "memory", json_string(limits, "memory"));
}

static void add_claim(cJSON *facts, const cJSON *claim)
{
	const cJSON *spec = json_object(claim, "spec");
	const cJSON *requests =
		json_object(json_object(spec, "resources"), "requests");

	add_text(facts, "storage", json_string(requests, "storage"));
	add_text(facts, "storage_class", json_string(spec, "storageClassName"));
	add_text(facts, "storage_state",
		json_string(json_object(claim, "status"), "phase"));
}

static void add_pod(cJSON *facts, const cJSON *pod)
{
	const cJSON *statuses =
		json_array(json_object(pod, "status"), "containerStatuses");
	int64_t restarts;

	add_text(facts, "pod",
		json_string(json_object(pod, "metadata"), "name"));
	add_text(facts, "node",
		json_string(json_object(pod, "spec"), "nodeName"));
	if (json_int64(
		    cJSON_GetArrayItem(statuses, 0), "restartCount", &restarts))
		(void)cJSON_AddNumberToObject(
			facts, "restarts", (double)restarts);
	else
		(void)cJSON_AddNullToObject(facts, "restarts");
}

cJSON *cluster_facts(const char *name, const struct kube_look *look,
	const struct cluster_place *place, const GPtrArray *mounts)
{
	const cJSON *made =
		look->deployment != NULL ? look->deployment : look->service;
	cJSON *facts = cJSON_CreateObject();

	add_text(facts, "name", name);
	add_text(facts, "context", place->context);
	add_text(facts, "namespace", place->namespace);
	(void)cJSON_AddBoolToObject(facts, "made_by_pycloud", look->is_ours);
	add_condition(facts, &look->condition);
	add_template(facts, look);
	add_text(facts, "created",
		json_string(
			json_object(made, "metadata"), "creationTimestamp"));
	add_claim(facts, look->claim);
	add_pod(facts, kube_status_pod(look->pods));
	add_mounts(facts, name, place, mounts);
	return facts;
}

/* --- for people ----------------------------------------------------------- */

static char *join(const cJSON *array)
{
	GString *text = g_string_new(NULL);
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		g_autofree char *clean = kube_text_clean(item->valuestring);

		g_string_append_printf(
			text, "%s%s", text->len > 0 ? ", " : "", clean);
	}
	return g_string_free(text, FALSE);
}

/* "" for what is not known. */
static char *shown(const cJSON *object, const char *key, int64_t now_s)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);

	if (strcmp(key, "created") == 0 && cJSON_IsString(value))
		return cluster_age(value->valuestring, now_s);
	/* A sentence of ours has nothing unfit, and must not be cut. */
	if (strcmp(key, "why") == 0 && cJSON_IsString(value))
		return g_strdup(value->valuestring);
	if (cJSON_IsArray(value))
		return join(value);
	if (cJSON_IsString(value))
		return kube_text_clean(value->valuestring);
	if (cJSON_IsBool(value))
		return g_strdup(cJSON_IsTrue(value) ? "yes" : "no");
	if (cJSON_IsNumber(value))
		return g_strdup_printf("%.0f", value->valuedouble);
	return g_strdup("");
}

static const struct {
	const char *title;
	const char *key;
} columns[] = {
	{ "NAME", "name" },
	{ "STATE", "state" },
	{ "IMAGE", "image" },
	{ "AGE", "created" },
	{ "STORAGE", "storage" },
	{ "MOUNTED", "mounted" },
};

static char *cell(const cJSON *row, size_t column, int64_t now_s)
{
	char *text = shown(row, columns[column].key, now_s);

	if (*text != '\0')
		return text;
	g_free(text);
	return g_strdup("-");
}

static int width(const cJSON *rows, size_t column, int64_t now_s)
{
	glong most = (glong)strlen(columns[column].title);
	const cJSON *row;

	cJSON_ArrayForEach(row, rows)
	{
		g_autofree char *text = cell(row, column, now_s);

		most = MAX(most, g_utf8_strlen(text, -1));
	}
	return (int)most;
}

/* The last column ends where it ends. */
static void append_cell(GString *table, size_t column, const char *text,
	const int widths[static G_N_ELEMENTS(columns)])
{
	bool is_last = column + 1 == G_N_ELEMENTS(columns);
	int gap =
		is_last ? 0 : widths[column] + 2 - (int)g_utf8_strlen(text, -1);

	g_string_append_printf(
		table, "%s%*s", text, MAX(gap, 0), is_last ? "\n" : "");
}

char *cluster_table(const cJSON *rows, int64_t now_s)
{
	GString *table = g_string_new(NULL);
	int widths[G_N_ELEMENTS(columns)];
	const cJSON *row;

	if (cJSON_GetArraySize(rows) == 0)
		return g_string_free(table, FALSE);
	for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
		widths[i] = width(rows, i, now_s);
	for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
		append_cell(table, i, columns[i].title, widths);
	cJSON_ArrayForEach(row, rows)
	{
		for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
			g_autofree char *text = cell(row, i, now_s);

			append_cell(table, i, text, widths);
		}
	}
	return g_string_free(table, FALSE);
}

char *cluster_lines(const cJSON *facts, int64_t now_s)
{
	GString *lines = g_string_new(NULL);
	const cJSON *fact;

	cJSON_ArrayForEach(fact, facts)
	{
		g_autofree char *text = shown(facts, fact->string, now_s);
		bool is_age = strcmp(fact->string, "created") == 0;

		if (*text != '\0')
			g_string_append_printf(lines, "%s: %s\n",
				is_age ? "age" : fact->string, text);
	}
	return g_string_free(lines, FALSE);
}

/* --- for programs --------------------------------------------------------- */

char *cluster_json(const cJSON *value)
{
	GString *text = g_string_new(cJSON_IsArray(value) ? "[" : NULL);
	const cJSON *item;

	if (!cJSON_IsArray(value)) {
		g_autofree char *object = json_print(value);

		g_string_append_printf(text, "%s\n", object);
		return g_string_free(text, FALSE);
	}
	cJSON_ArrayForEach(item, value)
	{
		g_autofree char *object = json_print(item);

		g_string_append_printf(text, "%s%s",
			item == value->child ? "" : ",\n ", object);
	}
	g_string_append(text, "]\n");
	return g_string_free(text, FALSE);
}

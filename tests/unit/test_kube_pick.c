/* Which pod stands behind a Service, whatever the API server says. */
#include "config.h"

#include "kube_pick.h"
#include "recording.h"

#include <string.h>

static cJSON *parse(const char *text)
{
	g_autofree char *copy = g_strdup(text);

	return recording_parse(copy);
}

static struct kube_pod *pick(const char *service, const char *pods,
	const char *pinned_uid, unsigned *ret_count)
{
	g_autoptr(cJSON) service_object = parse(service);
	g_autoptr(cJSON) list = parse(pods);

	return kube_pod_pick(service_object, list, pinned_uid, ret_count);
}

#define SERVICE(ports) \
	"{\"spec\":{\"selector\":{\"app\":\"w\"},\"ports\":[" ports "]}}"
#define TO_8888 SERVICE("{\"port\":80,\"targetPort\":8888}")
#define POD_OF(name, uid, phase, more)                               \
	"{\"metadata\":{\"name\":" name ",\"uid\":" uid more         \
	"},\"spec\":{\"containers\":[{\"ports\":[{\"name\":\"web\"," \
	"\"containerPort\":8080}]}]},\"status\":{\"phase\":\"" phase \
	"\",\"podIP\":\"10.0.0.1\"}}"
#define POD(name) POD_OF("\"" name "\"", "\"u-" name "\"", "Running", "")
#define READY(name)                                                     \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name        \
	"\"},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"," \
	"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}"
#define PODS(pods) "{\"items\":[" pods "]}"

static void expect(const char *service, const char *pods, const char *pinned,
	const char *name, int port)
{
	unsigned count = 99;
	struct kube_pod *pod = pick(service, pods, pinned, &count);

	if (name == NULL) {
		if (pod != NULL)
			fail_msg("%s was picked of %s", pod->name, pods);
		assert_int_equal(count, 0);
		return;
	}
	if (pod == NULL)
		fail_msg("none was picked of %s", pods);
	assert_string_equal(pod->name, name);
	assert_int_equal(pod->port, port);
	kube_pod_unref(pod);
}

/* --- recordings ----------------------------------------------------------- */

static void the_recorded_pods_are_found(void **state)
{
	g_autoptr(cJSON) pods = recording_json("list-pods-ready-200");
	g_autoptr(cJSON) service = recording_json("create-apply-service-201");
	g_autofree char *selector = kube_service_selector(service);
	unsigned count = 0;
	struct kube_pod *pod = kube_pod_pick(service, pods, NULL, &count);

	(void)state;
	assert_non_null(selector);
	assert_null(strpbrk(selector, "=&?#/ ,"));
	assert_non_null(pod);
	assert_true(count >= 1);
	assert_true(kube_name_is_good(pod->name));
	assert_true(strlen(pod->uid) > 0);
	assert_true(pod->port > 0);
	kube_pod_unref(pod);
}

struct seen {
	const cJSON *service;
	unsigned picked;
	unsigned passed;
};

static void see_pod(const cJSON *pod, void *user)
{
	const char *phase = json_string(json_object(pod, "status"), "phase");
	g_autoptr(cJSON) list = cJSON_CreateObject();
	struct seen *s = user;
	unsigned count = 99;
	struct kube_pod *picked;

	cJSON_AddItemToArray(cJSON_AddArrayToObject(list, "items"),
		cJSON_Duplicate(pod, true));
	picked = kube_pod_pick(s->service, list, NULL, &count);
	if (picked != NULL) {
		s->picked++;
		assert_string_equal(phase, "Running");
		assert_null(json_string(
			json_object(pod, "metadata"), "deletionTimestamp"));
	} else {
		s->passed++;
	}
	assert_int_equal(count, picked != NULL);
	kube_pod_unref(picked);
}

static void a_pod_is_picked_from_its_start_to_its_end(void **state)
{
	g_autoptr(cJSON) service = parse(TO_8888);
	struct seen s = { .service = service };

	(void)state;
	recording_watch("watch-pod-create-to-ready", see_pod, &s);
	assert_true(s.picked > 0 && s.passed > 0);
	s.picked = s.passed = 0;
	recording_watch("watch-pod-delete-foreground", see_pod, &s);
	assert_true(s.passed > 0);
}

/* --- choice --------------------------------------------------------------- */

static void the_pinned_one_goes_before_the_ready_one(void **state)
{
	unsigned count;

	(void)state;
	expect(TO_8888, PODS(POD("a") "," READY("b")), NULL, "b", 8888);
	expect(TO_8888, PODS(POD("a") "," READY("b")), "u-a", "a", 8888);
	expect(TO_8888, PODS(POD("b") "," POD("a")), "u-z", "a", 8888);
	kube_pod_unref(
		pick(TO_8888, PODS(POD("a") "," READY("b")), NULL, &count));
	assert_int_equal(count, 2);
}

static void a_pod_on_its_way_out_is_none_even_if_pinned(void **state)
{
	(void)state;
	expect(TO_8888,
		PODS(POD_OF("\"a\"", "\"u-a\"", "Running",
			",\"deletionTimestamp\":\"2026-11-22T08:00:00Z\"")),
		"u-a", NULL, 0);
	expect(TO_8888, PODS(POD_OF("\"a\"", "\"u-a\"", "Pending", "")), "u-a",
		NULL, 0);
	expect(TO_8888, PODS(POD_OF("\"a\"", "\"u-a\"", "Unknown", "")), "u-a",
		NULL, 0);
}

/* --- ports ---------------------------------------------------------------- */

static void the_port_is_jupyters(void **state)
{
	static const struct {
		const char *service;
		int port; /* 0: none */
	} rows[] = {
		{ SERVICE("{\"port\":1},{\"port\":8888,\"targetPort\":7}"), 7 },
		{ SERVICE("{\"port\":1},{\"name\":\"http\",\"port\":2}"), 2 },
		{ SERVICE("{\"port\":1},{\"port\":2}"), 1 },
		{ SERVICE("{\"port\":80,\"targetPort\":\"web\"}"), 8080 },
		{ SERVICE("{\"port\":80,\"targetPort\":\"none\"}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":0}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":-1}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":65536}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":8.5}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":1e300}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":null}"), 0 },
		{ SERVICE("{\"port\":80,\"targetPort\":{}}"), 0 },
		{ SERVICE("{\"port\":\"80\"}"), 0 },
		{ SERVICE("7"), 0 },
		{ SERVICE(""), 0 },
		{ "{\"spec\":{\"ports\":{}}}", 0 },
		{ "{\"spec\":[]}", 0 },
		{ "[]", 0 },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		expect(rows[i].service, PODS(POD("a")), NULL,
			rows[i].port == 0 ? NULL : "a", rows[i].port);
}

/* --- hostile values ------------------------------------------------------- */

static void names_that_could_leave_a_path_are_none(void **state)
{
	static const char *const names[] = { "..", ".", "", "a/b", "a/../b",
		"-a", "a-", "a.", "A", "a_b", "a b", "a%2fb", "a:1", "a?b",
		"a#b", "a\r\nX: y", "\xc3\xa9", "a\x7f" };
	g_autofree char *longest = g_strnfill(253, 'a');
	g_autofree char *too_long = g_strnfill(254, 'a');

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (kube_name_is_good(names[i]))
			fail_msg("'%s' is good", names[i]);
	assert_false(kube_name_is_good(NULL));
	assert_true(kube_name_is_good("a"));
	assert_true(kube_name_is_good("a-0.b"));
	assert_true(kube_name_is_good(longest));
	assert_false(kube_name_is_good(too_long));
}

static void pods_that_make_no_sense_are_passed_over(void **state)
{
	static const char *const pods[] = {
		PODS(POD_OF("\"../secrets\"", "\"u\"", "Running", "")),
		PODS(POD_OF("\"a\\r\\nb\"", "\"u\"", "Running", "")),
		PODS(POD_OF("7", "\"u\"", "Running", "")),
		PODS(POD_OF("null", "\"u\"", "Running", "")),
		PODS(POD_OF("\"a\"", "7", "Running", "")),
		PODS("7"),
		PODS("null"),
		PODS("[]"),
		PODS("{}"),
		PODS("{\"metadata\":[],\"status\":\"Running\"}"),
		"{\"items\":{}}",
		"{\"items\":null}",
		"{}",
		"[]",
		"7",
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(pods); i++)
		expect(TO_8888, pods[i], "u", NULL, 0);
	expect(TO_8888, PODS("7,{}," POD("a") ",null"), "", "a", 8888);
}

static void a_selector_stays_within_its_query(void **state)
{
	static const struct {
		const char *service;
		const char *selector;
	} rows[] = {
		{ "{\"spec\":{\"selector\":{\"a\":\"b\",\"c/d\":\"e\"}}}",
			"a%3Db%2Cc%2Fd%3De" },
		{ "{\"spec\":{\"selector\":{\"a\":\"b&watch=1#\\r\\n\"}}}",
			"a%3Db%26watch%3D1%23%0D%0A" },
		{ "{\"spec\":{\"selector\":{\"a\":7}}}", NULL },
		{ "{\"spec\":{\"selector\":{\"a\":null,\"b\":\"c\"}}}", NULL },
		{ "{\"spec\":{\"selector\":{}}}", NULL },
		{ "{\"spec\":{\"selector\":[\"a\"]}}", NULL },
		{ "{\"spec\":{\"selector\":\"a=b\"}}", NULL },
		{ "{\"spec\":{}}", NULL },
		{ "7", NULL },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(cJSON) service = parse(rows[i].service);
		g_autofree char *selector = kube_service_selector(service);

		if (g_strcmp0(selector, rows[i].selector) != 0)
			fail_msg("%s: %s", rows[i].service,
				selector == NULL ? "none" : selector);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_recorded_pods_are_found),
		cmocka_unit_test(a_pod_is_picked_from_its_start_to_its_end),
		cmocka_unit_test(the_pinned_one_goes_before_the_ready_one),
		cmocka_unit_test(a_pod_on_its_way_out_is_none_even_if_pinned),
		cmocka_unit_test(the_port_is_jupyters),
		cmocka_unit_test(names_that_could_leave_a_path_are_none),
		cmocka_unit_test(pods_that_make_no_sense_are_passed_over),
		cmocka_unit_test(a_selector_stays_within_its_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

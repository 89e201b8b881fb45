/* A workspace's manifests: what may be asked for, and what comes of it. */
#include "config.h"

#include "common_limits.h"
#include "kube_quantity.h"
#include "kube_spec.h"
#include "recording.h"

#include <errno.h>

static const struct kube_workspace_spec demo = { .name = "demo" };

/* The value at "a.b.0.c", where numbers count an array's items. */
static const cJSON *at(const cJSON *json, const char *path)
{
	g_auto(GStrv) keys = g_strsplit(path, ".", -1);

	for (size_t i = 0; keys[i] != NULL; i++)
		json = cJSON_IsArray(json)
			       ? cJSON_GetArrayItem(json, atoi(keys[i]))
			       : cJSON_GetObjectItemCaseSensitive(
					 json, keys[i]);
	return json;
}

static void assert_at(const cJSON *json, const char *path, const char *expected)
{
	g_autofree char *text = json_print(at(json, path));

	if (text == NULL)
		fail_msg("nothing at %s", path);
	assert_string_equal(text, expected);
}

static void assert_refused(struct kube_workspace_spec spec, const char *word)
{
	g_autofree char *why = NULL;

	if (spec.name == NULL)
		spec.name = "demo";
	assert_int_equal(kube_spec_check(&spec, &why), -EINVAL);
	if (strstr(why, word) == NULL)
		fail_msg("not about %s: %s", word, why);
	assert_true(g_str_has_suffix(why, "."));
}

static void assert_accepted(struct kube_workspace_spec spec)
{
	g_autofree char *why = NULL;

	if (spec.name == NULL)
		spec.name = "demo";
	if (kube_spec_check(&spec, &why) != 0)
		fail_msg("refused: %s", why);
}

static void quantities_have_units(void **state)
{
	static const char *const wrong[] = { "", "0", "-1", "+1", "1e3", ".5",
		"5.", "1.", "1 Gi", "1GB", "Gi", "1gi", "1K", "0x10", "1..5",
		"9999999999999999999999999" };
	double value;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		if (kube_quantity_parse(wrong[i], &value))
			fail_msg("%s is taken for %f", wrong[i], value);
	assert_true(kube_quantity_parse("500m", &value));
	assert_true(value == 0.5);
	assert_true(kube_quantity_parse("1.5Gi", &value));
	assert_true(value == 1.5 * 0x1p30);
	assert_true(kube_quantity_parse("2k", &value));
	assert_true(value == 2000);
	assert_true(kube_quantity_parse("7", &value));
	assert_true(value == 7);
}

static void names_are_labels(void **state)
{
	static const char *const wrong[] = { "", "1lab", "-lab", "lab-", "Lab",
		"my.lab", "my_lab", "a/b", "a b", "caf\xc3\xa9", "a\n" };
	char longest[KUBE_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_refused((struct kube_workspace_spec){ .name = wrong[i] },
			"name");
	memset(longest, 'x', sizeof(longest));
	longest[KUBE_NAME_MAX + 1] = '\0';
	assert_refused((struct kube_workspace_spec){ .name = longest }, "name");
	longest[KUBE_NAME_MAX] = '\0';
	assert_accepted((struct kube_workspace_spec){ .name = longest });
	assert_accepted((struct kube_workspace_spec){ .name = "my-lab-2" });
}

static void sizes_are_checked_before_they_are_sent(void **state)
{
	typedef struct kube_workspace_spec spec;

	(void)state;
	assert_refused((spec){ .cpu = "2Gi" }, "cpu");
	assert_refused((spec){ .cpu = "much" }, "cpu");
	assert_refused((spec){ .cpu = "0.0001" }, "cpu");
	assert_refused((spec){ .memory = "500m" }, "memory");
	assert_refused((spec){ .memory = "512" }, "at least 64Mi");
	assert_refused((spec){ .memory = "1GB" }, "memory");
	assert_refused((spec){ .storage = "10 Gi" }, "storage");
	assert_refused((spec){ .storage = "10" }, "at least 1Mi");
	assert_refused((spec){ .storage_class = "Fast Disk" }, "class");
	assert_refused((spec){ .image = "" }, "image");
	assert_refused((spec){ .image = "-x" }, "image");
	assert_refused((spec){ .image = "a b" }, "image");
	assert_refused((spec){ .image = "a$b" }, "image");
	assert_accepted((spec){ .cpu = "500m", .memory = "512Mi" });
	assert_accepted((spec){ .cpu = "1.5", .storage = "10Gi" });
	assert_accepted((spec){ .storage_class = "local-path" });
	assert_accepted((spec){ .storage_class = "" });
	assert_accepted((spec){
		.image = "registry.example.org:5000/a/b_c@sha256:0123abc" });
}

static void all_objects_say_whose_they_are(void **state)
{
	g_autoptr(cJSON) claim = kube_spec_claim(&demo);
	g_autoptr(cJSON) deployment = kube_spec_deployment(&demo);
	g_autoptr(cJSON) service = kube_spec_service(&demo);

	(void)state;
	assert_true(kube_spec_is_ours(claim, "demo"));
	assert_true(kube_spec_is_ours(deployment, "demo"));
	assert_true(kube_spec_is_ours(service, "demo"));
	assert_false(kube_spec_is_ours(service, "dem"));
	assert_true(kube_spec_is_ours(at(deployment, "spec.template"), "demo"));
	assert_at(deployment, "spec.selector.matchLabels",
		"{\"app.kubernetes.io/name\":\"pycloud\","
		"\"app.kubernetes.io/instance\":\"demo\"}");
	assert_at(service, "spec.selector",
		"{\"app.kubernetes.io/name\":\"pycloud\","
		"\"app.kubernetes.io/instance\":\"demo\"}");
}

static void what_others_made_is_not_ours(void **state)
{
	g_autoptr(cJSON) foreign =
		recording_json("create-apply-deployment-201");
	g_autoptr(cJSON) odd = cJSON_Parse("{\"metadata\":{\"labels\":[1]}}");

	(void)state;
	assert_false(kube_spec_is_ours(foreign, "lab"));
	assert_false(kube_spec_is_ours(odd, "lab"));
	assert_false(kube_spec_is_ours(NULL, "lab"));
}

#define POD "spec.template.spec."
#define BOX POD "containers.0."

static void the_pod_finds_its_claim_and_its_token(void **state)
{
	g_autoptr(cJSON) d = kube_spec_deployment(&demo);

	(void)state;
	assert_at(d, "metadata.name", "\"demo\"");
	assert_at(d, "spec.replicas", "1");
	assert_at(d, "spec.strategy.type", "\"Recreate\"");
	assert_at(
		d, POD "volumes.0.persistentVolumeClaim.claimName", "\"demo\"");
	assert_at(d, BOX "volumeMounts.0.mountPath", "\"/workspace\"");
	assert_at(d, BOX "env.0.valueFrom.secretKeyRef",
		"{\"name\":\"demo-pycloud\",\"key\":\"token\"}");
	assert_at(d, BOX "image", "\"" KUBE_IMAGE_DEFAULT "\"");
	assert_at(d, BOX "name", "\"" KUBE_CONTAINER "\"");
	assert_at(d, BOX "ports.0",
		"{\"name\":\"" KUBE_PORT_NAME "\",\"containerPort\":8888}");
}

static void nothing_is_left_to_fill_in(void **state)
{
	g_autoptr(cJSON) d = kube_spec_deployment(&demo);
	g_autoptr(cJSON) claim = kube_spec_claim(&demo);
	g_autoptr(cJSON) service = kube_spec_service(&demo);
	g_autofree char *one = json_print(d);
	g_autofree char *two = json_print(claim);
	g_autofree char *three = json_print(service);

	(void)state;
	assert_null(strstr(one, ":\"$"));
	assert_null(strstr(one, ",\"$"));
	assert_null(strstr(two, "$"));
	assert_null(strstr(three, "$"));
}

/* As a namespace with the pod security standard "restricted" wants it. */
static void the_pod_is_restricted(void **state)
{
	g_autoptr(cJSON) d = kube_spec_deployment(&demo);

	(void)state;
	assert_at(d, POD "securityContext.runAsNonRoot", "true");
	assert_at(d, POD "securityContext.seccompProfile.type",
		"\"RuntimeDefault\"");
	assert_at(d, BOX "securityContext.allowPrivilegeEscalation", "false");
	assert_at(d, BOX "securityContext.capabilities.drop", "[\"ALL\"]");
	assert_at(d, POD "automountServiceAccountToken", "false");
	assert_at(d, POD "enableServiceLinks", "false");
	assert_null(at(d, POD "nodeSelector"));
}

static void the_user_can_be_left_to_the_image(void **state)
{
	struct kube_workspace_spec spec = demo;
	g_autoptr(cJSON) d = NULL;

	(void)state;
	spec.is_image_user = true;
	d = kube_spec_deployment(&spec);
	assert_at(d, POD "securityContext",
		"{\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}");
}

static void a_request_is_never_above_its_limit(void **state)
{
	struct kube_workspace_spec small = demo, large = demo;
	g_autoptr(cJSON) of_small = NULL;
	g_autoptr(cJSON) of_large = NULL;
	g_autoptr(cJSON) of_demo = kube_spec_deployment(&demo);

	(void)state;
	small.cpu = "0.05";
	small.memory = "128Mi";
	large.cpu = "4";
	large.memory = "8Gi";
	of_small = kube_spec_deployment(&small);
	of_large = kube_spec_deployment(&large);
	assert_at(of_small, BOX "resources",
		"{\"requests\":{\"cpu\":\"0.05\",\"memory\":\"128Mi\"},"
		"\"limits\":{\"cpu\":\"0.05\",\"memory\":\"128Mi\"}}");
	assert_at(of_large, BOX "resources",
		"{\"requests\":{\"cpu\":\"100m\",\"memory\":\"256Mi\"},"
		"\"limits\":{\"cpu\":\"4\",\"memory\":\"8Gi\"}}");
	assert_at(of_demo, BOX "resources.limits", "{\"memory\":\"1Gi\"}");
}

static void the_claim_is_as_large_as_asked(void **state)
{
	struct kube_workspace_spec spec = demo;
	g_autoptr(cJSON) usual = kube_spec_claim(&demo);
	g_autoptr(cJSON) claim = NULL;

	(void)state;
	spec.storage = "20Gi";
	spec.storage_class = "fast";
	claim = kube_spec_claim(&spec);
	assert_at(usual, "spec.resources.requests.storage",
		"\"" KUBE_STORAGE_DEFAULT "\"");
	assert_null(at(usual, "spec.storageClassName"));
	assert_at(claim, "spec.resources.requests.storage", "\"20Gi\"");
	assert_at(claim, "spec.storageClassName", "\"fast\"");
	assert_at(claim, "spec.accessModes", "[\"ReadWriteOnce\"]");
}

/* An apply that names the replicas starts what was stopped. */
static void what_exists_keeps_its_replicas_and_its_image(void **state)
{
	struct kube_workspace_spec before = demo, after = demo;
	g_autoptr(cJSON) old = NULL;
	g_autoptr(cJSON) new = NULL;

	(void)state;
	before.image = "example.org/mine:1";
	before.memory = "2Gi";
	before.cpu = "3";
	old = kube_spec_deployment(&before);
	after.memory = "4Gi";
	kube_spec_adopt(&after, old);
	new = kube_spec_deployment(&after);
	assert_null(at(new, "spec.replicas"));
	assert_at(new, BOX "image", "\"example.org/mine:1\"");
	assert_at(new, BOX "resources.limits",
		"{\"cpu\":\"3\",\"memory\":\"4Gi\"}");
	assert_at(new, POD "securityContext.runAsUser", "1000");
}

static void adopting_survives_any_object(void **state)
{
	static const char *const odd[] = { "{}", "[]", "{\"spec\":1}",
		"{\"spec\":{\"template\":{\"spec\":{\"containers\":[1]}}}}",
		"{\"spec\":{\"template\":{\"spec\":{\"containers\":{}}}}}" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
		struct kube_workspace_spec spec = demo;
		g_autoptr(cJSON) object = cJSON_Parse(odd[i]);

		kube_spec_adopt(&spec, object);
		assert_true(spec.exists);
		assert_null(spec.image);
	}
}

static void the_token_is_in_the_secret_and_comes_back(void **state)
{
	struct secret *token = secret_random();
	struct secret *manifest = kube_spec_secret(&demo, token);
	struct secret *back;
	g_autofree char *text = g_strdup(secret_peek(manifest));
	g_autoptr(cJSON) object = recording_parse(text);

	(void)state;
	assert_at(object, "metadata.name", "\"demo-pycloud\"");
	assert_at(object, "kind", "\"Secret\"");
	assert_true(kube_spec_is_ours(object, "demo"));
	back = kube_spec_token(object);
	assert_true(secret_equal(token, back));
	secret_unref(back);
	secret_unref(manifest);
	secret_unref(token);
}

static void a_secret_without_a_token_has_none(void **state)
{
	static const char *const odd[] = { "{}", "{\"data\":{\"token\":1}}",
		"{\"data\":{\"token\":\"\"}}", "{\"data\":{\"token\":\"!\"}}",
		"{\"data\":{\"token\":\"YQoK\"}}", "{\"data\":[]}" };
	g_autoptr(cJSON) real = recording_json("get-secret-200");
	struct secret *token = kube_spec_token(real);

	(void)state;
	assert_non_null(token);
	secret_unref(token);
	assert_null(kube_spec_token(NULL));
	for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
		g_autoptr(cJSON) object = cJSON_Parse(odd[i]);

		assert_null(kube_spec_token(object));
	}
}

/* Everybody on the node can read a command line. */
static void the_token_is_on_no_command_line(void **state)
{
	g_autoptr(cJSON) d = kube_spec_deployment(&demo);
	g_autofree char *command = json_print(at(d, BOX "command"));

	(void)state;
	assert_null(strstr(command, "token"));
	assert_null(strstr(command, "TOKEN"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_have_units),
		cmocka_unit_test(names_are_labels),
		cmocka_unit_test(sizes_are_checked_before_they_are_sent),
		cmocka_unit_test(all_objects_say_whose_they_are),
		cmocka_unit_test(what_others_made_is_not_ours),
		cmocka_unit_test(the_pod_finds_its_claim_and_its_token),
		cmocka_unit_test(nothing_is_left_to_fill_in),
		cmocka_unit_test(the_pod_is_restricted),
		cmocka_unit_test(the_user_can_be_left_to_the_image),
		cmocka_unit_test(a_request_is_never_above_its_limit),
		cmocka_unit_test(the_claim_is_as_large_as_asked),
		cmocka_unit_test(what_exists_keeps_its_replicas_and_its_image),
		cmocka_unit_test(adopting_survives_any_object),
		cmocka_unit_test(the_token_is_in_the_secret_and_comes_back),
		cmocka_unit_test(a_secret_without_a_token_has_none),
		cmocka_unit_test(the_token_is_on_no_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

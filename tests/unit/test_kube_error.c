/* Every refusal that a real API server was seen to give, in a sentence. */
#include "config.h"

#include "common_limits.h"
#include "kube_error.h"
#include "kube_text.h"
#include "recording.h"

static const struct seen {
	const char *recording;
	enum kube_error_kind kind;
	const char *words; /* of the sentence */
} all[] = {
	{ "err-400-apply-name-mismatch", KUBE_ERROR_OTHER, "lab-token2" },
	{ "err-400-labelselector", KUBE_ERROR_OTHER, "unable to parse" },
	{ "err-400-log-container-not-named", KUBE_ERROR_OTHER, "[echo tls]" },
	{ "err-400-log-waiting", KUBE_ERROR_OTHER, "ErrImageNeverPull" },
	{ "err-400-malformed-json", KUBE_ERROR_OTHER, "unexpected end" },
	{ "err-400-secret-not-base64", KUBE_ERROR_OTHER, "illegal base64" },
	{ "err-400-unknown-field-strict", KUBE_ERROR_OTHER, "\"dta\"" },
	{ "err-401-bad-token", KUBE_ERROR_UNAUTHORIZED, "sign in" },
	{ "err-403-anonymous-proxy", KUBE_ERROR_ANONYMOUS, "no credentials" },
	{ "err-403-anonymous", KUBE_ERROR_ANONYMOUS, "no credentials" },
	{ "err-403-namespace-terminating", KUBE_ERROR_TERMINATING,
		"is being deleted" },
	{ "err-403-podsecurity-pod", KUBE_ERROR_POD_SECURITY,
		"(violates PodSecurity" },
	{ "err-403-quota-must-specify", KUBE_ERROR_QUOTA,
		"give both a cpu and a memory" },
	{ "err-403-quota-pod", KUBE_ERROR_QUOTA,
		"limited: requests.memory=100Mi" },
	{ "err-403-quota-pvc", KUBE_ERROR_QUOTA, "persistentvolumeclaims=0" },
	{ "err-403-rbac-create-deployment", KUBE_ERROR_RIGHTS,
		"You (mallory) may not patch deployments in the namespace "
		"jtest: " },
	{ "err-403-rbac-pods-list", KUBE_ERROR_RIGHTS, "list pods" },
	{ "err-403-rbac-pods-proxy", KUBE_ERROR_RIGHTS,
		"You (alice) may not get pods/proxy" },
	{ "err-403-rbac-portforward", KUBE_ERROR_RIGHTS, "pods/portforward" },
	{ "err-403-rbac-services-proxy", KUBE_ERROR_RIGHTS, "services/proxy" },
	{ "err-403-watch-rbac", KUBE_ERROR_RIGHTS, "watch deployments" },
	{ "err-404-api-path", KUBE_ERROR_NO_STATUS, "HTTP 404" },
	{ "err-404-create-in-unknown-namespace", KUBE_ERROR_NO_NAMESPACE,
		"namespace nosuch" },
	{ "err-404-delete", KUBE_ERROR_NOT_FOUND, "secrets \"lab-yaml\"" },
	{ "err-404-deployment", KUBE_ERROR_NOT_FOUND, "nosuch" },
	{ "err-404-namespace", KUBE_ERROR_NO_NAMESPACE, "nosuch" },
	{ "err-404-pod-log", KUBE_ERROR_NOT_FOUND, "pods \"nosuch\"" },
	{ "err-404-pod", KUBE_ERROR_NOT_FOUND, "pods \"nosuch\"" },
	{ "err-404-service", KUBE_ERROR_NOT_FOUND, "services" },
	{ "err-405-method", KUBE_ERROR_OTHER, "does not allow" },
	{ "err-406-accept", KUBE_ERROR_OTHER,
		"Not Acceptable Available representations" },
	{ "err-409-apply-fieldmanager-conflict", KUBE_ERROR_OWNED,
		"\"kubectl\": - .data.extra" },
	{ "err-409-delete-precondition", KUBE_ERROR_CONFLICT, "UID" },
	{ "err-409-post-already-exists", KUBE_ERROR_EXISTS, "already exists" },
	{ "err-409-put-stale", KUBE_ERROR_CONFLICT, "modified" },
	{ "err-409-scale-patch-stale", KUBE_ERROR_CONFLICT, "modified" },
	{ "err-410-list-continue-expired", KUBE_ERROR_EXPIRED, "too old" },
	{ "err-413-request-too-large", KUBE_ERROR_TOO_LARGE, "3145728" },
	{ "err-415-content-type", KUBE_ERROR_OTHER, "unknown format" },
	{ "err-415-patch-json", KUBE_ERROR_OTHER, "Unsupported" },
	{ "err-422-apply-no-fieldmanager", KUBE_ERROR_INVALID, "required" },
	{ "err-422-deployment-causes", KUBE_ERROR_INVALID, "selector" },
	{ "err-422-immutable-pvc", KUBE_ERROR_INVALID, "immutable" },
	{ "err-422-immutable-selector", KUBE_ERROR_INVALID, "immutable" },
	{ "err-422-name", KUBE_ERROR_INVALID, "Bad_Name" },
	{ "err-422-scale-negative", KUBE_ERROR_INVALID, "-1" },
	{ "err-422-secret-too-large", KUBE_ERROR_INVALID, "1048576" },
	{ "err-422-service-name", KUBE_ERROR_INVALID, "1lab" },
};

static void assert_is_one_sentence(const char *sentence)
{
	assert_non_null(sentence);
	assert_true(g_utf8_validate(sentence, -1, NULL));
	assert_true(strlen(sentence) < (size_t)KUBE_TEXT_MAX + 250);
	assert_null(strchr(sentence, '\n'));
	assert_true(g_str_has_suffix(sentence, "."));
	assert_false(g_str_has_suffix(sentence, "...."));
}

static void assert_words(
	const char *of, const struct kube_error *e, const char *words)
{
	assert_is_one_sentence(e->sentence);
	if (strstr(e->sentence, words) == NULL)
		fail_msg("%s: no \"%s\" in: %s", of, words, e->sentence);
}

static void every_recorded_refusal_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		struct kube_error e;
		int code;
		g_autofree char *body = recording_body(all[i].recording, &code);

		kube_error_parse(code, body, strlen(body), &e);
		if (e.kind != all[i].kind)
			fail_msg("%s: kind %d: %s", all[i].recording, e.kind,
				e.sentence);
		assert_words(all[i].recording, &e, all[i].words);
		kube_error_clear(&e);
	}
}

static void no_recorded_refusal_is_forgotten(void **state)
{
	g_autoptr(GDir) dir = g_dir_open(RECORDINGS_DIR, 0, NULL);
	unsigned count = 0;
	const char *name;

	(void)state;
	assert_non_null(dir);
	while ((name = g_dir_read_name(dir)) != NULL)
		count += g_str_has_prefix(name, "err-");
	assert_int_equal(count, G_N_ELEMENTS(all));
}

static enum kube_error_kind kind_of(int code, const char *json)
{
	g_autofree char *text = g_strdup(json);
	enum kube_error_kind kind;
	struct kube_error e;

	kube_error_parse(code, text, strlen(text), &e);
	assert_is_one_sentence(e.sentence);
	kind = e.kind;
	kube_error_clear(&e);
	return kind;
}

static void a_pods_own_error_is_no_status(void **state)
{
	(void)state;
	assert_int_equal(kind_of(403, "{\"message\":\"Forbidden\"}"),
		KUBE_ERROR_NO_STATUS);
	assert_int_equal(kind_of(503, ""), KUBE_ERROR_NO_STATUS);
	assert_int_equal(kind_of(404, "<html>"), KUBE_ERROR_NO_STATUS);
	assert_int_equal(kind_of(500, "{\"kind\":[]}"), KUBE_ERROR_NO_STATUS);
}

static void what_passes_is_told_from_what_does_not(void **state)
{
	(void)state;
	assert_true(
		kube_error_is_passing(kind_of(503, "{\"kind\":\"Status\"}")));
	assert_true(kube_error_is_passing(kind_of(500,
		"{\"kind\":\"Status\",\"message\":\"error dialing backend\"}")));
	assert_true(kube_error_is_passing(
		kind_of(429, "{\"kind\":\"Status\",\"code\":429}")));
	assert_true(kube_error_is_passing(kind_of(
		500, "{\"kind\":\"Status\",\"reason\":\"ServerTimeout\"}")));
	assert_false(
		kube_error_is_passing(kind_of(403, "{\"kind\":\"Status\"}")));
	assert_false(kube_error_is_passing(
		kind_of(404, "{\"kind\":\"Status\",\"details\":[1]}")));
}

/* As in the ERROR event of a watch, whose HTTP code was 200. */
static void a_status_brings_its_own_code(void **state)
{
	(void)state;
	assert_int_equal(kind_of(200, "{\"kind\":\"Status\",\"code\":410}"),
		KUBE_ERROR_EXPIRED);
	assert_int_equal(kind_of(403, "{\"kind\":\"Status\",\"code\":1e300}"),
		KUBE_ERROR_OTHER);
}

static void rules_of_the_cluster_are_explained(void **state)
{
	static const struct {
		const char *message;
		enum kube_error_kind kind;
	} cases[] = {
		{ "admission webhook \"x.y\" denied the request: no latest",
			KUBE_ERROR_DENIED },
		{ "pods \"p\" is forbidden: unable to validate against any "
		  "security context constraint: [...]",
			KUBE_ERROR_POD_SECURITY },
		{ "pods \"p\" is forbidden: [maximum memory usage per "
		  "Container is 512Mi, but limit is 1Gi]",
			KUBE_ERROR_QUOTA },
		{ "serviceaccount \"default\" not found", KUBE_ERROR_OTHER },
		{ "", KUBE_ERROR_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *sentence = NULL;

		assert_int_equal(
			kube_error_explain(cases[i].message, &sentence),
			cases[i].kind);
		assert_is_one_sentence(sentence);
	}
}

static void messages_cannot_reach_the_terminal(void **state)
{
	static const struct {
		const char *dirty;
		const char *clean;
	} cases[] = {
		{ NULL, "" },
		{ " \n ", "" },
		{ "a\n\n  b. ", "a b" },
		{ "x\x1b[31mred\x07", "x [31mred" },
		{ "csi \xc2\x9b 1", "csi 1" },
		{ "rtl \xe2\x80\xae gpj", "rtl gpj" },
		{ "caf\xe9", "caf\xef\xbf\xbd" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
	};
	g_autofree char *long_text = g_strnfill(100000, 'x');
	g_autofree char *cut = kube_text_clean(long_text);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *clean = kube_text_clean(cases[i].dirty);

		assert_string_equal(clean, cases[i].clean);
	}
	assert_true(strlen(cut) <= (size_t)KUBE_TEXT_MAX);
	assert_true(g_str_has_suffix(cut, "xxx..."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_recorded_refusal_is_understood),
		cmocka_unit_test(no_recorded_refusal_is_forgotten),
		cmocka_unit_test(a_pods_own_error_is_no_status),
		cmocka_unit_test(what_passes_is_told_from_what_does_not),
		cmocka_unit_test(a_status_brings_its_own_code),
		cmocka_unit_test(rules_of_the_cluster_are_explained),
		cmocka_unit_test(messages_cannot_reach_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

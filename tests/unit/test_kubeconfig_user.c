/* Whose credentials a kubeconfig names, and what of it is refused. */
#include "config.h"

#include "kube_files.h"

#include <errno.h>

#define EXEC_V1	  "      apiVersion: client.authentication.k8s.io/v1\n"
#define EXEC_MODE "      interactiveMode: Never\n"
#define EXEC	  "    exec:\n" EXEC_V1 EXEC_MODE

static struct kube_login *login_of(const char *user)
{
	struct kube_place *p = kube_place_of(KUBE_SERVER, user);
	struct kube_login *login = NULL;
	char *why = NULL;

	if (kube_auth_get(p->auth, NULL, &login, &why) != 0)
		fail_msg("%s", why);
	kube_place_free(p);
	return login;
}

/* A login cannot be had; it says so. */
static void login_refused(const char *user, int rc, const char *words)
{
	struct kube_place *p = kube_place_of(KUBE_SERVER, user);
	struct kube_login *login = NULL;
	g_autofree char *why = NULL;

	assert_int_equal(kube_auth_get(p->auth, NULL, &login, &why), rc);
	assert_null(login);
	if (strstr(why, words) == NULL || strstr(why, "SECRET") != NULL)
		fail_msg("it said: %s", why);
	kube_place_free(p);
}

static void check_bytes(GBytes *bytes, const char *expected)
{
	assert_non_null(bytes);
	assert_int_equal(g_bytes_get_size(bytes), strlen(expected));
	assert_memory_equal(
		g_bytes_get_data(bytes, NULL), expected, strlen(expected));
}

static void a_token_stands_in_the_file(void **state)
{
	struct kube_login *l = login_of("    token: 'SECRET-T'\n");

	(void)state;
	assert_string_equal(secret_peek(l->bearer), "SECRET-T");
	assert_null(l->basic);
	assert_null(l->cert_pem);
	assert_int_equal(l->expires_ms, 0);
	kube_login_unref(l);
}

static void a_token_file_goes_before_the_token(void **state)
{
	static const char *const both =
		"    token: word\n    tokenFile: dir/token\n";
	struct kube_login *l;

	(void)state;
	kube_write("dir/token", "\n from-file \n");
	l = login_of(both);
	assert_string_equal(secret_peek(l->bearer), "from-file");
	kube_login_unref(l);
	kube_write("dir/token", "two SECRET\n");
	l = login_of(both);
	assert_string_equal(secret_peek(l->bearer), "word");
	kube_login_unref(l);
	login_refused("    tokenFile: dir/token\n", -EINVAL,
		"/dir/token holds no token");
	login_refused("    tokenFile: none\n", -ENOENT,
		"/none, which the kubeconfig names, cannot be read: No such");
}

static void a_password_is_ready_for_the_header(void **state)
{
	struct kube_login *l =
		login_of("    username: ann\n    password: a b\n");

	(void)state;
	assert_string_equal(secret_peek(l->basic), "YW5uOmEgYg==");
	assert_null(l->bearer);
	kube_login_unref(l);
}

static void a_certificate_is_data_or_a_file(void **state)
{
	g_autofree char *cert = kube_base64(CERT_PEM);
	g_autofree char *key = kube_base64(KEY_PEM);
	g_autofree char *data = g_strdup_printf(
		"    client-certificate-data: %s\n"
		"    client-certificate: none.pem\n"
		"    client-key-data: >-\n      %.20s\n      %s\n",
		cert, key, key + 20);
	struct kube_login *l = login_of(data);

	(void)state;
	check_bytes(l->cert_pem, CERT_PEM);
	check_bytes(l->key_pem, KEY_PEM);
	kube_login_unref(l);
	kube_write("cert.pem", CERT_PEM);
	kube_write("key.pem", KEY_PEM);
	l = login_of("    client-certificate: ./cert.pem\n"
		     "    client-key: key.pem\n    token: too\n");
	check_bytes(l->cert_pem, CERT_PEM);
	check_bytes(l->key_pem, KEY_PEM);
	assert_string_equal(secret_peek(l->bearer), "too");
	kube_login_unref(l);
}

static void a_key_that_others_can_read_is_warned_about(void **state)
{
	static const char *const user = "    client-certificate: cert.pem\n"
					"    client-key: open.pem\n";
	g_autofree char *path = kube_path("open.pem");
	struct kube_place *p;

	(void)state;
	kube_write("cert.pem", CERT_PEM);
	kube_write("open.pem", KEY_PEM);
	p = kube_place_of(KUBE_SERVER, user);
	assert_null(p->warnings[0]);
	kube_place_free(p);
	assert_int_equal(chmod(path, 0644), 0);
	p = kube_place_of(KUBE_SERVER, user);
	assert_non_null(strstr(p->warnings[0], "/open.pem can be read by"));
	kube_place_free(p);
}

static void a_key_with_a_passphrase_is_refused(void **state)
{
	(void)state;
	kube_write("cert.pem", CERT_PEM);
	kube_write("locked.pem",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nSECRET\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n");
	login_refused("    client-certificate: cert.pem\n"
		      "    client-key: locked.pem\n",
		-EINVAL, "/locked.pem holds a private key with a passphrase");
}

static void nobody_is_somebody_without_a_name(void **state)
{
	struct kube_login *l = login_of("    {}\n");
	struct kube_place *p = kube_place_of(KUBE_SERVER, "    {}\n");
	struct kube_login *other = NULL;
	char *why = NULL;

	(void)state;
	assert_null(l->bearer);
	assert_int_equal(
		kube_auth_renew(p->auth, l, NULL, &other, &why), -EKEYREJECTED);
	assert_non_null(strstr(why, "wants credentials, and user `ann` in "));
	g_free(why);
	kube_login_unref(l);
	kube_place_free(p);
}

static void what_cannot_be_used_is_refused(void **state)
{
	static const struct {
		const char *user;
		int rc;
		const char *words;
	} cases[] = {
		{ "    auth-provider: {name: gcp}\n", -ENOTSUP,
			"gke-gcloud-auth-plugin" },
		{ "    auth-provider: {name: azure}\n", -ENOTSUP,
			"kubelogin convert-kubeconfig" },
		{ "    auth-provider: {name: oidc}\n", -ENOTSUP,
			"kubectl oidc-login" },
		{ "    auth-provider: {name: SECRET}\n", -ENOTSUP,
			"was removed from Kubernetes" },
		{ "    token: T\n    as: admin\n", -ENOTSUP,
			"acting as somebody else (`as`)" },
		{ "    token: T\n    as-groups: [SECRET]\n", -ENOTSUP,
			"(`as-groups`)" },
		{ "    token: [SECRET]\n", -EINVAL, "`token` must be a text" },
		{ "    token: a SECRET\n", -EINVAL, "`token` cannot be one" },
		{ "    password: SECRET\n", -EINVAL, "needs a `username`" },
		{ "    username: 'a:SECRET'\n", -EINVAL, "a colon" },
		{ "    username: a\n    token: SECRET\n", -EINVAL,
			"a token and a password" },
		{ "    client-key-data: U0VDUkVU\n", -EINVAL,
			"`client-key-data` holds no private key" },
		{ "    client-certificate: a.pem\n", -EINVAL,
			"has a client certificate, but no client key" },
		{ "    client-key: a.pem\n", -EINVAL,
			"has a client key, but no client certificate" },
		{ "    exec: SECRET\n", -EINVAL, "`exec` must be a map" },
		{ "    exec: {command: c}\n", -EINVAL, "`apiVersion` of" },
		{ "    exec: {command: c, apiVersion: "
		  "client.authentication.k8s.io/v1alpha1}\n",
			-EINVAL, "`apiVersion` of" },
		{ "    exec:\n" EXEC_V1 "      command: c\n", -EINVAL,
			"needs `interactiveMode`" },
		{ "    exec:\n" EXEC_V1
		  "      command: c\n      interactiveMode: never\n",
			-EINVAL, "must be Never, IfAvailable" },
		{ EXEC, -EINVAL, "needs a `command`" },
		{ EXEC "      command: c\n      args: SECRET\n", -EINVAL,
			"`args` must be a list" },
		{ EXEC "      command: c\n      args: [{}]\n", -EINVAL,
			"an entry of `args`" },
		{ EXEC "      command: c\n      env: [SECRET]\n", -EINVAL,
			"an entry of `env`" },
		{ EXEC "      command: c\n      env: [{name: a=b}]\n", -EINVAL,
			"an entry of `env`" },
		{ EXEC "      command: c\n      provideClusterInfo: 1\n",
			-EINVAL, "`provideClusterInfo` must be true" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		kube_refused(KUBE_SERVER, cases[i].user, cases[i].rc,
			cases[i].words);
}

/* A plugin whose token is what it was told. */
static void a_plugin_gets_what_its_file_says(void **state)
{
	struct kube_login *l;

	(void)state;
	kube_write_program("bin/plugin",
		"printf '{\"kind\":\"ExecCredential\",\"apiVersion\":"
		"\"client.authentication.k8s.io/v1\",\"status\":{\"token\":"
		"\"%s-%s-%s-%s\"}}' \"$1\" \"$2\" \"$WORD\" \"$EMPTY\"\n");
	l = login_of(EXEC "      command: ./bin/plugin\n"
			  "      args: [one, 2]\n"
			  "      env: [{name: WORD, value: three},\n"
			  "        {name: EMPTY, value: ''}]\n");
	assert_string_equal(secret_peek(l->bearer), "one-2-three-");
	kube_login_unref(l);
}

static void a_plugin_is_told_of_its_cluster_if_it_wants(void **state)
{
	g_autofree char *seen_path = kube_path("info");
	g_autofree char *seen = NULL;
	g_autofree char *again = NULL;
	struct kube_login *login = NULL;
	struct kube_place *told;
	char *why = NULL;

	(void)state;
	kube_write_program("plugin",
		"printf %s \"$KUBERNETES_EXEC_INFO\" > ${0%plugin}info\n"
		"printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client."
		"authentication.k8s.io/v1beta1\",\"status\":{\"token\":"
		"\"T\"}}'\n");
	kube_login_unref(login_of(
		"    exec:\n"
		"      apiVersion: client.authentication.k8s.io/v1beta1\n"
		"      command: ./plugin\n"));
	assert_true(g_file_get_contents(seen_path, &seen, NULL, NULL));
	assert_string_equal(seen,
		"{\"spec\":{\"interactive\":false},\"kind\":\"ExecCredential\","
		"\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}");
	told = kube_place_of(KUBE_SERVER
		"    extensions:\n"
		"    - name: client.authentication.k8s.io/exec\n"
		"      extension: {audience: x, n: 7, yes: true,\n"
		"        s: '7', l: [null]}\n",
		"    exec:\n"
		"      apiVersion: client.authentication.k8s.io/v1beta1\n"
		"      command: ./plugin\n"
		"      provideClusterInfo: true\n");
	assert_int_equal(kube_auth_get(told->auth, NULL, &login, &why), 0);
	kube_login_unref(login);
	kube_place_free(told);
	assert_true(g_file_get_contents(seen_path, &again, NULL, NULL));
	assert_non_null(strstr(again,
		"\"cluster\":{\"server\":\"https://host:6443\",\"config\":"
		"{\"audience\":\"x\",\"n\":7,\"yes\":true,\"s\":\"7\","
		"\"l\":[null]}}"));
}

static void words_go_before_a_plugin(void **state)
{
	struct kube_login *l = login_of(
		EXEC "      command: no-such-plugin\n    token: word\n");

	(void)state;
	assert_string_equal(secret_peek(l->bearer), "word");
	kube_login_unref(l);
}

static void a_plugin_that_is_missing_says_how_to_get_it(void **state)
{
	(void)state;
	login_refused(EXEC "      command: no-such-plugin\n"
			   "      installHint: |\n"
			   "        Get it at\n        example.org\n",
		-ENOENT, "in PATH. Get it at example.org");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_stands_in_the_file),
		cmocka_unit_test(a_token_file_goes_before_the_token),
		cmocka_unit_test(a_password_is_ready_for_the_header),
		cmocka_unit_test(a_certificate_is_data_or_a_file),
		cmocka_unit_test(a_key_that_others_can_read_is_warned_about),
		cmocka_unit_test(a_key_with_a_passphrase_is_refused),
		cmocka_unit_test(nobody_is_somebody_without_a_name),
		cmocka_unit_test(what_cannot_be_used_is_refused),
		cmocka_unit_test(a_plugin_gets_what_its_file_says),
		cmocka_unit_test(a_plugin_is_told_of_its_cluster_if_it_wants),
		cmocka_unit_test(words_go_before_a_plugin),
		cmocka_unit_test(a_plugin_that_is_missing_says_how_to_get_it),
	};

	kube_home_make();
	return kube_home_remove(cmocka_run_group_tests_name(
		"kubeconfig_user", tests, NULL, NULL));
}

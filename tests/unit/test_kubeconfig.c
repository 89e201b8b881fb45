/* Which files, which context, which cluster; users are test_kubeconfig_user. */
#include "config.h"

#include "kubeconfig.h"

#include "kube_files.h"
#include "kubeconfig_pod.h"

#include <errno.h>

#define NOBODY "    {}\n"

static const struct kubeconfig_wish no_wish = { 0 };

/* A file with one context of this name, on a cluster of the same name. */
static void write_context(const char *file, const char *name, bool is_current)
{
	g_autofree char *text = g_strdup_printf(
		"%s%s\n"
		"contexts: [{name: %s, context: {cluster: %s, user: %s}}]\n"
		"clusters: [{name: %s, cluster: {server: 'https://%s'}}]\n"
		"users: [{name: %s, user: {token: T-%s}}]\n",
		is_current ? "current-context: " : "", is_current ? name : "",
		name, name, name, name, name, name, name);

	kube_write(file, text);
}

static void set_list(const char *first, const char *second)
{
	g_autofree char *a = kube_path(first);
	g_autofree char *b = kube_path(second);
	g_autofree char *list = g_strconcat(":", a, ":", b, ":", NULL);

	(void)setenv("KUBECONFIG", list, 1);
}

static int teardown(void **state)
{
	g_autofree char *usual = kube_path(".kube/config");

	(void)state;
	(void)unsetenv("KUBECONFIG");
	(void)unsetenv("KUBERNETES_SERVICE_HOST");
	(void)unsetenv("KUBERNETES_SERVICE_PORT");
	(void)unlink(usual);
	return 0;
}

static struct kube_place *load(const struct kubeconfig_wish *wish)
{
	struct kube_place *place = NULL;
	char *why = NULL;

	if (kubeconfig_load(wish, &place, &why) != 0)
		fail_msg("%s", why);
	assert_true(kubeconfig_is_there(wish));
	return place;
}

/* That it is refused, and says so. */
static void check_refused(
	const struct kubeconfig_wish *wish, int rc, const char *words)
{
	struct kube_place *place = NULL;
	g_autofree char *why = NULL;

	assert_int_equal(kubeconfig_load(wish, &place, &why), rc);
	assert_null(place);
	if (strstr(why, words) == NULL)
		fail_msg("it said: %s", why);
}

static void a_place_has_all_that_a_context_says(void **state)
{
	g_autofree char *ca = kube_base64(CERT_PEM);
	g_autofree char *cluster =
		g_strdup_printf("    server: https://host:6443/path//\n"
				"    certificate-authority-data: %s\n"
				"    tls-server-name: other.example.org\n"
				"    proxy-url: socks5://proxy:1080\n",
			ca);
	struct kube_place *p = kube_place_of(cluster, "    token: T\n");
	g_autofree char *path = kube_path("config");

	(void)state;
	assert_string_equal(p->context, "here");
	assert_string_equal(p->cluster, "cl");
	assert_string_equal(p->namespace, "lab");
	assert_string_equal(p->server, "https://host:6443/path");
	assert_string_equal(p->tls_server_name, "other.example.org");
	assert_string_equal(p->proxy_url, "socks5://proxy:1080");
	assert_int_equal(g_bytes_get_size(p->ca_pem), strlen(CERT_PEM));
	assert_memory_equal(
		g_bytes_get_data(p->ca_pem, NULL), CERT_PEM, strlen(CERT_PEM));
	assert_false(p->is_insecure);
	assert_string_equal(p->origin, path);
	assert_null(p->warnings[0]);
	kube_place_free(p);
}

static void the_usual_file_is_in_home(void **state)
{
	struct kube_place *p;

	(void)state;
	assert_false(kubeconfig_is_there(&no_wish));
	check_refused(&no_wish, -ENOENT, "/.kube/config is not there");
	write_context(".kube/config", "usual", true);
	p = load(&no_wish);
	assert_string_equal(p->server, "https://usual");
	assert_string_equal(p->namespace, "default");
	kube_place_free(p);
}

static void the_first_file_of_a_list_wins(void **state)
{
	struct kubeconfig_wish second = { .context = "second" };
	struct kube_place *p;

	(void)state;
	write_context("one", "first", true);
	kube_write("two",
		"current-context: second\n"
		"contexts:\n"
		"- {name: second, context: {cluster: first, user: first}}\n"
		"- {name: first, context: {cluster: nowhere}}\n"
		"clusters: [{name: first, cluster: {server: 'https://no'}}]\n");
	set_list("one", "two");
	p = load(&no_wish);
	assert_string_equal(p->context, "first");
	kube_place_free(p);
	p = load(&second);
	assert_string_equal(p->context, "second");
	assert_string_equal(p->server, "https://first");
	kube_place_free(p);
	set_list("two", "one");
	check_refused(&(struct kubeconfig_wish){ .context = "first" }, -EINVAL,
		"there is no cluster `nowhere` in `clusters`");
}

static void missing_files_of_a_list_do_not_count(void **state)
{
	struct kube_place *p;

	(void)state;
	write_context("one", "first", true);
	set_list("no-such-file", "one");
	p = load(&no_wish);
	assert_string_equal(p->context, "first");
	kube_place_free(p);
}

static void a_list_of_nothing_is_said(void **state)
{
	(void)state;
	write_context(".kube/config", "usual", true);
	set_list("no-such-file", "nor-this");
	check_refused(&no_wish, -ENOENT, "no-such-file, ");
	check_refused(&no_wish, -ENOENT, "nor-this");
	assert_true(kubeconfig_is_there(&no_wish));
	(void)setenv("KUBECONFIG", "", 1);
	assert_true(kubeconfig_is_there(&no_wish));
}

static void a_wish_goes_before_all(void **state)
{
	g_autofree char *file = kube_path("wished");
	struct kubeconfig_wish wish = { .file = file, .namespace = "mine" };
	struct kube_place *p;

	(void)state;
	write_context("one", "first", true);
	write_context("wished", "wished", true);
	set_list("one", "one");
	p = load(&wish);
	assert_string_equal(p->context, "wished");
	assert_string_equal(p->namespace, "mine");
	kube_place_free(p);
	wish.context = "first";
	check_refused(&wish, -EINVAL, "There is no context `first` in");
	check_refused(&wish, -EINVAL, "there is: wished.");
	wish.namespace = "a/../b";
	check_refused(&wish, -EINVAL, "`a/../b` cannot be a namespace");
	(void)unlink(file);
	wish.namespace = NULL;
	check_refused(&wish, -ENOENT, "wished is not there");
	assert_true(kubeconfig_is_there(&wish));
}

static void without_a_current_context_nothing_is_there(void **state)
{
	struct kubeconfig_wish wish = { .context = "usual" };
	struct kube_place *p;

	(void)state;
	write_context(".kube/config", "usual", false);
	assert_false(kubeconfig_is_there(&no_wish));
	check_refused(&no_wish, -ENOENT, "kubectl config use-context");
	check_refused(&no_wish, -ENOENT, "usual.");
	p = load(&wish);
	kube_place_free(p);
	kube_write(".kube/config", "current-context: ''\ncontexts: null\n");
	assert_false(kubeconfig_is_there(&no_wish));
	kube_write(".kube/config", "");
	assert_false(kubeconfig_is_there(&no_wish));
	check_refused(&no_wish, -ENOENT, "chooses no context");
}

static void what_cannot_be_read_does_not_go_unnoticed(void **state)
{
	(void)state;
	kube_write(".kube/config", "a: [\n");
	assert_true(kubeconfig_is_there(&no_wish));
	check_refused(&no_wish, -EINVAL, "/.kube/config:2: this is no YAML");
	(void)setenv("KUBECONFIG", kube_home.path, 1);
	assert_true(kubeconfig_is_there(&no_wish));
	check_refused(&no_wish, -EISDIR, "cannot be read: Is a directory");
}

static void a_pipe_is_a_file_too(void **state)
{
	g_autofree char *text = kube_config(KUBE_SERVER, "    token: T\n");
	g_autofree char *name = NULL;
	struct kubeconfig_wish wish = { 0 };
	struct kube_place *p;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	(void)close(fds[1]);
	name = g_strdup_printf("/dev/fd/%d", fds[0]);
	wish.file = name;
	p = load(&wish);
	assert_string_equal(p->server, "https://host:6443");
	kube_place_free(p);
	(void)close(fds[0]);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	g_autofree char *large = g_strnfill((gsize)10 << 20, '#');
	g_autofree char *why = NULL;
	struct kube_place *p;

	(void)state;
	kube_write("large", large);
	assert_int_equal(kube_load("large", &p, &why), -EFBIG);
	assert_non_null(strstr(why, "/large is too large"));
}

static void json_is_read_as_well(void **state)
{
	struct kube_place *p;
	char *why;

	(void)state;
	kube_write("json",
		"{\n\t\"kind\": \"Config\",\n\t\"apiVersion\": \"v1\",\n"
		"\t\"current-context\": \"a\\/b\",\n"
		"\t\"contexts\": [{\"name\": \"a/b\", \"context\":"
		" {\"cluster\": \"c\", \"user\": \"\"}}],\n"
		"\t\"clusters\": [{\"name\": \"c\", \"cluster\":"
		" {\"server\": \"http://127.0.0.1:8001\"}}]\n}\n");
	assert_int_equal(kube_load("json", &p, &why), 0);
	assert_string_equal(p->server, "http://127.0.0.1:8001");
	assert_null(p->warnings[0]);
	kube_place_free(p);
}

static void an_authority_is_a_file_beside_its_kubeconfig(void **state)
{
	static const char *const lines =
		KUBE_SERVER "    certificate-authority: sub/ca.pem\n";
	struct kube_place *p;

	(void)state;
	kube_write("sub/ca.pem", CERT_PEM);
	p = kube_place_of(lines, NOBODY);
	assert_int_equal(g_bytes_get_size(p->ca_pem), strlen(CERT_PEM));
	kube_place_free(p);
	kube_write("sub/ca.pem", "SECRET");
	kube_refused(lines, NOBODY, -EINVAL, "sub/ca.pem holds no certificate");
	kube_refused(KUBE_SERVER "    certificate-authority: sub\n", NOBODY,
		-EISDIR, "sub cannot be read");
	kube_refused(KUBE_SERVER "    certificate-authority: none\n", NOBODY,
		-EINVAL, "none cannot be read: No such file");
}

static void what_is_insecure_is_warned_about(void **state)
{
	static const char *const insecure =
		KUBE_SERVER "    insecure-skip-tls-verify: true\n";
	struct kube_place *p = kube_place_of(insecure, NOBODY);

	(void)state;
	assert_true(p->is_insecure);
	assert_non_null(strstr(p->warnings[0], "insecure-skip-tls-verify"));
	kube_place_free(p);
	p = kube_place_of(
		KUBE_SERVER "    insecure-skip-tls-verify: false\n", NOBODY);
	assert_false(p->is_insecure);
	kube_place_free(p);
	kube_write("ca.pem", CERT_PEM);
	kube_refused(KUBE_SERVER "    insecure-skip-tls-verify: true\n"
				 "    certificate-authority: ca.pem\n",
		NOBODY, -EINVAL, "take one of them out");
	kube_refused(KUBE_SERVER "    insecure-skip-tls-verify: 'true'\n",
		NOBODY, -EINVAL, "must be true or false");
}

static void plain_http_gets_no_credentials(void **state)
{
	struct kube_place *p = kube_place_of(
		"    server: http://127.0.0.1:8001\n", "    token: T\n");
	struct kube_login *login = NULL;
	char *why = NULL;

	(void)state;
	assert_non_null(strstr(p->warnings[0], "no credentials are sent"));
	assert_int_equal(kube_auth_get(p->auth, NULL, &login, &why), 0);
	assert_null(login->bearer);
	kube_login_unref(login);
	kube_place_free(p);
}

static void servers_and_proxies_are_checked(void **state)
{
	static const struct {
		const char *lines;
		const char *words;
	} cases[] = {
		{ "    {}\n", "has no `server`" },
		{ "    server: host:6443\n", "must begin with https://" },
		{ "    server: ftp://host\n", "must begin with https://" },
		{ "    server: https://\n", "names no host" },
		{ "    server: https://:80\n", "names no host" },
		{ "    server: https://u:SECRET@host\n", "a user name" },
		{ "    server: https://host?token=SECRET\n", "a query" },
		{ "    server: \"https://host/a\\nb\"\n", "control character" },
		{ "    server: [a]\n", "`server` must be a text" },
		{ "    server: \"a\\0b\"\n", "`server` has a NUL" },
		{ KUBE_SERVER "    proxy-url: u:SECRET@proxy\n",
			"`proxy-url` must begin" },
		{ KUBE_SERVER "    proxy-url: ssh://proxy\n",
			"`proxy-url` must begin" },
		{ KUBE_SERVER "    tls-server-name: a/b\n",
			"must be a host's name" },
		{ KUBE_SERVER "    certificate-authority-data: SECRET!\n",
			"is no base64" },
		{ KUBE_SERVER "    certificate-authority-data: U0VDUkVU\n",
			"holds no certificate" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		kube_refused(cases[i].lines, NOBODY, -EINVAL, cases[i].words);
}

static void contexts_and_lists_are_checked(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "a text\n", ":1: this is no kubeconfig" },
		{ "[a, list]\n", ":1: this is no kubeconfig" },
		{ "kind: Pod\n", ":1: `kind` must be Config" },
		{ "\napiVersion: v2\n", ":2: `apiVersion` must be v1" },
		{ "current-context: {}\n", ":1: `current-context` must" },
		{ "current-context: c\ncontexts: {}\n",
			":2: `contexts` must be a list" },
		{ "current-context: c\ncontexts:\n- word\n",
			":3: an entry of `contexts` must be a map" },
		{ "current-context: c\ncontexts:\n- {context: {}}\n",
			":3: an entry of `contexts` must have a `name`" },
		{ "current-context: c\ncontexts:\n- {name: c}\n- {name: c}\n",
			":4: `contexts` has an entry of this name in line 3" },
		{ "current-context: c\ncontexts:\n- {name: c}\n",
			":3: the context names no `cluster`" },
		{ "current-context: c\ncontexts:\n- {name: c, context: x}\n",
			":3: `context` must be a map" },
		{ "current-context: c\ncontexts:\n"
		  "- {name: c, context: {namespace: a/b}}\n",
			":3: `namespace` must be" },
		{ "current-context: c\ncontexts:\n"
		  "- {name: c, context: {cluster: k, user: nobody}}\n"
		  "clusters: [{name: k, cluster: {server: 'https://h'}}]\n",
			":3: there is no user `nobody` in `users`" },
		{ "current-context: c\ncontexts:\n"
		  "- {name: c, context: {cluster: k}}\n"
		  "clusters: [{name: k, cluster: 7}]\n",
			":4: `cluster` must be a map" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *why = NULL;
		struct kube_place *p;

		kube_write("config", cases[i].text);
		assert_int_equal(kube_load("config", &p, &why), -EINVAL);
		if (strstr(why, cases[i].words) == NULL)
			fail_msg("it said: %s", why);
	}
}

static void a_pod_is_its_service_account(void **state)
{
	g_autofree char *dir = kube_path("pod");
	struct kube_place *p = g_new0(struct kube_place, 1);
	struct kube_login *login = NULL;
	char *why = NULL;

	(void)state;
	kube_write("pod/token", "POD-TOKEN\n");
	kube_write("pod/ca.crt", CERT_PEM);
	kube_write("pod/namespace", "team\n");
	assert_false(kubeconfig_pod_is_there(dir));
	(void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	(void)setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_true(kubeconfig_pod_is_there(dir));
	assert_int_equal(kubeconfig_pod_load(dir, p, &why), 0);
	assert_string_equal(p->server, "https://[fd00::1]:443");
	assert_string_equal(p->namespace, "team");
	assert_int_equal(kube_auth_get(p->auth, NULL, &login, &why), 0);
	assert_string_equal(secret_peek(login->bearer), "POD-TOKEN");
	kube_login_unref(login);
	kube_place_free(p);
	(void)setenv("KUBERNETES_SERVICE_HOST", "a/b", 1);
	assert_false(kubeconfig_pod_is_there(dir));
}

static void a_pod_without_its_authority_is_refused(void **state)
{
	g_autofree char *dir = kube_path("poor");
	struct kube_place *p = g_new0(struct kube_place, 1);
	g_autofree char *why = NULL;

	(void)state;
	(void)setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	(void)setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	kube_write("poor/token", "POD-TOKEN\n");
	assert_int_equal(kubeconfig_pod_load(dir, p, &why), -EINVAL);
	assert_non_null(strstr(why, "/poor cannot be read"));
	kube_place_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_has_all_that_a_context_says),
		cmocka_unit_test_teardown(the_usual_file_is_in_home, teardown),
		cmocka_unit_test_teardown(
			the_first_file_of_a_list_wins, teardown),
		cmocka_unit_test_teardown(
			missing_files_of_a_list_do_not_count, teardown),
		cmocka_unit_test_teardown(a_list_of_nothing_is_said, teardown),
		cmocka_unit_test_teardown(a_wish_goes_before_all, teardown),
		cmocka_unit_test_teardown(
			without_a_current_context_nothing_is_there, teardown),
		cmocka_unit_test_teardown(
			what_cannot_be_read_does_not_go_unnoticed, teardown),
		cmocka_unit_test(a_pipe_is_a_file_too),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
		cmocka_unit_test(json_is_read_as_well),
		cmocka_unit_test(an_authority_is_a_file_beside_its_kubeconfig),
		cmocka_unit_test(what_is_insecure_is_warned_about),
		cmocka_unit_test(plain_http_gets_no_credentials),
		cmocka_unit_test(servers_and_proxies_are_checked),
		cmocka_unit_test(contexts_and_lists_are_checked),
		cmocka_unit_test_teardown(
			a_pod_is_its_service_account, teardown),
		cmocka_unit_test_teardown(
			a_pod_without_its_authority_is_refused, teardown),
	};

	kube_home_make();
	return kube_home_remove(
		cmocka_run_group_tests_name("kubeconfig", tests, NULL, NULL));
}

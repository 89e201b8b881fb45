/* kubeconfig_user.c - see kubeconfig_user.h. */
#include "config.h"

#include "kubeconfig_user.h"

#include "common_limits.h"
#include "kubeconfig_files.h"
#include "sensitive.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define EXEC_GROUP "client.authentication.k8s.io/"

/* What a kube_auth_source borrows from. */
struct user {
	const struct config_node *map;
	const struct config_node *entry; /* for messages */
	GPtrArray *warnings;
	char **ret_why;
	char *name;
	struct secret *token;
	char *token_file;
	struct secret *basic;
	GBytes *cert_pem;
	GBytes *key_pem;
	char *cert_file;
	char *key_file;
	struct kube_exec *exec;
};

static void user_clear(struct user *u)
{
	g_free(u->name);
	secret_unref(u->token);
	g_free(u->token_file);
	secret_unref(u->basic);
	g_clear_pointer(&u->cert_pem, g_bytes_unref);
	g_clear_pointer(&u->key_pem, g_bytes_unref);
	g_free(u->cert_file);
	g_free(u->key_file);
	kube_exec_free(u->exec);
}

/* --- what is refused ----------------------------------------------------- */

static int refuse_provider(struct user *u)
{
	const struct config_node *n = config_member(u->map, "auth-provider");
	const struct config_node *name = config_member(n, "name");
	const char *instead = "an exec plugin (`exec:`) does its work now";

	if (n == NULL)
		return 0;
	if (name != NULL && name->kind == CONFIG_TEXT) {
		if (strcmp(name->text, "gcp") == 0)
			instead = "install gke-gcloud-auth-plugin and run "
				  "`gcloud container clusters get-credentials`";
		else if (strcmp(name->text, "azure") == 0)
			instead = "install kubelogin and run `kubelogin "
				  "convert-kubeconfig`";
		else if (strcmp(name->text, "oidc") == 0)
			instead = "use the exec plugin `kubectl oidc-login`";
	}
	(void)config_error(n, u->ret_why,
		"`auth-provider` was removed from Kubernetes; %s.", instead);
	return -ENOTSUP;
}

static int refuse_impersonation(struct user *u)
{
	static const char *const keys[] = { "as", "as-uid", "as-groups",
		"as-user-extra" };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(keys); i++) {
		const struct config_node *n = config_member(u->map, keys[i]);

		if (n == NULL)
			continue;
		(void)config_error(n, u->ret_why,
			"acting as somebody else (`%s`) is not supported; use "
			"a user of the configuration that may do it itself.",
			keys[i]);
		return -ENOTSUP;
	}
	return 0;
}

/* --- words --------------------------------------------------------------- */

static int load_token(struct user *u)
{
	const char *text;
	const char *file;
	int rc = config_get_text(u->map, "token", &text, u->ret_why);

	if (rc == 0)
		rc = config_get_text(u->map, "tokenFile", &file, u->ret_why);
	if (rc != 0)
		return rc;
	if (file != NULL)
		u->token_file = config_path(u->map, file);
	if (text == NULL)
		return 0;
	u->token = secret_new(text, strlen(text));
	if (u->token != NULL)
		return 0;
	return config_error(config_member(u->map, "token"), u->ret_why,
		"`token` cannot be one: it is too long, or holds spaces or "
		"control characters.");
}

static int load_password(struct user *u)
{
	const char *name;
	const char *password;
	g_autofree char *base64 = NULL;
	char *both;
	int rc = config_get_text(u->map, "username", &name, u->ret_why);

	if (rc == 0)
		rc = config_get_text(u->map, "password", &password, u->ret_why);
	if (rc != 0 || (name == NULL && password == NULL))
		return rc;
	if (name == NULL)
		return config_error(config_member(u->map, "password"),
			u->ret_why, "`password` needs a `username`.");
	if (strchr(name, ':') != NULL)
		return config_error(config_member(u->map, "username"),
			u->ret_why, "`username` must not have a colon in it.");
	both = g_strconcat(name, ":", password == NULL ? "" : password, NULL);
	base64 = g_base64_encode((const guchar *)both, strlen(both));
	sensitive_free_text(both);
	u->basic = secret_new(base64, strlen(base64));
	secret_wipe(base64, strlen(base64));
	if (u->basic != NULL)
		return 0;
	return config_error(config_member(u->map, "username"), u->ret_why,
		"`username` and `password` are too long.");
}

static int check_words(struct user *u)
{
	if (u->basic == NULL || (u->token == NULL && u->token_file == NULL))
		return 0;
	return config_error(u->entry, u->ret_why,
		"the user has a token and a password; take one of them out.");
}

/* --- certificates -------------------------------------------------------- */

int config_get_pem(const struct config_node *map, const char *key, bool is_key,
	GBytes **ret, char **ret_why)
{
	const char *text;
	const char *fault = "is no base64";
	int rc = config_get_text(map, key, &text, ret_why);

	*ret = NULL;
	if (rc != 0 || text == NULL)
		return rc;
	*ret = sensitive_from_base64(text);
	if (*ret != NULL)
		fault = kube_pem_fault(*ret, is_key);
	if (fault == NULL)
		return 0;
	g_clear_pointer(ret, g_bytes_unref);
	return config_error(
		config_member(map, key), ret_why, "`%s` %s.", key, fault);
}

static int load_pem(
	struct user *u, const char *key, bool is_key, GBytes **pem, char **file)
{
	g_autofree char *data_key = g_strconcat(key, "-data", NULL);
	const char *name;
	int rc = config_get_pem(u->map, data_key, is_key, pem, u->ret_why);

	if (rc == 0)
		rc = config_get_text(u->map, key, &name, u->ret_why);
	/* The data goes before the file, as in kubectl. */
	if (rc == 0 && *pem == NULL && name != NULL)
		*file = config_path(u->map, name);
	return rc;
}

static void warn_of_readable(struct user *u, const char *file)
{
	struct stat st;

	if (file != NULL && stat(file, &st) == 0 &&
		(st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		g_ptr_array_add(u->warnings,
			g_strdup_printf("%s can be read by others than its "
					"owner; chmod 600 keeps it secret.",
				file));
}

static int load_certificate(struct user *u)
{
	bool has_cert;
	bool has_key;
	int rc;

	rc = load_pem(
		u, "client-certificate", false, &u->cert_pem, &u->cert_file);
	if (rc == 0)
		rc = load_pem(u, "client-key", true, &u->key_pem, &u->key_file);
	if (rc != 0)
		return rc;
	has_cert = u->cert_pem != NULL || u->cert_file != NULL;
	has_key = u->key_pem != NULL || u->key_file != NULL;
	if (has_cert != has_key)
		return config_error(u->entry, u->ret_why,
			"the user has a client %s, but no client %s.",
			has_cert ? "certificate" : "key",
			has_cert ? "key" : "certificate");
	warn_of_readable(u, u->key_file);
	warn_of_readable(u, u->token_file);
	return 0;
}

/* --- exec ---------------------------------------------------------------- */

static int load_exec_version(struct user *u, const struct config_node *exec,
	const char **ret_mode_missing)
{
	const char *version;
	int rc = config_get_text(exec, "apiVersion", &version, u->ret_why);

	if (rc != 0)
		return rc;
	if (version == NULL ||
		(strcmp(version, EXEC_GROUP "v1") != 0 &&
			strcmp(version, EXEC_GROUP "v1beta1") != 0))
		return config_error(exec, u->ret_why,
			"`apiVersion` of `exec` must be " EXEC_GROUP "v1 or "
			"v1beta1; a newer release of the login program writes "
			"that.");
	u->exec->api_version = g_strdup(version);
	*ret_mode_missing =
		g_str_has_suffix(version, "v1") ? "interactiveMode" : NULL;
	return 0;
}

static int load_exec_mode(
	struct user *u, const struct config_node *exec, const char *missing)
{
	const char *mode;
	int rc = config_get_text(exec, "interactiveMode", &mode, u->ret_why);

	if (rc != 0)
		return rc;
	if (mode == NULL && missing != NULL)
		return config_error(exec, u->ret_why,
			"`exec` needs `interactiveMode`: Never, IfAvailable or "
			"Always.");
	if (mode == NULL || strcmp(mode, "IfAvailable") == 0)
		u->exec->person = KUBE_EXEC_IF_AVAILABLE;
	else if (strcmp(mode, "Never") == 0)
		u->exec->person = KUBE_EXEC_NEVER;
	else if (strcmp(mode, "Always") == 0)
		u->exec->person = KUBE_EXEC_ALWAYS;
	else
		return config_error(config_member(exec, "interactiveMode"),
			u->ret_why,
			"`interactiveMode` must be Never, IfAvailable or "
			"Always.");
	return 0;
}

static int load_exec_command(struct user *u, const struct config_node *exec)
{
	const char *command;
	const char *hint;
	int rc = config_get_text(exec, "command", &command, u->ret_why);

	if (rc == 0)
		rc = config_get_text(exec, "installHint", &hint, u->ret_why);
	if (rc != 0)
		return rc;
	if (command == NULL)
		return config_error(
			exec, u->ret_why, "`exec` needs a `command`.");
	u->exec->command = strchr(command, '/') != NULL
				   ? config_path(exec, command)
				   : g_strdup(command);
	if (hint != NULL)
		u->exec->install_hint = g_strstrip(
			g_strdelimit(g_strdup(hint), "\r\n\t\033", ' '));
	return 0;
}

static int check_count(struct user *u, const struct config_node *list)
{
	if (list->values->len <= KUBE_EXEC_WORDS_MAX)
		return 0;
	return config_error(list, u->ret_why, "the list is too long.");
}

/* A word of a list, which may be empty, but not lack or hold a NUL. */
static const char *word_of(const struct config_node *n)
{
	return n != NULL && n->kind == CONFIG_TEXT &&
			       strlen(n->text) == n->length
		       ? n->text
		       : NULL;
}

static int load_exec_args(struct user *u, const struct config_node *exec)
{
	const struct config_node *list;
	g_autoptr(GPtrArray) args = NULL;
	int rc = config_get_list(exec, "args", &list, u->ret_why);
	guint i;

	if (rc == 0 && list != NULL)
		rc = check_count(u, list);
	if (rc != 0 || list == NULL)
		return rc;
	args = g_ptr_array_new_with_free_func(g_free);
	for (i = 0; i < list->values->len; i++) {
		const struct config_node *n =
			g_ptr_array_index(list->values, i);

		if (word_of(n) == NULL)
			return config_error(n, u->ret_why,
				"an entry of `args` must be a text.");
		g_ptr_array_add(args, g_strdup(n->text));
	}
	g_ptr_array_add(args, NULL);
	g_ptr_array_set_free_func(args, NULL);
	u->exec->args =
		(char **)g_ptr_array_free(g_steal_pointer(&args), FALSE);
	return 0;
}

static int load_exec_env(struct user *u, const struct config_node *exec)
{
	const struct config_node *list;
	int rc = config_get_list(exec, "env", &list, u->ret_why);
	guint i;

	if (rc == 0 && list != NULL)
		rc = check_count(u, list);
	if (rc != 0 || list == NULL)
		return rc;
	u->exec->env = g_new0(char *, list->values->len + 1);
	for (i = 0; i < list->values->len; i++) {
		const struct config_node *n =
			g_ptr_array_index(list->values, i);
		const char *name = word_of(config_member(n, "name"));
		const struct config_node *value = config_member(n, "value");

		if (name == NULL || *name == '\0' ||
			strchr(name, '=') != NULL ||
			(value != NULL && word_of(value) == NULL))
			return config_error(n, u->ret_why,
				"an entry of `env` must have a `name` without "
				"`=` and a `value`, texts both.");
		u->exec->env[i] = g_strconcat(
			name, "=", value == NULL ? "" : value->text, NULL);
	}
	return 0;
}

static int load_exec(struct user *u, const char *cluster_json)
{
	const struct config_node *exec;
	const char *missing = NULL;
	bool wants_cluster = false;
	int rc = config_get_map(u->map, "exec", &exec, u->ret_why);

	/* What is written there goes before what would have to be asked. */
	if (rc != 0 || exec == NULL || u->token != NULL ||
		u->token_file != NULL || u->basic != NULL)
		return rc;
	u->exec = g_new0(struct kube_exec, 1);
	rc = load_exec_version(u, exec, &missing);
	if (rc == 0)
		rc = load_exec_command(u, exec);
	if (rc == 0)
		rc = load_exec_args(u, exec);
	if (rc == 0)
		rc = load_exec_env(u, exec);
	if (rc == 0)
		rc = load_exec_mode(u, exec, missing);
	if (rc == 0)
		rc = config_get_bool(
			exec, "provideClusterInfo", &wants_cluster, u->ret_why);
	if (rc == 0 && wants_cluster)
		u->exec->cluster_json = g_strdup(cluster_json);
	return rc;
}

/* --- all of it ----------------------------------------------------------- */

static int load_user(struct user *u, const char *cluster_json)
{
	int rc = config_get_map(u->entry, "user", &u->map, u->ret_why);

	if (rc == 0)
		rc = refuse_provider(u);
	if (rc == 0)
		rc = refuse_impersonation(u);
	if (rc == 0)
		rc = load_token(u);
	if (rc == 0)
		rc = load_password(u);
	if (rc == 0)
		rc = check_words(u);
	if (rc == 0)
		rc = load_certificate(u);
	if (rc == 0)
		rc = load_exec(u, cluster_json);
	return rc;
}

static char *describe_user(const struct config_node *entry)
{
	const struct config_node *name = config_member(entry, "name");
	g_autofree char *shown = NULL;

	if (name == NULL || name->kind != CONFIG_TEXT)
		return g_strdup("the context's user");
	shown = config_show(name->text);
	return g_strdup_printf("user `%s` in %s", shown, entry->tree->file);
}

int kubeconfig_user_load(const struct config_node *entry,
	const char *cluster_json, GPtrArray *warnings, struct kube_auth **ret,
	char **ret_why)
{
	struct user u = { .entry = entry,
		.warnings = warnings,
		.ret_why = ret_why,
		.name = describe_user(entry) };
	int rc = load_user(&u, cluster_json);

	if (rc == 0) {
		struct kube_auth_source source = {
			.name = u.name,
			.token = u.token,
			.token_file = u.token_file,
			.basic = u.basic,
			.cert_pem = u.cert_pem,
			.key_pem = u.key_pem,
			.cert_file = u.cert_file,
			.key_file = u.key_file,
			.exec = u.exec,
		};

		*ret = kube_auth_new(&source);
	}
	user_clear(&u);
	return rc;
}

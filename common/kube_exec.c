/* kube_exec.c - see kube_exec.h. */
#include "config.h"

#include "kube_exec.h"

#include "child.h"
#include "common_limits.h"
#include "json.h"
#include "secret.h"
#include "sensitive.h"
#include "timefmt.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- what to run --------------------------------------------------------- */

struct kube_exec *kube_exec_copy(const struct kube_exec *e)
{
	struct kube_exec *copy = g_new0(struct kube_exec, 1);

	copy->api_version = g_strdup(e->api_version);
	copy->command = g_strdup(e->command);
	copy->args = g_strdupv(e->args);
	copy->env = g_strdupv(e->env);
	copy->install_hint = g_strdup(e->install_hint);
	copy->cluster_json = g_strdup(e->cluster_json);
	copy->person = e->person;
	return copy;
}

static void wipe_words(char **words)
{
	size_t i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		secret_wipe(words[i], strlen(words[i]));
	g_strfreev(words);
}

void kube_exec_free(struct kube_exec *e)
{
	if (e == NULL)
		return;
	g_free(e->api_version);
	g_free(e->command);
	wipe_words(e->args);
	wipe_words(e->env);
	g_free(e->install_hint);
	g_free(e->cluster_json);
	g_free(e);
}

/* --- its answer ---------------------------------------------------------- */

static void wipe_member(const cJSON *object, const char *key)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	char *text = cJSON_GetStringValue(item);

	if (text != NULL)
		secret_wipe(text, strlen(text));
}

static int take_token(
	const cJSON *status, struct kube_login *l, const char **ret_fault)
{
	const char *token = json_string(status, "token");

	if (token == NULL || *token == '\0')
		return 0;
	l->bearer = secret_new(token, strlen(token));
	if (l->bearer != NULL)
		return 0;
	*ret_fault = "gave a token that cannot be one: it is too long or "
		     "holds spaces or control characters";
	return -EINVAL;
}

static int take_certificate(
	const cJSON *status, struct kube_login *l, const char **ret_fault)
{
	const char *cert = json_string(status, "clientCertificateData");
	const char *key = json_string(status, "clientKeyData");

	if (cert == NULL && key == NULL)
		return 0;
	if (cert == NULL || key == NULL) {
		*ret_fault = cert == NULL ? "gave a key without a certificate"
					  : "gave a certificate without a key";
		return -EINVAL;
	}
	l->cert_pem = sensitive_new(cert, strlen(cert));
	l->key_pem = sensitive_new(key, strlen(key));
	if (kube_pem_fault(l->cert_pem, false) == NULL &&
		kube_pem_fault(l->key_pem, true) == NULL)
		return 0;
	*ret_fault = "gave a certificate or a key that is not in PEM";
	return -EINVAL;
}

static int take_expiry(
	const cJSON *status, struct kube_login *l, const char **ret_fault)
{
	const char *text = json_string(status, "expirationTimestamp");
	struct timespec at;

	if (text == NULL)
		return 0;
	if (time_parse_iso8601(text, &at) != 0) {
		*ret_fault = "gave an expirationTimestamp that is no time";
		return -EINVAL;
	}
	l->expires_ms = (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
	if (l->expires_ms > g_get_real_time() / 1000)
		return 0;
	*ret_fault = "gave a credential that has expired already; is this "
		     "computer's clock right?";
	return -EINVAL;
}

static int take_status(
	const cJSON *status, struct kube_login *l, const char **ret_fault)
{
	int rc = take_token(status, l, ret_fault);

	if (rc == 0)
		rc = take_certificate(status, l, ret_fault);
	if (rc == 0)
		rc = take_expiry(status, l, ret_fault);
	if (rc == 0 && l->bearer == NULL && l->cert_pem == NULL) {
		*ret_fault = "gave neither a token nor a certificate";
		rc = -EINVAL;
	}
	return rc;
}

static int take_document(const cJSON *json, const char *api_version,
	struct kube_login *l, const char **ret_fault)
{
	const char *kind = json_string(json, "kind");
	const char *version = json_string(json, "apiVersion");
	const cJSON *status = json_object(json, "status");

	if (kind == NULL || strcmp(kind, "ExecCredential") != 0)
		*ret_fault = "printed no ExecCredential";
	else if (version == NULL || strcmp(version, api_version) != 0)
		*ret_fault = "answered in another apiVersion than the one its "
			     "kubeconfig names";
	else if (status == NULL)
		*ret_fault = "printed an ExecCredential without a status";
	else
		return take_status(status, l, ret_fault);
	return -EINVAL;
}

int kube_exec_parse(char *text, size_t length, const char *api_version,
	struct kube_login **ret, char **ret_why)
{
	g_autoptr(cJSON) json = json_parse(text, length);
	const cJSON *status = json_object(json, "status");
	struct kube_login *l = kube_login_new();
	const char *fault = "printed something that is not JSON";
	int rc = -EINVAL;

	if (json != NULL)
		rc = take_document(json, api_version, l, &fault);
	wipe_member(status, "token");
	wipe_member(status, "clientKeyData");
	if (rc == 0) {
		*ret = l;
		return 0;
	}
	*ret_why = g_strdup(fault);
	kube_login_unref(l);
	return rc;
}

/* --- running it ---------------------------------------------------------- */

/* KUBERNETES_EXEC_INFO; g_free. */
static char *exec_info(const struct kube_exec *e, bool is_attended)
{
	g_autoptr(cJSON) json = cJSON_CreateObject();
	cJSON *spec = cJSON_AddObjectToObject(json, "spec");

	(void)cJSON_AddStringToObject(json, "kind", "ExecCredential");
	(void)cJSON_AddStringToObject(json, "apiVersion", e->api_version);
	if (e->cluster_json != NULL)
		(void)cJSON_AddRawToObject(spec, "cluster", e->cluster_json);
	(void)cJSON_AddBoolToObject(spec, "interactive", is_attended);
	return json_print(json);
}

static char **exec_environment(const struct kube_exec *e, bool is_attended)
{
	g_autofree char *info = exec_info(e, is_attended);
	char **env = child_environment();
	size_t i;

	for (i = 0; e->env != NULL && e->env[i] != NULL; i++) {
		const char *value = strchr(e->env[i], '=');
		g_autofree char *name = NULL;

		if (value == NULL)
			continue;
		name = g_strndup(e->env[i], (gsize)(value - e->env[i]));
		env = g_environ_setenv(env, name, value + 1, TRUE);
	}
	return g_environ_setenv(env, "KUBERNETES_EXEC_INFO", info, TRUE);
}

static char **exec_arguments(const struct kube_exec *e)
{
	GPtrArray *argv = g_ptr_array_new();
	size_t i;

	g_ptr_array_add(argv, g_strdup(e->command));
	for (i = 0; e->args != NULL && e->args[i] != NULL; i++)
		g_ptr_array_add(argv, g_strdup(e->args[i]));
	g_ptr_array_add(argv, NULL);
	return (char **)g_ptr_array_free(argv, FALSE);
}

/* What became of it, as the end of a sentence; g_free. */
static char *describe_end(int rc, int status)
{
	if (rc == -ETIMEDOUT)
		return g_strdup("did not end in time");
	if (rc == -EFBIG)
		return g_strdup("printed far more than a credential");
	if (rc != 0)
		return g_strdup_printf("cannot be run: %s", g_strerror(-rc));
	if (WIFSIGNALED(status))
		return g_strdup_printf(
			"was ended by signal %d", WTERMSIG(status));
	return g_strdup_printf(
		"ended with exit status %d", WEXITSTATUS(status));
}

static char *sentence(
	const struct kube_exec *e, const char *end, const char *words)
{
	return g_strdup_printf("The login program `%s` %s%s%s", e->command, end,
		*words == '\0' ? "." : ": ", words);
}

static int use_result(const struct kube_exec *e,
	const struct child_result *result, struct kube_login **ret,
	char **ret_why)
{
	gsize length = g_bytes_get_size(result->output);
	g_autofree char *fault = NULL;
	char *text;
	int rc;

	if (!WIFEXITED(result->status) || WEXITSTATUS(result->status) != 0) {
		fault = describe_end(0, result->status);
		*ret_why = sentence(e, fault, result->words);
		return -EACCES;
	}
	text = g_memdup2(sensitive_text(result->output), length + 1);
	rc = kube_exec_parse(text, length, e->api_version, ret, &fault);
	secret_wipe(text, length);
	g_free(text);
	if (rc != 0)
		*ret_why = sentence(e, fault, result->words);
	return rc;
}

static int run_program(const struct kube_exec *e, const char *program,
	const struct cancel *cancel, bool is_attended,
	struct child_result *result)
{
	char **argv = exec_arguments(e);
	char **env = exec_environment(e, is_attended);
	struct child_call call = {
		.program = program,
		.argv = argv,
		.env = env,
		.timeout_ms = is_attended ? KUBE_EXEC_PERSON_TIMEOUT_MS
					  : KUBE_EXEC_TIMEOUT_MS,
		.output_max = KUBE_EXEC_OUTPUT_MAX,
		.is_attended = is_attended,
	};
	int rc = child_run(&call, cancel, result);

	wipe_words(argv);
	wipe_words(env);
	return rc;
}

static char *describe_missing(const struct kube_exec *e)
{
	bool has_hint = e->install_hint != NULL;

	return g_strdup_printf("The login program `%s` that the kubeconfig "
			       "names is not installed, or not in PATH.%s%s",
		e->command, has_hint ? " " : "",
		has_hint ? e->install_hint : "");
}

int kube_exec_run(const struct kube_exec *e, const struct cancel *cancel,
	struct kube_login **ret, char **ret_words, char **ret_why)
{
	bool has_person = isatty(STDIN_FILENO) == 1;
	bool is_attended = has_person && e->person != KUBE_EXEC_NEVER;
	g_autofree char *program = child_find_program(e->command);
	struct child_result result = { 0 };
	g_autofree char *end = NULL;
	int rc;

	*ret_words = g_strdup("");
	if (program == NULL) {
		*ret_why = describe_missing(e);
		return -ENOENT;
	}
	if (e->person == KUBE_EXEC_ALWAYS && !has_person) {
		*ret_why = sentence(e,
			"wants to ask you something, and there is no terminal; "
			"mount again from one",
			"");
		return -EACCES;
	}
	rc = run_program(e, program, cancel, is_attended, &result);
	if (rc == 0) {
		rc = use_result(e, &result, ret, ret_why);
	} else if (rc != -EINTR) {
		end = describe_end(rc, result.status);
		*ret_why = sentence(e, end, result.words);
	}
	g_free(*ret_words);
	*ret_words = g_steal_pointer(&result.words);
	child_result_clear(&result);
	return rc;
}

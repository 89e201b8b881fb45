/*
 * kube_token.c - see kube_workspace.h: the token of a workspace's server.
 *
 * A pod that somebody started by hand has its token where its image wants it:
 * in JUPYTER_TOKEN (from a Secret, perhaps), on its command line, or, made up
 * by the server itself, in the first lines of its log, where people copy it
 * from.
 */
#include "config.h"

#include "common_limits.h"
#include "kube_pick.h"
#include "kube_workspace.h"

#include <errno.h>
#include <string.h>

#define LOG_PAUSE_MS 500

static struct secret *make_secret(const char *text)
{
	return text == NULL || *text == '\0' ? NULL
					     : secret_new(text, strlen(text));
}

/* --- Secrets -------------------------------------------------------------- */

static int own_token(const struct kube_workspace *w,
	const struct cancel *cancel, struct secret **ret, char **ret_why)
{
	g_autofree char *name = kube_spec_secret_name(w->name);
	struct kube_answer answer;
	int rc = kube_get(w->kube, cancel, &answer,
		"api/v1/namespaces/%s/secrets/%s", w->namespace, name);

	if (rc == 0) {
		*ret = kube_spec_token(answer.object);
		if (*ret == NULL)
			rc = -ENOENT;
	}
	if (rc == -ENOENT)
		*ret_why = g_strdup_printf(
			"the Secret '%s' with the token of the workspace is "
			"gone, or has no token in it; make it again with: "
			"pycloud create %s, then: pycloud stop %s",
			name, w->name, w->name);
	else if (rc < 0)
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

static struct secret *key_of_secret(const struct kube_workspace *w,
	const char *name, const char *key, const struct cancel *cancel)
{
	struct kube_answer answer = { 0 };
	struct secret *token = NULL;
	const char *encoded;
	guchar *bytes;
	gsize length;

	if (!kube_name_is_good(name) || key == NULL)
		return NULL;
	if (kube_get(w->kube, cancel, &answer,
		    "api/v1/namespaces/%s/secrets/%s", w->namespace,
		    name) == 0) {
		encoded = json_string(json_object(answer.object, "data"), key);
		bytes = encoded == NULL ? NULL
					: g_base64_decode(encoded, &length);
		if (bytes != NULL) {
			token = secret_new((const char *)bytes, length);
			secret_wipe(bytes, length);
		}
		g_free(bytes);
	}
	kube_answer_clear(&answer);
	return token;
}

/* --- the pod's own words -------------------------------------------------- */

static struct secret *token_of_env(const struct kube_workspace *w,
	const cJSON *container, const struct cancel *cancel)
{
	const cJSON *variable;

	cJSON_ArrayForEach(variable, json_array(container, "env"))
	{
		const cJSON *from = json_object(
			json_object(variable, "valueFrom"), "secretKeyRef");

		if (g_strcmp0(json_string(variable, "name"), "JUPYTER_TOKEN") !=
			0)
			continue;
		if (from != NULL)
			return key_of_secret(w, json_string(from, "name"),
				json_string(from, "key"), cancel);
		return make_secret(json_string(variable, "value"));
	}
	return NULL;
}

/* "--ServerApp.token=T", "--NotebookApp.token=T", ... */
static struct secret *token_of_args(const cJSON *args)
{
	const cJSON *arg;

	cJSON_ArrayForEach(arg, args)
	{
		const char *found =
			cJSON_IsString(arg)
				? strstr(arg->valuestring, ".token=")
				: NULL;
		g_autofree char *word = NULL;
		struct secret *token;

		if (found == NULL)
			continue;
		found += strlen(".token=");
		found += strspn(found, "'\"");
		word = g_strndup(found, strcspn(found, " '\""));
		token = make_secret(word);
		secret_wipe(word, strlen(word));
		if (token != NULL)
			return token;
	}
	return NULL;
}

static struct secret *token_of_spec(const struct kube_workspace *w,
	const cJSON *pod, const struct cancel *cancel)
{
	const cJSON *containers =
		json_array(json_object(pod, "spec"), "containers");
	const cJSON *container;

	cJSON_ArrayForEach(container, containers)
	{
		struct secret *token = token_of_env(w, container, cancel);

		if (token == NULL)
			token = token_of_args(json_array(container, "command"));
		if (token == NULL)
			token = token_of_args(json_array(container, "args"));
		if (token != NULL)
			return token;
	}
	return NULL;
}

/* --- the log -------------------------------------------------------------- */

static int take_log(void *arg, const char *bytes, size_t length)
{
	GString *log = arg;
	size_t room = KUBE_TOKEN_LOG_BYTES - log->len;

	g_string_append_len(log, bytes, (gssize)MIN(length, room));
	/* Whatever was asked for, it may go on for ever. */
	return length <= room ? 0 : -ECANCELED;
}

/* "403 GET /api/status?token=..." is a token that it refused, and the page that
 * a request came from is no better. */
static bool is_of_request(const char *line, gssize length)
{
	static const char *const words[] = { "GET ", "HEAD ", "POST ", "PUT ",
		"PATCH ", "DELETE ", "OPTIONS ", "referer", "Referer" };

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (g_strstr_len(line, length, words[i]) != NULL)
			return true;
	return false;
}

static bool is_scheme(const char *line, const char *end)
{
	size_t length = (size_t)(end - line);

	return (length >= 4 && memcmp(end - 4, "http", 4) == 0) ||
	       (length >= 5 && memcmp(end - 5, "https", 5) == 0);
}

/* In a URL, as it is said to people, in JSON perhaps, and not in what somebody
 * has asked for. Notebook 5 has "http://(host or 127.0.0.1):8888/?token=...".
 */
static bool is_in_url(const char *log, const char *query)
{
	const char *line = query;
	const char *rest;

	while (line > log && line[-1] != '\n')
		line--;
	rest = g_strrstr_len(line, query - line, "://");
	if (rest == NULL || is_of_request(line, query - line) ||
		!is_scheme(line, rest))
		return false;
	rest += strlen("://");
	if (*rest == '(')
		rest += strcspn(rest, ")\n");
	return rest < query &&
	       strcspn(rest, " \t\r\n") > (size_t)(query - rest);
}

/* "http://127.0.0.1:8888/?token=0123abc": the last one, after a restart. */
static struct secret *find_in_log(const GString *log)
{
	const char *at = log->str;
	const char *found = NULL;
	g_autofree char *word = NULL;
	struct secret *token;

	while ((at = strstr(at, "?token=")) != NULL) {
		bool is_own = is_in_url(log->str, at);

		at += strlen("?token=");
		if (is_own && g_ascii_isalnum(*at))
			found = at;
	}
	if (found == NULL)
		return NULL;
	word = g_strndup(found, strcspn(found, " \t\r\n'\"<>&\\"));
	token = make_secret(word);
	secret_wipe(word, strlen(word));
	return token;
}

/* The container's log, from its beginning; NULL for a pod without one. */
static char *log_path(const struct kube_workspace *w, const cJSON *pod)
{
	const char *name = json_string(json_object(pod, "metadata"), "name");
	const cJSON *containers =
		json_array(json_object(pod, "spec"), "containers");
	const char *container =
		json_string(cJSON_GetArrayItem(containers, 0), "name");

	if (!kube_name_is_good(name) || !kube_name_is_good(container))
		return NULL;
	return g_strdup_printf("api/v1/namespaces/%s/pods/%s/log?container=%s"
			       "&limitBytes=%d",
		w->namespace, name, container, (int)KUBE_TOKEN_LOG_BYTES);
}

/* False: the server has not said yet where it is, so ask again. */
static bool look_into_log(const struct kube_workspace *w, const char *path,
	const struct cancel *cancel, struct secret **ret)
{
	g_autofree char *why = NULL;
	GString *log = g_string_sized_new(KUBE_TOKEN_LOG_BYTES);
	int rc = kube_text(w->kube, path, false, take_log, log, cancel, &why);
	bool is_enough;

	if (rc == 0 || rc == -ECANCELED)
		*ret = find_in_log(log);
	is_enough = rc != 0 || *ret != NULL ||
		    strstr(log->str, "running at") != NULL;
	secret_wipe(log->str, log->len);
	(void)g_string_free(log, TRUE);
	return is_enough;
}

static struct secret *token_of_log(const struct kube_workspace *w,
	const cJSON *pod, const struct cancel *cancel)
{
	g_autofree char *path = log_path(w, pod);
	int64_t end_ms = clock_now_ms() + KUBE_TOKEN_LOG_MS;
	struct secret *token = NULL;

	while (path != NULL && !look_into_log(w, path, cancel, &token)) {
		if (clock_now_ms() >= end_ms ||
			cancel_sleep(cancel, LOG_PAUSE_MS) < 0)
			break;
		if (w->progress != NULL)
			w->progress(w->progress_arg,
				"looking for the server's token in its log");
	}
	return token;
}

/* --- all of them ---------------------------------------------------------- */

static const cJSON *find_pod(const cJSON *pods, const char *uid)
{
	const cJSON *pod;

	cJSON_ArrayForEach(pod,
		json_array(pods,
			"items")) if (g_strcmp0(json_string(json_object(pod,
								    "metadata"),
							"uid"),
					      uid) == 0) return pod;
	return NULL;
}

int kube_workspace_token(const struct kube_workspace *w,
	const struct kube_look *look, const struct cancel *cancel,
	struct secret **ret, char **ret_why)
{
	g_autofree char *pinned = NULL;
	struct kube_pod *picked;
	const cJSON *pod;
	unsigned count;

	*ret = NULL;
	if (look->is_ours)
		return own_token(w, cancel, ret, ret_why);
	pinned = w->pin == NULL ? NULL : kube_pin_get(w->pin);
	picked = kube_pod_pick(look->service, look->pods, pinned, &count);
	if (picked == NULL)
		return 0;
	if (w->pin != NULL)
		kube_pin_set(w->pin, picked->uid);
	pod = find_pod(look->pods, picked->uid);
	*ret = token_of_spec(w, pod, cancel);
	if (*ret == NULL)
		*ret = token_of_log(w, pod, cancel);
	kube_pod_unref(picked);
	return cancel_check(cancel);
}

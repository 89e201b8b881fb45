/* kube_error.c - see kube_error.h. */
#include "config.h"

#include "kube_error.h"

#include "kube_text.h"

#include <glib.h>
#include <string.h>

/* --- what a message says ------------------------------------------------- */

/* What stands between two marks; NULL when they do not. The second one may be
 * NULL: up to the end. g_free. */
static char *between(const char *text, const char *before, const char *after)
{
	const char *from = text == NULL ? NULL : strstr(text, before);
	const char *to;

	if (from == NULL)
		return NULL;
	from += strlen(before);
	to = after == NULL ? from + strlen(from) : strstr(from, after);
	return to == NULL ? NULL : g_strndup(from, (gsize)(to - from));
}

static const struct explanation {
	enum kube_error_kind kind;
	const char *words[3]; /* any of them */
	const char *begin;
	const char *end;
} explanations[] = {
	{ KUBE_ERROR_QUOTA, { "exceeded quota" },
		"The namespace's quota is used up (",
		"): ask for less cpu, memory or storage, stop or delete "
		"another workspace, or have the quota raised." },
	{ KUBE_ERROR_QUOTA, { "failed quota" },
		"The namespace's quota wants every size to be named (",
		"): give both a cpu and a memory." },
	{ KUBE_ERROR_QUOTA,
		{ "usage per container", "usage per pod",
			"usage per persistentvolumeclaim" },
		"The namespace limits how large one object may be (",
		"): ask for a size within that." },
	{ KUBE_ERROR_POD_SECURITY, { "violates podsecurity" },
		"The namespace's pod security standard refuses the pod (",
		"): ask its administrator." },
	{ KUBE_ERROR_POD_SECURITY, { "security context constraint" },
		"The cluster gives out user ids itself and refuses ours (",
		"): ask its administrator to allow user 1000 and group 100." },
	{ KUBE_ERROR_DENIED,
		{ "denied the request", "validatingadmissionpolicy" },
		"A rule of this cluster refuses it (",
		"): ask its administrator." },
	{ KUBE_ERROR_TERMINATING, { "because it is being terminated" },
		"The namespace is being deleted (",
		"): choose another, or wait and make it again." },
};

static bool is_about(const struct explanation *e, const char *message)
{
	return kube_text_has(
		message, e->words[0], e->words[1], e->words[2], NULL);
}

enum kube_error_kind kube_error_explain(
	const char *message, char **ret_sentence)
{
	g_autofree char *tail = between(message, " is forbidden: ", NULL);
	g_autofree char *text = kube_text_clean(tail == NULL ? message : tail);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(explanations); i++) {
		const struct explanation *e = &explanations[i];

		if (!is_about(e, message))
			continue;
		*ret_sentence = g_strconcat(e->begin, text, e->end, NULL);
		return e->kind;
	}
	*ret_sentence = g_strdup_printf("The cluster refuses it (%s).",
		text[0] == '\0' ? "it does not say why" : text);
	return KUBE_ERROR_OTHER;
}

/* `User "U" cannot VERB resource "R" in API group "G" in the namespace "N"` */
static char *explain_rights(const char *message)
{
	g_autofree char *user = between(message, "User \"", "\"");
	g_autofree char *verb = between(message, " cannot ", " ");
	g_autofree char *resource = between(message, " resource \"", "\"");
	g_autofree char *space = between(message, "the namespace \"", "\"");
	g_autofree char *text = NULL;
	g_autofree char *cleaned = NULL;

	if (user == NULL || verb == NULL || resource == NULL)
		return NULL;
	text = g_strdup_printf("You (%s) may not %s %s %s%s", user, verb,
		resource,
		space == NULL ? "in the whole cluster" : "in the namespace ",
		space == NULL ? "" : space);
	cleaned = kube_text_clean(text);
	return g_strconcat(cleaned,
		": ask its administrator for a role as in pycloud's role.yaml.",
		NULL);
}

/* --- what a Status says -------------------------------------------------- */

struct status {
	int code;
	const char *reason;  /* "" when there is none */
	const char *message; /* likewise */
	const cJSON *details;
};

static const char *string_or_empty(const cJSON *object, const char *key)
{
	const char *text = json_string(object, key);

	return text == NULL ? "" : text;
}

static bool has_cause(const struct status *s, const char *reason)
{
	const cJSON *cause;

	cJSON_ArrayForEach(cause, json_array(s->details, "causes"))
	{
		if (strcmp(string_or_empty(cause, "reason"), reason) == 0)
			return true;
	}
	return false;
}

static bool is_reason(const struct status *s, const char *reason)
{
	return strcmp(s->reason, reason) == 0;
}

/* Finishes `lead` with the cluster's own words, which end with three full
 * stops where they were cut. */
static char *with_message(const struct status *s, const char *lead)
{
	g_autofree char *text = kube_text_clean(s->message);
	const char *colon = text[0] == '\0' ? "" : ": ";
	const char *stop = g_str_has_suffix(text, ".") ? "" : ".";

	return g_strconcat(lead, colon, text, stop, NULL);
}

static void read_forbidden(const struct status *s, struct kube_error *ret)
{
	if (has_cause(s, "NamespaceTerminating")) {
		ret->kind = KUBE_ERROR_TERMINATING;
		ret->sentence = g_strdup("The namespace is being deleted: "
					 "choose another, or wait and make it "
					 "again.");
		return;
	}
	if (strstr(s->message, "User \"system:anonymous\"") != NULL) {
		ret->kind = KUBE_ERROR_ANONYMOUS;
		ret->sentence = g_strdup(
			"The cluster got no credentials: sign in to it, until "
			"`kubectl get pods` works.");
		return;
	}
	ret->kind = KUBE_ERROR_RIGHTS;
	ret->sentence = explain_rights(s->message);
	if (ret->sentence == NULL)
		ret->kind = kube_error_explain(s->message, &ret->sentence);
}

static void read_not_found(const struct status *s, struct kube_error *ret)
{
	const char *kind = string_or_empty(s->details, "kind");
	g_autofree char *name =
		kube_text_clean(json_string(s->details, "name"));

	if (strcmp(kind, "namespaces") != 0) {
		ret->kind = KUBE_ERROR_NOT_FOUND;
		ret->sentence = with_message(
			s, "There is no such thing in the cluster");
		return;
	}
	ret->kind = KUBE_ERROR_NO_NAMESPACE;
	ret->sentence = g_strdup_printf(
		"There is no namespace %s in this cluster: choose another, or "
		"have it made.",
		name);
}

static void read_conflict(const struct status *s, struct kube_error *ret)
{
	if (is_reason(s, "AlreadyExists")) {
		ret->kind = KUBE_ERROR_EXISTS;
		ret->sentence = with_message(
			s, "The cluster has something of that name");
	} else if (has_cause(s, "FieldManagerConflict")) {
		ret->kind = KUBE_ERROR_OWNED;
		ret->sentence = with_message(
			s, "Somebody else has set what is to be changed");
	} else {
		ret->kind = KUBE_ERROR_CONFLICT;
		ret->sentence = with_message(
			s, "It was changed by somebody else meanwhile");
	}
}

static const struct reason {
	const char *reason;
	int code; /* when the reason is unknown, or missing */
	enum kube_error_kind kind;
	const char *lead;
} reasons[] = {
	{ "Unauthorized", 401, KUBE_ERROR_UNAUTHORIZED,
		"The cluster does not accept the credentials, so sign in to it "
		"again until `kubectl get pods` works" },
	{ "Invalid", 422, KUBE_ERROR_INVALID, "The cluster refuses it" },
	{ "RequestEntityTooLarge", 413, KUBE_ERROR_TOO_LARGE,
		"That is too large for the cluster" },
	{ "Expired", 410, KUBE_ERROR_EXPIRED,
		"The cluster no longer knows where we were" },
	{ "TooManyRequests", 429, KUBE_ERROR_BUSY, "The cluster is busy" },
	{ "Timeout", 504, KUBE_ERROR_BUSY, "The cluster had no time" },
	{ "ServerTimeout", 504, KUBE_ERROR_BUSY, "The cluster had no time" },
	{ "ServiceUnavailable", 503, KUBE_ERROR_UNAVAILABLE,
		"It cannot be reached in the cluster" },
	{ "InternalError", 500, KUBE_ERROR_UNAVAILABLE,
		"The cluster has trouble" },
	{ "BadGateway", 502, KUBE_ERROR_UNAVAILABLE,
		"The cluster has trouble" },
};

static void read_by_table(const struct status *s, struct kube_error *ret)
{
	static const struct reason otherwise = { "", 0, KUBE_ERROR_OTHER,
		"The cluster refuses it" };
	const struct reason *found = NULL;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(reasons) && found == NULL; i++)
		if (is_reason(s, reasons[i].reason))
			found = &reasons[i];
	for (i = 0; i < G_N_ELEMENTS(reasons) && found == NULL; i++)
		if (s->code == reasons[i].code)
			found = &reasons[i];
	if (found == NULL)
		found = &otherwise;
	ret->kind = found->kind;
	/* Its message says "Unauthorized", and nothing else. */
	if (found->kind == KUBE_ERROR_UNAUTHORIZED)
		ret->sentence = g_strconcat(found->lead, ".", NULL);
	else
		ret->sentence = with_message(s, found->lead);
}

void kube_error_read(int http_code, const cJSON *status, struct kube_error *ret)
{
	struct status s = {
		.code = http_code,
		.reason = string_or_empty(status, "reason"),
		.message = string_or_empty(status, "message"),
		.details = json_object(status, "details"),
	};
	int64_t code;

	if (strcmp(string_or_empty(status, "kind"), "Status") != 0) {
		ret->kind = KUBE_ERROR_NO_STATUS;
		ret->sentence = g_strdup_printf(
			"The answer was HTTP %d, and not the cluster's own.",
			http_code);
		return;
	}
	if (json_int64(status, "code", &code) && code >= 400 && code <= 599)
		s.code = (int)code;
	if (s.code == 403)
		read_forbidden(&s, ret);
	else if (s.code == 404)
		read_not_found(&s, ret);
	else if (s.code == 409)
		read_conflict(&s, ret);
	else
		read_by_table(&s, ret);
}

void kube_error_parse(
	int http_code, char *text, size_t length, struct kube_error *ret)
{
	g_autoptr(cJSON) status = json_parse(text, length);

	kube_error_read(http_code, status, ret);
}

void kube_error_clear(struct kube_error *e)
{
	g_clear_pointer(&e->sentence, g_free);
}

bool kube_error_is_passing(enum kube_error_kind kind)
{
	return kind == KUBE_ERROR_BUSY || kind == KUBE_ERROR_UNAVAILABLE;
}

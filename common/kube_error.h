/*
 * kube_error.h - what the API server's refusals mean. Pure.
 *
 * A refusal is a Status object beside an HTTP code. Rights, quotas, pod
 * security and a namespace on its way out all share 403 and the reason
 * "Forbidden"; only the message and the causes tell them apart.
 *
 * Through services/proxy and pods/proxy come the pod's own errors too, with the
 * same codes: those are no Status.
 */
#ifndef PYCLOUD_KUBE_ERROR_H
#define PYCLOUD_KUBE_ERROR_H

#include "json.h"

#include <stdbool.h>
#include <stddef.h>

enum kube_error_kind {
	KUBE_ERROR_NO_STATUS,	 /* the pod's own, or a proxy's on the way */
	KUBE_ERROR_UNAUTHORIZED, /* the credentials: wrong, or too old */
	KUBE_ERROR_ANONYMOUS,	 /* no credentials arrived */
	KUBE_ERROR_RIGHTS,	 /* RBAC */
	KUBE_ERROR_QUOTA,
	KUBE_ERROR_POD_SECURITY,
	KUBE_ERROR_DENIED,	/* an admission webhook or policy said no */
	KUBE_ERROR_TERMINATING, /* the namespace is being deleted */
	KUBE_ERROR_NO_NAMESPACE,
	KUBE_ERROR_NOT_FOUND,
	KUBE_ERROR_EXISTS,
	KUBE_ERROR_CONFLICT, /* changed meanwhile: read it and try again */
	KUBE_ERROR_OWNED,    /* others set the fields that an apply names */
	KUBE_ERROR_INVALID,
	KUBE_ERROR_TOO_LARGE,
	KUBE_ERROR_EXPIRED, /* list again, a watch begins again */
	KUBE_ERROR_BUSY,    /* too many requests, or no time for this one */
	KUBE_ERROR_UNAVAILABLE,
	KUBE_ERROR_OTHER, /* we sent what should not be sent */
};

struct kube_error {
	enum kube_error_kind kind;
	char *sentence; /* one, with what to do; g_free */
};

/* Of an answer that was not 2xx. Writes into `text` (see json_parse). */
void kube_error_parse(
	int http_code, char *text, size_t length, struct kube_error *ret);
/* Of a Status inside something else, as in a watch's ERROR event. */
void kube_error_read(
	int http_code, const cJSON *status, struct kube_error *ret);
void kube_error_clear(struct kube_error *);

/* The same request may succeed in a while. */
bool kube_error_is_passing(enum kube_error_kind);

/* Why a pod was refused, from the message alone: an event or a condition has
 * nothing else. KUBE_ERROR_OTHER where it is nothing of which more is known;
 * *ret_sentence has the message in any case (g_free). */
enum kube_error_kind kube_error_explain(
	const char *message, char **ret_sentence);

#endif

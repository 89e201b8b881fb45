/*
 * kube_login.h - one set of credentials for a cluster, as a snapshot.
 *
 * Immutable once handed out and reference-counted, so that a request keeps
 * what it was sent with while others already use the next. All of it is wiped
 * when freed. No locks.
 */
#ifndef PYCLOUD_KUBE_LOGIN_H
#define PYCLOUD_KUBE_LOGIN_H

#include "secret.h"

#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

/* Each may be NULL; cert_pem and key_pem come together. All NULL: somebody
 * without a name. */
struct kube_login {
	atomic_int refs;
	struct secret *bearer; /* Authorization: Bearer ... */
	struct secret *basic;  /* Authorization: Basic ..., in base64 already */
	GBytes *cert_pem;
	GBytes *key_pem;
	int64_t expires_ms; /* since 1970; 0: not known */
};

struct kube_login *kube_login_new(void); /* for who fills it in */
struct kube_login *kube_login_ref(struct kube_login *);
void kube_login_unref(struct kube_login *); /* NULL is fine */

/* The same credentials, whenever they expire. */
bool kube_login_equal(const struct kube_login *, const struct kube_login *);

/* What is wrong with the PEM of certificates, or of a private key, as the end
 * of a sentence that begins with its name; NULL: nothing. */
const char *kube_pem_fault(GBytes *, bool is_key);

#endif

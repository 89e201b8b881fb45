/*
 * kube_auth.h - who we are to a cluster, now and after the next renewal.
 *
 * A kube_auth knows where a user's credentials come from: fixed words of a
 * kubeconfig, files that somebody rotates, or a program that is asked (an exec
 * plugin). Whoever sends a request takes a kube_login from it, which never
 * changes, and when the server refuses that login with 401, asks once for
 * another:
 *
 *     rc = kube_auth_get(auth, cancel, &login, &why);
 *     ... 401 ...
 *     rc = kube_auth_renew(auth, login, cancel, &fresh, &why);
 *
 * Files are read again KUBE_FILE_BELIEVED_MS after the last time, what expires
 * is renewed KUBE_EXPIRY_MARGIN_MS before, and a refusal does either at once. A
 * renewal that fails while the login at hand is still good changes nothing, and
 * one that finds the same credentials gives the same kube_login.
 * What failed is not tried again for KUBE_FAILURE_BELIEVED_MS, nor is a second
 * refusal followed by a renewal within that time.
 *
 * Thread-safe and reference-counted. One thread at a time renews, without the
 * lock; the others wait for it, each as long as its own cancel token allows.
 *
 * Errors: -EINTR and -ETIMEDOUT of the token; -ENOENT: the program or a file
 * is not there; -EKEYREJECTED: there is nothing but what was refused;
 * -EACCES: the program ended without a credential; -EKEYEXPIRED: it is over
 * at once; -EFBIG: there is far too much; -EINVAL: the program, or a file,
 * says something else. *ret_why (g_free) is then a sentence for people, with
 * no secret in it; only -EINTR leaves it as it was.
 */
#ifndef PYCLOUD_KUBE_AUTH_H
#define PYCLOUD_KUBE_AUTH_H

#include "cancel.h"
#include "kube_exec.h"
#include "kube_login.h"

/* Where they come from. All of it is copied, or referred to. */
struct kube_auth_source {
	const char *name; /* of the user and its file, for messages */
	struct secret *token;
	const char *token_file; /* goes before token once it can be read */
	struct secret *basic;
	/* Of a certificate and of its key, both or none, either may be a file,
	 * which goes before the PEM. */
	GBytes *cert_pem;
	GBytes *key_pem;
	const char *cert_file;
	const char *key_file;
	const struct kube_exec *exec;
};

struct kube_auth;

struct kube_auth *kube_auth_new(const struct kube_auth_source *);

/* Fixed words may be others after somebody has logged in again: `reload` looks
 * where they came from and makes a new kube_auth, or returns an error and a
 * sentence. It is called after a refusal, without the lock and by one thread at
 * a time. Only before anybody else has the auth; `free` gets arg at its end. */
void kube_auth_set_reload(struct kube_auth *,
	int (*reload)(void *arg, struct kube_auth **ret, char **ret_why),
	void (*free)(void *arg), void *arg);

struct kube_auth *kube_auth_ref(struct kube_auth *);
void kube_auth_unref(struct kube_auth *);

int kube_auth_get(struct kube_auth *, const struct cancel *,
	struct kube_login **ret, char **ret_why);

/* Whether a program is asked (an exec plugin). */
bool kube_auth_asks_program(const struct kube_auth *);

/* Why there is no login at present, for those whom a route gave the bare error;
 * NULL: there is one, or nobody has asked yet. g_free. */
char *kube_auth_fault(struct kube_auth *);

/* Another one than `refused`, which is borrowed. */
int kube_auth_renew(struct kube_auth *, const struct kube_login *refused,
	const struct cancel *, struct kube_login **ret, char **ret_why);

#endif

/* kube_login.c - see kube_login.h. */
#include "config.h"

#include "kube_login.h"

#include "sensitive.h"

#include <string.h>

struct kube_login *kube_login_new(void)
{
	struct kube_login *l = g_new0(struct kube_login, 1);

	atomic_init(&l->refs, 1);
	return l;
}

struct kube_login *kube_login_ref(struct kube_login *l)
{
	if (l != NULL)
		(void)atomic_fetch_add(&l->refs, 1);
	return l;
}

void kube_login_unref(struct kube_login *l)
{
	if (l == NULL || atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	secret_unref(l->bearer);
	secret_unref(l->basic);
	g_clear_pointer(&l->cert_pem, g_bytes_unref);
	g_clear_pointer(&l->key_pem, g_bytes_unref);
	g_free(l);
}

static bool bytes_equal(GBytes *a, GBytes *b)
{
	return a == NULL || b == NULL ? a == b : g_bytes_equal(a, b);
}

bool kube_login_equal(const struct kube_login *a, const struct kube_login *b)
{
	return secret_equal(a->bearer, b->bearer) &&
	       secret_equal(a->basic, b->basic) &&
	       bytes_equal(a->cert_pem, b->cert_pem) &&
	       bytes_equal(a->key_pem, b->key_pem);
}

const char *kube_pem_fault(GBytes *pem, bool is_key)
{
	const char *text = sensitive_text(pem);

	if (strlen(text) != g_bytes_get_size(pem))
		return "holds a NUL, so it is no PEM text";
	if (!is_key)
		return strstr(text, "-----BEGIN ") != NULL &&
				       strstr(text, "CERTIFICATE-----") != NULL
			       ? NULL
			       : "holds no certificate in PEM "
				 "(-----BEGIN CERTIFICATE-----)";
	if (strstr(text, "-----BEGIN ") == NULL ||
		strstr(text, "PRIVATE KEY-----") == NULL)
		return "holds no private key in PEM "
		       "(-----BEGIN PRIVATE KEY-----)";
	if (strstr(text, "ENCRYPTED") != NULL)
		return "holds a private key with a passphrase; take the "
		       "passphrase off with: openssl pkey";
	return NULL;
}

/* Any bytes as what an exec plugin prints. */
#include "config.h"

#include "fuzz.h"

#include "kube_exec.h"

#include <string.h>

void fuzz_kube_exec(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	struct kube_login *login = NULL;
	char *why = NULL;
	int rc = kube_exec_parse(
		text, length, "client.authentication.k8s.io/v1", &login, &why);

	fuzz_check_why(rc, why);
	if ((rc == 0) != (login != NULL))
		g_error("a login of %d", rc);
	if (login != NULL && login->bearer == NULL && login->cert_pem == NULL)
		g_error("a login without a credential");
	if (login != NULL &&
		(login->cert_pem == NULL) != (login->key_pem == NULL))
		g_error("half a certificate");
	if (login != NULL && login->expires_ms < 0)
		g_error("an end before all time");
	kube_login_unref(login);
}

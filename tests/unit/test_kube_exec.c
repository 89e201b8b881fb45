/* ExecCredentials, good and bad, and never a secret in what is said. */
#include "config.h"

#include "kube_exec.h"

#include "test.h"

#include <errno.h>
#include <string.h>

#define EXEC_V1 "client.authentication.k8s.io/v1"
#define HEAD	"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" EXEC_V1 "\""
#define CERT	"-----BEGIN CERTIFICATE-----\\nC\\n-----END CERTIFICATE-----\\n"
#define KEY	"-----BEGIN PRIVATE KEY-----\\nK\\n-----END PRIVATE KEY-----\\n"

static int parse(const char *text, struct kube_login **ret, char **ret_why)
{
	g_autofree char *copy = g_strdup(text);

	*ret = NULL;
	*ret_why = NULL;
	return kube_exec_parse(copy, strlen(copy), EXEC_V1, ret, ret_why);
}

static void a_token_with_its_expiry(void **state)
{
	struct kube_login *l;
	char *why;

	(void)state;
	assert_int_equal(
		parse(HEAD ",\"spec\":{},\"status\":{\"token\":\"T\","
			   "\"expirationTimestamp\":\"2099-01-01T02:00:00+02:00"
			   "\"}}\n",
			&l, &why),
		0);
	assert_string_equal(secret_peek(l->bearer), "T");
	assert_int_equal(l->expires_ms, 4070908800000);
	kube_login_unref(l);
}

static void a_certificate_with_its_key(void **state)
{
	struct kube_login *l;
	char *why;

	(void)state;
	assert_int_equal(
		parse(HEAD ",\"status\":{\"clientCertificateData\":\"" CERT
			   "\",\"clientKeyData\":\"" KEY "\"}}",
			&l, &why),
		0);
	assert_null(l->bearer);
	assert_int_equal(l->expires_ms, 0);
	assert_int_equal(g_bytes_get_size(l->cert_pem), 56);
	assert_int_equal(g_bytes_get_size(l->key_pem), 56);
	kube_login_unref(l);
}

static void everything_else_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "", "not JSON" },
		{ "SECRET", "not JSON" },
		{ "[\"SECRET\"]", "no ExecCredential" },
		{ "{\"kind\":\"Pod\"}", "no ExecCredential" },
		{ "{\"kind\":\"ExecCredential\"}", "another apiVersion" },
		{ "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" EXEC_V1
		  "beta1\",\"status\":{\"token\":\"SECRET\"}}",
			"another apiVersion" },
		{ HEAD "}", "without a status" },
		{ HEAD ",\"status\":{}}", "neither a token nor" },
		{ HEAD ",\"status\":{\"token\":7}}", "neither a token nor" },
		{ HEAD ",\"status\":{\"token\":\"SEC\\nSECRET\"}}",
			"a token that cannot be one" },
		{ HEAD ",\"status\":{\"clientKeyData\":\"SECRET\"}}",
			"a key without a certificate" },
		{ HEAD ",\"status\":{\"clientCertificateData\":\"" CERT "\"}}",
			"a certificate without a key" },
		{ HEAD ",\"status\":{\"clientCertificateData\":\"" CERT
		       "\",\"clientKeyData\":\"SECRET\"}}",
			"not in PEM" },
		{ HEAD ",\"status\":{\"token\":\"SECRET\","
		       "\"expirationTimestamp\":\"soon\"}}",
			"that is no time" },
		{ HEAD ",\"status\":{\"token\":\"SECRET\","
		       "\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}",
			"has expired already" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct kube_login *l;
		g_autofree char *why = NULL;

		assert_int_equal(parse(cases[i].text, &l, &why), -EINVAL);
		assert_null(l);
		if (strstr(why, cases[i].words) == NULL ||
			strstr(why, "SECRET") != NULL)
			fail_msg("it said: %s", why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_with_its_expiry),
		cmocka_unit_test(a_certificate_with_its_key),
		cmocka_unit_test(everything_else_is_refused),
	};

	return cmocka_run_group_tests_name("kube_exec", tests, NULL, NULL);
}

/* Any bytes as what a Jupyter server or a hub answers to a password: what comes
 * out is fit for a header and for a person's eyes, and nothing but a cookie that
 * the server gave is taken for one. */
#include "config.h"

#include "fuzz_http.h"
#include "fuzz_secret.h"

#include "common_limits.h"
#include "http_cookies.h"
#include "login.h"

#include <errno.h>
#include <string.h>

#define PASSWORD "correct horse \" battery & staple"

static void check_cookie(const struct secret *cookie)
{
	const char *pairs;

	fuzz_secret_check(cookie, NULL);
	pairs = secret_cookie(cookie);
	if (pairs == NULL || strchr(pairs, '=') == NULL)
		g_error("a cookie that is none");
	if (g_str_has_prefix(pairs, "_xsrf=") ||
		strstr(pairs, ";_xsrf=") != NULL)
		g_error("a cookie that says nothing of us: %s", pairs);
}

static void check_name(const char *name)
{
	if (*name == '\0')
		g_error("a name that is none");
	fuzz_check_sentence(name, HUB_NAME_MAX);
}

static int ask_hub(const struct token_place *place, uint8_t what,
	const struct secret *password, const struct cancel *cancel)
{
	struct secret *token = NULL;
	char *name = NULL;
	int rc;

	if (what % 4 == 1) {
		rc = login_to_hub(
			place, "ann", password, cancel, &token, &name);
		if (rc == 0)
			fuzz_secret_check(token, NULL);
	} else {
		rc = login_ask_user(place, NULL, cancel, &name);
		if (rc == 0)
			check_name(name);
	}
	secret_unref(token);
	g_free(name);
	return rc;
}

/* For an upgrade; they are not in the jar already. */
static int ask_cookies(
	const struct token_place *place, const struct cancel *cancel)
{
	struct secret *cookies = NULL;
	struct http_pool *pool = NULL;
	int rc;

	if (token_place_pool(place, NULL, &pool) < 0)
		g_error("there is no pool");
	rc = http_cookies_get(
		pool, cancel, clock_now_ms() + LOGIN_CALL_MS, &cookies);
	if (rc == 0 && (strpbrk(secret_peek(cookies), "\r\n\t") != NULL ||
			       strlen(secret_peek(cookies)) > HTTP_COOKIES_MAX))
		g_error("cookies that end a header");
	secret_unref(cookies);
	http_pool_free(pool);
	return rc;
}

static int ask_server(const struct token_place *place,
	const struct secret *password, const struct cancel *cancel)
{
	struct secret *cookie = NULL;
	int rc = login_to_server(place, password, cancel, &cookie);

	if ((rc == 0) != (cookie != NULL))
		g_error("a cookie of %d", rc);
	if (rc == 0)
		check_cookie(cookie);
	secret_unref(cookie);
	return rc;
}

static void pick(const char *cookies)
{
	struct secret *cookie = login_pick_cookie(cookies);

	if (cookie != NULL)
		check_cookie(cookie);
	secret_unref(cookie);
}

/* What is asked; then answers. */
void fuzz_login(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t what = fuzz_take_byte(&in);
	g_autofree char *text = fuzz_text(in.at, in.left);
	const struct token_place place = { .base_url = "https://hub.example/x",
		.target = TOKEN_TARGET_SERVER };
	struct secret *password = secret_new_phrase(PASSWORD, strlen(PASSWORD));
	struct cancel cancel;
	int rc;

	pick(text);
	cancel_init(&cancel, 0);
	fuzz_http_begin(&in, &cancel);
	if (what % 4 == 0)
		rc = ask_server(&place, password, &cancel);
	else if (what % 4 == 3)
		rc = ask_cookies(&place, &cancel);
	else
		rc = ask_hub(&place, what, password, &cancel);
	if (rc > 0)
		g_error("%d of a login", rc);
	fuzz_http_end();
	cancel_fini(&cancel);
	secret_unref(password);
}

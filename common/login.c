/* login.c - see login.h. */
#include "config.h"

#include "login.h"

#include "common_limits.h"
#include "http_client.h"
#include "http_errno.h"
#include "hub_text.h"
#include "json.h"
#include "sensitive.h"

#include <errno.h>
#include <string.h>

#define TOKEN_ID_CHARACTERS G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_"
#define TOKEN_ID_MAX	    64

/* --- one request ---------------------------------------------------------- */

struct body {
	char *text; /* wiped when freed */
	size_t at;
};

static ssize_t read_body(void *arg, char *buffer, size_t size)
{
	struct body *b = arg;
	size_t n = MIN(size, strlen(b->text + b->at));

	memcpy(buffer, b->text + b->at, n);
	b->at += n;
	return (ssize_t)n;
}

/* Sent once: a repeated attempt counts against the person. */
static int exchange(const struct token_place *place, struct secret *token,
	struct http_call *call, const struct cancel *cancel,
	struct http_response *r)
{
	struct http_pool *pool;
	int rc = token_place_pool(place, token, &pool);

	if (rc < 0)
		return rc;
	call->tries_max = 1;
	call->request.body_max = HTTP_BODY_MAX_DEFAULT;
	call->request.timeout_ms = LOGIN_CALL_MS;
	rc = http_client_call(pool, call, cancel, r);
	http_pool_free(pool);
	return rc;
}

/* Takes the text. */
static int post(const struct token_place *place, const char *target,
	const char *content_type, char *text, const struct cancel *cancel,
	struct http_response *r)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct body body = { .text = text };
	int rc;

	call.request.method = "POST";
	call.request.target = target;
	call.request.content_type = content_type;
	call.request.source = read_body;
	call.request.source_arg = &body;
	call.request.source_bytes = (int64_t)strlen(text);
	call.request.wants_cookies = true;
	rc = exchange(place, NULL, &call, cancel, r);
	sensitive_free_text(text);
	return rc;
}

/* --- a Jupyter server ----------------------------------------------------- */

struct secret *login_pick_cookie(const char *cookies)
{
	g_auto(GStrv) each = g_strsplit(cookies, ";", -1);
	GString *kept = g_string_sized_new(strlen(cookies) + 1);
	struct secret *cookie = NULL;

	for (char **c = each; *c != NULL; c++) {
		const char *value = strchr(g_strstrip(*c), '=');

		if (value == NULL || g_str_has_prefix(*c, "_xsrf=") ||
			value[1] == '\0' || strcmp(value, "=\"\"") == 0)
			continue;
		if (kept->len > 0)
			g_string_append_c(kept, ';');
		g_string_append(kept, *c);
	}
	if (kept->len > 0)
		cookie = secret_new_cookie(kept->str, kept->len);
	for (char **c = each; *c != NULL; c++)
		secret_wipe(*c, strlen(*c));
	secret_wipe(kept->str, kept->len);
	(void)g_string_free(kept, TRUE);
	return cookie;
}

int login_to_server(const struct token_place *place,
	const struct secret *password, const struct cancel *cancel,
	struct secret **ret_cookie)
{
	char *encoded = g_uri_escape_string(secret_peek(password), NULL, FALSE);
	struct http_response r;
	int rc;

	http_response_init(&r);
	rc = post(place, "login", "application/x-www-form-urlencoded",
		g_strconcat("password=", encoded, NULL), cancel, &r);
	sensitive_free_text(encoded);
	*ret_cookie = NULL;
	/* It leads on to the first page, and whom it did not know nowhere. */
	if (rc == 0 && r.status / 100 == 3 && r.cookies != NULL)
		*ret_cookie = login_pick_cookie(r.cookies->str);
	if (rc == 0 && *ret_cookie == NULL)
		rc = r.status >= 500 ? -EIO : -EACCES;
	http_response_clear(&r);
	return rc;
}

/* --- a hub ---------------------------------------------------------------- */

static char *token_request(const char *user, const struct secret *password)
{
	g_autofree char *note =
		g_strconcat("pycloud on ", g_get_host_name(), NULL);
	g_autofree char *quoted_note = json_quote(note);
	g_autofree char *quoted_user = json_quote(user);
	char *quoted = json_quote(secret_peek(password));
	char *text = g_strdup_printf("{\"note\":%s,\"expires_in\":%d,\"auth\":"
				     "{\"username\":%s,\"password\":%s}}",
		quoted_note, LOGIN_TOKEN_SECONDS, quoted_user, quoted);

	sensitive_free_text(quoted);
	return text;
}

/* It becomes part of a URL: "a12". */
static bool is_token_id(const char *id)
{
	size_t length = id == NULL ? 0 : strspn(id, TOKEN_ID_CHARACTERS);

	return length > 0 && length <= TOKEN_ID_MAX && id[length] == '\0';
}

static int take_token(
	struct http_response *r, struct secret **ret, char **ret_id)
{
	g_autoptr(cJSON) root = json_parse(r->body->str, r->body->len);
	const char *token = json_string(root, "token");
	const char *id = json_string(root, "id");

	if (is_token_id(id))
		*ret_id = g_strdup(id);
	if (token != NULL)
		*ret = secret_new(token, strlen(token));
	/* cJSON does not wipe what it frees. */
	if (token != NULL)
		secret_wipe((void *)(uintptr_t)token, strlen(token));
	secret_wipe(r->body->str, r->body->len);
	return *ret == NULL ? -EPROTO : 0;
}

int login_to_hub(const struct token_place *place, const char *user,
	const struct secret *password, const struct cancel *cancel,
	struct secret **ret_token, char **ret_id)
{
	g_autofree char *path = hub_user_path(user);
	g_autofree char *target = g_strconcat(path, "/tokens", NULL);
	struct http_response r;
	int rc;

	http_response_init(&r);
	rc = post(place, target, "application/json",
		token_request(user, password), cancel, &r);
	if (rc == 0)
		rc = http_errno(HTTP_OP_STAT, &r, NULL);
	*ret_token = NULL;
	*ret_id = NULL;
	if (rc == 0)
		rc = take_token(&r, ret_token, ret_id);
	http_response_clear(&r);
	return rc;
}

int login_revoke(const struct token_place *place, const char *user,
	const char *id, struct secret *token, const struct cancel *cancel)
{
	g_autofree char *path = hub_user_path(user);
	g_autofree char *target = g_strconcat(path, "/tokens/", id, NULL);
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response r;
	int rc;

	if (!is_token_id(id))
		return -EINVAL;
	call.request.method = "DELETE";
	call.request.target = target;
	http_response_init(&r);
	rc = exchange(place, token, &call, cancel, &r);
	if (rc == 0)
		rc = http_errno(HTTP_OP_STAT, &r, NULL);
	http_response_clear(&r);
	/* It may not do so, or the hub does not know it any more. */
	if ((rc == -EACCES || rc == -ENOENT) &&
		token_trial(place, token, cancel,
			clock_now_ms() + TOKEN_TRIAL_MS) == -EACCES)
		rc = 0;
	return rc;
}

/* It is shown, and goes to the keyring, which takes text alone. */
static bool is_user_name(const char *name)
{
	if (*name == '\0' || strlen(name) > HUB_NAME_MAX ||
		!g_utf8_validate(name, -1, NULL))
		return false;
	for (; *name != '\0'; name += g_utf8_skip[(unsigned char)*name])
		if (g_unichar_iscntrl(g_utf8_get_char(name)))
			return false;
	return true;
}

int login_ask_user(const struct token_place *place, struct secret *token,
	const struct cancel *cancel, char **ret_user)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response r;
	int rc;

	call.request.method = "GET";
	call.request.target = TOKEN_TARGET_HUB;
	http_response_init(&r);
	rc = exchange(place, token, &call, cancel, &r);
	if (rc == 0)
		rc = http_errno(HTTP_OP_STAT, &r, NULL);
	if (rc == 0) {
		g_autoptr(cJSON) root = json_parse(r.body->str, r.body->len);
		const char *kind = json_string(root, "kind");
		const char *name = json_string(root, "name");

		if (name == NULL || g_strcmp0(kind, "service") == 0)
			rc = -ENOENT;
		else if (!is_user_name(name))
			rc = -EPROTO;
		else
			*ret_user = g_strdup(name);
	}
	http_response_clear(&r);
	return rc;
}

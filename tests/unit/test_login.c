/* Passwords, and what becomes of them; what a cookie looks like on the wire. */
#include "config.h"

#include "login.h"

#include "test.h"
#include "web_server.h"

#include <errno.h>
#include <string.h>

#define SOON_MS 10000
#define SET_COOKIES                                                         \
	"Set-Cookie: _xsrf=2|abc; Path=/\r\n"                               \
	"Set-Cookie: username-127-0-0-1-8888=\"2|1:0|10:17|x=\"; HttpOnly;" \
	" Path=/\r\n"

#define KNOWN                                               \
	"HTTP/1.1 302 Found\r\nLocation: /\r\n" SET_COOKIES \
	"Content-Length: 0\r\n\r\n"
#define JSON(status, length, text) \
	"HTTP/1.1 " status "\r\nContent-Length: " length "\r\n\r\n" text

static void cookies_are_picked(void **state)
{
	static const struct {
		const char *all;
		const char *picked; /* NULL: none */
	} rows[] = {
		{ "user=1", "user=1" },
		{ "_xsrf=2; user=\"a|b\"", "user=\"a|b\"" },
		{ "user=1; _xsrf=2; other=3", "user=1;other=3" },
		{ "_xsrf=2", NULL },
		{ "user=", NULL },
		{ "user=\"\"; _xsrf=1", NULL },
		{ "", NULL },
		{ "nonsense; ;", NULL },
		{ "user=a b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct secret *s = login_pick_cookie(rows[i].all);

		if (rows[i].picked == NULL)
			assert_null(s);
		else
			assert_string_equal(secret_cookie(s), rows[i].picked);
		secret_unref(s);
	}
}

struct answers {
	const char *const *texts; /* one for each request */
	size_t count;
};

static void script(struct web_connection *c, void *arg)
{
	const struct answers *a = arg;

	while (web_read_request(c)) {
		unsigned n = web_server_request_count(c->server);

		web_send(c, n > 0 && n <= a->count ? a->texts[n - 1]
						   : JSON("500 No", "0", ""));
	}
}

static void expect_word(struct web_server *s, unsigned n, const char *word)
{
	g_autofree char *request = web_server_request(s, n);

	if (strstr(request, word) == NULL)
		fail_msg("'%s' has no '%s'", request, word);
}

static void expect_no_word(struct web_server *s, unsigned n, const char *word)
{
	g_autofree char *request = web_server_request(s, n);

	assert_null(strstr(request, word));
}

static struct token_place place_of(
	const struct web_server *s, const char *target)
{
	return (struct token_place){
		.base_url = web_server_url(s),
		.target = target,
	};
}

static void a_servers_password_becomes_its_cookie(void **state)
{
	static const char *const texts[] = {
		KNOWN,
		JSON("200 OK", "2", "{}"),
	};
	struct answers answers = { texts, G_N_ELEMENTS(texts) };
	struct web_server *s = web_server_start(script, &answers);
	const struct token_place place = place_of(s, TOKEN_TARGET_SERVER);
	struct secret *password = secret_new_phrase("a b&=%\xc3\xa9", 8);
	struct secret *cookie = NULL;

	(void)state;
	assert_int_equal(login_to_server(&place, password, NULL, &cookie), 0);
	assert_string_equal(secret_cookie(cookie),
		"username-127-0-0-1-8888=\"2|1:0|10:17|x=\"");
	assert_int_equal(
		token_trial(&place, cookie, NULL, clock_now_ms() + SOON_MS), 0);
	expect_word(s, 0, "POST /login HTTP/1.1\r\n");
	expect_word(s, 0, "\r\n\r\npassword=a%20b%26%3D%25%C3%A9");
	expect_word(s, 0, "\r\nX-XSRFToken: ");
	expect_word(s, 1, "GET /api/status HTTP/1.1\r\n");
	expect_word(s, 1,
		"\r\nCookie: username-127-0-0-1-8888=\"2|1:0|10:17|x=\"; "
		"_xsrf=");
	expect_word(s, 1, "\r\nX-XSRFToken: ");
	expect_no_word(s, 1, "Authorization");
	secret_unref(password);
	secret_unref(cookie);
	web_server_stop(s);
}

static void a_wrong_password_is_sent_once(void **state)
{
	static const char *const texts[] = {
		JSON("401 Unauthorized", "0", ""),
		JSON("302 Found", "0", ""),
		JSON("503 Busy", "0", ""),
	};
	static const int expected[] = { -EACCES, -EACCES, -EIO };
	struct answers answers = { texts, G_N_ELEMENTS(texts) };
	struct web_server *s = web_server_start(script, &answers);
	const struct token_place place = place_of(s, TOKEN_TARGET_SERVER);
	struct secret *password = secret_new_phrase("wrong", 5);

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++) {
		struct secret *cookie = NULL;

		assert_int_equal(
			login_to_server(&place, password, NULL, &cookie),
			expected[i]);
		assert_null(cookie);
		assert_int_equal(web_server_request_count(s), i + 1);
	}
	secret_unref(password);
	web_server_stop(s);
}

static void a_hubs_password_becomes_a_token(void **state)
{
	static const char *const texts[] = {
		JSON("201 Created", "27",
			"{\"token\":\"t0ken\",\"id\":\"a7\"}"),
		JSON("403 Forbidden", "2", "{}"),
		JSON("201 Created", "2", "{}"),
		JSON("201 Created", "29",
			"{\"token\":\"t0ken\",\"id\":\"../x\"}"),
	};
	struct answers answers = { texts, G_N_ELEMENTS(texts) };
	struct web_server *s = web_server_start(script, &answers);
	const struct token_place place = place_of(s, TOKEN_TARGET_HUB);
	struct secret *password = secret_new_phrase("a \"b\"", 5);
	struct secret *token = NULL;
	char *id = NULL;

	(void)state;
	assert_int_equal(
		login_to_hub(&place, "a/b", password, NULL, &token, &id), 0);
	assert_string_equal(secret_peek(token), "t0ken");
	assert_string_equal(id, "a7");
	g_free(id);
	expect_word(s, 0, "POST /users/a%2Fb/tokens HTTP/1.1\r\n");
	expect_word(s, 0, "\"expires_in\":2592000");
	expect_word(s, 0,
		"\"auth\":{\"username\":\"a/b\",\"password\":\"a \\\"b\\\"\"}");
	secret_unref(token);
	token = NULL;
	assert_int_equal(
		login_to_hub(&place, "ann", password, NULL, &token, &id),
		-EACCES);
	assert_null(token);
	assert_int_equal(
		login_to_hub(&place, "ann", password, NULL, &token, &id),
		-EPROTO);
	assert_null(token);
	assert_null(id);
	/* An id that leads elsewhere is none. */
	assert_int_equal(
		login_to_hub(&place, "ann", password, NULL, &token, &id), 0);
	assert_null(id);
	secret_unref(token);
	secret_unref(password);
	web_server_stop(s);
}

/* What the hub may say: done; I know no such token, twice; you may not; I do not
 * answer that. */
static void a_token_revokes_itself(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.1 204 No Content\r\n\r\n",
		JSON("403 Forbidden", "2", "{}"),
		JSON("403 Forbidden", "2", "{}"),
		JSON("403 Forbidden", "2", "{}"),
		JSON("200 OK", "2", "{}"),
		JSON("404 Not Found", "2", "{}"),
		JSON("200 OK", "2", "{}"),
		JSON("500 Internal Server Error", "2", "{}"),
	};
	static const int expected[] = { 0, 0, -EACCES, -ENOENT, -EIO };
	struct answers answers = { texts, G_N_ELEMENTS(texts) };
	struct web_server *s = web_server_start(script, &answers);
	const struct token_place place = place_of(s, TOKEN_TARGET_HUB);
	struct secret *token = secret_new("t0ken", 5);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
		assert_int_equal(login_revoke(&place, "a/b", "a7", token, NULL),
			expected[i]);
	expect_word(s, 0, "DELETE /users/a%2Fb/tokens/a7 HTTP/1.1\r\n");
	expect_word(s, 0, "\r\nAuthorization: token t0ken\r\n");
	assert_int_equal(web_server_request_count(s), G_N_ELEMENTS(texts));
	secret_unref(token);
	web_server_stop(s);
}

static void a_token_says_whose_it_is(void **state)
{
	static const char *const texts[] = {
		JSON("200 OK", "28", "{\"kind\":\"user\",\"name\":\"ann\"}"),
		JSON("200 OK", "32",
			"{\"kind\":\"service\",\"name\":\"cull\"}"),
		JSON("403 Forbidden", "2", "{}"),
		JSON("200 OK", "4", "null"),
	};
	struct answers answers = { texts, G_N_ELEMENTS(texts) };
	struct web_server *s = web_server_start(script, &answers);
	const struct token_place place = place_of(s, TOKEN_TARGET_HUB);
	struct secret *token = secret_new("t0ken", 5);
	g_autofree char *user = NULL;
	char *none = NULL;

	(void)state;
	assert_int_equal(login_ask_user(&place, token, NULL, &user), 0);
	assert_string_equal(user, "ann");
	expect_word(s, 0, "\r\nAuthorization: token t0ken\r\n");
	assert_int_equal(login_ask_user(&place, token, NULL, &none), -ENOENT);
	assert_int_equal(login_ask_user(&place, token, NULL, &none), -EACCES);
	assert_int_equal(login_ask_user(&place, token, NULL, &none), -ENOENT);
	assert_null(none);
	secret_unref(token);
	web_server_stop(s);
}

/* Whoever answers must not write to the terminal, nor spoil the keyring. */
static void what_is_no_name_is_not_taken(void **state)
{
	static const char *const texts[] = {
		JSON("200 OK", "28", "{\"name\":\"a\\u001b]0;x\\u0007\"}"),
		JSON("200 OK", "18", "{\"name\":\"a\\u009b\"}"),
		JSON("200 OK", "12", "{\"name\":\"\xff\"}"),
		JSON("200 OK", "11", "{\"name\":\"\"}"),
	};
	struct answers answers = { texts, G_N_ELEMENTS(texts) };
	struct web_server *s = web_server_start(script, &answers);
	const struct token_place place = place_of(s, TOKEN_TARGET_HUB);
	struct secret *token = secret_new("t0ken", 5);
	char *none = NULL;

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
		assert_int_equal(
			login_ask_user(&place, token, NULL, &none), -EPROTO);
	assert_null(none);
	secret_unref(token);
	web_server_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_are_picked),
		cmocka_unit_test(a_servers_password_becomes_its_cookie),
		cmocka_unit_test(a_wrong_password_is_sent_once),
		cmocka_unit_test(a_hubs_password_becomes_a_token),
		cmocka_unit_test(a_token_revokes_itself),
		cmocka_unit_test(a_token_says_whose_it_is),
		cmocka_unit_test(what_is_no_name_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is read of a hub: specs, users' models, the stream of a start. */
#include "config.h"

#include "common_limits.h"
#include "hub_text.h"
#include "route_hub.h"
#include "test.h"

#include <errno.h>
#include <string.h>

/* --- specs ---------------------------------------------------------------- */

static void assert_spec(const char *spec, const char *base_url,
	const char *user, const char *server)
{
	g_autofree char *why = NULL;
	struct hub_spec s;

	assert_true(hub_is_spec(spec));
	if (hub_spec_parse(spec, &s, &why) != 0)
		fail_msg("%s is refused: %s", spec, why);
	assert_string_equal(s.base_url, base_url);
	if (user == NULL)
		assert_null(s.user);
	else
		assert_string_equal(s.user, user);
	assert_string_equal(s.server, server);
	hub_spec_clear(&s);
}

static void specs_are_what_browsers_show(void **state)
{
	(void)state;
	assert_spec("hub+https://h", "https://h", NULL, "");
	assert_spec("hub+https://h/", "https://h", NULL, "");
	assert_spec("hub+http://h:8/hub/home", "http://h:8", NULL, "");
	assert_spec(
		"hub+https://h/j/k/hub/token?x=1#y", "https://h/j/k", NULL, "");
	assert_spec("hub+https://h/user/", "https://h", NULL, "");
	assert_spec("hub+https://h/user/ann", "https://h", "ann", "");
	assert_spec("hub+https://h/j/user/ann/", "https://h/j", "ann", "");
	assert_spec("hub+https://h/hub/user/ann", "https://h", "ann", "");
	assert_spec(
		"hub+https://h/user/ann/lab/tree/a", "https://h", "ann", "");
	assert_spec("hub+https://h/user/a%40b/big%20one/lab", "https://h",
		"a@b", "big one");
	assert_spec("HUB+HTTPS://h/user/user/hub", "HTTPS://h", "user", "hub");
	assert_spec("hub+https://h/user/ann/%6cab", "https://h", "ann", "lab");
}

static void specs_that_are_none_are_refused(void **state)
{
	static const char *const wrong[] = { "hub+https://",
		"hub+https://:8/user/ann", "hub+https://me:pw@h/user/ann",
		"hub+https://h/user/a b", "hub+https://h/user/..",
		"hub+https://h/user/%2e%2e", "hub+https://h/user/a%2fb",
		"hub+https://h/user/a%00", "hub+https://h/user/a%0a",
		"hub+https://h/user/%ff", "hub+https://h/user/a%zz",
		"hub+https://h/user/ann/big/more", "hub+https://h/../user/ann",
		"hub+https://h/%2e%2e/user/ann",
		"hub+https://h/user/ann?token=%00" };

	(void)state;
	assert_false(hub_is_spec("hub+ftp://h"));
	assert_false(hub_is_spec("https://h/hub"));
	assert_false(hub_is_spec("hub+"));
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *why = NULL;
		struct hub_spec s;

		if (hub_spec_parse(wrong[i], &s, &why) != -EINVAL)
			fail_msg("%s is accepted", wrong[i]);
		assert_non_null(why);
	}
}

static void token_leaves_the_url(void **state)
{
	g_autofree char *why = NULL;
	struct hub_spec s;

	(void)state;
	assert_int_equal(
		hub_spec_parse(
			"hub+https://h/user/ann/lab?a=b&token=T%2b1", &s, &why),
		0);
	assert_string_equal(secret_peek(s.token), "T+1");
	assert_string_equal(s.base_url, "https://h");
	hub_spec_clear(&s);
}

static void names_are_encoded(void **state)
{
	g_autofree char *plain = hub_server_path("a@b", "");
	g_autofree char *named = hub_server_path("\xc3\xa9", "big one?");
	g_autofree char *user = hub_user_path("../x");
	g_autofree char *label = hub_server_label("ann", "\033[2J");

	(void)state;
	assert_string_equal(plain, "users/a%40b/server");
	assert_string_equal(named, "users/%C3%A9/servers/big%20one%3F");
	assert_string_equal(user, "users/..%2Fx");
	assert_null(strchr(label, '\033'));
}

/* --- users' models -------------------------------------------------------- */

static int read_model(const char *text, const char *name, struct hub_server *s)
{
	g_autofree char *copy = g_strdup(text);
	g_autoptr(cJSON) user = json_parse(copy, strlen(copy));

	return hub_server_read(user, name, s);
}

static void models_say_how_a_server_is(void **state)
{
	static const char *const two =
		"{\"name\":\"ann\",\"servers\":{"
		"\"\":{\"ready\":true,\"pending\":null,"
		"\"url\":\"/jupyter/user/ann/\"},"
		"\"b\":{\"ready\":false,\"pending\":\"spawn\",\"url\":null},"
		"\"c\":{\"ready\":false,\"pending\":\"stop\"}}}";
	struct hub_server s;

	(void)state;
	assert_int_equal(read_model(two, "", &s), 0);
	assert_true(s.is_listed && s.is_ready && !s.is_pending);
	assert_string_equal(s.url, "/jupyter/user/ann");
	hub_server_clear(&s);
	assert_int_equal(read_model(two, "b", &s), 0);
	assert_true(s.is_listed && !s.is_ready && s.is_pending);
	assert_false(s.is_stopping);
	assert_int_equal(read_model(two, "c", &s), 0);
	assert_true(s.is_listed && s.is_stopping);
	assert_int_equal(read_model(two, "d", &s), 0);
	assert_false(s.is_listed);
}

static void models_that_are_none_are_refused(void **state)
{
	struct hub_server s;

	(void)state;
	assert_int_equal(read_model("[]", "", &s), -EPROTO);
	assert_int_equal(read_model("<html>", "", &s), -EPROTO);
	assert_int_equal(read_model("{\"name\":\"ann\"}", "", &s), -EACCES);
	assert_int_equal(read_model("{\"name\":\"ann\",\"servers\":{\"\":{"
				    "\"ready\":true}}}",
				 "", &s),
		-EPROTO);
	assert_int_equal(read_model("{\"name\":\"ann\",\"servers\":{\"\":{"
				    "\"ready\":true,\"url\":"
				    "\"https://evil/user/ann/\"}}}",
				 "", &s),
		-EXDEV);
}

static void urls_stay_on_the_hub(void **state)
{
	static const char *const wrong[] = { "", "user/ann", "//evil/",
		"http://evil/", "/a\\b", "/a?b", "/a#b", "/a b", "/a\n",
		"/../a", "/a/..", "/a/%2e%2E/b", "/a/%2fb", "/a/./b",
		"/caf\xc3\xa9", "/a/%zz" };
	g_autofree char *url = route_hub_url("https://h:8/j", "/j/user/ann");
	g_autofree char *plain = route_hub_url("https://h:8", "/user/ann");

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		if (hub_is_url_path(wrong[i]))
			fail_msg("%s is accepted", wrong[i]);
	assert_true(hub_is_url_path("/j/user/a%40b/big%20one/"));
	assert_true(hub_is_url_path("/"));
	assert_string_equal(url, "https://h:8/j/user/ann");
	assert_string_equal(plain, "https://h:8/user/ann");
}

/* --- progress ------------------------------------------------------------- */

static void note(void *arg, const char *line)
{
	g_string_append_printf(arg, "%s|", line);
}

static void events_are_shown_until_the_end(void **state)
{
	static const char text[] =
		": alive\n\ndata: {\"progress\": 0, \"message\": \"Asked\"}\r\n"
		"\r\ndata: no json\n\n"
		"data: {\"message\": \"Asked\"}\n\n"
		"data: {\"message\": \"At\\n\\u001b[1mwork.\"}\n\n"
		"data: {\"ready\": true, \"message\": \"Ready\"}\n\n"
		"data: {\"message\": \"more\"}\n\n";
	g_autoptr(GString) seen = g_string_new(NULL);
	struct hub_events e;
	int rc = 0;

	(void)state;
	hub_events_init(&e);
	e.progress = note;
	e.progress_arg = seen;
	/* As it may arrive: one byte at a time. */
	for (size_t i = 0; rc == 0 && text[i] != '\0'; i++)
		rc = hub_events_take(&e, text + i, 1);
	assert_int_equal(rc, -ECANCELED);
	assert_true(e.is_ready);
	assert_false(e.has_failed);
	assert_string_equal(seen->str, "Asked|At [1mwork|Ready|");
	hub_events_clear(&e);
}

static void events_are_bounded(void **state)
{
	g_autofree char *line = g_strnfill(HUB_LINE_MAX, 'x');
	struct hub_events e;
	int rc = 0;

	(void)state;
	hub_events_init(&e);
	assert_int_equal(hub_events_take(&e, line, HUB_LINE_MAX), 0);
	assert_int_equal(hub_events_take(&e, "x", 1), -EFBIG);
	hub_events_clear(&e);
	hub_events_init(&e);
	for (int64_t i = 0; rc == 0 && i <= HUB_EVENTS_MAX; i += HUB_LINE_MAX) {
		line[HUB_LINE_MAX - 1] = '\n';
		rc = hub_events_take(&e, line, HUB_LINE_MAX);
	}
	assert_int_equal(rc, -EFBIG);
	hub_events_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specs_are_what_browsers_show),
		cmocka_unit_test(specs_that_are_none_are_refused),
		cmocka_unit_test(token_leaves_the_url),
		cmocka_unit_test(names_are_encoded),
		cmocka_unit_test(models_say_how_a_server_is),
		cmocka_unit_test(models_that_are_none_are_refused),
		cmocka_unit_test(urls_stay_on_the_hub),
		cmocka_unit_test(events_are_shown_until_the_end),
		cmocka_unit_test(events_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

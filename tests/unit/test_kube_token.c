/* Where a server that pycloud did not start has its token. */
#include "config.h"

#include "kube_workspace.h"

#include "kube_at.h"
#include "web_server.h"

#include <string.h>

#define SERVICE \
	"{\"spec\":{\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":8888}]}}"
#define PODS(container)                                                      \
	"{\"items\":[{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":" \
	"{\"containers\":[{\"name\":\"c\"" container                         \
	"}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}}]}"

static cJSON *parse(const char *text)
{
	g_autofree char *copy = g_strdup(text);
	cJSON *json = json_parse(copy, strlen(copy));

	assert_non_null(json);
	return json;
}

/* What is found; NULL: nothing. */
static void expect_token(
	const char *pods, web_script script, void *arg, const char *token)
{
	struct web_server *server = web_server_start(script, arg);
	struct kube *kube = kube_with_token(web_server_url(server));
	const struct kube_workspace w = {
		.kube = kube, .namespace = "n", .name = "w"
	};
	struct kube_look look = { .service = parse(SERVICE),
		.pods = parse(pods) };
	struct secret *found = NULL;
	g_autofree char *why = NULL;

	assert_int_equal(
		kube_workspace_token(&w, &look, NULL, &found, &why), 0);
	if (token == NULL)
		assert_null(found);
	else
		assert_string_equal(secret_peek(found), token);
	secret_unref(found);
	kube_look_clear(&look);
	kube_unref(kube);
	web_server_stop(server);
}

static void answer(struct web_connection *c, void *arg)
{
	while (web_read_request(c))
		web_answer(c, "200 OK", arg);
}

/* The log of a server that never ends to talk. */
static void talk(struct web_connection *c, void *arg)
{
	g_autofree char *much = g_strnfill(65536, 'x');

	if (!web_read_request(c))
		return;
	web_send(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	web_send(c, arg);
	web_send(c, much);
	web_send(c, much);
	web_wait_hangup(c);
}

static void it_stands_in_the_environment_or_on_the_command_line(void **state)
{
	char nothing[] = "";

	(void)state;
	expect_token(PODS(",\"env\":[{\"name\":\"JUPYTER_TOKEN\",\"value\":"
			  "\"t1\"}]"),
		answer, nothing, "t1");
	expect_token(PODS(",\"args\":[7,\"--ServerApp.token='t2'\"]"), answer,
		nothing, "t2");
	expect_token(PODS(",\"env\":[{\"name\":\"JUPYTER_TOKEN\","
			  "\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\","
			  "\"key\":\"k\"}}}]"),
		answer, (char[]){ "{\"data\":{\"k\":\"dDM=\"}}" }, "t3");
}

static void the_last_one_of_the_log_holds(void **state)
{
	char text[] = "running at http://h/?token=old1\n"
		      "running at http://h/?token=new2\r\n or ?token=...\n";

	(void)state;
	expect_token(PODS(""), answer, text, "new2");
}

/* A relay's requests have it in their query, and are told there. */
static void what_was_asked_for_is_not_the_servers_own(void **state)
{
	char text[] = "] http://h/?token=new2\n"
		      "] 403 GET /api/status?token=old1 (127.0.0.1) 3.24ms "
		      "referer=http://h/lab?token=old1\n"
		      "] 403 GET /api/contents?content=0&token=old1 1ms\n";
	char refused[] = "running at\n"
			 "] 403 GET /api/status?token=old1 (127.0.0.1) 3ms\n";

	(void)state;
	expect_token(PODS(""), answer, text, "new2");
	expect_token(PODS(""), answer, refused, NULL);
}

static void it_is_found_as_servers_say_it(void **state)
{
	char old[] = "] The Jupyter Notebook is running at:\n"
		     "] http://(w-0 or 127.0.0.1):8888/?token=abc1\n";
	char json[] = "{\"level\":\"info\",\"msg\":\"http://h/?token=abc2\"}\n"
		      "{\"msg\":\"403 GET /api?token=old1\"}\n"
		      "  \"Referer\": \"http://h/lab?token=old1\"\n";
	char one[] = "{\"msg\":\"at:\\n   https://h/lab?token=abc3\\n   or\"}";
	char other[] = "running at\n] http://h/ and (x) /?token=old1\n"
		       "] ftp://h/?token=old2\n";

	(void)state;
	expect_token(PODS(""), answer, old, "abc1");
	expect_token(PODS(""), answer, json, "abc2");
	expect_token(PODS(""), answer, one, "abc3");
	expect_token(PODS(""), answer, other, NULL);
}

static void a_log_without_a_token_is_read_once(void **state)
{
	char text[] = "The server is running at http://h/\n";

	(void)state;
	expect_token(PODS(""), answer, text, NULL);
}

static void a_log_without_end_is_left(void **state)
{
	char text[] = "http://h/?token=abc\n";
	char nothing[] = "no\n";

	(void)state;
	expect_token(PODS(""), talk, text, "abc");
	expect_token(PODS(""), talk, nothing, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			it_stands_in_the_environment_or_on_the_command_line),
		cmocka_unit_test(the_last_one_of_the_log_holds),
		cmocka_unit_test(what_was_asked_for_is_not_the_servers_own),
		cmocka_unit_test(it_is_found_as_servers_say_it),
		cmocka_unit_test(a_log_without_a_token_is_read_once),
		cmocka_unit_test(a_log_without_end_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Requests to an API server, and whose answer it was that came. */
#include "config.h"

#include "http_header.h"
#include "kube_at.h"
#include "recording.h"
#include "scratch_place.h"
#include "script_server.h"
#include "web_server.h"

#include <errno.h>
#include <pthread.h>

#define JSON	"Content-Type: application/json\r\n"
#define POD_URL "/api/v1/namespaces/n/pods/p:8888/proxy"
#define THREADS 8

/* --- whose answer? -------------------------------------------------------- */

struct court {
	struct kube *kube;
	struct hop *hop;
};

static void convene(struct court *c)
{
	struct secret *token = secret_new("jup", 3);
	g_autofree char *why = NULL;

	c->kube = kube_with_token("http://127.0.0.1:1");
	assert_int_equal(
		kube_hop(c->kube, POD_URL, token, NULL, &why, &c->hop), 0);
	secret_unref(token);
}

static void adjourn(struct court *c)
{
	hop_unref(c->hop);
	kube_unref(c->kube);
}

/* As if it had come over the wire. */
static void receive(struct http_response *r, const char *head, const char *body)
{
	g_auto(GStrv) lines = g_strsplit(head, "\n", -1);

	http_response_init(r);
	for (char **line = lines; *line != NULL; line++)
		http_header_line(r, *line, strlen(*line), 0);
	r->body = g_string_new(body);
	r->may_have_acted = true;
}

static void receive_recording(
	struct http_response *r, const char *name, bool is_upgrade)
{
	g_autofree char *text = recording_read(name);
	g_auto(GStrv) halves = g_strsplit(text, "\n----\n", 2);
	g_auto(GStrv) parts = NULL;

	assert_int_equal(g_strv_length(halves), 2);
	parts = g_strsplit(halves[1], "\n\n", 2);
	receive(r, parts[0],
		parts[0] == NULL || parts[1] == NULL || is_upgrade ? ""
								   : parts[1]);
	r->is_upgrade = is_upgrade;
}

struct verdict {
	const char *name;
	int error;
	bool may_have_acted;
};

/* The API server's own among those that came through it. */
static const struct verdict own[] = {
	{ "proxy-dead-port-503", -EHOSTUNREACH, false },
	{ "proxy-method-propfind-405", -EHOSTUNREACH, false },
	{ "proxy-no-endpoints-503", -EHOSTUNREACH, false },
	{ "proxy-no-endpoints-starting-503", -EHOSTUNREACH, false },
	{ "proxy-no-port-503", -EHOSTUNREACH, false },
	{ "proxy-not-ready-503", -EHOSTUNREACH, false },
	{ "proxy-pod-gone-404", -EHOSTUNREACH, false },
	{ "proxy-pod-not-ready-refused-503", -EHOSTUNREACH, false },
	{ "proxy-pod-without-ip-400", -EHOSTUNREACH, false },
	{ "proxy-service-https-to-plain-503", -ECONNRESET, true },
	{ "proxy-service-plain-to-tls-503", -ECONNRESET, true },
	{ "proxy-unknown-pod-404", -EHOSTUNREACH, false },
	{ "proxy-unknown-port-503", -ECONNRESET, true },
	{ "proxy-unknown-portname-503", -EHOSTUNREACH, false },
	{ "proxy-unknown-service-404", -EHOSTUNREACH, false },
	{ "ws-anonymous-403", -EACCES, false },
	{ "ws-answer-200-500", -ECONNRESET, true },
	{ "ws-bad-token-401", -EHOSTUNREACH, false },
	{ "ws-dead-port-500", -ECONNRESET, true },
	{ "ws-pod-dead-port-500", -ECONNRESET, true },
	{ "ws-rbac-403", -EACCES, false },
	{ "ws-unknown-service-404", -EHOSTUNREACH, false },
};

static const struct verdict *find_own(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
		if (strcmp(own[i].name, name) == 0)
			return &own[i];
	return NULL;
}

/* Calls `see` with the name of each recording that begins so. */
static unsigned for_each_recording(struct court *c, const char *prefix,
	void (*see)(struct court *, const char *name))
{
	GDir *dir = g_dir_open(RECORDINGS_DIR, 0, NULL);
	unsigned count = 0;
	const char *file;

	assert_non_null(dir);
	while ((file = g_dir_read_name(dir)) != NULL) {
		g_autofree char *name = NULL;

		if (!g_str_has_prefix(file, prefix) ||
			!g_str_has_suffix(file, ".txt"))
			continue;
		name = g_strndup(file, strlen(file) - strlen(".txt"));
		see(c, name);
		count++;
	}
	g_dir_close(dir);
	return count;
}

static void check_relayed(struct court *c, const char *name)
{
	const struct verdict *v = find_own(name);
	bool is_upgrade = g_str_has_prefix(name, "ws-");
	g_autofree char *why = NULL;
	struct http_response r;
	bool is_own;

	receive_recording(&r, name, is_upgrade);
	is_own = kube_judge(c->kube, c->hop, &r, NULL, &why);
	if (is_own != (v != NULL) || r.error != (v == NULL ? 0 : v->error) ||
		r.may_have_acted != (v == NULL || v->may_have_acted))
		fail_msg("%s: %s %d, acted %d", name, is_own ? "own" : "pod's",
			r.error, r.may_have_acted);
	if (is_own && !is_upgrade)
		assert_non_null(why);
	else if (!is_own)
		assert_null(why);
	http_response_clear(&r);
}

static void each_recorded_answer_is_its_senders(void **state)
{
	struct court c;

	(void)state;
	convene(&c);
	assert_true(for_each_recording(&c, "proxy-", check_relayed) > 60);
	assert_true(for_each_recording(&c, "ws-", check_relayed) > 20);
	adjourn(&c);
}

/* Whatever it refuses, for whatever reason: no file is missing, none exists
 * already, nothing is too large or busy that is not. */
static void check_refusal(struct court *c, const char *name)
{
	g_autofree char *why = NULL;
	struct http_response r;
	int expected = -EHOSTUNREACH;

	receive_recording(&r, name, false);
	if (r.status == 403)
		expected = -EACCES;
	else if (r.status == 413)
		expected = 0;
	assert_true(kube_judge(c->kube, c->hop, &r, NULL, &why));
	if (r.error != expected || r.may_have_acted)
		fail_msg("%s: %d, acted %d", name, r.error, r.may_have_acted);
	http_response_clear(&r);
}

static void no_refusal_of_the_api_server_is_about_a_file(void **state)
{
	struct court c;

	(void)state;
	convene(&c);
	assert_true(for_each_recording(&c, "err-", check_refusal) > 40);
	adjourn(&c);
}

/* --- what Go's proxy and load balancers say ------------------------------- */

#define STATUS(message)                                               \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{}," \
	"\"status\":\"Failure\",\"message\":\"" message               \
	"\",\"reason\":\"ServiceUnavailable\",\"code\":503}"
#define REACH "error trying to reach service: "

static void the_pod_may_have_acted_unless_it_was_not_reached(void **state)
{
	static const struct {
		const char *body;
		bool may_have_acted;
	} rows[] = {
		{ STATUS(REACH "dial tcp 10.0.0.1:8888: i/o timeout"), false },
		{ STATUS(REACH "dial tcp 10.0.0.1:8888: connect: no route to "
			       "host"),
			false },
		{ STATUS("no endpoints available for service \\\"w\\\""),
			false },
		{ STATUS(REACH "EOF"), true },
		{ STATUS(REACH "unexpected EOF"), true },
		{ STATUS(REACH "context deadline exceeded"), true },
		{ STATUS(REACH "context canceled"), true },
		{ STATUS(REACH "http2: server sent GOAWAY and closed the "
			       "connection"),
			true },
		{ STATUS(REACH "read tcp 10.0.0.2:1->10.0.0.1:8888: read: "
			       "connection reset by peer"),
			true },
		{ STATUS(REACH "write tcp 10.0.0.2:1->10.0.0.1:8888: write: "
			       "broken pipe"),
			true },
		{ STATUS(REACH "net/http: timeout awaiting response headers"),
			true },
		{ STATUS(REACH "http: server closed idle connection"), true },
		{ "{\"kind\":\"Status\",\"apiVersion\":\"v1\"}", true },
		{ "", true },
		{ "upstream connect error", true },
	};
	struct court c;

	(void)state;
	convene(&c);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct http_response r;

		receive(&r, "HTTP/1.1 503 Service Unavailable", rows[i].body);
		assert_true(kube_judge(c.kube, c.hop, &r, NULL, NULL));
		if (r.may_have_acted != rows[i].may_have_acted)
			fail_msg(
				"%s: acted %d", rows[i].body, r.may_have_acted);
		assert_int_equal(r.error,
			r.may_have_acted ? -ECONNRESET : -EHOSTUNREACH);
		http_response_clear(&r);
	}
	adjourn(&c);
}

static void a_load_balancers_404_is_no_missing_file(void **state)
{
	static const char *const bodies[] = { "404 page not found\n",
		"default backend - 404", "", "<html>no</html>",
		"{\"message\":\"no Route matched with those values\"}",
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",", "[]", "null" };
	struct court c;

	(void)state;
	convene(&c);
	for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
		struct http_response r;

		receive(&r, "HTTP/1.1 404 Not Found", bodies[i]);
		assert_true(kube_judge(c.kube, c.hop, &r, NULL, NULL));
		assert_int_equal(r.error, -EHOSTUNREACH);
		assert_false(r.may_have_acted);
		http_response_clear(&r);
	}
	adjourn(&c);
}

static void jupyters_own_words_are_its_own(void **state)
{
	static const char *const heads[] = { "HTTP/1.1 404 Not Found",
		"HTTP/1.1 500 Internal Server Error",
		"HTTP/1.1 404 Not Found\nServer: TornadoServer/6.2" };
	struct court c;

	(void)state;
	convene(&c);
	for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
		struct http_response r;

		receive(&r, heads[i],
			"{\"message\":\"No such file\","
			"\"reason\":null}");
		assert_false(kube_judge(c.kube, c.hop, &r, NULL, NULL));
		assert_int_equal(r.error, 0);
		assert_true(r.may_have_acted);
		http_response_clear(&r);
	}
	adjourn(&c);
}

/* It is for a terminal, a log, and a line of .pycloud/status. */
static void a_sentence_of_the_clusters_is_one_clean_line(void **state)
{
	g_autofree char *long_one = g_strnfill(20000, 'x');
	g_autofree char *body = g_strdup_printf(
		STATUS("a\\r\\nb\\u001b[2J\\u202e %s"), long_one);
	g_autofree char *why = NULL;
	struct http_response r;
	struct court c;

	(void)state;
	convene(&c);
	receive(&r, "HTTP/1.1 404 Not Found", body);
	assert_true(kube_judge(c.kube, c.hop, &r, NULL, &why));
	assert_non_null(why);
	assert_true(g_str_has_prefix(why, "a b [2J xxx"));
	assert_true(strlen(why) <= 1024);
	http_response_clear(&r);
	adjourn(&c);
}

static void only_its_own_failures_put_a_hop_in_doubt(void **state)
{
	static const struct {
		int error;
		bool is_doubt;
	} rows[] = {
		{ -ECONNRESET, true },
		{ -ETIMEDOUT, true },
		{ -EHOSTUNREACH, true },
		{ -EINTR, false },
		{ -ECANCELED, false },
		{ -EBADMSG, false },
		{ -EFBIG, false },
		{ -ENAMETOOLONG, false },
		{ -ENOSPC, false },
	};
	struct court c;

	(void)state;
	convene(&c);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct http_response r;

		http_response_init(&r);
		r.error = rows[i].error;
		assert_int_equal(kube_judge(c.kube, c.hop, &r, NULL, NULL),
			rows[i].is_doubt);
		assert_int_equal(r.error, rows[i].error);
	}
	adjourn(&c);
}

/* --- calls ---------------------------------------------------------------- */

static int get(struct kube *kube, struct kube_answer *a)
{
	return kube_get(kube, NULL, a, "api/v1/namespaces/%s/pods", "n");
}

static void an_object_comes(void **state)
{
	static const struct script_step steps[] = { { 200, JSON,
		"{\"kind\":\"PodList\"}", 0 } };
	struct script_server *server = script_server_new(steps, 1);
	struct kube *kube = kube_with_token(script_server_url(server));
	struct kube_answer a;

	(void)state;
	assert_int_equal(get(kube, &a), 0);
	assert_string_equal(json_string(a.object, "kind"), "PodList");
	assert_null(a.why);
	kube_answer_clear(&a);
	kube_unref(kube);
	assert_string_equal(
		script_server_log(server), "GET /api/v1/namespaces/n/pods\n");
	script_server_free(server);
}

static void what_is_no_api_server_is_said_to_be_none(void **state)
{
	static const struct script_step steps[] = {
		{ 200, "Content-Type: text/html\r\n", "<html>log in</html>",
			0 },
		{ 200, JSON, "[1", 0 },
		{ 302, "Location: https://sso/?token=b3arer\r\n", "", 0 },
		{ 404, JSON, "{\"message\":\"no Route\"}", 0 },
	};
	struct script_server *server =
		script_server_new(steps, G_N_ELEMENTS(steps));
	struct kube *kube = kube_with_token(script_server_url(server));

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		struct kube_answer a;

		assert_int_equal(get(kube, &a), -EPROTO);
		assert_non_null(a.why);
		assert_null(strstr(a.why, "b3arer"));
		kube_answer_clear(&a);
	}
	kube_unref(kube);
	script_server_free(server);
}

static void a_post_is_not_sent_twice(void **state)
{
	static const struct script_step steps[] = { { 0, NULL, NULL, 0 },
		{ 201, JSON, "{}", 0 } };
	struct script_server *server =
		script_server_new(steps, G_N_ELEMENTS(steps));
	struct kube *kube = kube_with_token(script_server_url(server));
	const struct kube_request q = { .method = "POST",
		.path = "api/v1/namespaces/n/secrets",
		.content_type = KUBE_JSON,
		.text = "{}" };
	struct kube_answer a;

	(void)state;
	assert_int_equal(kube_call(kube, &q, NULL, &a), -ECONNRESET);
	assert_non_null(a.why);
	kube_answer_clear(&a);
	kube_unref(kube);
	assert_string_equal(script_server_log(server),
		"POST /api/v1/namespaces/n/secrets\n");
	script_server_free(server);
}

/* --- 401 ------------------------------------------------------------------ */

#define REFUSED                                                  \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":" \
	"\"Failure\",\"message\":\"Unauthorized\",\"reason\":"   \
	"\"Unauthorized\",\"code\":401}"

/* Accepts one token; writes it where it is read, once it has refused. */
struct gate {
	const char *token;
	const char *file; /* NULL: nobody will ever know it */
	atomic_int refusals;
};

static void guard(struct web_connection *c, void *arg)
{
	struct gate *g = arg;

	while (web_read_request(c)) {
		g_autofree char *line = g_strdup_printf(
			"\r\nAuthorization: Bearer %s\r\n", g->token);

		if (strstr(c->request->str, line) != NULL) {
			web_answer(c, "200 OK", "{}");
			continue;
		}
		(void)atomic_fetch_add(&g->refusals, 1);
		if (g->file != NULL)
			(void)g_file_set_contents(g->file, g->token, -1, NULL);
		web_answer(c, "401 Unauthorized", REFUSED);
	}
}

struct refused {
	struct scratch_place place;
	char *file;
	struct gate gate;
	struct web_server *server;
	struct kube *kube;
};

static void refused_start(struct refused *r, bool has_new)
{
	struct kube_auth_source source = { .name = "ann" };

	scratch_place_make(&r->place);
	r->file = g_build_filename(r->place.path, "token", NULL);
	assert_true(g_file_set_contents(r->file, "old", -1, NULL));
	r->gate = (struct gate){ .token = "new",
		.file = has_new ? r->file : NULL };
	r->server = web_server_start(guard, &r->gate);
	source.token_file = r->file;
	r->kube = kube_at(web_server_url(r->server), &source);
}

static void refused_stop(struct refused *r)
{
	kube_unref(r->kube);
	web_server_stop(r->server);
	scratch_place_remove(&r->place);
	g_free(r->file);
}

static void a_refused_login_is_renewed_and_the_call_repeated(void **state)
{
	const struct kube_request q = { .method = "POST",
		.path = "api/v1/namespaces/n/secrets",
		.content_type = KUBE_JSON,
		.text = "{\"a\":1}" };
	g_autofree char *second = NULL;
	struct kube_answer a;
	struct refused r;

	(void)state;
	refused_start(&r, true);
	/* Not even a POST has been acted upon. */
	assert_int_equal(kube_call(r.kube, &q, NULL, &a), 0);
	kube_answer_clear(&a);
	assert_int_equal(web_server_request_count(r.server), 2);
	second = web_server_request(r.server, 1);
	assert_true(g_str_has_suffix(second, "\r\n\r\n{\"a\":1}"));
	refused_stop(&r);
}

static void who_is_refused_for_good_hears_it_once(void **state)
{
	struct kube_answer a;
	struct refused r;

	(void)state;
	refused_start(&r, false);
	assert_int_equal(get(r.kube, &a), -EKEYREJECTED);
	assert_non_null(strstr(a.why, "log in"));
	kube_answer_clear(&a);
	assert_int_equal(web_server_request_count(r.server), 1);
	refused_stop(&r);
}

static void *get_once(void *arg)
{
	struct kube_answer a;
	int rc = get(arg, &a);

	kube_answer_clear(&a);
	return GINT_TO_POINTER(rc);
}

static void many_that_are_refused_at_once_all_get_in(void **state)
{
	pthread_t threads[THREADS];
	struct refused r;

	(void)state;
	refused_start(&r, true);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, get_once, r.kube), 0);
	for (int i = 0; i < THREADS; i++) {
		void *rc;

		assert_int_equal(pthread_join(threads[i], &rc), 0);
		assert_int_equal(GPOINTER_TO_INT(rc), 0);
	}
	assert_true(atomic_load(&r.gate.refusals) <= THREADS);
	refused_stop(&r);
}

static void a_relayed_401_is_worth_another_try(void **state)
{
	struct http_response response;
	g_autofree char *why = NULL;
	struct hop *hop;
	struct refused r;

	(void)state;
	refused_start(&r, true);
	assert_int_equal(kube_hop(r.kube, POD_URL, NULL, NULL, &why, &hop), 0);
	assert_true(g_file_set_contents(r.file, "new", -1, NULL));
	receive(&response, "HTTP/1.1 401 Unauthorized", REFUSED);
	assert_true(kube_judge(r.kube, hop, &response, NULL, NULL));
	assert_int_equal(response.error, -ECONNRESET);
	assert_false(response.may_have_acted);
	http_response_clear(&response);
	hop_unref(hop);
	assert_int_equal(kube_hop(r.kube, POD_URL, NULL, NULL, &why, &hop), 0);
	assert_string_equal(secret_peek(hop->bearer), "new");
	hop_unref(hop);
	refused_stop(&r);
}

/* --- watching ------------------------------------------------------------- */

#define EVENT(type, name) \
	"{\"type\":\"" type "\",\"object\":{\"name\":\"" name "\"}}\n"

static int note_event(void *arg, const char *type, const cJSON *object)
{
	GString *seen = arg;

	g_string_append_printf(
		seen, "%s %s;", type, json_string(object, "name"));
	return g_strcmp0(json_string(object, "name"), "last") == 0 ? 7 : 0;
}

static int watch(const struct script_step *steps, size_t count, int timeout_ms,
	GString *seen)
{
	struct script_server *server = script_server_new(steps, count);
	struct kube *kube = kube_with_token(script_server_url(server));
	g_autofree char *why = NULL;
	int rc = kube_watch(kube, "api/v1/pods?labelSelector=a%3Db", timeout_ms,
		NULL, note_event, seen, &why);

	assert_true(rc > 0 || why != NULL || rc == -ETIMEDOUT);
	kube_unref(kube);
	assert_true(g_str_has_prefix(script_server_log(server),
		"GET /api/v1/pods?labelSelector=a%3Db&watch=1&"));
	script_server_free(server);
	return rc;
}

static void a_watch_goes_on_after_each_end(void **state)
{
	static const struct script_step steps[] = {
		{ 200, JSON, EVENT("ADDED", "a") "\n" EVENT("BOOKMARK", "b"),
			0 },
		{ 503, NULL, "", 0 },
		{ 200, JSON, "{\"type\":\"ERROR\",\"object\":{}}\n", 0 },
		{ 200, JSON, EVENT("MODIFIED", "last") EVENT("ADDED", "never"),
			0 },
	};
	g_autoptr(GString) seen = g_string_new(NULL);

	(void)state;
	assert_int_equal(watch(steps, G_N_ELEMENTS(steps), 20000, seen), 7);
	assert_string_equal(seen->str, "ADDED a;BOOKMARK b;MODIFIED last;");
}

static void nonsense_ends_a_watch(void **state)
{
	static const char *const lines[] = { "what?\n", "[]\n",
		"{\"type\":1,\"object\":{}}\n", "{\"type\":\"ADDED\"}\n" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		const struct script_step step = { 200, JSON, lines[i], 0 };
		g_autoptr(GString) seen = g_string_new(NULL);

		assert_int_equal(watch(&step, 1, 20000, seen), -EPROTO);
		assert_string_equal(seen->str, "");
	}
}

static void who_may_not_watch_hears_it(void **state)
{
	int code;
	g_autofree char *body = recording_body("err-403-watch-rbac", &code);
	const struct script_step step = { code, JSON, body, 0 };
	g_autoptr(GString) seen = g_string_new(NULL);

	(void)state;
	assert_int_equal(watch(&step, 1, 20000, seen), -EACCES);
}

static void be_silent(struct web_connection *c, void *arg)
{
	(void)arg;
	if (web_read_request(c))
		web_send(c, "HTTP/1.1 200 OK\r\n" JSON
			    "Transfer-Encoding: chunked\r\n\r\n");
	web_wait_hangup(c);
}

static void a_watch_without_a_byte_ends_in_time(void **state)
{
	struct web_server *server = web_server_start(be_silent, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	g_autoptr(GString) seen = g_string_new(NULL);
	g_autofree char *why = NULL;

	(void)state;
	assert_int_equal(kube_watch(kube, "api/v1/pods", 50, NULL, note_event,
				 seen, &why),
		-ETIMEDOUT);
	kube_unref(kube);
	web_server_stop(server);
}

/* More of one event than anybody would send. */
static void rave(struct web_connection *c, void *arg)
{
	g_autofree char *much = g_strnfill(1 << 20, 'x');

	(void)arg;
	if (!web_read_request(c))
		return;
	web_send(c, "HTTP/1.1 200 OK\r\n" JSON
		    "Connection: close\r\n\r\n{\"type\":\"");
	for (int i = 0; i < 5; i++)
		web_send(c, much);
	web_wait_hangup(c);
}

static void an_event_has_a_maximum(void **state)
{
	struct web_server *server = web_server_start(rave, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	g_autoptr(GString) seen = g_string_new(NULL);
	g_autofree char *why = NULL;

	(void)state;
	assert_int_equal(kube_watch(kube, "api/v1/pods", 20000, NULL,
				 note_event, seen, &why),
		-EFBIG);
	kube_unref(kube);
	web_server_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_recorded_answer_is_its_senders),
		cmocka_unit_test(no_refusal_of_the_api_server_is_about_a_file),
		cmocka_unit_test(
			the_pod_may_have_acted_unless_it_was_not_reached),
		cmocka_unit_test(a_load_balancers_404_is_no_missing_file),
		cmocka_unit_test(jupyters_own_words_are_its_own),
		cmocka_unit_test(a_sentence_of_the_clusters_is_one_clean_line),
		cmocka_unit_test(only_its_own_failures_put_a_hop_in_doubt),
		cmocka_unit_test(an_object_comes),
		cmocka_unit_test(what_is_no_api_server_is_said_to_be_none),
		cmocka_unit_test(a_post_is_not_sent_twice),
		cmocka_unit_test(
			a_refused_login_is_renewed_and_the_call_repeated),
		cmocka_unit_test(who_is_refused_for_good_hears_it_once),
		cmocka_unit_test(many_that_are_refused_at_once_all_get_in),
		cmocka_unit_test(a_relayed_401_is_worth_another_try),
		cmocka_unit_test(a_watch_goes_on_after_each_end),
		cmocka_unit_test(nonsense_ends_a_watch),
		cmocka_unit_test(who_may_not_watch_hears_it),
		cmocka_unit_test(a_watch_without_a_byte_ends_in_time),
		cmocka_unit_test(an_event_has_a_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

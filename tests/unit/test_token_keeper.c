/* A token for as long as a server accepts it, and then another. */
#include "config.h"

#include "token_keeper.h"

#include "endpoint.h"
#include "http_client.h"
#include "mutex.h"
#include "route_url.h"
#include "test.h"
#include "web_server.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOON_MS 10000
#define AT_ONCE (-1) /* look_ms: no wait between two searches */
#define THREADS 8

#define FORBIDDEN "{\"message\": \"Forbidden\", \"reason\": null}"

static char folder[] = "/tmp/pycloud-test-XXXXXX";

/* A server that knows one token, and a keeper that finds its tokens in a file
 * or by a command. */
struct world {
	struct mutex lock;
	char good[32];	 /* guarded by lock */
	unsigned trials; /* guarded by lock */
	bool is_open;	 /* guarded by lock; wants no token */
	bool is_mute;	 /* guarded by lock; does not answer trials */
	bool is_cut;	 /* guarded by lock; hangs up on trials */
	/* guarded by lock; what trials are answered; NULL: what is true */
	const char *trial_status;
	struct web_server *server;
	char *file;
	struct token_keeper *keeper;
	struct endpoint *endpoint;
	struct http_pool *pool;
};

static bool is_known_locked(struct world *w, const char *request)
	REQUIRES(w->lock)
{
	g_autofree char *line =
		g_strdup_printf("\r\nAuthorization: token %s\r\n", w->good);

	return w->is_open || strstr(request, line) != NULL;
}

/* False: it hangs up. */
static bool answer(struct web_connection *c, struct world *w)
{
	const char *request = c->request->str;
	bool is_trial = strstr(request, "/api/status") != NULL;
	const char *status;
	bool is_known;
	bool is_mute;
	bool is_cut;

	mutex_lock(&w->lock);
	is_known = is_known_locked(w, request);
	is_mute = is_trial && w->is_mute;
	is_cut = is_trial && w->is_cut;
	status = is_trial ? w->trial_status : NULL;
	if (is_trial)
		w->trials++;
	mutex_unlock(&w->lock);
	if (is_mute || is_cut)
		return !is_cut;
	if (status != NULL) {
		web_answer(c, status, "{}");
		return true;
	}
	if (!is_known && strstr(request, "/files/") != NULL)
		web_send(c, "HTTP/1.1 302 Found\r\nLocation: /login?next=x\r\n"
			    "Content-Length: 0\r\n\r\n");
	else if (!is_known)
		web_answer(c, "403 Forbidden", FORBIDDEN);
	else if (strstr(request, "/api/contents/shut") != NULL)
		web_answer(
			c, "403 Forbidden", "{\"message\": \"You may not\"}");
	else
		web_answer(c, "200 OK", "{}");
	return true;
}

static void script(struct web_connection *c, void *arg)
{
	while (web_read_request(c) && answer(c, arg))
		;
}

static void set_good(struct world *w, const char *token)
{
	mutex_lock(&w->lock);
	(void)g_strlcpy(w->good, token, sizeof(w->good));
	mutex_unlock(&w->lock);
}

static unsigned trials(struct world *w)
{
	unsigned count;

	mutex_lock(&w->lock);
	count = w->trials;
	mutex_unlock(&w->lock);
	return count;
}

static void set_file(struct world *w, const char *token)
{
	assert_true(g_file_set_contents(w->file, token, -1, NULL));
	assert_int_equal(g_chmod(w->file, 0600), 0);
}

static void begin(struct world *w, const char *command, int64_t look_ms)
{
	struct credentials *c;
	struct token_keeper_params params = {
		.place.target = TOKEN_TARGET_SERVER,
		.login_name = "lab",
		.look_ms = look_ms,
	};
	struct route_url_params route = { 0 };
	struct endpoint_params endpoint = { 0 };
	char *why = NULL;

	*w = (struct world){ .good = "g00d" };
	mutex_init(&w->lock);
	w->server = web_server_start(script, w);
	w->file = g_build_filename(folder, "token", NULL);
	set_file(w, "g00d");
	c = credentials_new(NULL, command == NULL ? w->file : NULL, command);
	params.credentials = c;
	params.server = params.place.base_url = web_server_url(w->server);
	w->keeper = token_keeper_new(&params);
	credentials_unref(c);
	assert_int_equal(token_keeper_start(w->keeper, NULL, &why), 0);
	route.base_url = endpoint.base_url = web_server_url(w->server);
	route.keeper = w->keeper;
	endpoint.route = route_url_new(&route);
	assert_int_equal(endpoint_new(&endpoint, &w->endpoint), 0);
	assert_int_equal(http_pool_new(w->endpoint, &w->pool), 0);
}

static void end(struct world *w)
{
	http_pool_free(w->pool);
	endpoint_unref(w->endpoint);
	token_keeper_unref(w->keeper);
	web_server_stop(w->server);
	(void)unlink(w->file);
	g_free(w->file);
	mutex_fini(&w->lock);
}

/* The status of an answer, or -errno. */
static int ask_within(struct world *w, const char *method, const char *target,
	int tries_max, int timeout_ms, const struct cancel *cancel)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response r;
	int rc;

	call.request.method = method;
	call.request.target = target;
	call.request.timeout_ms = timeout_ms;
	call.tries_max = tries_max;
	http_response_init(&r);
	rc = http_client_call(w->pool, &call, cancel, &r);
	if (rc == 0)
		rc = r.status;
	http_response_clear(&r);
	return rc;
}

static int ask(struct world *w, const char *method, const char *target,
	const struct cancel *cancel)
{
	return ask_within(w, method, target, 0, SOON_MS, cancel);
}

static void expect_why(struct world *w, const char *words)
{
	g_autofree char *why = token_keeper_why(w->keeper);

	if (words == NULL)
		assert_null(why);
	else if (why == NULL || strstr(why, words) == NULL)
		fail_msg("'%s' does not say '%s'", why, words);
}

/* -------------------------------------------------------------------------- */

static void a_token_that_is_accepted_is_not_tried(void **state)
{
	struct world w;

	(void)state;
	begin(&w, NULL, 0);
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), 200);
	assert_int_equal(trials(&w), 0);
	expect_why(&w, NULL);
	end(&w);
}

static void what_one_may_not_do_says_nothing_of_the_token(void **state)
{
	struct world w;

	(void)state;
	begin(&w, NULL, 0);
	assert_int_equal(ask(&w, "GET", "api/contents/shut", NULL), 403);
	assert_int_equal(trials(&w), 1);
	/* Nor is that asked again and again. */
	assert_int_equal(ask(&w, "PUT", "api/contents/shut", NULL), 403);
	assert_int_equal(trials(&w), 1);
	expect_why(&w, NULL);
	end(&w);
}

static void a_new_token_is_found_by_the_call_that_needs_it(void **state)
{
	static const struct {
		const char *method;
		const char *target;
	} rows[] = { { "GET", "api/contents/a" }, { "PUT", "api/contents/a" },
		{ "POST", "api/kernels" }, { "GET", "files/a" } };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct world w;

		begin(&w, NULL, AT_ONCE);
		set_good(&w, "n3w");
		set_file(&w, "n3w");
		assert_int_equal(
			ask(&w, rows[i].method, rows[i].target, NULL), 200);
		expect_why(&w, NULL);
		end(&w);
	}
}

static void without_one_the_server_is_offline(void **state)
{
	unsigned tried;
	struct world w;

	(void)state;
	begin(&w, NULL, 0);
	set_good(&w, "n3w");
	/* It was searched for a moment ago, at the start. */
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), -ENETUNREACH);
	expect_why(&w, "refuses the token that the file");
	expect_why(&w, "run: pycloud login --file THAT-FILE lab");
	tried = web_server_request_count(w.server);
	set_file(&w, "n3w");
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			ask(&w, "PUT", "api/contents/a", NULL), -ENETUNREACH);
	assert_int_equal(web_server_request_count(w.server), tried);
	end(&w);
}

static void it_is_online_again_when_there_is_one(void **state)
{
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	set_good(&w, "n3w");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), -ENETUNREACH);
	set_file(&w, "wr0ng");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), -ENETUNREACH);
	expect_why(&w, "pycloud login");
	set_file(&w, "n3w");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), 200);
	expect_why(&w, NULL);
	/* The old one may be good again, too. */
	set_good(&w, "g00d");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), -ENETUNREACH);
	set_good(&w, "n3w");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), 200);
	end(&w);
}

static void a_broken_source_says_so(void **state)
{
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	set_good(&w, "n3w");
	set_file(&w, "n3w");
	assert_int_equal(g_chmod(w.file, 0644), 0);
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), -ENETUNREACH);
	expect_why(&w, "chmod 600");
	assert_int_equal(g_chmod(w.file, 0600), 0);
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), 200);
	end(&w);
}

static void a_server_may_come_to_want_a_token_and_to_want_none(void **state)
{
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	set_good(&w, "n3w");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), -ENETUNREACH);
	mutex_lock(&w.lock);
	w.is_open = true;
	mutex_unlock(&w.lock);
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), 200);
	end(&w);
}

/* Nobody is told a refusal that may be none. */
static void an_answer_in_doubt_is_not_told(void **state)
{
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	mutex_lock(&w.lock);
	w.is_cut = true;
	mutex_unlock(&w.lock);
	assert_int_equal(
		ask_within(&w, "GET", "api/contents/shut", 1, SOON_MS, NULL),
		-ECONNRESET);
	expect_why(&w, NULL);
	mutex_lock(&w.lock);
	w.is_cut = false;
	w.is_mute = true;
	mutex_unlock(&w.lock);
	assert_int_equal(
		ask_within(&w, "GET", "api/contents/shut", 1, 300, NULL),
		-ETIMEDOUT);
	mutex_lock(&w.lock);
	w.is_mute = false;
	mutex_unlock(&w.lock);
	assert_int_equal(ask(&w, "GET", "api/contents/shut", NULL), 403);
	end(&w);
}

/* The server in trouble may say anything; one that answers has answered. */
static void a_trial_that_fails_otherwise(void **state)
{
	static const struct {
		const char *status;
		int expected;
	} rows[] = { { "404 Not Found", 403 },
		{ "500 Internal Server Error", 403 },
		{ "502 Bad Gateway", -EHOSTUNREACH },
		{ "429 Too Many Requests", -EHOSTUNREACH } };
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		mutex_lock(&w.lock);
		w.trial_status = rows[i].status;
		mutex_unlock(&w.lock);
		assert_int_equal(ask_within(&w, "PUT", "api/contents/shut", 1,
					 SOON_MS, NULL),
			rows[i].expected);
	}
	expect_why(&w, NULL);
	end(&w);
}

/* --- threads -------------------------------------------------------------- */

static void *ask_once(void *arg)
{
	struct world *w = arg;

	return GINT_TO_POINTER(ask(w, "GET", "api/contents/a", NULL));
}

static void threads_find_one_together(void **state)
{
	pthread_t threads[THREADS];
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	set_good(&w, "n3w");
	set_file(&w, "n3w");
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, ask_once, &w), 0);
	for (int i = 0; i < THREADS; i++) {
		void *status = NULL;

		assert_int_equal(pthread_join(threads[i], &status), 0);
		assert_int_equal(GPOINTER_TO_INT(status), 200);
	}
	end(&w);
}

/* Says g00d at first, and then hangs. */
#define SLOW_COMMAND                                                       \
	"sh -c 'if mkdir %s/once 2>/dev/null; then echo g00d; else touch " \
	"%s/hangs; exec sleep 600; fi'"

struct interrupted {
	struct world *world;
	struct cancel cancel;
};

static void *ask_interrupted(void *arg)
{
	struct interrupted *i = arg;

	return GINT_TO_POINTER(
		ask(i->world, "GET", "api/contents/a", &i->cancel));
}

/* The one that searches, and the ones that wait for it. */
static void an_interrupt_reaches_who_searches_and_who_waits(void **state)
{
	g_autofree char *command =
		g_strdup_printf(SLOW_COMMAND, folder, folder);
	g_autofree char *hangs = g_build_filename(folder, "hangs", NULL);
	g_autofree char *once = g_build_filename(folder, "once", NULL);
	struct interrupted all[THREADS];
	pthread_t threads[THREADS];
	struct world w;

	(void)state;
	begin(&w, command, AT_ONCE);
	set_good(&w, "n3w");
	for (int i = 0; i < THREADS; i++) {
		all[i].world = &w;
		cancel_init(&all[i].cancel, 0);
		assert_int_equal(pthread_create(&threads[i], NULL,
					 ask_interrupted, &all[i]),
			0);
	}
	while (access(hangs, F_OK) != 0)
		(void)sched_yield();
	for (int i = 0; i < THREADS; i++)
		cancel_fire(&all[i].cancel);
	for (int i = 0; i < THREADS; i++) {
		void *status = NULL;

		assert_int_equal(pthread_join(threads[i], &status), 0);
		assert_int_equal(GPOINTER_TO_INT(status), -EINTR);
		cancel_fini(&all[i].cancel);
	}
	end(&w);
	(void)unlink(hangs);
	(void)rmdir(once);
}

/* Says g00d at first; then waits for somebody's finger, and counts how often it
 * was asked to. */
#define PATIENT_COMMAND                                                     \
	"sh -c 'if mkdir %s/once 2>/dev/null; then echo g00d; else echo x " \
	">>%s/asked; read token <%s/finger; echo $token; fi'"

static void touch_key(const char *finger, const char *token)
{
	FILE *f = fopen(finger, "w"); /* waits for who reads */

	assert_non_null(f);
	assert_true(fputs(token, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void a_search_outlives_who_wanted_it(void **state)
{
	g_autofree char *command =
		g_strdup_printf(PATIENT_COMMAND, folder, folder, folder);
	g_autofree char *finger = g_build_filename(folder, "finger", NULL);
	g_autofree char *asked = g_build_filename(folder, "asked", NULL);
	g_autofree char *once = g_build_filename(folder, "once", NULL);
	g_autofree char *said = NULL;
	struct interrupted one;
	void *status = NULL;
	pthread_t thread;
	struct world w;

	(void)state;
	assert_int_equal(mkfifo(finger, 0600), 0);
	begin(&w, command, AT_ONCE);
	set_good(&w, "n3w");
	one.world = &w;
	cancel_init(&one.cancel, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, ask_interrupted, &one), 0);
	while (access(asked, F_OK) != 0)
		(void)sched_yield();
	cancel_fire(&one.cancel);
	assert_int_equal(pthread_join(thread, &status), 0);
	assert_int_equal(GPOINTER_TO_INT(status), -EINTR);
	cancel_fini(&one.cancel);
	/* Who has no time that long is told so, and disturbs nothing. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			ask_within(&w, "GET", "api/contents/a", 0, 50, NULL),
			-ETIMEDOUT);
	touch_key(finger, "n3w\n");
	assert_int_equal(ask(&w, "GET", "api/contents/a", NULL), 200);
	assert_true(g_file_get_contents(asked, &said, NULL, NULL));
	assert_string_equal(said, "x\n");
	end(&w);
	(void)unlink(finger);
	(void)unlink(asked);
	(void)rmdir(once);
}

/* The refusal that it is about is no answer to it. */
static void an_interrupt_reaches_who_tries(void **state)
{
	struct interrupted one;
	void *status = NULL;
	pthread_t thread;
	struct world w;

	(void)state;
	begin(&w, NULL, AT_ONCE);
	set_good(&w, "n3w");
	mutex_lock(&w.lock);
	w.is_mute = true;
	mutex_unlock(&w.lock);
	one.world = &w;
	cancel_init(&one.cancel, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, ask_interrupted, &one), 0);
	while (trials(&w) == 0)
		(void)sched_yield();
	cancel_fire(&one.cancel);
	assert_int_equal(pthread_join(thread, &status), 0);
	assert_int_equal(GPOINTER_TO_INT(status), -EINTR);
	cancel_fini(&one.cancel);
	expect_why(&w, NULL);
	end(&w);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_that_is_accepted_is_not_tried),
		cmocka_unit_test(what_one_may_not_do_says_nothing_of_the_token),
		cmocka_unit_test(
			a_new_token_is_found_by_the_call_that_needs_it),
		cmocka_unit_test(without_one_the_server_is_offline),
		cmocka_unit_test(it_is_online_again_when_there_is_one),
		cmocka_unit_test(a_broken_source_says_so),
		cmocka_unit_test(
			a_server_may_come_to_want_a_token_and_to_want_none),
		cmocka_unit_test(an_answer_in_doubt_is_not_told),
		cmocka_unit_test(a_trial_that_fails_otherwise),
		cmocka_unit_test(threads_find_one_together),
		cmocka_unit_test(
			an_interrupt_reaches_who_searches_and_who_waits),
		cmocka_unit_test(a_search_outlives_who_wanted_it),
		cmocka_unit_test(an_interrupt_reaches_who_tries),
	};

	(void)unsetenv("PYCLOUD_TOKEN");
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	(void)unsetenv("DBUS_SESSION_BUS_ADDRESS");
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)setenv("JUPYTER_RUNTIME_DIR", "/nonexistent", 1);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

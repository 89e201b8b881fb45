/* Where the pod is, and when that is asked again. */
#include "config.h"

#include "route_kube.h"

#include "kube_at.h"
#include "script_server.h"
#include "web_server.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOON_MS 10000
#define THREADS 8
#define ROUNDS	30
#define JSON	"Content-Type: application/json\r\n"
#define SERVICE                                                            \
	"{\"spec\":{\"selector\":{\"app\":\"w\"},\"ports\":[{\"port\":80," \
	"\"targetPort\":8888}]}}"
#define POD(name)                                                       \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name "\"}," \
	"\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}}"
#define PODS(pods) "{\"items\":[" pods "]}"
#define STATUS(code, message, reason, details)                         \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":"       \
	"\"Failure\",\"message\":\"" message "\",\"reason\":\"" reason \
	"\",\"details\":{" details "},\"code\":" code "}"

#define ASKED                                   \
	"GET /api/v1/namespaces/n/services/w\n" \
	"GET /api/v1/namespaces/n/pods?labelSelector=app%3Dw\n"

struct way {
	struct script_server *server;
	struct kube *kube;
	struct route *route;
};

static struct route *route_with_pin(
	struct kube *kube, enum kube_via via, struct kube_pin *pin)
{
	const struct route_kube_params params = {
		.kube = kube,
		.namespace = "n",
		.service = "w",
		.via = via,
		.pin = pin,
	};

	return route_kube_new(&params);
}

static struct route *route_of(struct kube *kube, enum kube_via via)
{
	struct kube_pin *pin = kube_pin_new();
	struct route *route = route_with_pin(kube, via, pin);

	kube_pin_unref(pin);
	return route;
}

static struct way way_new(const struct script_step *steps, size_t count)
{
	struct way w = { .server = script_server_new(steps, count) };

	w.kube = kube_with_token(script_server_url(w.server));
	w.route = route_of(w.kube, KUBE_VIA_PROXY);
	return w;
}

#define WAY(steps) way_new(steps, G_N_ELEMENTS(steps))

static void way_end(struct way *w, const char *expected_log)
{
	route_free(w->route);
	kube_unref(w->kube);
	if (expected_log != NULL)
		assert_string_equal(script_server_log(w->server), expected_log);
	script_server_free(w->server);
}

static int hop(struct route *route, struct hop **ret)
{
	return route->ops->hop(route, NULL, clock_now_ms() + SOON_MS, ret);
}

static void expect_pod(struct way *w, const char *name)
{
	g_autofree char *url =
		g_strdup_printf("%s/api/v1/namespaces/n/pods/%s:8888/proxy",
			script_server_url(w->server), name);
	struct hop *h;

	assert_int_equal(hop(w->route, &h), 0);
	assert_string_equal(h->base_url, url);
	hop_unref(h);
}

/* How an exchange with the pod ended. */
static void judge(struct way *w, int error, int status, const char *body)
{
	struct http_response r;
	struct hop *h;

	assert_int_equal(hop(w->route, &h), 0);
	http_response_init(&r);
	r.error = error;
	r.status = status;
	r.body = g_string_new(body);
	w->route->ops->judge(w->route, h, &r, NULL, clock_now_ms() + SOON_MS);
	http_response_clear(&r);
	hop_unref(h);
}

static void a_pod_is_looked_up_once(void **state)
{
	static const struct script_step steps[] = {
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("a")), 0 },
	};
	struct way w = WAY(steps);

	(void)state;
	expect_pod(&w, "a");
	expect_pod(&w, "a");
	judge(&w, -EINTR, 0, "");
	judge(&w, -EBADMSG, 200, "");
	judge(&w, 0, 200, "");
	expect_pod(&w, "a");
	way_end(&w, ASKED);
}

static void a_pod_that_is_gone_is_sought_anew(void **state)
{
	static const struct script_step steps[] = {
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("a")), 0 },
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("b")), 0 },
	};
	g_autofree char *why = NULL;
	struct way w = WAY(steps);

	(void)state;
	expect_pod(&w, "a");
	judge(&w, 0, 404,
		STATUS("404", "pods \\\"a\\\" not found", "NotFound", ""));
	why = route_kube_why(w.route);
	assert_string_equal(why, "pods \"a\" not found");
	expect_pod(&w, "b");
	g_free(why);
	why = route_kube_why(w.route);
	assert_null(why);
	way_end(&w, ASKED ASKED);
}

static void a_pod_that_stays_is_kept(void **state)
{
	static const struct script_step steps[] = {
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("b")), 0 },
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("a") "," POD("b")), 0 },
	};
	struct way w = WAY(steps);

	(void)state;
	expect_pod(&w, "b");
	judge(&w, -ECONNRESET, 0, "");
	expect_pod(&w, "b");
	way_end(&w, ASKED ASKED);
}

static void swap_routes(struct route **a, struct route **b)
{
	struct route *c = *a;

	*a = *b;
	*b = c;
}

/* Another way to the same workspace: the trial of a token. */
static void who_comes_later_takes_the_same_pod(void **state)
{
	static const struct script_step steps[] = {
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("b")), 0 },
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("a") "," POD("b")), 0 },
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("a") "," POD("c")), 0 },
		{ 200, JSON, SERVICE, 0 },
		{ 200, JSON, PODS(POD("0") "," POD("a")), 0 },
	};
	struct way w = WAY(steps);
	struct kube_pin *pin = kube_pin_new();
	struct route *first = route_with_pin(w.kube, KUBE_VIA_PROXY, pin);

	(void)state;
	route_free(w.route);
	w.route = route_with_pin(w.kube, KUBE_VIA_PROXY, pin);
	kube_pin_unref(pin);
	expect_pod(&w, "b");
	swap_routes(&first, &w.route);
	expect_pod(&w, "b");
	judge(&w, -ECONNRESET, 0, "");
	expect_pod(&w, "a"); /* b is gone: all have another now */
	swap_routes(&first, &w.route);
	judge(&w, -ECONNRESET, 0, "");
	expect_pod(&w, "a");
	route_free(first);
	way_end(&w, ASKED ASKED ASKED ASKED);
}

/* What the API server says of its objects is not about files. */
static void without_a_pod_there_is_no_way(void **state)
{
	static const struct script_step service = { 200, JSON, SERVICE, 0 };
	static const struct script_step rows[] = {
		{ 200, JSON, PODS(""), 0 },
		{ 200, JSON, "{\"items\":7}", 0 },
		{ 200, JSON, "[]", 0 },
		{ 200, NULL, "what?", 0 },
		{ 404, JSON,
			STATUS("404", "namespaces \\\"n\\\" not found",
				"NotFound",
				"\"name\":\"n\",\"kind\":\"namespaces\""),
			0 },
		{ 410, JSON, STATUS("410", "too old", "Expired", ""), 0 },
		{ 409, JSON, STATUS("409", "no", "AlreadyExists", ""), 0 },
		{ 422, JSON, STATUS("422", "no", "Invalid", ""), 0 },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct script_step steps[] = { service, rows[i] };
		struct way w = WAY(steps);
		g_autofree char *why = NULL;
		struct hop *h;

		assert_int_equal(hop(w.route, &h), -EHOSTUNREACH);
		why = route_kube_why(w.route);
		assert_non_null(why);
		way_end(&w, ASKED);
	}
}

static void who_may_not_look_is_told_so(void **state)
{
	static const struct script_step steps[] = { { 403, JSON,
		STATUS("403",
			"services \\\"w\\\" is forbidden: User \\\"u\\\" cannot "
			"get resource \\\"services\\\" in API group \\\"\\\"",
			"Forbidden", ""),
		0 } };
	struct way w = WAY(steps);
	g_autofree char *why = NULL;
	struct hop *h;

	(void)state;
	assert_int_equal(hop(w.route, &h), -EACCES);
	why = route_kube_why(w.route);
	assert_non_null(strstr(why, "services"));
	way_end(&w, "GET /api/v1/namespaces/n/services/w\n");
}

static void be_unavailable(struct web_connection *c, void *arg)
{
	(void)arg;
	while (web_read_request(c))
		web_answer(c, "503 Service Unavailable", "");
}

/* Who waits for the way tries again himself. */
static void a_cluster_in_trouble_is_not_asked_on_and_on(void **state)
{
	struct web_server *server = web_server_start(be_unavailable, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	struct route *route = route_of(kube, KUBE_VIA_PROXY);
	struct hop *h;

	(void)state;
	assert_int_equal(hop(route, &h), -EHOSTUNREACH);
	assert_int_equal(web_server_request_count(server), 2);
	route_free(route);
	kube_unref(kube);
	web_server_stop(server);
}

static void be_silent(struct web_connection *c, void *arg)
{
	(void)arg;
	web_wait_hangup(c);
}

/* A question with a short limit does not wait for a long one. */
static void a_silent_api_server_is_waited_for_until_the_end(void **state)
{
	struct web_server *server = web_server_start(be_silent, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	struct route *route = route_of(kube, KUBE_VIA_PROXY);
	int64_t began_ms = clock_now_ms();
	g_autofree char *why = NULL;
	struct hop *h;

	(void)state;
	assert_int_equal(
		route->ops->hop(route, NULL, began_ms + 50, &h), -ETIMEDOUT);
	assert_true(clock_now_ms() - began_ms < SOON_MS);
	why = route_kube_why(route);
	assert_non_null(strstr(why, "does not answer"));
	route_free(route);
	kube_unref(kube);
	web_server_stop(server);
}

/* Who may look at pods, and not forward to one. */
static void refuse_upgrades(struct web_connection *c, void *arg)
{
	(void)arg;
	while (web_read_request(c)) {
		const char *line = c->request->str;

		if (strstr(line, "/portforward?ports=8888 ") != NULL)
			web_answer(c, "403 Forbidden", "{}");
		else if (strstr(line, "/services/w ") != NULL)
			web_answer(c, "200 OK", SERVICE);
		else
			web_answer(c, "200 OK", PODS(POD("a")));
	}
}

static void who_may_not_forward_is_told_so(void **state)
{
	struct web_server *server = web_server_start(refuse_upgrades, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	struct route *route = route_of(kube, KUBE_VIA_PORTFORWARD);
	int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_autofree char *why = NULL;
	struct hop *h;

	(void)state;
	assert_int_equal(hop(route, &h), 0);
	assert_true(h->is_dialled);
	assert_int_equal(route->ops->dial(route, h, NULL,
				 clock_now_ms() + SOON_MS, listen_fd),
		-EACCES);
	why = route_kube_why(route);
	assert_non_null(strstr(why, "pods/portforward"));
	hop_unref(h);
	(void)close(listen_fd);
	route_free(route);
	kube_unref(kube);
	web_server_stop(server);
}

/* The same pod, found again, is the same to those who hold its hop. */
static void a_hop_to_a_pod_that_stays_is_the_same(void **state)
{
	struct web_server *server = web_server_start(refuse_upgrades, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	struct route *route = route_of(kube, KUBE_VIA_PORTFORWARD);
	struct http_response r;
	struct hop *first;
	struct hop *second;

	(void)state;
	assert_int_equal(hop(route, &first), 0);
	http_response_init(&r);
	r.error = -ECONNRESET;
	route->ops->judge(route, first, &r, NULL, clock_now_ms() + SOON_MS);
	assert_int_equal(hop(route, &second), 0);
	assert_int_equal(web_server_request_count(server), 4);
	assert_ptr_equal(first->login, second->login);
	hop_unref(first);
	hop_unref(second);
	route_free(route);
	kube_unref(kube);
	web_server_stop(server);
}

static void *come_and_go(void *arg)
{
	struct route *route = arg;
	intptr_t failures = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct http_response r;
		g_autofree char *why = NULL;
		struct hop *h;

		if (hop(route, &h) < 0) {
			failures++;
			continue;
		}
		http_response_init(&r);
		r.error = -ECONNRESET;
		route->ops->judge(route, h, &r, NULL, clock_now_ms() + SOON_MS);
		why = route_kube_why(route);
		hop_unref(h);
	}
	return (void *)failures;
}

/* One looks, the others wait for what it finds. */
static void many_find_the_way_at_once(void **state)
{
	struct web_server *server = web_server_start(refuse_upgrades, NULL);
	struct kube *kube = kube_with_token(web_server_url(server));
	struct route *route = route_of(kube, KUBE_VIA_PROXY);
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, come_and_go, route),
			0);
	for (int i = 0; i < THREADS; i++) {
		void *failures;

		assert_int_equal(pthread_join(threads[i], &failures), 0);
		assert_null(failures);
	}
	assert_int_equal(web_server_connection_count(server), 1);
	route_free(route);
	kube_unref(kube);
	web_server_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_looked_up_once),
		cmocka_unit_test(a_pod_that_is_gone_is_sought_anew),
		cmocka_unit_test(a_pod_that_stays_is_kept),
		cmocka_unit_test(who_comes_later_takes_the_same_pod),
		cmocka_unit_test(without_a_pod_there_is_no_way),
		cmocka_unit_test(who_may_not_look_is_told_so),
		cmocka_unit_test(a_cluster_in_trouble_is_not_asked_on_and_on),
		cmocka_unit_test(who_may_not_forward_is_told_so),
		cmocka_unit_test(a_hop_to_a_pod_that_stays_is_the_same),
		cmocka_unit_test(many_find_the_way_at_once),
		cmocka_unit_test(
			a_silent_api_server_is_waited_for_until_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

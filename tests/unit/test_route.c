/* Exchanges whose way is a route's: relays, cookies, dialled sockets. */
#include "config.h"

#include "http_client.h"
#include "route.h"
#include "test.h"
#include "web_server.h"
#include "websocket.h"
#include "websocket_peer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOON_MS 10000

#define FINE                                             \
	"HTTP/1.1 200 OK\r\nServer: TornadoServer/6\r\n" \
	"Set-Cookie: name=\"a|b\"; Path=/; HttpOnly\r\n" \
	"Set-Cookie: _xsrf=1\r\nContent-Length: 2\r\n\r\n{}"

/* A route that leads where the test says, and notes what it is told. */
struct guide {
	struct route base;
	const char *url;
	struct secret *token;
	struct secret *bearer;
	enum hop_kind kind;
	bool is_dialled;
	void *login;
	unsigned dead_hops; /* the first so many lead nowhere */
	unsigned hops;
	int judged_error;
	int judged_status;
	bool judged_server;
	int verdict; /* what the route makes of an error's answer */
	int dial_error;
	unsigned dials;
	int listen_fd;
	pthread_t server; /* behind what was dialled */
	char seen[8192];
	bool *is_freed;
};

static int guide_hop(struct route *route, const struct cancel *cancel,
	int64_t end_ms, struct hop **ret)
{
	struct guide *g = (struct guide *)route;
	struct hop_params params = {
		.base_url = g->url,
		.token = g->token,
		.bearer = g->bearer,
		.kind = g->kind,
		.is_dialled = g->is_dialled,
		.login = g->login,
	};

	(void)end_ms;
	if (cancel_check(cancel) < 0)
		return cancel_check(cancel);
	if (g->hops++ < g->dead_hops)
		return -EHOSTUNREACH;
	return hop_new(&params, ret);
}

static void guide_judge(struct route *route, struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	struct guide *g = (struct guide *)route;

	(void)hop;
	(void)cancel;
	(void)end_ms;
	g->judged_error = response->error;
	g->judged_status = response->status;
	g->judged_server = response->has_server;
	if (response->status >= 400 && g->verdict != 0)
		response->error = g->verdict;
}

/* The server's part, once: the request is read, the answer sent. */
static void *serve_dialled(void *arg)
{
	struct guide *g = arg;
	struct pollfd listening = { .fd = g->listen_fd, .events = POLLIN };
	size_t length = 0;
	int fd;

	(void)poll(&listening, 1, SOON_MS);
	fd = accept(g->listen_fd, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		do {
			ssize_t n = recv(fd, g->seen + length,
				sizeof(g->seen) - length - 1, 0);

			if (n <= 0)
				break;
			length += (size_t)n;
		} while (!g_str_has_suffix(g->seen, "\r\n\r\n"));
		(void)send(fd, FINE, strlen(FINE), MSG_NOSIGNAL);
	}
	(void)close(fd);
	return NULL;
}

static int guide_dial(struct route *route, struct hop *hop,
	const struct cancel *cancel, int64_t end_ms, int listen_fd)
{
	struct guide *g = (struct guide *)route;

	(void)hop;
	(void)cancel;
	(void)end_ms;
	g->dials++;
	g->listen_fd = listen_fd;
	if (g->dial_error == 0 && g->dials == 1)
		return -pthread_create(&g->server, NULL, serve_dialled, g);
	return g->dial_error;
}

static void guide_free(struct route *route)
{
	struct guide *g = (struct guide *)route;

	secret_unref(g->token);
	secret_unref(g->bearer);
	if (g->is_freed != NULL)
		*g->is_freed = true;
	g_free(g);
}

static const struct route_ops guide_ops = {
	.hop = guide_hop,
	.judge = guide_judge,
	.dial = guide_dial,
	.free = guide_free,
};

struct bench {
	struct web_server *server;
	struct guide *guide;
	struct http_pool *pool;
	struct http_response response;
};

static void start(struct bench *b, web_script script, void *arg)
{
	struct endpoint_params params = { .base_url = "https://shown/x" };
	struct endpoint *endpoint;

	*b = (struct bench){ .server = web_server_start(script, arg) };
	b->guide = g_new0(struct guide, 1);
	b->guide->base.ops = &guide_ops;
	b->guide->url = web_server_url(b->server);
	b->guide->kind = HOP_RELAYED;
	b->guide->token = secret_new("t&k=n", 5);
	b->guide->bearer = secret_new("b3arer", 6);
	params.route = &b->guide->base;
	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_string_equal(endpoint_base_url(endpoint), "https://shown/x");
	assert_int_equal(http_pool_new(endpoint, &b->pool), 0);
	endpoint_unref(endpoint);
	http_response_init(&b->response);
}

static void stop(struct bench *b)
{
	http_response_clear(&b->response);
	http_pool_free(b->pool);
	web_server_stop(b->server);
}

static int call(struct bench *b, const char *target, bool wants_cookies)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };

	call.request.method = "GET";
	call.request.target = target;
	call.request.timeout_ms = SOON_MS;
	call.request.wants_cookies = wants_cookies;
	http_response_clear(&b->response);
	return http_client_call(b->pool, &call, NULL, &b->response);
}

static void answer_all(struct web_connection *c, void *arg)
{
	while (web_read_request(c))
		web_send(c, arg);
}

static void a_relay_gets_the_bearer_and_the_query_the_token(void **state)
{
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;
	char text[] = FINE;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	assert_int_equal(call(&b, "api/status", false), 0);
	assert_null(b.response.cookies);
	assert_int_equal(call(&b, "api/contents?content=0", false), 0);
	first = web_server_request(b.server, 0);
	second = web_server_request(b.server, 1);
	assert_true(g_str_has_prefix(
		first, "GET /api/status?token=t%26k%3Dn HTTP/1.1\r\n"));
	assert_true(g_str_has_prefix(second,
		"GET /api/contents?content=0&token=t%26k%3Dn HTTP/1.1\r\n"));
	assert_non_null(strstr(first, "\r\nAuthorization: Bearer b3arer\r\n"));
	assert_null(strstr(first, "Authorization: token"));
	assert_null(strstr(first, "Cookie:"));
	assert_true(b.guide->judged_server);
	stop(&b);
}

static void cookies_are_kept_only_when_wanted(void **state)
{
	char text[] = FINE;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	assert_int_equal(call(&b, "api/status", true), 0);
	assert_string_equal(b.response.cookies->str, "name=\"a|b\"; _xsrf=1");
	stop(&b);
}

static void an_api_server_gets_no_token_of_jupyters(void **state)
{
	g_autofree char *seen = NULL;
	char text[] = FINE;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->kind = HOP_API_SERVER;
	assert_int_equal(call(&b, "version", false), 0);
	seen = web_server_request(b.server, 0);
	assert_true(g_str_has_prefix(seen, "GET /version HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nAuthorization: Bearer b3arer\r\n"));
	assert_null(strstr(seen, "_xsrf"));
	stop(&b);
}

static void no_way_now_is_tried_again(void **state)
{
	char text[] = FINE;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->dead_hops = 2;
	assert_int_equal(call(&b, "api", false), 0);
	assert_int_equal(b.guide->hops, 3);
	assert_int_equal(web_server_request_count(b.server), 1);
	stop(&b);
}

static void the_route_may_make_an_error_of_an_answer(void **state)
{
	char text[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->verdict = -EACCES;
	assert_int_equal(call(&b, "api", false), -EACCES);
	assert_int_equal(b.guide->judged_status, 404);
	assert_false(b.guide->judged_server);
	assert_int_equal(b.guide->judged_error, 0);
	stop(&b);
}

/* --- upgrades ------------------------------------------------------------- */

/* What a Jupyter behind a relay does: the cookie it gave is the way in. */
struct jupyter {
	const char *cookie; /* that it accepts */
	const char *gives;
};

static bool has_line(const struct web_connection *c, const char *line)
{
	return strstr(c->request->str, line) != NULL;
}

static void be_jupyter(struct web_connection *c, void *arg)
{
	const struct jupyter *j = arg;

	while (web_read_request(c)) {
		g_autofree char *line =
			g_strdup_printf("\r\nCookie: %s\r\n", j->cookie);

		if (has_line(c, "Upgrade: websocket")) {
			if (has_line(c, line) && peer_agree(c))
				web_wait_hangup(c);
			else
				web_send(c, "HTTP/1.1 403 Forbidden\r\nServer: "
					    "T\r\nContent-Length: 0\r\n\r\n");
			return;
		}
		web_send(c, "HTTP/1.1 200 OK\r\nServer: T\r\nSet-Cookie: ");
		web_send(c, j->gives);
		web_send(c, "; Path=/\r\nContent-Length: 2\r\n\r\n{}");
	}
}

static int open_channel(struct bench *b)
{
	struct websocket *ws = NULL;
	int rc = websocket_open(
		b->pool, "api/kernels/k/channels", SOON_MS, NULL, &ws);

	websocket_free(ws);
	return rc;
}

static void an_upgrade_through_a_relay_has_a_cookie(void **state)
{
	struct jupyter jupyter = { "user=1", "user=1" };
	g_autofree char *upgrade = NULL;
	struct bench b;

	(void)state;
	start(&b, be_jupyter, &jupyter);
	assert_int_equal(open_channel(&b), 0);
	assert_int_equal(web_server_request_count(b.server), 2);
	upgrade = web_server_request(b.server, 1);
	/* It would be dropped on the way, and stand in a log before. */
	assert_null(strstr(upgrade, "token="));
	assert_non_null(
		strstr(upgrade, "\r\nAuthorization: Bearer b3arer\r\n"));
	/* The jar is full now. */
	assert_int_equal(open_channel(&b), 0);
	assert_int_equal(web_server_request_count(b.server), 3);
	stop(&b);
}

static void an_upgrade_has_all_the_cookies(void **state)
{
	struct jupyter jupyter = { "user=1; _xsrf=2",
		"user=1; Path=/\r\nSet-Cookie: _xsrf=2" };
	struct bench b;

	(void)state;
	start(&b, be_jupyter, &jupyter);
	assert_int_equal(open_channel(&b), 0);
	assert_int_equal(web_server_request_count(b.server), 2);
	stop(&b);
}

static void cookies_of_a_former_life_are_replaced(void **state)
{
	struct jupyter jupyter = { "user=1", "user=1" };
	struct bench b;

	(void)state;
	start(&b, be_jupyter, &jupyter);
	assert_int_equal(open_channel(&b), 0);
	jupyter = (struct jupyter){ "user=2", "user=2" };
	assert_int_equal(open_channel(&b), 0);
	assert_int_equal(web_server_request_count(b.server), 5);
	stop(&b);
}

static void who_is_refused_with_new_cookies_too_is_refused(void **state)
{
	struct jupyter jupyter = { "user=1", "user=2" };
	struct bench b;

	(void)state;
	start(&b, be_jupyter, &jupyter);
	assert_int_equal(open_channel(&b), -EACCES);
	assert_int_equal(web_server_request_count(b.server), 4);
	stop(&b);
}

static void the_route_hears_of_a_refused_upgrade(void **state)
{
	char text[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->kind = HOP_API_SERVER;
	b.guide->verdict = -EHOSTUNREACH;
	assert_int_equal(open_channel(&b), -EHOSTUNREACH);
	assert_int_equal(b.guide->judged_status, 404);
	assert_false(b.guide->judged_server);
	stop(&b);
}

/* --- dialled sockets ------------------------------------------------------ */

static void a_dialled_connection_is_used_and_kept(void **state)
{
	char text[] = FINE;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->url = "http://localhost:1";
	b.guide->kind = HOP_DIRECT;
	b.guide->is_dialled = true;
	g_clear_pointer(&b.guide->bearer, secret_unref);
	assert_int_equal(call(&b, "api/status", false), 0);
	assert_int_equal(call(&b, "api/status", false), 0);
	assert_int_equal(pthread_join(b.guide->server, NULL), 0);
	assert_true(g_str_has_prefix(b.guide->seen,
		"GET /api/status HTTP/1.1\r\nHost: localhost:1\r\n"));
	assert_non_null(
		strstr(b.guide->seen, "\r\nAuthorization: token t&k=n\r\n"));
	assert_int_equal(b.guide->dials, 1);
	assert_int_equal(web_server_connection_count(b.server), 0);
	stop(&b);
}

static void a_dialled_connection_does_not_outlive_its_pod(void **state)
{
	char text[] = FINE;
	int pods[2];
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->url = "http://localhost:1";
	b.guide->kind = HOP_DIRECT;
	b.guide->is_dialled = true;
	b.guide->login = &pods[0];
	assert_int_equal(call(&b, "api/status", false), 0);
	b.guide->login = &pods[1];
	b.guide->dial_error = -EACCES;
	for (unsigned i = 2; i < 4; i++) {
		assert_int_equal(call(&b, "api/status", false), -EACCES);
		assert_int_equal(b.guide->dials, i);
	}
	assert_int_equal(pthread_join(b.guide->server, NULL), 0);
	stop(&b);
}

static void a_dialling_that_fails_says_why(void **state)
{
	char text[] = FINE;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->kind = HOP_DIRECT;
	b.guide->is_dialled = true;
	b.guide->dial_error = -EACCES;
	assert_int_equal(call(&b, "api", false), -EACCES);
	assert_false(b.response.may_have_acted);
	stop(&b);
}

static void a_route_ends_with_its_endpoint(void **state)
{
	char text[] = FINE;
	bool is_freed = false;
	struct bench b;

	(void)state;
	start(&b, answer_all, text);
	b.guide->is_freed = &is_freed;
	assert_int_equal(call(&b, "api", false), 0);
	assert_false(is_freed);
	stop(&b);
	assert_true(is_freed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_relay_gets_the_bearer_and_the_query_the_token),
		cmocka_unit_test(cookies_are_kept_only_when_wanted),
		cmocka_unit_test(an_api_server_gets_no_token_of_jupyters),
		cmocka_unit_test(no_way_now_is_tried_again),
		cmocka_unit_test(the_route_may_make_an_error_of_an_answer),
		cmocka_unit_test(an_upgrade_through_a_relay_has_a_cookie),
		cmocka_unit_test(an_upgrade_has_all_the_cookies),
		cmocka_unit_test(cookies_of_a_former_life_are_replaced),
		cmocka_unit_test(
			who_is_refused_with_new_cookies_too_is_refused),
		cmocka_unit_test(the_route_hears_of_a_refused_upgrade),
		cmocka_unit_test(a_dialled_connection_is_used_and_kept),
		cmocka_unit_test(a_dialled_connection_does_not_outlive_its_pod),
		cmocka_unit_test(a_dialling_that_fails_says_why),
		cmocka_unit_test(a_route_ends_with_its_endpoint),
	};
	/* Too long for the name of a socket; and before GLib has asked. */
	g_autofree char *name = g_strnfill(120, 't');
	char base[] = "/tmp/pycloud-test-XXXXXX";
	g_autofree char *dir = NULL;
	int rc;

	g_assert_nonnull(mkdtemp(base));
	dir = g_build_filename(base, name, NULL);
	g_assert_cmpint(mkdir(dir, 0700), ==, 0);
	g_assert_true(g_setenv("TMPDIR", dir, TRUE));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	g_assert_cmpint(rmdir(dir), ==, 0);
	(void)rmdir(base);
	return rc;
}

/* Any bytes as a hub's answers: a URL that comes out stays on the hub, and
 * whatever goes wrong is said in a sentence. */
#include "config.h"

#include "fuzz_http.h"

#include "common_limits.h"
#include "hub.h"
#include "route_hub.h"

#include <string.h>

#define BASE "https://hub.example/jupyter"

static void show(void *arg, const char *line)
{
	(void)arg;
	fuzz_check_sentence(line, KUBE_TEXT_MAX + 100);
}

static void check_server(struct hub_server *s)
{
	g_autofree char *url = NULL;

	if (s->url == NULL)
		return;
	url = route_hub_url(BASE, s->url);
	if (*s->url != '\0' && !hub_is_url_path(s->url))
		g_error("no path: %s", s->url);
	if (!g_str_has_prefix(url, "https://hub.example") ||
		(url[19] != '/' && url[19] != '\0'))
		g_error("another origin: %s", url);
	hub_server_clear(s);
}

static void ask(struct hub *hub, uint8_t what, const struct cancel *cancel)
{
	struct hub_wait wait = { .may_start = what % 2 == 0,
		.end_ms = clock_now_ms() + 600000,
		.progress = show };
	struct hub_server server = { 0 };
	char *why = NULL;
	int rc = 0;

	if (hub_user(hub) == NULL)
		rc = hub_name_user(hub, cancel, &why);
	fuzz_check_why(rc, g_steal_pointer(&why));
	if (rc < 0)
		return;
	fuzz_check_sentence(hub_label(hub), 2 * KUBE_TEXT_MAX + 100);
	if (what % 4 < 2)
		rc = hub_look(hub, cancel, wait.end_ms, &server, &why);
	else
		rc = hub_bring_up(hub, &wait, cancel, &server, &why);
	fuzz_check_why(rc, why);
	check_server(&server);
}

/* What is asked; then answers. */
void fuzz_hub(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t what = fuzz_take_byte(&in);
	struct credentials *none = credentials_new(NULL, NULL, NULL);
	const struct token_keeper_params keeper = {
		.credentials = none,
		.place = { .base_url = BASE, .target = TOKEN_TARGET_HUB },
		.server = BASE,
		.login_name = "hub+" BASE,
	};
	struct hub_params params = {
		.base_url = BASE,
		.user = what % 8 < 4 ? "ann" : NULL,
		.server = what % 16 < 8 ? "" : "big",
	};
	struct hub *hub = NULL;
	struct cancel cancel;
	char *why = NULL;

	params.keeper = token_keeper_new(&keeper);
	cancel_init(&cancel, 0);
	if (hub_new(&params, &hub, &why) < 0)
		g_error("there is no hub: %s", why);
	fuzz_http_begin(&in, &cancel);
	ask(hub, what, &cancel);
	fuzz_http_end();
	hub_unref(hub);
	token_keeper_unref(params.keeper);
	credentials_unref(none);
	cancel_fini(&cancel);
}

/* Any text as a URL of a workspace: what is accepted has one spelling, and
 * nothing secret in what is shown. */
#include "config.h"

#include "fuzz.h"

#include "endpoint.h"
#include "url_text.h"
#include "websocket_handshake.h"
#include "workspace.h"

#include <string.h>

static void check_request(const char *url)
{
	char key[WEBSOCKET_KEY_SIZE];
	GString *request;
	g_auto(GStrv) lines = NULL;

	websocket_make_key(key);
	request = websocket_upgrade_request(url, key);
	lines = g_strsplit(request->str, "\r\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if (strpbrk(*line, "\r\n") != NULL ||
			(**line == '\0' && line[1] != NULL))
			g_error("a request with an end in it");
	g_string_free(request, TRUE);
}

static void check_endpoint(const char *url)
{
	struct endpoint_params params = { .base_url = url };
	struct endpoint *e, *again;
	g_autofree char *base = NULL;

	if (endpoint_new(&params, &e) < 0)
		return;
	base = g_strdup(endpoint_base_url(e));
	endpoint_unref(e);
	if (!g_str_has_prefix(base, "http") || g_str_has_suffix(base, "/") ||
		strpbrk(base, " ?#\r\n") != NULL)
		g_error("no base: %s", base);
	check_request(base);
	params.base_url = base;
	if (endpoint_new(&params, &again) < 0 ||
		strcmp(endpoint_base_url(again), base) != 0)
		g_error("another spelling of %s", base);
	endpoint_unref(again);
}

static void check_workspace(const char *spec)
{
	struct workspace_options options = { .kubeconfig = "/dev/null" };
	struct workspace *w = NULL;
	char *why = NULL;
	int rc = workspace_parse(spec, &options, &w, &why);

	fuzz_check_why(rc, why);
	/* It would be in the query. */
	if (rc == 0 && strpbrk(w->name, "?#") != NULL)
		g_error("a name with a query: %s", w->name);
	workspace_free(w);
}

static void check_text(const char *url)
{
	struct secret *token = NULL;
	const char *query = strchr(url, '?');
	const char *fault =
		strstr(url, "://") == NULL ? NULL : url_text_fault(url);

	if (fault != NULL)
		fuzz_check_sentence(fault, 1000);
	if (query != NULL && url_text_take_token(query + 1, &token) == 0 &&
		token != NULL && strpbrk(secret_peek(token), "\r\n") != NULL)
		g_error("a token that ends a line");
	secret_unref(token);
}

void fuzz_url(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = fuzz_text(bytes, length);
	g_autofree char *url = g_strconcat("http://", text, NULL);

	check_endpoint(text);
	check_endpoint(url);
	check_text(text);
	check_text(url);
	check_workspace(text);
	check_workspace(url);
}

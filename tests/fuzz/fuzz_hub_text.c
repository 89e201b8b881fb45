/* Any bytes as a hub's spec, as a user's model and as the stream of a start's
 * progress, whose outcome must not depend on the pieces it comes in. */
#include "config.h"

#include "fuzz.h"

#include "common_limits.h"
#include "hub_text.h"

#include <errno.h>
#include <string.h>

static void check_name(const char *name)
{
	g_autofree char *path = hub_server_path(name, name);
	g_autofree char *label = hub_server_label(name, name);

	if (*name == '\0' || strlen(name) > HUB_NAME_MAX ||
		strchr(name, '/') != NULL || strcmp(name, "..") == 0)
		g_error("a name that is none: %s", name);
	if (strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789._-~%/") != strlen(path))
		g_error("a path that is none: %s", path);
	fuzz_check_sentence(label, 2 * KUBE_TEXT_MAX + 100);
}

static void read_spec(const char *text)
{
	g_autofree char *spec = g_strconcat(HUB_SCHEME "https://", text, NULL);
	struct hub_spec s;
	char *why = NULL;
	int rc = hub_spec_parse(spec, &s, &why);

	fuzz_check_why(rc, why);
	if (rc < 0)
		return;
	if (!g_str_has_prefix(s.base_url, "https://") ||
		strpbrk(s.base_url, "?# ") != NULL ||
		memchr(s.base_url + 8, '@', strcspn(s.base_url + 8, "/")) ||
		g_str_has_suffix(s.base_url, "/"))
		g_error("a base that is none: %s", s.base_url);
	if (s.user != NULL)
		check_name(s.user);
	if (*s.server != '\0')
		check_name(s.server);
	hub_spec_clear(&s);
}

static void read_model(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(cJSON) user = json_parse(text, length);
	struct hub_server s;

	if (hub_server_read(user, "", &s) < 0)
		return;
	if (s.is_ready && (!s.is_listed || s.url == NULL))
		g_error("a server that is ready nowhere");
	if (s.url != NULL && *s.url != '\0' && !hub_is_url_path(s.url))
		g_error("no path: %s", s.url);
	hub_server_clear(&s);
}

static void note(void *arg, const char *line)
{
	fuzz_check_sentence(line, KUBE_TEXT_MAX);
	g_string_append_printf(arg, "%s\n", line);
}

static int stream(
	const uint8_t *bytes, size_t length, size_t step, GString *lines)
{
	struct hub_events e;
	int rc = 0;

	hub_events_init(&e);
	e.progress = note;
	e.progress_arg = lines;
	for (size_t at = 0; at < length && rc == 0; at += step) {
		size_t n = MIN(step, length - at);
		g_autofree char *piece = g_memdup2(bytes + at, n);

		rc = hub_events_take(&e, piece, n);
		if (e.line->len > (size_t)HUB_LINE_MAX)
			g_error("a line that is too long");
	}
	if ((rc == -ECANCELED) != (e.is_ready || e.has_failed))
		g_error("an end that is none");
	hub_events_clear(&e);
	return rc;
}

/* The first byte says how long the pieces are. */
void fuzz_hub_text(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	size_t step = 1 + fuzz_take_byte(&in) % 32u;
	g_autofree char *text = fuzz_text(in.at, in.left);
	g_autoptr(GString) whole = g_string_new(NULL);
	g_autoptr(GString) cut = g_string_new(NULL);

	read_spec(text);
	read_model(in.at, in.left);
	(void)hub_is_url_path(text);
	if (stream(in.at, in.left, SIZE_MAX / 2, whole) !=
			stream(in.at, in.left, step, cut) ||
		!g_string_equal(whole, cut))
		g_error("progress depends on the pieces");
}

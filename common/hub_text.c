/* hub_text.c - see hub_text.h. */
#include "config.h"

#include "hub_text.h"

#include "common_limits.h"
#include "kube_text.h"
#include "url_text.h"

#include <errno.h>
#include <string.h>

/* --- the spec ------------------------------------------------------------- */

bool hub_is_spec(const char *spec)
{
	return g_ascii_strncasecmp(spec, HUB_SCHEME "http://", 11) == 0 ||
	       g_ascii_strncasecmp(spec, HUB_SCHEME "https://", 12) == 0;
}

/* NULL: no name of a user or server can be written so. */
static char *decode_name(const char *segment)
{
	char *name = g_uri_unescape_string(segment, "/");
	const char *p;

	if (name == NULL || *name == '\0' || strlen(name) > HUB_NAME_MAX ||
		strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		!g_utf8_validate(name, -1, NULL))
		goto refuse;
	for (p = name; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == '\x7f')
			goto refuse;
	return name;
refuse:
	g_free(name);
	return NULL;
}

static bool is_word(const char *segment, const char *word)
{
	return segment != NULL && strcmp(segment, word) == 0;
}

static const char *const bad_name =
	"the name of the user or the server in the URL cannot be one; it is "
	"written as in the browser: hub+https://HUB/user/NAME/SERVER";

/* `at` is what stands behind "user". NULL, or what is wrong. */
static const char *read_names(char **at, struct hub_spec *s)
{
	if (*at == NULL || **at == '\0')
		return NULL; /* "https://hub/user/" */
	s->user = decode_name(*at++);
	if (s->user == NULL)
		return bad_name;
	if (*at == NULL || **at == '\0' ||
		url_text_is_page_word(*at, strlen(*at)))
		return NULL;
	g_free(s->server);
	s->server = decode_name(*at++);
	if (s->server == NULL)
		return bad_name;
	if (*at == NULL || **at == '\0' ||
		url_text_is_page_word(*at, strlen(*at)))
		return NULL;
	return "the URL goes on behind the server's name; a hub's workspace "
	       "is hub+https://HUB/user/NAME or hub+https://HUB/user/NAME/"
	       "SERVER";
}

/* `path` is "" or begins with a slash. */
static const char *read_path(
	const char *path, GString *base, struct hub_spec *s)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	char **at = parts[0] == NULL ? parts : parts + 1;

	for (; *at != NULL; at++) {
		if (is_word(*at, "hub"))
			return is_word(at[1], "user") ? read_names(at + 2, s)
						      : NULL;
		if (is_word(*at, "user"))
			return read_names(at + 1, s);
		if (**at == '\0')
			continue;
		g_string_append_printf(base, "/%s", *at);
		if (!hub_is_url_path(strrchr(base->str, '/')))
			return "the path of the hub's URL cannot be one; copy "
			       "the address from the browser";
	}
	return NULL;
}

static const char *read_url(char *url, struct hub_spec *s)
{
	g_autoptr(GString) base = NULL;
	const char *fault = url_text_fault(url);
	char *query;
	char *path;

	if (fault != NULL)
		return fault;
	url[strcspn(url, "#")] = '\0';
	query = strchr(url, '?');
	if (query != NULL)
		*query++ = '\0';
	if (query != NULL && url_text_take_token(query, &s->token) != 0)
		return "The token in the URL cannot be one: it is too long, "
		       "wrongly encoded or holds control characters.";
	path = strstr(url, "://") + 3;
	path += strcspn(path, "/");
	base = g_string_new_len(url, path - url);
	fault = read_path(path, base, s);
	s->base_url = g_strdup(base->str);
	return fault;
}

int hub_spec_parse(const char *spec, struct hub_spec *ret, char **ret_why)
{
	size_t size = strlen(spec) + 1;
	char *copy = g_strdup(spec);
	const char *fault;

	*ret = (struct hub_spec){ .server = g_strdup("") };
	fault = read_url(copy + strlen(HUB_SCHEME), ret);
	secret_wipe(copy, size);
	g_free(copy);
	if (fault == NULL)
		return 0;
	*ret_why = g_strdup(fault);
	hub_spec_clear(ret);
	return -EINVAL;
}

void hub_spec_clear(struct hub_spec *s)
{
	g_clear_pointer(&s->base_url, g_free);
	g_clear_pointer(&s->user, g_free);
	g_clear_pointer(&s->server, g_free);
	secret_unref(s->token);
	s->token = NULL;
}

/* --- names ---------------------------------------------------------------- */

char *hub_user_path(const char *user)
{
	g_autofree char *escaped = g_uri_escape_string(user, NULL, FALSE);

	return g_strconcat("users/", escaped, NULL);
}

char *hub_server_path(const char *user, const char *server)
{
	g_autofree char *path = hub_user_path(user);
	g_autofree char *escaped = g_uri_escape_string(server, NULL, FALSE);

	if (*server == '\0')
		return g_strconcat(path, "/server", NULL);
	return g_strconcat(path, "/servers/", escaped, NULL);
}

char *hub_server_label(const char *user, const char *server)
{
	g_autofree char *name = kube_text_clean(user);
	g_autofree char *named = kube_text_clean(server);

	if (*server == '\0')
		return g_strconcat(name, "'s server", NULL);
	return g_strconcat(name, "'s server '", named, "'", NULL);
}

/* --- the user's model ----------------------------------------------------- */

static bool is_dots(const char *segment, size_t length)
{
	g_autofree char *raw = g_strndup(segment, length);
	g_autofree char *name = g_uri_unescape_string(raw, NULL);

	return name == NULL || strcmp(name, ".") == 0 ||
	       strcmp(name, "..") == 0 || strchr(name, '/') != NULL;
}

bool hub_is_url_path(const char *path)
{
	const char *p;

	if (path[0] != '/' || path[1] == '/' || strlen(path) > HUB_PATH_MAX)
		return false;
	for (p = path; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f ||
			strchr("\\?#", *p) != NULL)
			return false;
	for (p = path; *p == '/';) {
		size_t n = strcspn(p + 1, "/");

		if (is_dots(p + 1, n))
			return false;
		p += n + 1;
	}
	return true;
}

static int read_url_path(const cJSON *model, struct hub_server *s)
{
	const char *url = json_string(model, "url");
	size_t length;

	if (url == NULL)
		return 0;
	if (!hub_is_url_path(url))
		return -EXDEV;
	s->url = g_strdup(url);
	for (length = strlen(url); length > 0 && url[length - 1] == '/';)
		s->url[--length] = '\0';
	return 0;
}

int hub_server_read(
	const cJSON *user, const char *server, struct hub_server *ret)
{
	const cJSON *servers = json_object(user, "servers");
	const cJSON *model = NULL;
	const char *pending;
	int rc;

	*ret = (struct hub_server){ 0 };
	if (json_string(user, "name") == NULL)
		return -EPROTO;
	if (servers == NULL)
		return -EACCES;
	/* Not json_object(): a name may be any word, "" too. */
	model = cJSON_GetObjectItemCaseSensitive(servers, server);
	if (!cJSON_IsObject(model))
		return 0;
	pending = json_string(model, "pending");
	ret->is_ready = json_bool(model, "ready", false);
	ret->is_pending = pending != NULL;
	ret->is_stopping = pending != NULL && strcmp(pending, "stop") == 0;
	ret->is_listed = ret->is_ready || ret->is_pending;
	rc = read_url_path(model, ret);
	if (rc == 0 && ret->is_ready && ret->url == NULL)
		rc = -EPROTO;
	if (rc < 0)
		hub_server_clear(ret);
	return rc;
}

void hub_server_clear(struct hub_server *s)
{
	g_clear_pointer(&s->url, g_free);
}

/* --- progress ------------------------------------------------------------- */

void hub_events_init(struct hub_events *e)
{
	*e = (struct hub_events){ .line = g_string_new(NULL) };
}

void hub_events_clear(struct hub_events *e)
{
	g_string_free(e->line, TRUE);
	g_free(e->last);
}

/* Other lines are comments that keep the connection alive, or no JSON. */
static void read_event(struct hub_events *e)
{
	g_autoptr(cJSON) event = NULL;
	g_autofree char *message = NULL;

	if (g_str_has_prefix(e->line->str, "data:"))
		event = json_parse(e->line->str + 5, e->line->len - 5);
	if (event == NULL)
		return;
	e->is_ready = json_bool(event, "ready", false);
	e->has_failed = json_bool(event, "failed", false);
	message = kube_text_clean(json_string(event, "message"));
	/* The same line again is no progress. */
	if (*message == '\0' || g_strcmp0(message, e->last) == 0)
		return;
	g_free(e->last);
	e->last = g_steal_pointer(&message);
	if (e->progress != NULL)
		e->progress(e->progress_arg, e->last);
}

int hub_events_take(void *events, const char *bytes, size_t length)
{
	struct hub_events *e = events;

	if (length > HUB_EVENTS_MAX - e->bytes)
		return -EFBIG;
	e->bytes += length;
	while (length > 0) {
		const char *end = memchr(bytes, '\n', length);
		size_t n = end == NULL ? length : (size_t)(end - bytes);

		if (e->line->len + n > HUB_LINE_MAX)
			return -EFBIG;
		g_string_append_len(e->line, bytes, (gssize)n);
		if (end == NULL)
			return 0;
		bytes += n + 1;
		length -= n + 1;
		read_event(e);
		g_string_truncate(e->line, 0);
		if (e->is_ready || e->has_failed)
			return -ECANCELED;
	}
	return 0;
}

/* runtime_file.c - see runtime_file.h. */
#include "config.h"

#include "runtime_file.h"

#include "common_limits.h"
#include "json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- URLs ----------------------------------------------------------------- */

struct place {
	int port;
	char *path; /* with slashes at both ends */
};

/* "127.example.org" is a name like any other, and elsewhere. */
static bool is_loopback(const char *host)
{
	struct in_addr four;

	if (inet_pton(AF_INET, host, &four) == 1)
		return g_str_has_prefix(host, "127.");
	return strcmp(host, "::1") == 0 ||
	       g_ascii_strcasecmp(host, "localhost") == 0;
}

static bool split(const char *url, struct place *ret)
{
	g_autofree char *scheme = NULL;
	g_autofree char *host = NULL;
	g_autofree char *path = NULL;
	int port = -1;

	if (!g_uri_split(url, G_URI_FLAGS_ENCODED, &scheme, NULL, &host, &port,
		    &path, NULL, NULL, NULL) ||
		scheme == NULL || host == NULL || !is_loopback(host))
		return false;
	ret->port = port > 0				       ? port
		    : g_ascii_strcasecmp(scheme, "https") == 0 ? 443
							       : 80;
	ret->path = g_strconcat(
		path, g_str_has_suffix(path, "/") ? NULL : "/", NULL);
	return true;
}

/* --- a file --------------------------------------------------------------- */

struct secret *runtime_file_token(
	char *json, size_t length, const char *base_url, int64_t *ret_pid)
{
	g_autoptr(cJSON) root = json_parse(json, length);
	const char *token = json_string(root, "token");
	const char *path = json_string(root, "base_url");
	struct place place = { 0 };
	struct secret *found = NULL;
	int64_t port;

	if (token == NULL || path == NULL || !json_int64(root, "port", &port) ||
		!json_int64(root, "pid", ret_pid) || *ret_pid <= 0 ||
		*ret_pid > INT32_MAX)
		return NULL;
	if (split(base_url, &place) && place.port == port &&
		strcmp(place.path, path) == 0)
		found = secret_new(token, strlen(token));
	g_free(place.path);
	return found;
}

static bool is_closed(const struct stat *st)
{
	return st->st_uid == geteuid() &&
	       (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* The notebook 6 leaves it open, in a folder that is not. */
static bool is_ours_alone(int fd, bool is_in_closed)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (is_closed(&st) || (is_in_closed && st.st_uid == geteuid()));
}

static bool is_alive(int64_t pid)
{
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

static struct secret *look_into(int fd, bool is_in_closed, const char *base_url)
{
	char *text;
	struct secret *found = NULL;
	int64_t pid = 0;
	ssize_t n;

	if (!is_ours_alone(fd, is_in_closed))
		return NULL;
	text = g_malloc(RUNTIME_FILE_MAX);
	n = read(fd, text, RUNTIME_FILE_MAX);
	if (n > 0)
		found = runtime_file_token(text, (size_t)n, base_url, &pid);
	secret_wipe(text, RUNTIME_FILE_MAX);
	g_free(text);
	if (found != NULL && !is_alive(pid)) {
		secret_unref(found);
		found = NULL;
	}
	return found;
}

/* --- the folder ----------------------------------------------------------- */

static char *runtime_dir(void)
{
	const char *dir = g_getenv("JUPYTER_RUNTIME_DIR");

	if (dir != NULL && *dir == '/')
		return g_strdup(dir);
	return g_build_filename(
		g_get_user_data_dir(), "jupyter", "runtime", NULL);
}

static bool is_servers(const char *name)
{
	return (g_str_has_prefix(name, "jpserver-") ||
		       g_str_has_prefix(name, "nbserver-")) &&
	       g_str_has_suffix(name, ".json");
}

int runtime_file_find(const char *base_url, struct secret **ret)
{
	g_autofree char *folder = NULL;
	struct place place = { 0 };
	const char *name;
	unsigned left = RUNTIME_FILES_MAX;
	bool is_in_closed;
	struct stat st;
	GDir *dir;

	if (!split(base_url, &place))
		return -ENOENT; /* not of this computer */
	g_free(place.path);
	folder = runtime_dir();
	is_in_closed = stat(folder, &st) == 0 && is_closed(&st);
	dir = g_dir_open(folder, 0, NULL);
	*ret = NULL;
	while (dir != NULL && *ret == NULL && left > 0 &&
		(name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = NULL;
		int fd;

		if (!is_servers(name))
			continue;
		left--;
		path = g_build_filename(folder, name, NULL);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0) {
			*ret = look_into(fd, is_in_closed, base_url);
			(void)close(fd);
		}
	}
	if (dir != NULL)
		g_dir_close(dir);
	return *ret == NULL ? -ENOENT : 0;
}

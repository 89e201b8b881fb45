/* Any bytes as a URL and as what a Jupyter server of this computer has left: its
 * token goes to that server alone, which is on the loopback. */
#include "config.h"

#include "fuzz_secret.h"

#include "endpoint.h"
#include "http_conn.h"
#include "json.h"
#include "runtime_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* By whom it would be dialled. */
static void check_host(const char *url)
{
	CURLU *parts = curl_url();
	char *host = NULL;

	if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		g_error("no URL: %s", url);
	if (g_ascii_strcasecmp(host, "localhost") != 0 &&
		strcmp(host, "[::1]") != 0 &&
		(!g_str_has_prefix(host, "127.") ||
			!g_hostname_is_ip_address(host)))
		g_error("a token goes to %s, by %s", host, url);
	curl_free(host);
	curl_url_cleanup(parts);
}

/* Only what is an endpoint is ever asked about. */
static bool is_endpoint(const char *url)
{
	const struct endpoint_params params = { .base_url = url };
	struct endpoint *e = NULL;

	if (endpoint_new(&params, &e) < 0)
		return false;
	endpoint_unref(e);
	return true;
}

static void read_text(const char *url, const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autofree char *again = g_memdup2(bytes, length);
	g_autoptr(cJSON) root = json_parse(again, length);
	int64_t pid = 0;
	struct secret *found = runtime_file_token(text, length, url, &pid);

	if (found == NULL)
		return;
	fuzz_secret_check(found, json_string(root, "token"));
	if (pid <= 0 || pid != (pid_t)pid)
		g_error("no process: %" G_GINT64_FORMAT, pid);
	if (is_endpoint(url))
		check_host(url);
	secret_unref(found);
}

static void read_folder(const char *url, const uint8_t *bytes, size_t length)
{
	g_autofree char *folder =
		g_build_filename(fuzz_scratch(), "runtime", NULL);
	g_autofree char *path =
		g_build_filename(folder, "jpserver-1.json", NULL);
	struct secret *found = NULL;
	int rc;

	if (g_mkdir_with_parents(folder, 0700) < 0)
		g_error("cannot make %s", folder);
	fuzz_write(path, bytes, length, 0600);
	(void)g_setenv("JUPYTER_RUNTIME_DIR", folder, TRUE);
	rc = runtime_file_find(url, &found);
	g_unsetenv("JUPYTER_RUNTIME_DIR");
	if ((rc == 0) != (found != NULL) || (rc != 0 && rc != -ENOENT))
		g_error("%d of a file", rc);
	if (rc == 0)
		fuzz_secret_check(found, NULL);
	secret_unref(found);
}

/* A line with the URL; then the file. */
void fuzz_runtime_file(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	g_autofree char *url = fuzz_take_line(&in);

	read_text(url, in.at, in.left);
	read_folder(url, in.at, in.left);
}

/* url_text.c - see url_text.h. */
#include "config.h"

#include "url_text.h"

#include "common_limits.h"

#include <errno.h>
#include <string.h>

/* Words with which the pages of Jupyter's user interfaces begin. */
static const char *const page_words[] = {
	"tree",
	"lab",
	"notebooks",
	"edit",
	"doc",
	"login",
};

bool url_text_is_page_word(const char *segment, size_t length)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(page_words); i++)
		if (strlen(page_words[i]) == length &&
			memcmp(page_words[i], segment, length) == 0)
			return true;
	return false;
}

static void wipe_free(char *text)
{
	if (text != NULL)
		secret_wipe(text, strlen(text));
	g_free(text);
}

int url_text_take_token(const char *query, struct secret **ret)
{
	const char *word = query;

	*ret = NULL;
	while (*word != '\0') {
		size_t n = strcspn(word, "&");
		char *value;

		if (strncmp(word, "token=", 6) != 0 || n == 6) {
			word += n + (word[n] == '&');
			continue;
		}
		value = g_uri_unescape_segment(word + 6, word + n, NULL);
		if (value != NULL)
			*ret = secret_new(value, strlen(value));
		wipe_free(value);
		return *ret == NULL ? -EINVAL : 0;
	}
	return 0;
}

const char *url_text_fault(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t authority = strcspn(host, "/?#");
	const char *p;

	if (strlen(url) > WORKSPACE_URL_MAX)
		return "The URL is too long.";
	for (p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == '\x7f' || *p == '\\')
			return "The URL has a space or a control character or "
			       "a backslash in it; write them as %20 and the "
			       "like.";
	if (memchr(host, '@', authority) != NULL)
		return "A user name or password in the URL is not accepted: "
		       "everybody on this computer can read a command line. "
		       "Put the server's token into PYCLOUD_TOKEN.";
	if (authority == 0 || host[0] == ':')
		return "The URL names no host.";
	return NULL;
}

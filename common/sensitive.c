/* sensitive.c - see sensitive.h. */
#include "config.h"

#include "sensitive.h"

#include "common_limits.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)4096)

struct wiped {
	size_t size;
	char bytes[];
};

static void wiped_free(void *data)
{
	struct wiped *w = data;

	secret_wipe(w->bytes, w->size);
	g_free(w);
}

static struct wiped *wiped_new(size_t size)
{
	struct wiped *w = g_malloc(sizeof(*w) + size + 1);

	w->size = size;
	w->bytes[size] = '\0';
	return w;
}

/* Takes what is not longer than its size. */
static GBytes *wiped_bytes(struct wiped *w, size_t length)
{
	w->bytes[length] = '\0';
	return g_bytes_new_with_free_func(w->bytes, length, wiped_free, w);
}

GBytes *sensitive_new(const void *bytes, size_t length)
{
	struct wiped *w = wiped_new(length);

	if (length > 0)
		memcpy(w->bytes, bytes, length);
	return wiped_bytes(w, length);
}

const char *sensitive_text(GBytes *bytes)
{
	return g_bytes_get_data(bytes, NULL);
}

void sensitive_free_text(char *text)
{
	if (text != NULL)
		secret_wipe(text, strlen(text));
	g_free(text);
}

GBytes *sensitive_from_base64(const char *text)
{
	size_t length = strlen(text);
	struct wiped *w = wiped_new(length + 1);
	unsigned save = 0;
	int state = 0;
	size_t digits = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		if (g_ascii_isspace(text[i]))
			continue;
		if (!g_ascii_isalnum(text[i]) && strchr("+/=", text[i]) == NULL)
			break;
		digits++;
	}
	if (i < length || digits == 0 || digits % 4 != 0) {
		wiped_free(w);
		return NULL;
	}
	length = g_base64_decode_step(
		text, length, (guchar *)w->bytes, &state, &save);
	return wiped_bytes(w, length);
}

/* As a longer one; realloc(3) would leave a copy behind. */
static struct wiped *wiped_grow(struct wiped *old, size_t size)
{
	struct wiped *w = wiped_new(size);

	memcpy(w->bytes, old->bytes, old->size);
	wiped_free(old);
	return w;
}

/* Bytes that came, 0 at the end. */
static ssize_t read_some(int fd, char *bytes, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		n = read(fd, bytes, size);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (poll(&p, 1, KUBECONFIG_PIPE_TIMEOUT_MS) == 0)
			return -ETIMEDOUT;
	}
}

static int read_all(int fd, size_t max, GBytes **ret)
{
	struct wiped *w = wiped_new(READ_BYTES);
	size_t length = 0;
	ssize_t n = 1;

	while (n > 0 && length <= max) {
		if (length == w->size)
			w = wiped_grow(w, w->size * 2);
		n = read_some(fd, w->bytes + length, w->size - length);
		length += n > 0 ? (size_t)n : 0;
	}
	if (n >= 0 && length <= max) {
		*ret = wiped_bytes(w, length);
		return 0;
	}
	wiped_free(w);
	return n < 0 ? (int)n : -EFBIG;
}

int sensitive_read(const char *path, size_t max, GBytes **ret)
{
	/* Not to wait for somebody who opens the pipe's other end. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc;

	if (fd < 0)
		return -errno;
	rc = read_all(fd, max, ret);
	(void)close(fd);
	return rc;
}

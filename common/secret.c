/* secret.c - see secret.h. */
#include "config.h"

#include "secret.h"

#include "mutex.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_BYTES 24
#define COOKIE	     "cookie:"

struct secret {
	atomic_int refs;
	size_t length;
	char bytes[]; /* NUL-terminated */
};

void secret_wipe(void *memory, size_t size)
{
	if (memory != NULL)
		explicit_bzero(memory, size);
}

static struct secret *make(
	const char *bytes, size_t length, unsigned char first)
{
	struct secret *s;
	size_t i;

	if (length == 0 || length > SECRET_BYTES_MAX)
		return NULL;
	for (i = 0; i < length; i++)
		if ((unsigned char)bytes[i] < first || bytes[i] == 0x7f)
			return NULL;
	s = g_malloc(sizeof(*s) + length + 1);
	atomic_init(&s->refs, 1);
	s->length = length;
	memcpy(s->bytes, bytes, length);
	s->bytes[length] = '\0';
	return s;
}

struct secret *secret_new(const char *bytes, size_t length)
{
	return make(bytes, length, ' ' + 1);
}

struct secret *secret_new_phrase(const char *bytes, size_t length)
{
	return make(bytes, length, ' ');
}

int secret_from_text(const char *text, size_t length, struct secret **ret)
{
	const char *end = memchr(text, '\n', length);
	const char *first = text;

	if (end == NULL)
		end = text + length;
	while (first < end && g_ascii_isspace(*first))
		first++;
	while (end > first && g_ascii_isspace(end[-1]))
		end--;
	if (first == end)
		return -ENOENT;
	*ret = secret_new(first, (size_t)(end - first));
	return *ret == NULL ? -EINVAL : 0;
}

const char *secret_cookie(const struct secret *s)
{
	return s != NULL && g_str_has_prefix(s->bytes, COOKIE)
		       ? s->bytes + strlen(COOKIE)
		       : NULL;
}

struct secret *secret_new_cookie(const char *cookie, size_t length)
{
	size_t size = strlen(COOKIE) + length;
	char *bytes = g_malloc(size);
	struct secret *s;

	memcpy(bytes, COOKIE, strlen(COOKIE));
	memcpy(bytes + strlen(COOKIE), cookie, length);
	s = secret_new(bytes, size);
	secret_wipe(bytes, size);
	g_free(bytes);
	return s;
}

struct secret *secret_random(void)
{
	unsigned char random[RANDOM_BYTES];
	char hex[2 * RANDOM_BYTES + 1];
	struct secret *s;
	size_t i;

	/* Up to 256 bytes come whole once the kernel's pool is initialised;
	 * without randomness there is nothing safe to go on with. */
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	for (i = 0; i < sizeof(random); i++)
		(void)g_snprintf(hex + 2 * i, 3, "%02x", random[i]);
	s = secret_new(hex, 2 * sizeof(random));
	secret_wipe(random, sizeof(random));
	secret_wipe(hex, sizeof(hex));
	return s;
}

struct secret *secret_ref(struct secret *s)
{
	if (s != NULL)
		(void)atomic_fetch_add(&s->refs, 1);
	return s;
}

void secret_unref(struct secret *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	secret_wipe(s->bytes, s->length);
	g_free(s);
}

const char *secret_peek(const struct secret *s)
{
	return s->bytes;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	unsigned char difference = 0;
	size_t i;

	if (a == NULL || b == NULL)
		return a == b;
	if (a->length != b->length)
		return false;
	/* Constant time: one of the two may come from a stranger. */
	for (i = 0; i < a->length; i++)
		difference |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
	return difference == 0;
}

/* --- the environment ------------------------------------------------------ */

static struct environment {
	struct mutex lock;
	struct secret *token; /* guarded by lock */
	bool is_bad;	      /* guarded by lock; something else was there */
} environment = { .lock = MUTEX_INIT };

/* Takes $PYCLOUD_TOKEN out of the environment, so that no child inherits it
 * and /proc/PID/environ does not show it, and remembers it. */
static void take_token_locked(struct environment *e) REQUIRES(e->lock)
{
	char *value = getenv("PYCLOUD_TOKEN");

	if (value == NULL)
		return;
	secret_unref(e->token);
	e->token = secret_new(value, strlen(value));
	e->is_bad = e->token == NULL && *value != '\0';
	secret_wipe(value, strlen(value));
	(void)unsetenv("PYCLOUD_TOKEN");
}

void secret_hide_environment(void)
{
	mutex_lock(&environment.lock);
	take_token_locked(&environment);
	mutex_unlock(&environment.lock);
}

static int find_in_environment(struct environment *e, struct secret **ret)
	EXCLUDES(e->lock)
{
	int rc = -ENOENT;

	mutex_lock(&e->lock);
	take_token_locked(e);
	if (e->token != NULL) {
		*ret = secret_ref(e->token);
		rc = 0;
	} else if (e->is_bad) {
		rc = -EINVAL;
	}
	mutex_unlock(&e->lock);
	return rc;
}

int secret_from_environment(struct secret **ret)
{
	return find_in_environment(&environment, ret);
}

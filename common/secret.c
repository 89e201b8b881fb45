/*
 * secret.c - see secret.h.
 *
 * The keyring is behind D-Bus, and what answers there may hang: a keyring that
 * waits for a password prompt, a bus of a session that is gone. libsecret's
 * own cancellation depends on every layer below it, so the lookup runs in a
 * thread that may be left behind: the caller and the thread share a counted
 * `struct lookup`, and whoever is last frees it.
 */
#include "config.h"

#include "secret.h"

#include "waitlist.h"

#include <errno.h>
#include <libsecret/secret.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RANDOM_BYTES 24

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

struct secret *secret_new(const char *bytes, size_t length)
{
	struct secret *s;
	size_t i;

	if (length == 0 || length > SECRET_BYTES_MAX)
		return NULL;
	for (i = 0; i < length; i++)
		if ((unsigned char)bytes[i] <= 0x20 || bytes[i] == 0x7f)
			return NULL;
	s = g_malloc(sizeof(*s) + length + 1);
	atomic_init(&s->refs, 1);
	s->length = length;
	memcpy(s->bytes, bytes, length);
	s->bytes[length] = '\0';
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

static int find_in_environment(
	struct environment *e, struct secret **ret_secret) EXCLUDES(e->lock)
{
	int rc = -ENOENT;

	mutex_lock(&e->lock);
	take_token_locked(e);
	if (e->token != NULL) {
		*ret_secret = secret_ref(e->token);
		rc = 0;
	} else if (e->is_bad) {
		rc = -EINVAL;
	}
	mutex_unlock(&e->lock);
	return rc;
}

/* --- the keyring ---------------------------------------------------------- */

static const SecretSchema schema = {
	.name = "org.pycloud.Token",
	.flags = SECRET_SCHEMA_NONE,
	.attributes = {
		{ "server", SECRET_SCHEMA_ATTRIBUTE_STRING },
		{ "workspace", SECRET_SCHEMA_ATTRIBUTE_STRING },
		{ "user", SECRET_SCHEMA_ATTRIBUTE_STRING },
	},
};

struct lookup {
	atomic_int refs;      /* the caller and the thread */
	char *server;	      /* never changes */
	GCancellable *cancel; /* thread-safe */
	struct mutex lock;
	struct waitlist waiters; /* guarded by lock */
	bool is_done;		 /* guarded by lock */
	int rc;			 /* guarded by lock */
	struct secret *found;	 /* guarded by lock */
};

static void lookup_unref(struct lookup *l)
{
	if (atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	secret_unref(l->found);
	g_object_unref(l->cancel);
	g_free(l->server);
	mutex_fini(&l->lock);
	g_free(l);
}

static void *lookup_thread(void *arg)
{
	struct lookup *l = arg;
	struct secret *found = NULL;
	char *password;

	/* A keyring that fails has no token for us; why is its own matter. */
	password = secret_password_lookup_sync(
		&schema, l->cancel, NULL, "server", l->server, NULL);
	if (password != NULL)
		found = secret_new(password, strlen(password));

	mutex_lock(&l->lock);
	l->is_done = true;
	l->rc = found != NULL ? 0 : password != NULL ? -EINVAL : -ENOENT;
	l->found = found;
	waitlist_wake(&l->waiters);
	mutex_unlock(&l->lock);
	secret_password_free(password);
	lookup_unref(l);
	return NULL;
}

static int lookup_wait(struct lookup *l, struct secret **ret_secret)
{
	int64_t end = clock_now_ms() + SECRET_TIMEOUT_MS;
	int rc = 0;

	mutex_lock(&l->lock);
	while (!l->is_done && rc == 0)
		rc = waitlist_wait(&l->waiters, &l->lock, NULL,
			MAX(end - clock_now_ms(), 0));
	if (!l->is_done)
		rc = -ENOENT;
	else
		rc = l->rc;
	if (rc == 0)
		*ret_secret = g_steal_pointer(&l->found);
	mutex_unlock(&l->lock);
	return rc;
}

/* libsecret would try to start a bus where there is none. */
static bool has_session_bus(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
	g_autofree char *path = NULL;

	if (address != NULL && *address != '\0')
		return true;
	if (runtime == NULL || *runtime != '/')
		return false;
	path = g_build_filename(runtime, "bus", NULL);
	return access(path, F_OK) == 0;
}

static int find_in_keyring(const char *server, struct secret **ret_secret)
{
	struct lookup *l;
	pthread_t thread;
	int rc;

	if (!has_session_bus())
		return -ENOENT;
	l = g_new0(struct lookup, 1);
	atomic_init(&l->refs, 2);
	l->server = g_strdup(server);
	l->cancel = g_cancellable_new();
	mutex_init(&l->lock);
	if (pthread_create(&thread, NULL, lookup_thread, l) != 0) {
		lookup_unref(l);
		lookup_unref(l);
		return -ENOENT;
	}
	(void)pthread_detach(thread);
	rc = lookup_wait(l, ret_secret);
	g_cancellable_cancel(l->cancel);
	lookup_unref(l);
	return rc;
}

int secret_find(const char *server, struct secret **ret_secret)
{
	int rc = find_in_environment(&environment, ret_secret);

	return rc == -ENOENT ? find_in_keyring(server, ret_secret) : rc;
}

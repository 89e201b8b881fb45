/*
 * keyring.c - see keyring.h.
 *
 * A job is what the caller and the thread share; whoever is last frees it.
 *
 * secret_password_lookup() would have a person unlock a locked keyring; the
 * service is therefore searched, which asks nobody. The connection to the bus
 * is the process's shared one, whose end would end the process: that is turned
 * off, and nothing keeps it between two jobs.
 */
#include "config.h"

#include "keyring.h"

#include "common_limits.h"
#include "mutex.h"
#include "waitlist.h"

#include <errno.h>
#include <libsecret/secret.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
	atomic_int refs; /* the caller and the thread */
	/* never changes: */
	int (*work)(struct job *, SecretService *);
	char *server;
	char *workspace;
	char *user;
	char *token_id;
	struct secret *stored;
	bool may_ask;	      /* a person, to unlock */
	GCancellable *cancel; /* thread-safe */
	/* The thread's, until it is done: */
	struct secret *found;
	GPtrArray *gone; /* struct keyring_item */
	bool is_absent;	 /* there is no keyring */
	char *why;
	struct mutex lock;
	struct waitlist waiters; /* guarded by lock */
	bool is_done;		 /* guarded by lock */
	int rc;			 /* guarded by lock */
};

static const SecretSchema schema = {
	.name = "org.pycloud.Token",
	.flags = SECRET_SCHEMA_NONE,
	.attributes = {
		{ "server", SECRET_SCHEMA_ATTRIBUTE_STRING },
		{ "workspace", SECRET_SCHEMA_ATTRIBUTE_STRING },
		{ "user", SECRET_SCHEMA_ATTRIBUTE_STRING },
		{ "token_id", SECRET_SCHEMA_ATTRIBUTE_STRING },
	},
};

/* One spelling: case matters in paths alone. g_free. */
static char *spell(const char *url)
{
	const char *host = strstr(url, "://");
	size_t origin = host == NULL ? 0 : 3 + (size_t)(host - url);
	g_autofree char *lower = NULL;

	if (host != NULL)
		origin += strcspn(host + 3, "/");
	lower = g_ascii_strdown(url, (gssize)origin);
	return g_strconcat(lower, url + origin, NULL);
}

static struct job *job_new(const struct keyring_key *key,
	int (*work)(struct job *, SecretService *))
{
	struct job *j = g_new0(struct job, 1);

	atomic_init(&j->refs, 1);
	j->work = work;
	j->server = spell(key->server);
	j->workspace = g_strdup(key->workspace);
	j->user = g_strdup(key->user);
	j->token_id = g_strdup(key->token_id);
	j->gone = g_ptr_array_new_with_free_func(keyring_item_free);
	j->cancel = g_cancellable_new();
	mutex_init(&j->lock);
	return j;
}

static void job_unref(struct job *j)
{
	if (atomic_fetch_sub(&j->refs, 1) > 1)
		return;
	secret_unref(j->found);
	secret_unref(j->stored);
	g_object_unref(j->cancel);
	g_free(j->server);
	g_free(j->workspace);
	g_free(j->user);
	g_free(j->token_id);
	g_ptr_array_unref(j->gone);
	g_free(j->why);
	mutex_fini(&j->lock);
	g_free(j);
}

void keyring_item_free(gpointer data)
{
	struct keyring_item *i = data;

	g_free(i->user);
	g_free(i->token_id);
	secret_unref(i->token);
	g_free(i);
}

/* --- the bus -------------------------------------------------------------- */

/* Other ways to a bus start one, or some program. */
static bool is_plain_address(const char *addresses)
{
	g_auto(GStrv) each = g_strsplit(addresses, ";", -1);

	for (char **address = each; *address != NULL; address++)
		if (!g_str_has_prefix(*address, "unix:") &&
			!g_str_has_prefix(*address, "tcp:"))
			return false;
	return true;
}

/* GLib uses no other, and would start a bus instead. */
static bool is_our_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_uid == geteuid();
}

bool keyring_may_be_there(void)
{
	const char *runtime = g_getenv("XDG_RUNTIME_DIR");
	const char *address = g_getenv("DBUS_SESSION_BUS_ADDRESS");
	g_autofree char *path = NULL;

	if (address != NULL && *address != '\0')
		return is_plain_address(address);
	if (runtime == NULL || *runtime != '/')
		return false;
	path = g_build_filename(runtime, "bus", NULL);
	return is_our_socket(path);
}

static int fail(struct job *j, int rc, const char *what, GError *error)
{
	if (j->why == NULL && error != NULL)
		g_dbus_error_strip_remote_error(error);
	if (j->why == NULL)
		j->why = error == NULL ? g_strdup(what)
				       : g_strdup_printf("%s (%s)", what,
						 error->message);
	return rc;
}

static int open_service(struct job *j, SecretService **ret)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDBusConnection) bus =
		g_bus_get_sync(G_BUS_TYPE_SESSION, j->cancel, &error);

	j->is_absent = true;
	if (bus == NULL)
		return fail(j, -ENOENT, "there is no session bus", error);
	g_dbus_connection_set_exit_on_close(bus, FALSE);
	*ret = secret_service_open_sync(SECRET_TYPE_SERVICE, NULL,
		SECRET_SERVICE_OPEN_SESSION, j->cancel, &error);
	if (*ret == NULL)
		return fail(j, -ENOENT, "there is no keyring", error);
	j->is_absent = false;
	return 0;
}

/* --- items ---------------------------------------------------------------- */

static void free_items(GList *items)
{
	g_list_free_full(items, g_object_unref);
}

static GHashTable *attributes(const struct job *j)
{
	static char server[] = "server";
	static char workspace[] = "workspace";
	static char user[] = "user";
	static char token_id[] = "token_id";
	GHashTable *t = g_hash_table_new(g_str_hash, g_str_equal);

	(void)g_hash_table_insert(t, server, j->server);
	if (j->user != NULL)
		(void)g_hash_table_insert(t, user, j->user);
	if (j->workspace != NULL)
		(void)g_hash_table_insert(t, workspace, j->workspace);
	if (j->token_id != NULL)
		(void)g_hash_table_insert(t, token_id, j->token_id);
	return t;
}

/* NULL: it has no such attribute; g_free. */
static char *attribute(SecretItem *item, const char *name)
{
	g_autoptr(GHashTable) all = secret_item_get_attributes(item);

	return g_strdup(g_hash_table_lookup(all, name));
}

static bool has_user(SecretItem *item, const char *user)
{
	g_autofree char *its = attribute(item, "user");

	return g_strcmp0(its, user) == 0;
}

/* Of this server, whoever's. A search cannot say "without a user". */
static int search(struct job *j, SecretService *service,
	SecretSearchFlags flags, GList **ret)
{
	static char server[] = "server";
	g_autoptr(GHashTable) wanted =
		g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GError) error = NULL;

	(void)g_hash_table_insert(wanted, server, j->server);
	*ret = secret_service_search_sync(service, &schema, wanted,
		SECRET_SEARCH_ALL | flags, j->cancel, &error);
	return error == NULL
		       ? 0
		       : fail(j, -ENOENT, "the keyring does not search", error);
}

static int take_value(SecretItem *item, struct secret **ret)
{
	SecretValue *value = secret_item_get_secret(item);
	const char *text;
	gsize length = 0;

	if (value == NULL)
		return -ENOENT;
	text = secret_value_get(value, &length);
	*ret = secret_new(text, length);
	secret_value_unref(value);
	return *ret == NULL ? -EINVAL : 0;
}

/* 0: it is not for us; what is higher is better. */
static int fitness(const struct job *j, SecretItem *item)
{
	if (j->user == NULL || has_user(item, j->user))
		return 2;
	return has_user(item, NULL) ? 1 : 0;
}

static bool is_better(const struct job *j, SecretItem *a, SecretItem *b)
{
	int difference = b == NULL ? 1 : fitness(j, a) - fitness(j, b);

	return difference > 0 ||
	       (difference == 0 && secret_item_get_modified(a) >
					   secret_item_get_modified(b));
}

static int find(struct job *j, SecretService *service)
{
	SecretItem *best = NULL;
	bool is_locked = false;
	GList *items = NULL;
	int rc = search(j, service, SECRET_SEARCH_LOAD_SECRETS, &items);

	for (GList *i = items; i != NULL; i = i->next) {
		if (fitness(j, i->data) == 0)
			continue;
		if (secret_item_get_locked(i->data))
			is_locked = true;
		else if (is_better(j, i->data, best))
			best = i->data;
	}
	if (rc == 0)
		rc = best == NULL ? -ENOENT : take_value(best, &j->found);
	if (rc == -ENOENT && is_locked)
		(void)fail(j, rc,
			"the keyring has one but is locked; unlock it", NULL);
	free_items(items);
	return rc;
}

static struct keyring_item *item_new(SecretItem *item)
{
	struct keyring_item *i = g_new0(struct keyring_item, 1);

	i->user = attribute(item, "user");
	i->token_id = attribute(item, "token_id");
	(void)take_value(item, &i->token); /* to revoke it */
	return i;
}

static int forget_item(struct job *j, SecretItem *item)
{
	g_autoptr(GError) error = NULL;
	struct keyring_item *gone;

	if (secret_item_get_locked(item))
		return fail(
			j, -EACCES, "the keyring is locked; unlock it", NULL);
	gone = item_new(item);
	if (secret_item_delete_sync(item, j->cancel, &error)) {
		g_ptr_array_add(j->gone, gone);
		return 0;
	}
	keyring_item_free(gone);
	return fail(j, -EIO, "the keyring keeps it", error);
}

static int forget(struct job *j, SecretService *service)
{
	GList *items = NULL;
	int rc = search(j, service, SECRET_SEARCH_LOAD_SECRETS, &items);

	for (GList *i = items; rc == 0 && i != NULL; i = i->next)
		if (j->user == NULL || has_user(i->data, j->user))
			rc = forget_item(j, i->data);
	free_items(items);
	return rc;
}

/* --- storing -------------------------------------------------------------- */

static int unlock(
	struct job *j, SecretService *service, SecretCollection *collection)
{
	g_autoptr(GError) error = NULL;
	GList *one = g_list_append(NULL, collection);
	GList *unlocked = NULL;

	if (j->may_ask)
		(void)secret_service_unlock_sync(
			service, one, j->cancel, &unlocked, &error);
	g_list_free(one);
	if (unlocked == NULL)
		return fail(
			j, -EACCES, "the keyring is locked; unlock it", error);
	free_items(unlocked);
	return 0;
}

/* What would be made by storing is a person's to make: it asks for a password.
 */
static int open_collection(struct job *j, SecretService *service)
{
	g_autoptr(GError) error = NULL;
	SecretCollection *collection = secret_collection_for_alias_sync(service,
		SECRET_COLLECTION_DEFAULT, SECRET_COLLECTION_NONE, j->cancel,
		&error);
	int rc = 0;

	if (collection == NULL)
		return j->may_ask && error == NULL
			       ? 0
			       : fail(j, -ENOENT,
					 "the keyring has no default "
					 "collection; make one (seahorse)",
					 error);
	if (secret_collection_get_locked(collection))
		rc = unlock(j, service, collection);
	g_object_unref(collection);
	return rc;
}

static int put(struct job *j, SecretService *service)
{
	g_autoptr(GHashTable) all = attributes(j);
	g_autofree char *label = g_strdup_printf("PyCloud: %s", j->server);
	const char *text = secret_peek(j->stored);
	g_autoptr(GError) error = NULL;
	SecretValue *value =
		secret_value_new(text, (gssize)strlen(text), "text/plain");
	bool is_stored = secret_service_store_sync(service, &schema, all,
		SECRET_COLLECTION_DEFAULT, label, value, j->cancel, &error);

	secret_value_unref(value);
	return is_stored ? 0
			 : fail(j, -EIO, "the keyring does not take it", error);
}

/* The one that was just put there. */
static bool is_put(const struct job *j, SecretItem *item)
{
	g_autofree char *workspace = attribute(item, "workspace");
	g_autofree char *token_id = attribute(item, "token_id");
	struct secret *its = NULL;
	bool is_it = has_user(item, j->user) &&
		     g_strcmp0(workspace, j->workspace) == 0 &&
		     g_strcmp0(token_id, j->token_id) == 0 &&
		     take_value(item, &its) == 0 &&
		     secret_equal(its, j->stored);

	secret_unref(its);
	return is_it;
}

/* What `before` had that stands there no more. */
static void note_replaced(struct job *j, GList *before, SecretItem *put)
{
	const char *path = g_dbus_proxy_get_object_path(G_DBUS_PROXY(put));

	for (GList *i = before; i != NULL; i = i->next)
		if (strcmp(g_dbus_proxy_get_object_path(i->data), path) == 0)
			g_ptr_array_add(j->gone, item_new(i->data));
}

/* What cannot be removed is older, and so not found. Nothing goes unless the
 * new one is there. */
static void forget_others(struct job *j, SecretService *service, GList *before)
{
	GList *items = NULL;
	SecretItem *own = NULL;

	(void)search(j, service, SECRET_SEARCH_LOAD_SECRETS, &items);
	for (GList *i = items; i != NULL; i = i->next)
		if (is_put(j, i->data))
			own = i->data;
	if (own != NULL)
		note_replaced(j, before, own);
	for (GList *i = items; own != NULL && i != NULL; i = i->next)
		if (i->data != own && has_user(i->data, j->user))
			(void)forget_item(j, i->data);
	free_items(items);
}

static int store(struct job *j, SecretService *service)
{
	GList *before = NULL;
	int rc = open_collection(j, service);

	if (rc == 0)
		rc = search(j, service, SECRET_SEARCH_LOAD_SECRETS, &before);
	if (rc == 0)
		rc = put(j, service);
	if (rc == 0)
		forget_others(j, service, before);
	free_items(before);
	return rc;
}

/* --- jobs ----------------------------------------------------------------- */

static void *job_thread(void *arg)
{
	struct job *j = arg;
	SecretService *service = NULL;
	int rc = open_service(j, &service);

	if (rc == 0)
		rc = j->work(j, service);
	g_clear_object(&service);
	mutex_lock(&j->lock);
	j->is_done = true;
	j->rc = rc;
	waitlist_wake(&j->waiters);
	mutex_unlock(&j->lock);
	job_unref(j);
	return NULL;
}

static int job_wait(
	struct job *j, const struct cancel *cancel, int64_t limit_ms)
{
	int64_t end = clock_now_ms() + limit_ms;
	int rc = 0;

	mutex_lock(&j->lock);
	while (!j->is_done && rc == 0)
		rc = waitlist_wait(&j->waiters, &j->lock, cancel,
			MAX(end - clock_now_ms(), 0));
	if (j->is_done)
		rc = j->rc;
	mutex_unlock(&j->lock);
	/* Whoever does not want to wait is told so, however fast it failed. */
	return rc < 0 && cancel_check(cancel) == -EINTR ? -EINTR : rc;
}

/* The thread, and those that it starts, leave our signals to us. */
static int start_thread(struct job *j)
{
	pthread_t thread;
	sigset_t before;
	sigset_t all;
	int error;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, job_thread, j);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		(void)pthread_detach(thread);
	return -error;
}

/* Afterwards j->found and the like are the caller's to look at, unless it is
 * -EINTR or -ETIMEDOUT: the thread may be at work still. */
static int job_run(struct job *j, const struct cancel *cancel, int64_t limit_ms)
{
	int rc;

	(void)atomic_fetch_add(&j->refs, 1);
	if (start_thread(j) < 0) {
		job_unref(j); /* the thread's */
		return -ETIMEDOUT;
	}
	rc = job_wait(j, cancel, limit_ms);
	g_cancellable_cancel(j->cancel);
	return rc;
}

static int conclude(struct job *j, int rc, char **ret_why)
{
	if (rc == -ETIMEDOUT)
		*ret_why = g_strdup("the keyring does not answer; is it "
				    "waiting for its password?");
	else if (rc != 0 && rc != -EINTR)
		*ret_why = g_steal_pointer(&j->why);
	return rc;
}

int keyring_find(const struct keyring_key *key, const struct cancel *cancel,
	struct secret **ret, char **ret_why)
{
	struct job *j;
	int rc;

	*ret_why = NULL;
	if (!keyring_may_be_there())
		return -ENOENT;
	j = job_new(key, find);
	rc = conclude(j, job_run(j, cancel, KEYRING_TIMEOUT_MS), ret_why);
	if (rc == 0)
		*ret = g_steal_pointer(&j->found);
	if (rc == -ENOENT && j->is_absent)
		g_clear_pointer(ret_why, g_free);
	job_unref(j);
	return rc == -ETIMEDOUT ? -ENOENT : rc;
}

static bool has_display(void)
{
	return g_getenv("DISPLAY") != NULL ||
	       g_getenv("WAYLAND_DISPLAY") != NULL;
}

static int change(struct job *j, const struct cancel *cancel, char **ret_why)
{
	*ret_why = NULL;
	if (!keyring_may_be_there()) {
		*ret_why = g_strdup("there is no session bus");
		return -ENOENT;
	}
	return conclude(j,
		job_run(j, cancel,
			j->may_ask ? KEYRING_PERSON_MS : KEYRING_STORE_MS),
		ret_why);
}

/* What the thread was left with is its own still. */
static GPtrArray *gone_of(struct job *j, int rc)
{
	return rc == -EINTR || rc == -ETIMEDOUT ? NULL
						: g_ptr_array_ref(j->gone);
}

int keyring_store(const struct keyring_key *key, struct secret *secret,
	const struct cancel *cancel, GPtrArray **ret, char **ret_why)
{
	struct job *j = job_new(key, store);
	int rc;

	j->stored = secret_ref(secret);
	j->may_ask = has_display();
	rc = change(j, cancel, ret_why);
	*ret = gone_of(j, rc);
	job_unref(j);
	return rc;
}

int keyring_forget(const struct keyring_key *key, const struct cancel *cancel,
	GPtrArray **ret, char **ret_why)
{
	struct job *j = job_new(key, forget);
	int rc = change(j, cancel, ret_why);

	*ret = gone_of(j, rc);
	job_unref(j);
	return rc;
}

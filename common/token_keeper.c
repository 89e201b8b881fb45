/* token_keeper.c - see token_keeper.h. */
#include "config.h"

#include "token_keeper.h"

#include "common_limits.h"
#include "log.h"
#include "mutex.h"
#include "terminal.h"
#include "waitlist.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct token_keeper {
	atomic_int refs;
	/* immutable */
	struct token_source *other; /* NULL: what follows */
	struct credentials *credentials;
	char *base_url;
	char *target;
	char *ca_file;
	bool is_insecure;
	char *server;
	char *login_name;
	int64_t look_ms;
	struct mutex lock;
	/* guarded by lock */
	char *user;
	struct waitlist changed;
	struct secret *token;
	const char *source; /* of the token; NULL: there is none */
	bool is_refused;
	bool is_looking;    /* a search goes on */
	int look_error;	    /* how the last one ended */
	int64_t looked_ms;  /* when; 0: there was none yet */
	int64_t trusted_ms; /* the last trial that was passed; 0: none yet */
	char *hint;	    /* why none was found at first, perhaps */
	char *why;	    /* it is refused */
	/* The search's thread; who has set is_looking may touch it. */
	struct cancel gone; /* nobody needs a token any more */
	pthread_t thread;
	bool has_thread; /* to be joined */
};

struct token_keeper *token_keeper_new(const struct token_keeper_params *params)
{
	struct token_keeper *k = g_new0(struct token_keeper, 1);

	atomic_init(&k->refs, 1);
	k->other = params->source;
	if (params->credentials != NULL)
		k->credentials = credentials_ref(params->credentials);
	k->base_url = g_strdup(params->place.base_url);
	k->target = g_strdup(params->place.target);
	k->ca_file = g_strdup(params->place.ca_file);
	k->is_insecure = params->place.is_insecure;
	k->server = g_strdup(params->server);
	k->user = g_strdup(params->user);
	k->login_name = g_strdup(params->login_name);
	k->look_ms = params->look_ms != 0 ? params->look_ms : TOKEN_LOOK_MS;
	cancel_init(&k->gone, 0);
	mutex_init(&k->lock);
	return k;
}

struct token_keeper *token_keeper_ref(struct token_keeper *k)
{
	(void)atomic_fetch_add(&k->refs, 1);
	return k;
}

static void join_search(struct token_keeper *k)
{
	if (k->has_thread)
		(void)pthread_join(k->thread, NULL);
	k->has_thread = false;
}

void token_keeper_unref(struct token_keeper *k)
{
	if (k == NULL || atomic_fetch_sub(&k->refs, 1) > 1)
		return;
	cancel_fire(&k->gone);
	join_search(k);
	cancel_fini(&k->gone);
	if (k->other != NULL)
		k->other->ops->free(k->other);
	credentials_unref(k->credentials);
	secret_unref(k->token);
	g_free(k->base_url);
	g_free(k->target);
	g_free(k->ca_file);
	g_free(k->server);
	g_free(k->user);
	g_free(k->login_name);
	g_free(k->hint);
	g_free(k->why);
	mutex_fini(&k->lock);
	g_free(k);
}

/* --- sentences ------------------------------------------------------------ */

static char *explain_refused(const struct token_keeper *k, const char *source)
{
	if (k->other != NULL)
		return k->other->ops->explain(k->other, source, NULL);
	return g_strdup_printf("%s refuses the token that %s has; %s %s",
		k->server, source, credentials_remedy(source), k->login_name);
}

static char *explain_none(const struct token_keeper *k, const char *hint)
{
	if (k->other != NULL)
		return k->other->ops->explain(k->other, NULL, hint);
	return g_strdup_printf("%s asks for a token, and none was found%s%s%s; "
			       "run: pycloud login %s",
		k->server, hint == NULL ? "" : " (", hint == NULL ? "" : hint,
		hint == NULL ? "" : ")", k->login_name);
}

/* --- searching ------------------------------------------------------------ */

static int try(struct token_keeper *k, struct secret *token,
	const struct cancel *cancel, int64_t end_ms)
{
	const struct token_place place = {
		.base_url = k->base_url,
		.target = k->target,
		.ca_file = k->ca_file,
		.is_insecure = k->is_insecure,
	};

	if (k->other != NULL)
		return k->other->ops->try(k->other, token, cancel, end_ms);
	return token_trial(&place, token, cancel, end_ms);
}

static int accept(void *arg, struct secret *token)
{
	struct token_keeper *k = arg;

	return try(k, token, &k->gone, clock_now_ms() + TOKEN_TRIAL_MS);
}

/* `wish` without whom it is for. */
static int find(struct token_keeper *k, struct credentials_wish *wish,
	const struct cancel *cancel, struct credentials_found *ret,
	char **ret_why) EXCLUDES(k->lock)
{
	g_autofree char *user = NULL;

	if (k->other != NULL)
		return k->other->ops->find(
			k->other, wish, cancel, ret, ret_why);
	mutex_lock(&k->lock);
	user = g_strdup(k->user);
	mutex_unlock(&k->lock);
	wish->server = k->server;
	wish->user = user;
	return credentials_find(k->credentials, wish, cancel, ret, ret_why);
}

static int search(
	struct token_keeper *k, struct credentials_found *ret, char **ret_why)
{
	struct credentials_wish wish = { .accepts = accept, .arg = k };
	g_autofree char *said = NULL;
	int rc = find(k, &wish, &k->gone, ret, &said);

	/* It may have come to want none. */
	if (rc == -ENOENT)
		rc = accept(k, NULL);
	if (rc == -EINTR || rc == 0)
		return rc;
	if (rc == -EACCES && ret->source != NULL)
		*ret_why = explain_refused(k, ret->source);
	else if (rc == -EACCES)
		*ret_why = explain_none(k, said);
	else
		*ret_why = g_steal_pointer(&said);
	return rc;
}

/* What keeps a token from us is no fault of the path that was asked for. */
static int errno_of_search(int rc)
{
	switch (rc) {
	case 0:
	case -EINTR:
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
		return rc;
	default:
		return -ENETUNREACH;
	}
}

static void settle(struct token_keeper *k, int rc,
	const struct credentials_found *found, char *why) EXCLUDES(k->lock)
{
	struct secret *old = NULL;

	mutex_lock(&k->lock);
	k->is_looking = false;
	k->look_error = errno_of_search(rc);
	k->looked_ms = clock_now_ms();
	if (rc == 0) {
		old = k->token;
		k->token = found->secret;
		k->source = found->source;
		k->is_refused = false;
		k->trusted_ms = k->looked_ms;
	}
	if (rc == 0 || why != NULL) {
		g_free(k->why);
		k->why = why;
	}
	waitlist_wake(&k->changed);
	mutex_unlock(&k->lock);
	secret_unref(old);
}

static void *look(void *arg)
{
	struct token_keeper *k = arg;
	struct credentials_found found;
	char *why = NULL;
	int rc = search(k, &found, &why);

	if (rc == 0)
		log_info("%s accepts the token that %s has", k->server,
			found.source == NULL ? "nobody" : found.source);
	settle(k, rc, &found, why);
	return NULL;
}

/* It leaves our signals to us. */
static void start_search(struct token_keeper *k) EXCLUDES(k->lock)
{
	const struct credentials_found none = { 0 };
	sigset_t before;
	sigset_t all;
	int error;

	join_search(k); /* the one before has said its last word */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&k->thread, NULL, look, k);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		k->has_thread = true;
	else
		settle(k, -error, &none, NULL);
}

static bool has_just_looked_locked(const struct token_keeper *k)
	REQUIRES(k->lock)
{
	return k->looked_ms != 0 && clock_now_ms() - k->looked_ms < k->look_ms;
}

int token_keeper_get(struct token_keeper *k, const struct cancel *cancel,
	int64_t end_ms, struct secret **ret)
{
	bool has_waited;
	int rc = 0;

	mutex_lock(&k->lock);
	has_waited = k->is_looking;
	if (k->is_refused && !k->is_looking && !has_just_looked_locked(k)) {
		has_waited = k->is_looking = true;
		mutex_unlock(&k->lock);
		start_search(k);
		mutex_lock(&k->lock);
	}
	while (rc == 0 && k->is_looking)
		rc = waitlist_wait(&k->changed, &k->lock, cancel,
			MAX(end_ms - clock_now_ms(), 0));
	if (rc == 0 && k->is_refused)
		rc = has_waited && k->look_error != 0 ? k->look_error
						      : -ENETUNREACH;
	if (rc == 0)
		*ret = secret_ref(k->token);
	mutex_unlock(&k->lock);
	return rc;
}

void token_keeper_name_user(struct token_keeper *k, const char *user)
{
	mutex_lock(&k->lock);
	g_free(k->user);
	k->user = g_strdup(user);
	mutex_unlock(&k->lock);
}

/* --- judging -------------------------------------------------------------- */

/* Whether the answer is to be doubted at all; *ret_is_old: the token was
 * replaced since it was sent. */
static bool is_doubtful(struct token_keeper *k, const struct secret *token,
	bool *ret_is_old) EXCLUDES(k->lock)
{
	bool is_fresh;

	mutex_lock(&k->lock);
	*ret_is_old = k->is_refused || !secret_equal(k->token, token);
	is_fresh = k->trusted_ms != 0 &&
		   clock_now_ms() - k->trusted_ms < k->look_ms;
	mutex_unlock(&k->lock);
	return *ret_is_old || !is_fresh;
}

static void note_trial(struct token_keeper *k, const struct secret *token,
	int rc) EXCLUDES(k->lock)
{
	mutex_lock(&k->lock);
	if (rc == 0)
		k->trusted_ms = clock_now_ms();
	if (rc == -EACCES && secret_equal(k->token, token)) {
		k->is_refused = true;
		g_free(k->why);
		k->why = k->token == NULL ? explain_none(k, k->hint)
					  : explain_refused(k, k->source);
	}
	mutex_unlock(&k->lock);
}

/* The trial failed on its way: what the answer means is not known, so nobody is
 * told what it says. What the server itself says instead, about a place that it
 * has not, or of a failure of its own, is no reason to doubt what it said. */
static bool is_open_question(int rc)
{
	switch (rc) {
	case -EINTR: /* whom it was asked for does not wait for it */
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EBUSY:
	case -EMFILE:
	case -ENOMEM:
		return true;
	default:
		return false;
	}
}

/* The server refused before it did anything. */
static bool refuse(struct http_response *r, int error)
{
	r->error = error;
	r->may_have_acted = false;
	return true;
}

bool token_keeper_judge(struct token_keeper *k, const struct secret *token,
	struct http_response *r, const struct cancel *cancel, int64_t end_ms)
{
	int64_t limit = clock_now_ms() + TOKEN_TRIAL_MS;
	struct secret *tried;
	bool is_old;
	int rc;

	if (!token_may_be_refused(r) || !is_doubtful(k, token, &is_old))
		return false;
	if (is_old)
		return refuse(r, -EHOSTUNREACH);
	mutex_lock(&k->lock);
	tried = secret_ref(k->token);
	mutex_unlock(&k->lock);
	rc = try(k, tried, cancel, end_ms == 0 ? limit : MIN(end_ms, limit));
	note_trial(k, tried, rc);
	secret_unref(tried);
	if (rc == -EACCES || rc == -EBUSY)
		return refuse(r, -EHOSTUNREACH);
	return is_open_question(rc) && refuse(r, rc);
}

char *token_keeper_why(struct token_keeper *k)
{
	char *why;

	mutex_lock(&k->lock);
	why = k->is_refused ? g_strdup(k->why) : NULL;
	mutex_unlock(&k->lock);
	return why;
}

/* --- starting ------------------------------------------------------------- */

/* A person is asked where the server wants a token; so it is asked first. */
static int find_first(struct token_keeper *k, bool may_ask,
	const struct cancel *cancel, struct credentials_found *ret,
	char **ret_why)
{
	struct credentials_wish wish = {
		.is_attended = true,
		.asks_person = may_ask,
	};

	return find(k, &wish, cancel, ret, ret_why);
}

int token_keeper_start(
	struct token_keeper *k, const struct cancel *cancel, char **ret_why)
{
	struct credentials_found found;
	int64_t end_ms = clock_now_ms() + TOKEN_TRIAL_MS;
	int rc = find_first(k, false, cancel, &found, ret_why);

	if (rc == -ENOENT && k->other == NULL && terminal_is_there() &&
		try(k, NULL, cancel, end_ms) == -EACCES) {
		g_clear_pointer(ret_why, g_free);
		rc = find_first(k, true, cancel, &found, ret_why);
	}
	if (rc == -EINTR && *ret_why == NULL)
		*ret_why = g_strdup("interrupted");
	if (rc < 0 && rc != -ENOENT)
		return rc;
	mutex_lock(&k->lock);
	secret_unref(k->token);
	k->token = found.secret;
	k->source = found.source;
	k->looked_ms = clock_now_ms();
	g_free(k->hint);
	k->hint = g_steal_pointer(ret_why);
	mutex_unlock(&k->lock);
	return 0;
}

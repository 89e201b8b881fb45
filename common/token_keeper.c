/* token_keeper.c - see token_keeper.h. */
#include "config.h"

#include "token_keeper.h"

#include "limits.h"
#include "log.h"
#include "mutex.h"
#include "terminal.h"
#include "waitlist.h"

#include <errno.h>
#include <stdatomic.h>

struct token_keeper {
	atomic_int refs;
	/* immutable */
	struct credentials *credentials;
	char *base_url;
	char *target;
	char *ca_file;
	bool is_insecure;
	char *server;
	char *user;
	char *login_name;
	int64_t look_ms;
	struct mutex lock;
	/* guarded by lock */
	struct waitlist changed;
	struct secret *token;
	const char *source; /* of the token; NULL: there is none */
	bool is_refused;
	bool is_looking;    /* some thread does */
	int64_t looked_ms;  /* the last search; 0: none yet */
	int64_t trusted_ms; /* the last trial that was passed; 0: none yet */
	char *hint;	    /* why none was found at first, perhaps */
	char *why;	    /* it is refused */
};

/* A search, by one thread. */
struct look {
	struct token_keeper *keeper;
	const struct cancel *cancel;
	int64_t end_ms;
};

struct token_keeper *token_keeper_new(const struct token_keeper_params *params)
{
	struct token_keeper *k = g_new0(struct token_keeper, 1);

	atomic_init(&k->refs, 1);
	k->credentials = credentials_ref(params->credentials);
	k->base_url = g_strdup(params->place.base_url);
	k->target = g_strdup(params->place.target);
	k->ca_file = g_strdup(params->place.ca_file);
	k->is_insecure = params->place.is_insecure;
	k->server = g_strdup(params->server);
	k->user = g_strdup(params->user);
	k->login_name = g_strdup(params->login_name);
	k->look_ms = params->look_ms != 0 ? params->look_ms : TOKEN_LOOK_MS;
	mutex_init(&k->lock);
	return k;
}

struct token_keeper *token_keeper_ref(struct token_keeper *k)
{
	(void)atomic_fetch_add(&k->refs, 1);
	return k;
}

void token_keeper_unref(struct token_keeper *k)
{
	if (k == NULL || atomic_fetch_sub(&k->refs, 1) > 1)
		return;
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
	return g_strdup_printf("%s refuses the token that %s has; %s %s",
		k->server, source, credentials_remedy(source), k->login_name);
}

static char *explain_none(const struct token_keeper *k, const char *hint)
{
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

	return token_trial(&place, token, cancel, end_ms);
}

static int accept(void *arg, struct secret *token)
{
	const struct look *l = arg;

	return try(l->keeper, token, l->cancel, l->end_ms);
}

static int search(
	const struct look *l, struct credentials_found *ret, char **ret_why)
{
	struct token_keeper *k = l->keeper;
	const struct credentials_wish wish = {
		.server = k->server,
		.user = k->user,
		.end_ms = l->end_ms,
		.accepts = accept,
		.arg = (void *)(uintptr_t)l,
	};
	g_autofree char *said = NULL;
	int rc = credentials_find(k->credentials, &wish, l->cancel, ret, &said);

	/* It may have come to want none. */
	if (rc == -ENOENT)
		rc = try(k, NULL, l->cancel, l->end_ms);
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

static void settle(struct token_keeper *k, int rc,
	const struct credentials_found *found, char *why) EXCLUDES(k->lock)
{
	struct secret *old = NULL;

	mutex_lock(&k->lock);
	k->is_looking = false;
	if (rc != -EINTR)
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
		k->why = g_steal_pointer(&why);
	}
	waitlist_wake(&k->changed);
	mutex_unlock(&k->lock);
	secret_unref(old);
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

static int look_and_settle(struct token_keeper *k, const struct cancel *cancel,
	int64_t end_ms) EXCLUDES(k->lock)
{
	const struct look l = { k, cancel, end_ms };
	struct credentials_found found;
	char *why = NULL;
	int rc = search(&l, &found, &why);

	settle(k, rc, &found, why);
	if (rc == 0)
		log_info("%s accepts the token that %s has", k->server,
			found.source == NULL ? "nobody" : found.source);
	return errno_of_search(rc);
}

static int wait_for_verdict_locked(struct token_keeper *k,
	const struct cancel *cancel, int64_t end_ms) REQUIRES(k->lock)
{
	int rc = 0;

	while (rc == 0 && k->is_looking)
		rc = waitlist_wait(&k->changed, &k->lock, cancel,
			MAX(end_ms - clock_now_ms(), 0));
	return rc;
}

int token_keeper_get(struct token_keeper *k, const struct cancel *cancel,
	int64_t end_ms, struct secret **ret)
{
	int rc;

	mutex_lock(&k->lock);
	rc = wait_for_verdict_locked(k, cancel, end_ms);
	if (rc == 0 && k->is_refused) {
		bool is_soon = k->looked_ms != 0 &&
			       clock_now_ms() - k->looked_ms < k->look_ms;

		k->is_looking = !is_soon;
		rc = -ENETUNREACH;
		if (!is_soon) {
			mutex_unlock(&k->lock);
			rc = look_and_settle(k, cancel, end_ms);
			mutex_lock(&k->lock);
		}
	}
	if (rc == 0)
		*ret = secret_ref(k->token);
	mutex_unlock(&k->lock);
	return rc;
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
	/* Whom it was asked for does not wait for what the answer means. */
	return (rc == -EACCES && refuse(r, -EHOSTUNREACH)) ||
	       (rc == -EINTR && refuse(r, rc));
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
	const struct credentials_wish wish = {
		.server = k->server,
		.user = k->user,
		.is_attended = true,
		.asks_person = may_ask,
	};

	return credentials_find(k->credentials, &wish, cancel, ret, ret_why);
}

int token_keeper_start(
	struct token_keeper *k, const struct cancel *cancel, char **ret_why)
{
	struct credentials_found found;
	int64_t end_ms = clock_now_ms() + TOKEN_TRIAL_MS;
	int rc = find_first(k, false, cancel, &found, ret_why);

	if (rc == -ENOENT && terminal_is_there() &&
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

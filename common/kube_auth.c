/*
 * kube_auth.c - see kube_auth.h.
 *
 * `is_busy` is the state of the one thread that renews; it works without the
 * lock on what never changes (the source) and puts what it got where everybody
 * sees it. `renewals` counts what came of it, so that a thread that waited
 * for a renewal takes its outcome instead of starting the next.
 */
#include "config.h"

#include "kube_auth.h"

#include "common_limits.h"
#include "mutex.h"
#include "sensitive.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

struct kube_auth {
	atomic_int refs;

	/* Where it comes from; never changes. */
	char *name;
	struct secret *token;
	char *token_file;
	struct secret *basic;
	GBytes *cert_pem;
	GBytes *key_pem;
	char *cert_file;
	char *key_file;
	struct kube_exec *exec;
	int (*reload)(void *arg, struct kube_auth **ret, char **ret_why);
	void (*reload_free)(void *arg);
	void *reload_arg;

	struct mutex lock;
	struct waitlist waiters;  /* guarded by lock */
	bool is_busy;		  /* guarded by lock; somebody renews */
	unsigned renewals;	  /* guarded by lock; that came to an end */
	struct kube_login *login; /* guarded by lock; NULL: none yet */
	int64_t renew_ms;	  /* guarded by lock; INT64_MAX: never */
	int64_t end_ms;		  /* guarded by lock; it is good until then */
	int error;		  /* guarded by lock; of the last renewal */
	char *why;		  /* guarded by lock; goes with it */
	char *words;		  /* guarded by lock; the program's last ones */
	int64_t believe_error_ms; /* guarded by lock */
	int64_t refused_ms; /* guarded by lock; when a refusal last renewed */
};

/* What a renewal found. */
struct outcome {
	int rc;
	struct kube_login *login;
	char *why;
	char *words;
};

struct kube_auth *kube_auth_new(const struct kube_auth_source *source)
{
	struct kube_auth *a = g_new0(struct kube_auth, 1);

	atomic_init(&a->refs, 1);
	a->name = g_strdup(source->name);
	a->token = secret_ref(source->token);
	a->token_file = g_strdup(source->token_file);
	a->basic = secret_ref(source->basic);
	if (source->cert_pem != NULL)
		a->cert_pem = g_bytes_ref(source->cert_pem);
	if (source->key_pem != NULL)
		a->key_pem = g_bytes_ref(source->key_pem);
	a->cert_file = g_strdup(source->cert_file);
	a->key_file = g_strdup(source->key_file);
	if (source->exec != NULL)
		a->exec = kube_exec_copy(source->exec);
	mutex_init(&a->lock);
	return a;
}

void kube_auth_set_reload(struct kube_auth *a,
	int (*reload)(void *arg, struct kube_auth **ret, char **ret_why),
	void (*free)(void *arg), void *arg)
{
	a->reload = reload;
	a->reload_free = free;
	a->reload_arg = arg;
}

struct kube_auth *kube_auth_ref(struct kube_auth *a)
{
	(void)atomic_fetch_add(&a->refs, 1);
	return a;
}

void kube_auth_unref(struct kube_auth *a)
{
	if (a == NULL || atomic_fetch_sub(&a->refs, 1) > 1)
		return;
	g_free(a->name);
	secret_unref(a->token);
	g_free(a->token_file);
	secret_unref(a->basic);
	g_clear_pointer(&a->cert_pem, g_bytes_unref);
	g_clear_pointer(&a->key_pem, g_bytes_unref);
	g_free(a->cert_file);
	g_free(a->key_file);
	kube_exec_free(a->exec);
	if (a->reload != NULL)
		a->reload_free(a->reload_arg);
	kube_login_unref(a->login);
	g_free(a->why);
	g_free(a->words);
	mutex_fini(&a->lock);
	g_free(a);
}

bool kube_auth_asks_program(const struct kube_auth *a)
{
	return a->exec != NULL;
}

static bool has_files(const struct kube_auth *a)
{
	return a->token_file != NULL || a->cert_file != NULL ||
	       a->key_file != NULL;
}

static bool is_fixed(const struct kube_auth *a)
{
	return a->exec == NULL && !has_files(a);
}

/* --- files --------------------------------------------------------------- */

static int read_failed(const char *file, int rc, char **ret_why)
{
	*ret_why = g_strdup_printf("%s, which the kubeconfig names, cannot be "
				   "read: %s.",
		file, g_strerror(-rc));
	return rc;
}

static int read_token(const char *file, struct secret **ret, char **ret_why)
{
	g_autoptr(GBytes) bytes = NULL;
	const char *text;
	size_t length;
	int rc = sensitive_read(file, KUBE_PEM_MAX, &bytes);

	if (rc != 0)
		return read_failed(file, rc, ret_why);
	text = sensitive_text(bytes);
	length = g_bytes_get_size(bytes);
	while (length > 0 && g_ascii_isspace(text[length - 1]))
		length--;
	while (length > 0 && g_ascii_isspace(*text)) {
		text++;
		length--;
	}
	*ret = secret_new(text, length);
	if (*ret != NULL)
		return 0;
	*ret_why = g_strdup_printf("%s holds no token: it is empty, too long, "
				   "or has more than one word in it.",
		file);
	return -EINVAL;
}

static int read_pem(const char *file, bool is_key, GBytes **ret, char **ret_why)
{
	const char *fault;
	int rc = sensitive_read(file, KUBE_PEM_MAX, ret);

	if (rc != 0)
		return read_failed(file, rc, ret_why);
	fault = kube_pem_fault(*ret, is_key);
	if (fault == NULL)
		return 0;
	*ret_why = g_strdup_printf("%s %s.", file, fault);
	return -EINVAL;
}

/* --- one renewal --------------------------------------------------------- */

static int add_pem(GBytes *fixed, const char *file, bool is_key, GBytes **ret,
	char **ret_why)
{
	if (file != NULL)
		return read_pem(file, is_key, ret, ret_why);
	*ret = fixed == NULL ? NULL : g_bytes_ref(fixed);
	return 0;
}

static int add_certificate(
	const struct kube_auth *a, struct kube_login *l, char **ret_why)
{
	int rc;

	if (l->cert_pem != NULL)
		return 0;
	rc = add_pem(a->cert_pem, a->cert_file, false, &l->cert_pem, ret_why);
	if (rc == 0)
		rc = add_pem(
			a->key_pem, a->key_file, true, &l->key_pem, ret_why);
	return rc;
}

static int add_words(
	const struct kube_auth *a, struct kube_login *l, char **ret_why)
{
	int rc = 0;

	l->basic = secret_ref(a->basic);
	if (a->token_file != NULL)
		rc = read_token(a->token_file, &l->bearer, ret_why);
	if (rc != 0 && a->token != NULL) {
		g_clear_pointer(ret_why, g_free);
		rc = 0;
	}
	if (l->bearer == NULL)
		l->bearer = secret_ref(a->token);
	return rc;
}

static struct outcome gather_words(const struct kube_auth *a)
{
	struct outcome o = { .login = kube_login_new() };

	o.rc = add_words(a, o.login, &o.why);
	return o;
}

/* What stands now where the fixed words came from. */
static struct outcome gather_again(
	const struct kube_auth *a, const struct cancel *cancel)
{
	struct outcome o = { 0 };
	struct kube_auth *other = NULL;

	o.rc = a->reload(a->reload_arg, &other, &o.why);
	if (o.rc == 0)
		o.rc = kube_auth_get(other, cancel, &o.login, &o.why);
	kube_auth_unref(other);
	return o;
}

static struct outcome gather(
	const struct kube_auth *a, const struct cancel *cancel, bool is_first)
{
	struct outcome o = { 0 };

	if (!is_first && is_fixed(a) && a->reload != NULL)
		return gather_again(a, cancel);
	if (a->exec != NULL)
		o.rc = kube_exec_run(
			a->exec, cancel, &o.login, &o.words, &o.why);
	else
		o = gather_words(a);
	if (o.rc == 0)
		o.rc = add_certificate(a, o.login, &o.why);
	if (o.rc != 0)
		g_clear_pointer(&o.login, kube_login_unref);
	return o;
}

/* --- what is known ------------------------------------------------------- */

/* When to renew it, and until when it is good: by a clock that does not jump,
 * as the other may be set at any time. */
static void set_times_locked(struct kube_auth *a) REQUIRES(a->lock)
{
	int64_t now_ms = clock_now_ms();
	int64_t left_ms;

	a->renew_ms = has_files(a) ? now_ms + KUBE_FILE_BELIEVED_MS : INT64_MAX;
	a->end_ms = INT64_MAX;
	if (a->login->expires_ms == 0)
		return;
	left_ms = a->login->expires_ms - g_get_real_time() / 1000;
	a->end_ms = now_ms + left_ms;
	/* One that lives shorter than the margin is used for half its life. */
	left_ms = MAX(left_ms - KUBE_EXPIRY_MARGIN_MS, left_ms / 2);
	a->renew_ms = MIN(a->renew_ms, now_ms + left_ms);
}

static bool is_good_locked(const struct kube_auth *a) REQUIRES(a->lock)
{
	return a->login != NULL && clock_now_ms() < a->end_ms;
}

static bool is_fresh_locked(const struct kube_auth *a) REQUIRES(a->lock)
{
	int64_t now_ms = clock_now_ms();

	return a->login != NULL && now_ms < a->end_ms && now_ms < a->renew_ms;
}

static void set_error_locked(struct kube_auth *a, int error, char *why)
	REQUIRES(a->lock)
{
	g_free(a->why);
	a->error = error;
	a->why = why;
	a->believe_error_ms = clock_now_ms() + KUBE_FAILURE_BELIEVED_MS;
}

/* Takes it over. The same as before stays the one before: connections may have
 * been made with it. */
static void set_login_locked(struct kube_auth *a, struct kube_login *login)
	REQUIRES(a->lock)
{
	if (a->login != NULL && kube_login_equal(a->login, login) &&
		a->login->expires_ms == login->expires_ms) {
		kube_login_unref(login);
		return;
	}
	kube_login_unref(a->login);
	a->login = login;
}

/* Takes over all that is in it. */
static void take_outcome_locked(struct kube_auth *a, struct outcome *o)
	REQUIRES(a->lock)
{
	g_free(a->words);
	a->words = o->words;
	set_error_locked(a, o->rc, o->why);
	if (o->rc == 0) {
		set_login_locked(a, o->login);
		set_times_locked(a);
	}
	a->renewals++;
}

/* Renews, or waits for somebody who does; returns when something may have
 * changed. Errors are the token's alone. */
static int renew_locked(struct kube_auth *a, const struct cancel *cancel)
	REQUIRES(a->lock)
{
	bool is_first = a->login == NULL;
	struct outcome o;
	int rc;

	if (a->is_busy)
		return waitlist_wait(&a->waiters, &a->lock, cancel, -1);
	a->is_busy = true;
	mutex_unlock(&a->lock);
	o = gather(a, cancel, is_first);
	rc = o.rc == 0 ? 0 : cancel_check(cancel);
	mutex_lock(&a->lock);
	a->is_busy = false;
	/* That one of us gave up says nothing to the others. */
	if (rc == 0)
		take_outcome_locked(a, &o);
	waitlist_wake(&a->waiters);
	if (rc != 0) {
		g_free(o.why);
		g_free(o.words);
	}
	return rc;
}

static bool is_error_believed_locked(const struct kube_auth *a)
	REQUIRES(a->lock)
{
	return a->error != 0 && clock_now_ms() < a->believe_error_ms;
}

/* What to say when the wait itself came to an end. */
static int give_up(const struct kube_auth *a, int rc, char **ret_why)
{
	if (rc == -ETIMEDOUT)
		*ret_why = g_strdup_printf("Getting the credentials of %s took "
					   "too long.",
			a->name);
	return rc;
}

int kube_auth_get(struct kube_auth *a, const struct cancel *cancel,
	struct kube_login **ret, char **ret_why)
{
	unsigned seen;
	int rc = 0;

	mutex_lock(&a->lock);
	seen = a->renewals;
	/* One renewal is enough, even when what it brought is stale at once. */
	while (rc == 0 && !is_fresh_locked(a) && a->renewals == seen &&
		!is_error_believed_locked(a))
		rc = renew_locked(a, cancel);
	if (rc != 0) {
		rc = give_up(a, rc, ret_why);
	} else if (is_good_locked(a)) {
		*ret = kube_login_ref(a->login);
	} else {
		rc = a->error != 0 ? a->error : -EKEYEXPIRED;
		*ret_why = a->error != 0
				   ? g_strdup(a->why)
				   : g_strdup_printf("The credentials of %s "
						     "expire at once.",
					     a->name);
	}
	mutex_unlock(&a->lock);
	return rc;
}

char *kube_auth_fault(struct kube_auth *a)
{
	char *why = NULL;

	mutex_lock(&a->lock);
	if (a->error != 0 && !is_good_locked(a))
		why = g_strdup(a->why);
	mutex_unlock(&a->lock);
	return why;
}

/* --- after a refusal ----------------------------------------------------- */

/* Why there is nothing new, for people; g_free. */
static char *describe_refusal_locked(const struct kube_auth *a)
	REQUIRES(a->lock)
{
	bool has_words = a->words != NULL && *a->words != '\0';

	if (a->exec != NULL)
		return g_strdup_printf("The cluster refuses what the login "
				       "program `%s` gives; log in again%s%s%s",
			a->exec->command, has_words ? ": " : "",
			has_words ? a->words : "", has_words ? "" : ".");
	if (has_files(a))
		return g_strdup_printf("The cluster refuses what stands in %s, "
				       "the credentials of %s; log in again.",
			a->token_file != NULL  ? a->token_file
			: a->cert_file != NULL ? a->cert_file
					       : a->key_file,
			a->name);
	if (a->token == NULL && a->basic == NULL && a->cert_pem == NULL)
		return g_strdup_printf("The cluster wants credentials, and %s "
				       "has none; log in.",
			a->name);
	return g_strdup_printf("The cluster refuses the credentials of %s; log "
			       "in again%s.",
		a->name, a->reload == NULL ? ", and mount again" : "");
}

static bool is_other_locked(const struct kube_auth *a,
	const struct kube_login *refused) REQUIRES(a->lock)
{
	return is_good_locked(a) && !kube_login_equal(a->login, refused);
}

/* Whether there may be something new. What came of the last refusal and was
 * refused as well is not asked for at once again: a server that refuses
 * everything would have us start the program with every request. */
static bool can_renew_locked(const struct kube_auth *a) REQUIRES(a->lock)
{
	if (is_fixed(a) && a->reload == NULL)
		return false;
	return a->is_busy || a->refused_ms == 0 ||
	       clock_now_ms() >= a->refused_ms + KUBE_FAILURE_BELIEVED_MS;
}

/* 0 once something may have changed, or cannot. */
static int wait_for_other_locked(struct kube_auth *a,
	const struct kube_login *refused, const struct cancel *cancel)
	REQUIRES(a->lock)
{
	unsigned seen = a->renewals;
	int rc = 0;

	if (!can_renew_locked(a))
		return 0;
	while (rc == 0 && a->renewals == seen && !is_other_locked(a, refused) &&
		!is_error_believed_locked(a))
		rc = renew_locked(a, cancel);
	if (a->renewals != seen)
		a->refused_ms = clock_now_ms();
	return rc;
}

int kube_auth_renew(struct kube_auth *a, const struct kube_login *refused,
	const struct cancel *cancel, struct kube_login **ret, char **ret_why)
{
	int rc;

	mutex_lock(&a->lock);
	rc = wait_for_other_locked(a, refused, cancel);
	if (rc == 0 && is_other_locked(a, refused)) {
		*ret = kube_login_ref(a->login);
		mutex_unlock(&a->lock);
		return 0;
	}
	if (rc == 0 && !is_error_believed_locked(a))
		set_error_locked(a, -EKEYREJECTED, describe_refusal_locked(a));
	if (rc != 0) {
		rc = give_up(a, rc, ret_why);
	} else {
		rc = a->error;
		*ret_why = g_strdup(a->why);
	}
	mutex_unlock(&a->lock);
	return rc;
}

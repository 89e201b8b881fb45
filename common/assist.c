/* assist.c - see assist.h: its life. What it does is in assist_files.c and
 * assist_attr.c, assist_posix.c. */
#include "config.h"

#include "assist.h"

#include "assist_private.h"
#include "assist_text.h"
#include "common_limits.h"
#include "log.h"

#include <errno.h>
#include <string.h>

cJSON *assist_verb(const char *name)
{
	cJSON *call = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(call, "call", name);
	return call;
}

cJSON *assist_verb_at(const char *name, const char *key, const char *path)
{
	cJSON *call = assist_verb(name);

	(void)cJSON_AddStringToObject(call, key, path);
	return call;
}

/* --- the listener --------------------------------------------------------- */

/* The listener, whose functions may be called until end_telling(); NULL: there
 * is none, and nothing to end. */
static const struct remote_listener *begin_telling_locked(struct assist *a)
	REQUIRES(a->lock);
static const struct remote_listener *begin_telling_locked(struct assist *a)
{
	while (a->is_telling)
		(void)waitlist_wait(&a->changed, &a->lock, NULL, -1);
	a->is_telling = a->has_listener;
	return a->has_listener ? &a->listener : NULL;
}

static void end_telling_locked(struct assist *a) REQUIRES(a->lock);
static void end_telling_locked(struct assist *a)
{
	a->is_telling = false;
	waitlist_wake(&a->changed);
}

/* The listener hears which watch holds. */
static void tell_watch_locked(struct assist *a) REQUIRES(a->lock);
static void tell_watch_locked(struct assist *a)
{
	const struct remote_listener *l = begin_telling_locked(a);
	uint64_t watch = a->watch;

	if (l == NULL)
		return;
	mutex_unlock(&a->lock);
	l->watch(l->arg, watch);
	mutex_lock(&a->lock);
	end_telling_locked(a);
}

/* What was told so far may have had a gap: all is to be asked again. */
static void begin_watch_locked(struct assist *a, bool is_live)
	REQUIRES(a->lock);
static void begin_watch_locked(struct assist *a, bool is_live)
{
	if (!is_live && a->watch == 0)
		return;
	a->watch = is_live && a->tells ? ++a->next_watch : 0;
	tell_watch_locked(a);
}

uint64_t assist_watch(struct assist *a)
{
	uint64_t watch;

	mutex_lock(&a->lock);
	watch = a->watch;
	mutex_unlock(&a->lock);
	return watch;
}

/* The message with this number has come, or the last one so far. */
static void check_told_locked(struct assist *a, int64_t number, bool is_it)
	REQUIRES(a->lock);
static void check_told_locked(struct assist *a, int64_t number, bool is_it)
{
	bool is_gap = number > a->told + (is_it ? 1 : 0);

	a->told = MAX(a->told, number);
	a->heard_ms = clock_now_ms();
	if (!is_gap || a->watch == 0)
		return;
	log_info("a message of the helper's was lost: all is asked again");
	begin_watch_locked(a, true);
}

bool assist_helper_time(struct assist *a, int64_t our_ms, int64_t *ret)
{
	bool has_clock;

	mutex_lock(&a->lock);
	has_clock = a->has_clock;
	*ret = our_ms + a->ahead_ms;
	mutex_unlock(&a->lock);
	return has_clock;
}

void assist_check_told(struct assist *a, const cJSON *answer)
{
	int64_t number;

	if (!json_int64(answer, "told", &number))
		return;
	mutex_lock(&a->lock);
	check_told_locked(a, number, false);
	mutex_unlock(&a->lock);
}

/* --- what the helper tells, on its thread --------------------------------- */

/* As begin_telling_locked(), with the watch that holds. */
static const struct remote_listener *begin_telling(
	struct assist *a, uint64_t *ret_watch) EXCLUDES(a->lock);
static const struct remote_listener *begin_telling(
	struct assist *a, uint64_t *ret_watch)
{
	const struct remote_listener *l;

	mutex_lock(&a->lock);
	l = begin_telling_locked(a);
	*ret_watch = a->watch;
	mutex_unlock(&a->lock);
	return l;
}

static void end_telling(struct assist *a) EXCLUDES(a->lock);
static void end_telling(struct assist *a)
{
	mutex_lock(&a->lock);
	end_telling_locked(a);
	mutex_unlock(&a->lock);
}

static void tell_changes(struct assist *a, GPtrArray *all) EXCLUDES(a->lock);
static void tell_changes(struct assist *a, GPtrArray *all)
{
	uint64_t watch;
	const struct remote_listener *l = begin_telling(a, &watch);

	if (l == NULL)
		return;
	for (guint i = 0; i < all->len && watch != 0; i++) {
		const struct assist_told *t = all->pdata[i];

		l->changed(l->arg, watch, t->directory, t->entry.name, t->told,
			t->told == REMOTE_TOLD_ENTRY ? &t->entry : NULL);
	}
	end_telling(a);
}

static void tell_unwatched(struct assist *a, const cJSON *directories)
	EXCLUDES(a->lock);
static void tell_unwatched(struct assist *a, const cJSON *directories)
{
	uint64_t watch;
	const struct remote_listener *l = begin_telling(a, &watch);
	const cJSON *item;

	if (l == NULL)
		return;
	cJSON_ArrayForEach(item, directories)
	{
		const char *path = cJSON_GetStringValue(item);

		if (path != NULL && watch != 0)
			l->unwatched(l->arg, watch, path);
	}
	end_telling(a);
}

static void restart_watch(struct assist *a) EXCLUDES(a->lock);
static void restart_watch(struct assist *a)
{
	mutex_lock(&a->lock);
	begin_watch_locked(a, a->state == ASSIST_LIVE);
	mutex_unlock(&a->lock);
}

static bool is_everything(const cJSON *directories)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, directories)
	{
		if (g_strcmp0(cJSON_GetStringValue(item), "*") == 0)
			return true;
	}
	return false;
}

static void on_event(void *arg, const char *event, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	struct assist *a = arg;
	bool is_change = strcmp(event, "changed") == 0;
	const cJSON *directories = json_array(data, "dirs");
	g_autoptr(GPtrArray) all = NULL;
	int64_t number;

	if (!is_change && strcmp(event, "unwatched") != 0)
		return;
	if (json_int64(data, "told", &number)) {
		mutex_lock(&a->lock);
		check_told_locked(a, number, true);
		mutex_unlock(&a->lock);
	}
	if (is_change &&
		assist_parse_told(bytes->bytes, bytes->length, &all) == 0)
		tell_changes(a, all);
	else if (is_change || directories == NULL || is_everything(directories))
		restart_watch(a);
	else
		tell_unwatched(a, directories);
}

static void on_reconnected(void *arg)
{
	struct assist *a = arg;

	mutex_lock(&a->lock);
	a->state = ASSIST_UNPROVEN;
	a->life++;
	a->has_clock = false;
	a->told = 0;
	a->why = NULL;
	a->is_asked = clock_now_ms() >= a->paused_ms;
	if (a->is_asked)
		a->paused_ms = 0;
	waitlist_wake(&a->changed);
	mutex_unlock(&a->lock);
}

static void on_lost(void *arg)
{
	struct assist *a = arg;

	mutex_lock(&a->lock);
	a->state = ASSIST_ASLEEP;
	a->why = NULL;
	begin_watch_locked(a, false);
	waitlist_wake(&a->changed);
	mutex_unlock(&a->lock);
}

static void on_unreachable(void *arg, int error)
{
	struct assist *a = arg;

	mutex_lock(&a->lock);
	a->why = error == -EOPNOTSUPP
			 ? "the server has no Python kernels for us"
			 : "no kernel can be started or reached";
	mutex_unlock(&a->lock);
}

/* --- asking --------------------------------------------------------------- */

void assist_pause(struct assist *a, const char *why)
{
	log_info("the helper %s: without it for a while", why);
	mutex_lock(&a->lock);
	a->paused_ms = clock_now_ms() + ASSIST_PAUSE_MS;
	if (a->state == ASSIST_LIVE)
		a->state = ASSIST_UNPROVEN;
	begin_watch_locked(a, false);
	mutex_unlock(&a->lock);
}

int assist_unanswered(int rc, const struct helper_reply *reply)
{
	return rc == -EOPNOTSUPP && reply->is_sent ? -ETIMEDOUT : rc;
}

int assist_check_protocol(struct assist *a, int rc)
{
	if (rc != -EPROTO)
		return rc;
	assist_pause(a, "does not answer as it should");
	return -EOPNOTSUPP;
}

int assist_ask(struct assist *a, cJSON *call, const struct kernel_buffer *bytes,
	int timeout_ms, const struct cancel *cancel, struct helper_reply *ret)
{
	int rc = helper_ask(a->helper, call, bytes, timeout_ms, cancel, ret);

	if (ret->data != NULL)
		return rc;
	if (rc == -ETIMEDOUT && cancel_check(cancel) == 0)
		assist_pause(a, "does not answer in time");
	return rc == -EINTR ? rc : -EOPNOTSUPP;
}

int assist_ask_root(struct assist *a, int timeout_ms,
	const struct cancel *cancel, struct helper_reply *ret)
{
	return assist_ask(a, assist_verb_at("stat", "path", ""), NULL,
		timeout_ms, cancel, ret);
}

/* Somebody uses the mount. What may send goes to the prover, or the helper. */
static bool use(struct assist *a) EXCLUDES(a->lock);
static bool use(struct assist *a)
{
	int64_t now = clock_now_ms();
	bool is_usable, is_to_wake;

	mutex_lock(&a->lock);
	is_usable = a->state == ASSIST_LIVE;
	is_to_wake = a->state == ASSIST_ASLEEP && a->woken_ms != 0 &&
		     now - a->woken_ms >= ASSIST_WAKE_MS;
	if (is_to_wake)
		a->woken_ms = now;
	if (a->state == ASSIST_UNPROVEN && !a->is_asked &&
		now >= a->paused_ms) {
		a->is_asked = true;
		waitlist_wake(&a->changed);
	}
	mutex_unlock(&a->lock);
	if (is_to_wake)
		helper_wake(a->helper);
	return is_usable;
}

bool assist_is_usable(struct assist *a)
{
	return use(a);
}

static void assist_rely(struct remote *remote)
{
	struct assist *a = assist_of(remote);

	mutex_lock(&a->lock);
	if (a->watch != 0 && !a->is_asked &&
		clock_now_ms() - a->heard_ms >= ASSIST_TRUST_MS) {
		a->is_asked = true;
		waitlist_wake(&a->changed);
	}
	mutex_unlock(&a->lock);
}

static void assist_listen(
	struct remote *remote, const struct remote_listener *listener)
{
	struct assist *a = assist_of(remote);

	mutex_lock(&a->lock);
	while (a->is_telling)
		(void)waitlist_wait(&a->changed, &a->lock, NULL, -1);
	a->has_listener = listener != NULL;
	if (listener != NULL) {
		a->listener = *listener;
		if (a->watch != 0)
			tell_watch_locked(a);
	}
	mutex_unlock(&a->lock);
}

/* --- proving -------------------------------------------------------------- */

static bool is_same_moment(const struct timespec *ts, int64_t us)
{
	int64_t other = assist_us_of_time(ts);

	return other - us <= 1 && us - other <= 1;
}

/* The root's ctime is not what the helper said: somebody may have changed it
 * since. -EAGAIN: so it is; -EXDEV: nobody has. */
static int judge_mismatch(struct assist *a, int64_t proven_us)
{
	struct helper_reply answer = { 0 };
	int64_t ctime_us = 0;
	int rc = assist_ask_root(a, ASSIST_CALL_MS, &a->closing, &answer);

	if (rc == 0 && !json_int64(answer.data, "ctime_us", &ctime_us))
		rc = -EPROTO;
	helper_reply_clear(&answer);
	if (rc < 0)
		return rc == -EINTR ? rc : -EAGAIN;
	return ctime_us != proven_us ? -EAGAIN : -EXDEV;
}

/* What the server shows; that it shows nothing says nothing of the helper. */
static int compare_root(struct assist *a, int64_t proven_us)
{
	struct entry root = { 0 };
	int rc = remote_stat(a->inner, "", &a->closing, &root);

	if (rc == 0 && !is_same_moment(&root.ctime, proven_us))
		rc = judge_mismatch(a, proven_us);
	else if (rc < 0 && rc != -EINTR)
		rc = -EIO;
	entry_clear(&root);
	return rc;
}

/* What the helper said of itself in a proof. */
struct proof {
	bool tells;
	bool has_clock;
	int64_t ahead_ms;
};

/* The answer was a while on its way, in which the helper's clock went on: it is
 * further ahead by that. The best of several answers counts. */
static void note_clock(struct proof *p, const cJSON *answer)
{
	int64_t now_ms;

	if (!json_int64(answer, "now_ms", &now_ms))
		return;
	now_ms -= clock_now_ms();
	p->ahead_ms = p->has_clock ? MAX(p->ahead_ms, now_ms) : now_ms;
	p->has_clock = true;
}

/* 0; -EXDEV: they see different trees; -EAGAIN: the root was changed meanwhile;
 * else why that is not known. */
static int prove_once(struct assist *a, struct proof *proof)
{
	struct helper_reply answer = { 0 };
	int64_t ctime_us = 0;
	int rc = assist_ask(a, assist_verb("prove"), NULL, ASSIST_CALL_MS,
		&a->closing, &answer);

	if (rc == 0 && !json_int64(answer.data, "ctime_us", &ctime_us))
		rc = -EPROTO;
	if (rc == 0) {
		proof->tells = json_bool(answer.data, "tells", false);
		note_clock(proof, answer.data);
		assist_check_told(a, answer.data);
		rc = compare_root(a, ctime_us);
	}
	helper_reply_clear(&answer);
	return rc;
}

static const char *why_refused(int rc)
{
	switch (-rc) {
	case EXDEV:
		return "its kernel sees another tree than the server shows";
	case EPERM:
	case EACCES:
	case EROFS:
		return "its kernel may not touch the workspace's root, and "
		       "cannot prove that it is this tree";
	default:
		return NULL;
	}
}

/* Of another life of the helper this says nothing. */
static void settle_proof(struct assist *a, unsigned life, int rc,
	const struct proof *proof) EXCLUDES(a->lock);
static void settle_proof(
	struct assist *a, unsigned life, int rc, const struct proof *proof)
{
	mutex_lock(&a->lock);
	if (a->life != life || a->state != ASSIST_UNPROVEN) {
		mutex_unlock(&a->lock);
		return;
	}
	if (rc == 0) {
		a->state = ASSIST_LIVE;
		a->tells = proof->tells;
		a->has_clock = proof->has_clock;
		a->ahead_ms = proof->ahead_ms;
		begin_watch_locked(a, true);
	} else if (why_refused(rc) != NULL) {
		a->state = ASSIST_REFUSED;
		a->why = why_refused(rc);
	} else {
		a->paused_ms = clock_now_ms() + ASSIST_PAUSE_MS;
	}
	mutex_unlock(&a->lock);
}

static void prove(struct assist *a, unsigned life) EXCLUDES(a->lock);
static void prove(struct assist *a, unsigned life)
{
	struct proof proof = { 0 };
	int rc = 0;
	int tries = ASSIST_PROOF_TRIES;

	for (int i = 0; i < ASSIST_PROOFS && rc == 0; i++)
		do
			rc = prove_once(a, &proof);
		while (rc == -EAGAIN && --tries > 0);
	settle_proof(a, life, rc, &proof);
	if (rc < 0 && rc != -EINTR)
		log_info("the helper is not used for files: %s",
			why_refused(rc) != NULL ? why_refused(rc)
						: g_strerror(-rc));
}

/* Would we still be told? A reply says how much should have come. */
static void make_sure(struct assist *a) EXCLUDES(a->lock);
static void make_sure(struct assist *a)
{
	struct helper_reply answer = { 0 };

	if (assist_ask_root(a, ASSIST_CALL_MS, &a->closing, &answer) == 0)
		assist_check_told(a, answer.data);
	helper_reply_clear(&answer);
}

static void *attend(void *arg)
{
	struct assist *a = arg;

	mutex_lock(&a->lock);
	while (!a->is_closing) {
		enum assist_state state = a->state;
		unsigned life = a->life;

		if (!a->is_asked) {
			(void)waitlist_wait(&a->changed, &a->lock, NULL, -1);
			continue;
		}
		mutex_unlock(&a->lock);
		if (state == ASSIST_UNPROVEN)
			prove(a, life);
		else if (state == ASSIST_LIVE)
			make_sure(a);
		mutex_lock(&a->lock);
		a->is_asked = a->life != life && /* another has come */
			      clock_now_ms() >= a->paused_ms;
	}
	mutex_unlock(&a->lock);
	return NULL;
}

/* --- what the other remote does ------------------------------------------- */

static int plain_stat(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	(void)use(assist_of(remote));
	return remote_stat(assist_of(remote)->inner, path, cancel, ret_entry);
}

static int plain_list(struct remote *remote, const char *path,
	const struct cancel *cancel, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	(void)use(assist_of(remote));
	return remote_list(assist_of(remote)->inner, path, cancel, ret_entries,
		ret_dropped);
}

static int plain_read(struct remote *remote, const char *path, int64_t offset,
	int64_t length, const struct remote_sink *sink,
	const struct cancel *cancel, struct remote_read_info *ret_info)
{
	(void)use(assist_of(remote));
	return remote_read(assist_of(remote)->inner, path, offset, length, sink,
		cancel, ret_info);
}

static int plain_write(struct remote *remote, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret_entry)
{
	(void)use(assist_of(remote));
	return remote_write(
		assist_of(remote)->inner, path, source, cancel, ret_entry);
}

static int plain_mkdir(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	return remote_mkdir(assist_of(remote)->inner, path, cancel, ret_entry);
}

static int plain_rename(struct remote *remote, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret_entry)
{
	return remote_rename(
		assist_of(remote)->inner, from, to, cancel, ret_entry);
}

static int plain_remove(
	struct remote *remote, const char *path, const struct cancel *cancel)
{
	return remote_remove(assist_of(remote)->inner, path, cancel);
}

static int plain_probe_hidden(
	struct remote *remote, const struct cancel *cancel)
{
	return remote_probe_hidden(assist_of(remote)->inner, cancel);
}

static unsigned assist_capabilities(struct remote *remote)
{
	struct assist *a = assist_of(remote);
	unsigned can = remote_capabilities(a->inner);

	mutex_lock(&a->lock);
	if (a->state == ASSIST_LIVE)
		can |= REMOTE_CAN_TREE | REMOTE_CAN_SWAP | REMOTE_CAN_MODE |
		       REMOTE_CAN_TIMES | REMOTE_CAN_VOLUME | REMOTE_CAN_MOVE |
		       REMOTE_CAN_LINK | REMOTE_CAN_XATTR;
	mutex_unlock(&a->lock);
	return can;
}

static void assist_free(struct remote *remote)
{
	struct assist *a = assist_of(remote);

	helper_leave(a->helper, a->user);
	mutex_lock(&a->lock);
	a->is_closing = true;
	cancel_fire(&a->closing);
	waitlist_wake(&a->changed);
	mutex_unlock(&a->lock);
	(void)pthread_join(a->prover, NULL);
	remote_free(a->inner);
	cancel_fini(&a->closing);
	mutex_fini(&a->lock);
	g_free(a);
}

static const struct remote_ops assist_ops = {
	.stat = plain_stat,
	.list = plain_list,
	.read = plain_read,
	.write = plain_write,
	.mkdir = plain_mkdir,
	.rename = plain_rename,
	.remove = plain_remove,
	.capabilities = assist_capabilities,
	.probe_hidden = plain_probe_hidden,
	.list_tree = assist_list_tree,
	.read_many = assist_read_many,
	.replace = assist_replace,
	.listen = assist_listen,
	.rely = assist_rely,
	.setattr = assist_setattr,
	.free = assist_free,
	.volume = assist_volume,
	.move = assist_move,
	.link = assist_link,
	.xattrs = assist_xattrs,
	.getxattr = assist_getxattr,
	.setxattr = assist_setxattr,
};

/* --- its ends ------------------------------------------------------------- */

int assist_new(struct remote *inner, struct helper *helper, struct remote **ret)
{
	struct assist *a = g_new0(struct assist, 1);
	const struct helper_handler handler = {
		.event = on_event,
		.reconnected = on_reconnected,
		.lost = on_lost,
		.unreachable = on_unreachable,
		.arg = a,
	};
	int rc;

	a->base.ops = &assist_ops;
	a->inner = inner;
	a->helper = helper;
	mutex_init(&a->lock);
	cancel_init(&a->closing, 0);
	rc = pthread_create(&a->prover, NULL, attend, a);
	if (rc != 0) {
		cancel_fini(&a->closing);
		mutex_fini(&a->lock);
		g_free(a);
		return -rc;
	}
	a->user = helper_join(helper, &handler);
	*ret = &a->base;
	return 0;
}

void assist_start(struct remote *remote)
{
	struct assist *a = assist_of(remote);

	mutex_lock(&a->lock);
	a->woken_ms = clock_now_ms();
	mutex_unlock(&a->lock);
	helper_wake(a->helper);
}

void assist_describe(struct remote *remote, GString *text)
{
	struct assist *a = assist_of(remote);

	mutex_lock(&a->lock);
	if (a->state == ASSIST_LIVE)
		g_string_append(text, "assist: on\n");
	else if (a->why != NULL)
		g_string_append_printf(text, "assist: off (%s)\n", a->why);
	else if (a->state == ASSIST_UNPROVEN && a->paused_ms != 0)
		g_string_append(text, "assist: off (the helper was slow)\n");
	else
		g_string_append(text, "assist: not yet\n");
	mutex_unlock(&a->lock);
}

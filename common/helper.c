/*
 * helper.c - see helper.h: life's ends, and calls. The thread is in
 * helper_keeper.c.
 */
#include "config.h"

#include "helper.h"

#include "helper_state.h"

#include <errno.h>

/* --- errors by name ------------------------------------------------------ */

static const struct {
	const char *name;
	int error;
} errno_names[] = {
	{ "", 0 },
	{ "E2BIG", -E2BIG },
	{ "EACCES", -EACCES },
	{ "EAGAIN", -EAGAIN },
	{ "EBUSY", -EBUSY },
	{ "ECANCELED", -ECANCELED },
	{ "EDQUOT", -EDQUOT },
	{ "EEXIST", -EEXIST },
	{ "EFBIG", -EFBIG },
	{ "EINVAL", -EINVAL },
	{ "EIO", -EIO },
	{ "EISDIR", -EISDIR },
	{ "ELOOP", -ELOOP },
	{ "EMFILE", -EAGAIN },
	{ "EMLINK", -EMLINK },
	{ "ENAMETOOLONG", -ENAMETOOLONG },
	{ "ENODATA", -ENODATA },
	{ "ENOENT", -ENOENT },
	{ "ENOMEM", -ENOMEM },
	{ "ENOSPC", -ENOSPC },
	{ "ENOTDIR", -ENOTDIR },
	{ "ENOTEMPTY", -ENOTEMPTY },
	{ "ENOTSUP", -EOPNOTSUPP },
	{ "EOPNOTSUPP", -EOPNOTSUPP },
	{ "EPERM", -EPERM },
	{ "EROFS", -EROFS },
	{ "ESRCH", -ESRCH },
	{ "ESTALE", -ESTALE },
};

int helper_errno(const char *name)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(errno_names); i++)
		if (g_strcmp0(name, errno_names[i].name) == 0)
			return errno_names[i].error;
	return -EIO;
}

/* --- sending ------------------------------------------------------------- */

/* Borrows the channel from the keeper; NULL when there is none. */
static struct kernel_channel *borrow_channel(struct helper *h)
	REQUIRES(h->lock);
static struct kernel_channel *borrow_channel(struct helper *h)
{
	if (h->state != HELPER_READY)
		return NULL;
	h->senders++;
	if (h->asked_ms == 0) {
		h->asked_ms = clock_now_ms();
		h->is_checked = false;
	}
	return h->channel;
}

static void return_channel(struct helper *h) REQUIRES(h->lock);
static void return_channel(struct helper *h)
{
	h->senders--;
	waitlist_wake(&h->waiters);
}

/* What is sent now is on its way for so long. */
static int64_t way_ms(const struct kernel_buffer *bytes)
{
	return bytes == NULL ? 0 : (int64_t)bytes->length / HELPER_BYTES_PER_MS;
}

static void note_sent(struct helper *h, const struct kernel_buffer *bytes)
	REQUIRES(h->lock);
static void note_sent(struct helper *h, const struct kernel_buffer *bytes)
{
	if (way_ms(bytes) > 0)
		h->arrives_ms =
			MAX(h->arrives_ms, clock_now_ms() + way_ms(bytes));
}

/* Until `end_ms` at most. */
static int send_call(struct kernel_channel *channel, const char *comm_id,
	const cJSON *call, const struct kernel_buffer *bytes,
	const struct cancel *cancel, int64_t end_ms)
{
	struct kernel_msg_header header = kernel_channel_header(channel);
	int64_t left_ms = MAX(end_ms - clock_now_ms(), 0);

	return kernel_channel_post(channel, bytes != NULL,
		kernel_msg_comm_msg(&header, comm_id, call, bytes), cancel,
		(int)MIN(left_ms, KERNEL_SEND_MS));
}

/* What was not sent because nobody waits for it any more, the keeper sends. A
 * channel that does not take what we send is given up. */
static void heed_sending(struct helper *h, int rc, const struct cancel *cancel,
	int64_t end_ms) REQUIRES(h->lock);
static void heed_sending(
	struct helper *h, int rc, const struct cancel *cancel, int64_t end_ms)
{
	bool is_given_up = rc != -EPIPE && (cancel_check(cancel) != 0 ||
						   clock_now_ms() >= end_ms);

	if (rc == 0 || rc == -EMSGSIZE || h->state != HELPER_READY)
		return;
	h->is_cut = h->is_cut || !is_given_up;
	cancel_fire(&h->rouse);
}

int helper_post_bytes(struct helper *h, cJSON *call,
	const struct kernel_buffer *bytes, const struct cancel *cancel)
{
	struct kernel_channel *channel;
	int rc = -EAGAIN;

	mutex_lock(&h->lock);
	channel = borrow_channel(h);
	mutex_unlock(&h->lock);
	if (channel != NULL) {
		rc = send_call(
			channel, h->comm_id, call, bytes, cancel, INT64_MAX);
		mutex_lock(&h->lock);
		note_sent(h, bytes);
		heed_sending(h, rc, cancel, INT64_MAX);
		return_channel(h);
		mutex_unlock(&h->lock);
	}
	cJSON_Delete(call);
	return rc;
}

void helper_post(struct helper *h, cJSON *call)
{
	(void)helper_post_bytes(h, call, NULL, NULL);
}

void helper_rouse(struct helper *h)
{
	mutex_lock(&h->lock);
	cancel_fire(&h->rouse);
	mutex_unlock(&h->lock);
}

/* --- calling ------------------------------------------------------------- */

static void add_pending(struct helper *h, struct pending *p) REQUIRES(h->lock);
static void add_pending(struct helper *h, struct pending *p)
{
	p->id = h->next_id++;
	p->next = h->pendings;
	h->pendings = p;
	h->callers++;
	waitlist_wake(&h->waiters);
}

static void remove_pending(struct helper *h, struct pending *me)
	REQUIRES(h->lock);
static void remove_pending(struct helper *h, struct pending *me)
{
	struct pending **p = &h->pendings;

	while (*p != me)
		p = &(*p)->next;
	*p = me->next;
	if (me->reply == NULL)
		h->callers--;
	h->needed_ms = clock_now_ms();
}

/* Waits for a change, and tells the keeper of a silence. */
static int await_change(struct helper *h, const struct cancel *cancel,
	int64_t limit_ms) REQUIRES(h->lock);
static int await_change(
	struct helper *h, const struct cancel *cancel, int64_t limit_ms)
{
	int left = helper_doubt_left_ms(h);

	if (left == 0)
		cancel_fire(&h->rouse);
	return waitlist_wait(&h->waiters, &h->lock, cancel,
		left > 0 && left < limit_ms ? left : limit_ms);
}

/* A call, and how it is carried out. */
struct wish {
	const cJSON *call;
	const struct kernel_buffer *bytes;
	const struct cancel *cancel;
	int timeout_ms;
	bool is_bound; /* to the helper that is there now */
};

/* When it may be sent again, all of it or only that its answer is wanted. */
struct repeating {
	unsigned generation; /* of the helper that it was sent to; 0: none */
	int64_t all_ms;
	int64_t answer_ms;
};

/* A helper that has the call has its bytes: these are not sent twice for an
 * answer that was lost. */
static void send_wish(struct helper *h, struct pending *p, const struct wish *w,
	struct kernel_channel *channel, struct repeating *r, int64_t end_ms,
	int *ret_rc) REQUIRES(h->lock);
static void send_wish(struct helper *h, struct pending *p, const struct wish *w,
	struct kernel_channel *channel, struct repeating *r, int64_t end_ms,
	int *ret_rc)
{
	bool is_first = r->generation != h->generation;
	bool is_all = is_first || clock_now_ms() >= r->all_ms;
	const struct kernel_buffer *bytes = is_all ? w->bytes : NULL;
	g_autoptr(cJSON) call = cJSON_Duplicate(w->call, true);
	int rc;

	if (!is_all)
		(void)cJSON_AddTrueToObject(call, "again");
	r->generation = h->generation;
	mutex_unlock(&h->lock);
	rc = send_call(channel, h->comm_id, call, bytes, w->cancel, end_ms);
	mutex_lock(&h->lock);
	if (is_first) { /* repetition makes no silence shorter */
		note_sent(h, bytes);
		p->arrives_ms = h->arrives_ms;
	}
	r->answer_ms = clock_now_ms() + HELPER_REPEAT_MS;
	if (is_all)
		r->all_ms = r->answer_ms + way_ms(bytes);
	if (way_ms(w->bytes) < HELPER_REPEAT_MS) /* they cost little */
		r->answer_ms = r->all_ms;
	heed_sending(h, rc, w->cancel, end_ms);
	return_channel(h);
	p->is_sent = p->is_sent || (rc != -EMSGSIZE && rc != -EBUSY);
	*ret_rc = rc == -EMSGSIZE ? rc : 0;
}

/* Sends whenever that makes sense, until the reply is there. */
static int exchange(struct helper *h, struct pending *p, const struct wish *w)
	REQUIRES(h->lock);
static int exchange(struct helper *h, struct pending *p, const struct wish *w)
{
	int64_t end = clock_now_ms() + w->timeout_ms;
	struct repeating repeat = { 0 };
	unsigned failures = h->failures, first = h->generation;
	int rc = 0;

	while (p->reply == NULL && (rc == 0 || rc == -ETIMEDOUT)) {
		struct kernel_channel *channel = NULL;
		int64_t now = clock_now_ms();

		if (w->is_bound &&
			(h->state != HELPER_READY || h->generation != first))
			return -EAGAIN;
		if (h->failures != failures)
			return h->error;
		if (now >= end)
			return -ETIMEDOUT;
		if (repeat.generation != h->generation ||
			now >= repeat.answer_ms)
			channel = borrow_channel(h);
		if (channel == NULL) {
			int64_t next = repeat.answer_ms;
			int64_t left = (next > now ? next : end) - now;

			rc = await_change(h, w->cancel, left);
			if (rc == -ETIMEDOUT && cancel_check(w->cancel) < 0)
				return rc;
			continue;
		}
		send_wish(h, p, w, channel, &repeat, end, &rc);
	}
	return p->reply != NULL ? 0 : rc;
}

/* Adds the call's id. */
static int carry_out(
	struct helper *h, struct pending *p, cJSON *call, const struct wish *w)
{
	int rc;

	mutex_lock(&h->lock);
	add_pending(h, p);
	(void)cJSON_AddNumberToObject(call, "id", (double)p->id);
	rc = exchange(h, p, w);
	remove_pending(h, p);
	mutex_unlock(&h->lock);
	return rc == 0 ? helper_errno(json_string(p->reply, "error")) : rc;
}

int helper_call(struct helper *h, cJSON *call,
	const struct kernel_buffer *bytes, const struct cancel *cancel,
	bool *ret_is_doubtful)
{
	const struct wish w = { .call = call,
		.bytes = bytes,
		.cancel = cancel,
		.timeout_ms = KERNEL_START_TIMEOUT_MS };
	struct pending p = { 0 };
	int rc = carry_out(h, &p, call, &w);

	cJSON_Delete(call);
	if (ret_is_doubtful != NULL)
		*ret_is_doubtful = p.is_sent && p.reply == NULL;
	cJSON_Delete(p.reply);
	if (p.bytes != NULL)
		g_bytes_unref(p.bytes);
	return rc;
}

void helper_reply_clear(struct helper_reply *r)
{
	cJSON_Delete(r->data);
	if (r->bytes != NULL)
		g_bytes_unref(r->bytes);
	*r = (struct helper_reply){ 0 };
}

int helper_ask(struct helper *h, cJSON *call, const struct kernel_buffer *bytes,
	int timeout_ms, const struct cancel *cancel, struct helper_reply *ret)
{
	const struct wish w = { call, bytes, cancel, timeout_ms, true };
	struct pending p = { 0 };
	int rc = carry_out(h, &p, call, &w);

	cJSON_Delete(call);
	*ret = (struct helper_reply){ p.reply, p.bytes, p.is_sent };
	return rc;
}

void helper_wake(struct helper *h)
{
	mutex_lock(&h->lock);
	h->is_woken = h->state == HELPER_ASLEEP;
	waitlist_wake(&h->waiters);
	mutex_unlock(&h->lock);
}

bool helper_is_ready(struct helper *h)
{
	bool is_ready;

	mutex_lock(&h->lock);
	is_ready = h->state == HELPER_READY;
	mutex_unlock(&h->lock);
	return is_ready;
}

void helper_hold(struct helper *h)
{
	mutex_lock(&h->lock);
	h->holds++;
	waitlist_wake(&h->waiters);
	mutex_unlock(&h->lock);
}

void helper_unhold(struct helper *h)
{
	mutex_lock(&h->lock);
	h->holds--;
	h->needed_ms = clock_now_ms();
	mutex_unlock(&h->lock);
}

/* --- users ---------------------------------------------------------------- */

struct helper_user *helper_join(
	struct helper *h, const struct helper_handler *handler)
{
	struct helper_user *user = g_new0(struct helper_user, 1);
	unsigned i = 0;

	user->handler = *handler;
	mutex_lock(&h->lock);
	while (h->users[i] != NULL && i < HELPER_USERS_MAX - 1)
		i++;
	g_assert(h->users[i] == NULL);
	h->users[i] = user;
	mutex_unlock(&h->lock);
	helper_rouse(h);
	return user;
}

void helper_leave(struct helper *h, struct helper_user *user)
{
	mutex_lock(&h->lock);
	for (unsigned i = 0; i < HELPER_USERS_MAX; i++)
		if (h->users[i] == user)
			h->users[i] = NULL;
	while (h->called == user)
		(void)waitlist_wait(&h->waiters, &h->lock, NULL, -1);
	mutex_unlock(&h->lock);
	g_free(user);
}

/* --- life's ends --------------------------------------------------------- */

int helper_new(struct http_pool *pool, const struct helper_memory *memory,
	struct helper **ret)
{
	struct helper *h = g_new0(struct helper, 1);
	int rc;

	h->pool = pool;
	if (memory != NULL)
		h->memory = *memory;
	h->kernel_id = g_strdup(h->memory.kernel_id);
	h->memory.kernel_id = NULL; /* the caller's */
	h->next_id = 1;
	mutex_init(&h->lock);
	cancel_init(&h->closing, 0);
	cancel_init(&h->rouse, 0);
	rc = pthread_create(&h->keeper, NULL, helper_keep, h);
	if (rc != 0) {
		cancel_fini(&h->rouse);
		cancel_fini(&h->closing);
		mutex_fini(&h->lock);
		g_free(h->kernel_id);
		g_free(h);
		return -rc;
	}
	*ret = h;
	return 0;
}

void helper_free(struct helper *h)
{
	if (h == NULL)
		return;
	mutex_lock(&h->lock);
	h->state = HELPER_ENDING;
	cancel_fire(&h->closing);
	cancel_fire(&h->rouse);
	waitlist_wake(&h->waiters);
	mutex_unlock(&h->lock);
	(void)pthread_join(h->keeper, NULL);
	cancel_fini(&h->rouse);
	cancel_fini(&h->closing);
	mutex_fini(&h->lock);
	g_free(h->comm_id);
	g_free(h->kernel_id);
	g_free(h);
}

/*
 * helper_keeper.c - the helper's thread: makes a helper when it is needed,
 * receives what it says, and makes another when it is lost. States in
 * helper_state.h.
 *
 * A helper is lost with its kernel or with the channel to it. A kernel says on
 * iopub that it will end (shutdown_reply) or begins anew (starting), and the
 * server says it for one that crashed (restarting, dead). All that can get
 * lost; then there is silence. Where the kernel is gone (-ESHUTDOWN) another is
 * needed; else the same one is sought again.
 */
#include "config.h"

#include "helper_state.h"

#include "helper_py.h"
#include "log.h"

#include <errno.h>
#include <string.h>

#define HELPER_VERSION	 7
#define HELPER_STOP_MS	 5000
#define HELPER_WAIT_MS	 250
#define HELPER_STABLE_MS 10000

/* --- users ---------------------------------------------------------- */

/* The user whose functions are called until called_user(); NULL: none. */
static const struct helper_handler *call_user(struct helper *h, unsigned i)
	EXCLUDES(h->lock);
static const struct helper_handler *call_user(struct helper *h, unsigned i)
{
	mutex_lock(&h->lock);
	h->called = h->users[i];
	mutex_unlock(&h->lock);
	return h->called == NULL ? NULL : &h->called->handler;
}

static void called_user(struct helper *h) EXCLUDES(h->lock);
static void called_user(struct helper *h)
{
	mutex_lock(&h->lock);
	h->called = NULL;
	waitlist_wake(&h->waiters);
	mutex_unlock(&h->lock);
}

static void tell_event(struct helper *h, const char *event, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	for (unsigned i = 0; i < HELPER_USERS_MAX; i++) {
		const struct helper_handler *u = call_user(h, i);

		if (u != NULL)
			u->event(u->arg, event, data, bytes);
		called_user(h);
	}
}

static void tell_unreachable(struct helper *h, int error)
{
	for (unsigned i = 0; i < HELPER_USERS_MAX; i++) {
		const struct helper_handler *u = call_user(h, i);

		if (u != NULL && u->unreachable != NULL)
			u->unreachable(u->arg, error);
		called_user(h);
	}
}

/* Who came since, too. */
static void tell_reconnected(struct helper *h)
{
	for (unsigned i = 0; i < HELPER_USERS_MAX; i++) {
		const struct helper_handler *u = call_user(h, i);

		/* Both are changed by this thread alone. */
		if (u != NULL && h->called->met != h->generation) {
			h->called->met = h->generation;
			if (u->reconnected != NULL)
				u->reconnected(u->arg);
		}
		called_user(h);
	}
}

static void tell_lost(struct helper *h)
{
	for (unsigned i = 0; i < HELPER_USERS_MAX; i++) {
		const struct helper_handler *u = call_user(h, i);

		if (u != NULL && u->lost != NULL)
			u->lost(u->arg);
		called_user(h);
	}
}

/* The shorter of two waits; -1 is endless. */
static int shorter(int a, int b)
{
	return b < 0 || (a >= 0 && a < b) ? a : b;
}

static int tick_all(struct helper *h)
{
	int left = -1;

	for (unsigned i = 0; i < HELPER_USERS_MAX; i++) {
		const struct helper_handler *u = call_user(h, i);

		if (u != NULL && u->tick != NULL)
			left = shorter(left, u->tick(u->arg));
		called_user(h);
	}
	return left;
}

/* --- making a helper ------------------------------------------------ */

static cJSON *opening(void)
{
	cJSON *data = cJSON_CreateObject();

	(void)cJSON_AddNumberToObject(data, "version", HELPER_VERSION);
	(void)cJSON_AddNumberToObject(data, "window", RUN_WINDOW_BYTES);
	return data;
}

/* Sends the helper's source and opens a comm to it; the kernel works off both
 * in this order. */
static int send_helper(struct helper *h, struct kernel_channel *channel)
{
	g_autoptr(cJSON) data = opening();
	struct kernel_msg_header header = kernel_channel_header(channel);
	int rc = kernel_channel_send(
		channel, false, kernel_msg_execute_request(&header, helper_py));

	if (rc < 0)
		return rc;
	g_free(h->comm_id);
	h->comm_id = g_uuid_string_random();
	header = kernel_channel_header(channel);
	return kernel_channel_send(channel, false,
		kernel_msg_comm_open(&header, h->comm_id, "pycloud", data));
}

static bool is_ours(const struct helper *h, const struct kernel_msg *msg)
{
	return g_strcmp0(json_string(msg->content, "comm_id"), h->comm_id) == 0;
}

/* Is this the answer to send_helper()? 1: yes, 0: not yet, or -errno. */
static int read_greeting(const struct helper *h, const struct kernel_msg *msg)
{
	const cJSON *data = json_object(msg->content, "data");
	int64_t version = 0;

	if (strcmp(msg->type, "execute_reply") == 0 &&
		g_strcmp0(json_string(msg->content, "status"), "ok") != 0) {
		const char *why = json_string(msg->content, "evalue");

		log_warning("the helper does not start in the kernel: %s",
			why == NULL ? "no reason given" : why);
		return -EPROTO;
	}
	if (!is_ours(h, msg))
		return 0;
	if (strcmp(msg->type, "comm_close") == 0)
		return -EPROTO;
	if (strcmp(msg->type, "comm_msg") != 0 ||
		g_strcmp0(json_string(data, "event"), "hello") != 0)
		return 0; /* of a run that went on, for one */
	return json_int64(data, "version", &version) &&
			       version == HELPER_VERSION
		       ? 1
		       : -EPROTO;
}

/* As read_greeting(), -ETIMEDOUT when nothing comes. */
static int await_greeting(
	struct helper *h, struct kernel_channel *channel, int timeout_ms)
{
	struct kernel_msg msg;
	GByteArray *frame = NULL;
	int rc = kernel_channel_receive(
		channel, &h->closing, timeout_ms, &msg, &frame);

	if (rc < 0)
		return rc;
	rc = read_greeting(h, &msg);
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
	return rc;
}

/* A kernel that is just being restarted takes what we send into its grave, so
 * it is sent again. Each time under another comm_id: the kernel works in
 * order, and the last greeting is the one that counts. */
static int begin_helper(struct helper *h, struct kernel_channel *channel)
{
	int64_t end = clock_now_ms() + KERNEL_CALL_TIMEOUT_MS;
	int64_t repeat = 0;
	int rc = 0;

	while (rc == 0 || rc == -ETIMEDOUT) {
		int64_t now = clock_now_ms();

		if (now >= end)
			return -ETIMEDOUT;
		if (now >= repeat) {
			rc = send_helper(h, channel);
			repeat = now + HELPER_REPEAT_MS;
			if (rc < 0)
				return rc;
		}
		rc = await_greeting(h, channel, (int)(MIN(repeat, end) - now));
	}
	return rc < 0 ? rc : 0;
}

/* Takes the id. */
static void set_kernel(struct helper *h, char *id)
{
	g_free(h->kernel_id);
	h->kernel_id = id;
	if (h->memory.remember_kernel != NULL)
		h->memory.remember_kernel(h->memory.arg, id);
}

static void stop_kernel(struct helper *h)
{
	struct cancel limit;

	if (h->kernel_id == NULL)
		return;
	cancel_init(&limit, HELPER_STOP_MS);
	/* A kernel that cannot be ended is one the server has lost anyway, or
	 * the network is down; neither can be helped here. */
	(void)kernel_stop(h->pool, h->kernel_id, &limit);
	cancel_fini(&limit);
	set_kernel(h, NULL);
}

/* What says that the server, not the kernel, is out of reach. */
static bool is_network_error(int rc)
{
	return rc == -ECONNREFUSED || rc == -ECONNRESET ||
	       rc == -EHOSTUNREACH || rc == -EPIPE || rc == -EINTR;
}

static bool is_kernel_gone(struct helper *h)
{
	return kernel_check(h->pool, h->kernel_id, &h->closing) == -ENOENT;
}

static int open_channel(struct helper *h, struct kernel_channel **ret)
{
	int64_t end = clock_now_ms() + KERNEL_START_TIMEOUT_MS;
	int rc;

	do {
		rc = kernel_channel_open(h->pool, h->kernel_id, HELPER_OPEN_MS,
			&h->closing, ret);
		if (rc == -ETIMEDOUT && is_kernel_gone(h))
			rc = -ENOENT;
	} while (rc == -ETIMEDOUT && clock_now_ms() < end);
	return rc;
}

/* A helper in the kernel we have. A kernel that is there but does not do is
 * ended; -ENOEXEC: one that is not there any more. */
static int reach_helper(struct helper *h, struct kernel_channel **ret)
{
	struct kernel_channel *channel = NULL;
	int rc = open_channel(h, &channel);

	if (rc == 0)
		rc = begin_helper(h, channel);
	/* A server may accept us for a kernel that has died, and hang up. */
	if (rc == -ENOENT ||
		(rc != -EINTR && is_network_error(rc) && is_kernel_gone(h)))
		rc = -ENOEXEC;
	if (rc == 0) {
		*ret = channel;
		return 0;
	}
	kernel_channel_free(channel);
	if (!is_network_error(rc))
		stop_kernel(h);
	return rc;
}

static int make_helper(struct helper *h, struct kernel_channel **ret)
{
	char *id = NULL;
	int rc = -ENOENT;

	if (h->kernel_id != NULL)
		rc = reach_helper(h, ret);
	if (h->kernel_id != NULL)
		return rc; /* reached, or to be tried again */
	rc = kernel_start(h->pool, &h->closing, &id);
	if (rc == 0) {
		set_kernel(h, id);
		rc = reach_helper(h, ret);
	}
	return rc == -ENOENT ? -EIO : rc; /* no file is meant */
}

/* --- receiving ----------------------------------------------------- */

static void settle_pending(struct helper *h, int64_t id, const cJSON *data,
	const struct kernel_buffer *bytes) EXCLUDES(h->lock);
static void settle_pending(struct helper *h, int64_t id, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	struct pending *p;

	mutex_lock(&h->lock);
	for (p = h->pendings; p != NULL; p = p->next)
		if (p->id == id && p->reply == NULL) {
			p->reply = cJSON_Duplicate(data, true);
			if (bytes->length > 0)
				p->bytes = g_bytes_new(
					bytes->bytes, bytes->length);
			h->callers--;
			if (p->arrives_ms == h->arrives_ms)
				h->arrives_ms = 0;
			waitlist_wake(&h->waiters);
		}
	mutex_unlock(&h->lock);
}

static void dispatch_comm(struct helper *h, const struct kernel_msg *msg)
{
	static const struct kernel_buffer nothing = { 0 };
	const cJSON *data = json_object(msg->content, "data");
	const char *event = data == NULL ? NULL : json_string(data, "event");
	const struct kernel_buffer *bytes =
		msg->n_buffers > 0 ? &msg->buffers[0] : &nothing;
	int64_t id;

	if (event != NULL)
		tell_event(h, event, data, bytes);
	else if (data != NULL && json_int64(data, "reply", &id))
		settle_pending(h, id, data, bytes);
}

static bool is_new_life(const struct kernel_msg *msg)
{
	const char *state = json_string(msg->content, "execution_state");

	return g_strcmp0(state, "starting") == 0 ||
	       g_strcmp0(state, "restarting") == 0 ||
	       g_strcmp0(state, "dead") == 0;
}

/* 0, or why this channel is no good any more. */
static int dispatch(struct helper *h, const struct kernel_msg *msg)
{
	if (strcmp(msg->type, "status") == 0) {
		if (is_new_life(msg))
			return -ECONNRESET;
	} else if (strcmp(msg->type, "shutdown_reply") == 0) {
		return json_bool(msg->content, "restart", false) ? -ECONNRESET
								 : -ESHUTDOWN;
	} else if (strcmp(msg->type, "comm_msg") == 0 && is_ours(h, msg)) {
		dispatch_comm(h, msg);
	} else if (strcmp(msg->type, "comm_close") == 0 && is_ours(h, msg)) {
		return -ECONNRESET;
	}
	return 0;
}

static int receive_one(
	struct helper *h, struct kernel_channel *channel, int timeout_ms)
{
	struct kernel_msg msg;
	GByteArray *frame = NULL;
	int rc = kernel_channel_receive(
		channel, &h->rouse, timeout_ms, &msg, &frame);

	if (rc < 0)
		return rc;
	mutex_lock(&h->lock);
	h->asked_ms = 0;
	mutex_unlock(&h->lock);
	rc = dispatch(h, &msg);
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
	return rc;
}

/* How long the helper may stay without anybody needing it; 0: no longer. */
static int idle_left_ms(struct helper *h) EXCLUDES(h->lock);
static int idle_left_ms(struct helper *h)
{
	int64_t now = clock_now_ms();
	int64_t left;

	mutex_lock(&h->lock);
	if (h->callers > 0 || h->holds > 0)
		h->needed_ms = now;
	left = h->needed_ms + HELPER_IDLE_MS - now;
	mutex_unlock(&h->lock);
	return left > 0 ? (int)left : 0;
}

/* --- silence --------------------------------------------------------- */

static int silence_left_ms(const struct helper *h, int64_t limit_ms)
	REQUIRES(h->lock);
static int silence_left_ms(const struct helper *h, int64_t limit_ms)
{
	int64_t left = h->asked_ms + limit_ms - clock_now_ms();

	if (h->asked_ms == 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

int helper_doubt_left_ms(const struct helper *h)
{
	return h->is_checked || h->state != HELPER_READY
		       ? -1
		       : silence_left_ms(h, HELPER_DOUBT_MS);
}

static int deaf_left_ms(const struct helper *h) REQUIRES(h->lock);
static int deaf_left_ms(const struct helper *h)
{
	return silence_left_ms(
		h, HELPER_DEAF_MS + MAX(h->arrives_ms - h->asked_ms, 0));
}

/* Nothing answers what we sent. 0 and how long that is nothing to look into
 * (-1: any time), or why this channel is no good any more. */
static int judge_silence(struct helper *h, int *ret_left_ms) EXCLUDES(h->lock);
static int judge_silence(struct helper *h, int *ret_left_ms)
{
	bool is_doubtful, is_deaf;

	mutex_lock(&h->lock);
	is_deaf = deaf_left_ms(h) == 0;
	is_doubtful = !is_deaf && helper_doubt_left_ms(h) == 0;
	if (is_doubtful)
		h->is_checked = true;
	*ret_left_ms = h->is_checked ? deaf_left_ms(h)
				     : silence_left_ms(h, HELPER_DOUBT_MS);
	mutex_unlock(&h->lock);
	if (is_deaf)
		return -ECONNRESET;
	if (is_doubtful && is_kernel_gone(h))
		return -ESHUTDOWN;
	return 0;
}

/* 0: there may be something to look at. -EINTR: give up this channel. */
static int heed_rousing(struct helper *h) EXCLUDES(h->lock);
static int heed_rousing(struct helper *h)
{
	int rc = -EINTR;

	mutex_lock(&h->lock);
	if (h->state != HELPER_ENDING && !h->is_cut) {
		cancel_fini(&h->rouse);
		cancel_init(&h->rouse, 0);
		rc = 0;
	}
	mutex_unlock(&h->lock);
	return rc;
}

/* Until the channel is lost (-errno) or nobody has needed it for long (0). */
static int receive_all(struct helper *h, struct kernel_channel *channel)
{
	int rc = 0;

	while (rc == 0 || rc == -ETIMEDOUT) {
		int tick, silence = -1;
		int left = idle_left_ms(h);

		tell_reconnected(h);
		tick = tick_all(h);
		if (left == 0)
			return 0;
		rc = judge_silence(h, &silence);
		if (rc == 0)
			rc = receive_one(h, channel,
				shorter(left, shorter(tick, silence)));
		if (rc == -EINTR)
			rc = heed_rousing(h);
	}
	return rc;
}

/* --- its life ------------------------------------------------------- */

static void set_ready(struct helper *h, struct kernel_channel *channel)
	EXCLUDES(h->lock);
static void set_ready(struct helper *h, struct kernel_channel *channel)
{
	mutex_lock(&h->lock);
	h->channel = channel;
	h->generation++;
	h->asked_ms = 0;
	h->arrives_ms = 0;
	h->is_cut = false;
	h->needed_ms = clock_now_ms();
	if (h->state != HELPER_ENDING) {
		cancel_fini(&h->rouse);
		cancel_init(&h->rouse, 0);
		h->state = HELPER_READY;
	}
	waitlist_wake(&h->waiters);
	mutex_unlock(&h->lock);
}

/* Takes the channel back from those who send. */
static void set_asleep(struct helper *h) EXCLUDES(h->lock);
static void set_asleep(struct helper *h)
{
	mutex_lock(&h->lock);
	if (h->state != HELPER_ENDING)
		h->state = HELPER_ASLEEP;
	while (h->senders > 0)
		(void)waitlist_wait(&h->waiters, &h->lock, NULL, -1);
	h->channel = NULL;
	mutex_unlock(&h->lock);
}

/* Tells the waiting callers, and the holders. */
static void fail(struct helper *h, int error) EXCLUDES(h->lock);
static void fail(struct helper *h, int error)
{
	h->attempts++;
	mutex_lock(&h->lock);
	h->failures++;
	h->error = error;
	if (h->state != HELPER_ENDING)
		h->state = HELPER_ASLEEP;
	waitlist_wake(&h->waiters);
	mutex_unlock(&h->lock);
	tell_unreachable(h, error);
}

/* Waits for somebody's need; false: the end. After a failure, holders wait
 * longer each time, callers do not wait: each of them gets one attempt. */
static bool await_need(struct helper *h) EXCLUDES(h->lock);
static bool await_need(struct helper *h)
{
	int64_t wait_ms = h->attempts == 0
				  ? 0
				  : (int64_t)HELPER_WAIT_MS << MIN(
					    h->attempts, HELPER_WAIT_DOUBLINGS);
	int64_t end = clock_now_ms() + wait_ms;
	bool is_ending;

	mutex_lock(&h->lock);
	while (h->state != HELPER_ENDING && h->callers == 0 && !h->is_woken &&
		(h->holds == 0 || clock_now_ms() < end))
		(void)waitlist_wait(&h->waiters, &h->lock, NULL,
			h->holds == 0 ? -1 : MAX(end - clock_now_ms(), 0));
	is_ending = h->state == HELPER_ENDING;
	h->is_woken = false;
	if (!is_ending)
		h->state = HELPER_STARTING;
	mutex_unlock(&h->lock);
	return !is_ending;
}

static void serve(struct helper *h, struct kernel_channel *channel)
{
	int64_t since = clock_now_ms();
	int rc;

	set_ready(h, channel);
	rc = receive_all(h, channel);
	if (rc < 0) /* who sends need not wait for it to take that */
		kernel_channel_break(channel);
	set_asleep(h);
	tell_lost(h);
	kernel_channel_free(channel);
	if (rc == 0)
		stop_kernel(h);
	else if (rc == -ESHUTDOWN)
		set_kernel(h, NULL);
	/* A kernel that dies again and again is left alone for longer. */
	h->attempts =
		clock_now_ms() - since < HELPER_STABLE_MS ? h->attempts + 1 : 0;
}

void *helper_keep(void *arg)
{
	struct helper *h = arg;

	while (await_need(h)) {
		struct kernel_channel *channel = NULL;
		int rc = make_helper(h, &channel);

		if (rc < 0)
			fail(h, rc);
		else
			serve(h, channel);
	}
	stop_kernel(h);
	return NULL;
}

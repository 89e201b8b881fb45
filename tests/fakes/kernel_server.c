/* kernel_server.c - see kernel_server.h. */
#include "config.h"

#include "kernel_server.h"

#include "cancel.h"
#include "kernel_msg.h"
#include "mutex.h"
#include "waitlist.h"
#include "websocket_peer.h"

#include <stdio.h>
#include <string.h>

#define KERNELS_MAX 8
#define AWAIT_MS    20000

enum birth {
	BIRTH_GOOD,
	BIRTH_SILENT,
	BIRTH_HUNG_UP
};

struct kernel_server {
	struct web_server *web;
	bool has_python;

	struct mutex lock;
	/* guarded by lock */
	struct waitlist waiters;
	enum birth next;
	enum birth births[KERNELS_MAX + 1]; /* by number, from 1 */
	bool is_alive[KERNELS_MAX + 1];
	unsigned started;
	unsigned checks;
	unsigned openings;
	unsigned calls;
	unsigned asked;	 /* requests and messages */
	unsigned losses; /* openings still to be lost */
	bool has_lost;
	bool is_deaf;
	bool is_over;
	const char *lost_verb;
	const char *vanish_verb;
	GHashTable *verbs; /* that came: how often */
};

/* --- what it counts ------------------------------------------------------ */

static void add(struct kernel_server *s, unsigned *counter) EXCLUDES(s->lock);
static void add(struct kernel_server *s, unsigned *counter)
{
	mutex_lock(&s->lock);
	(*counter)++;
	mutex_unlock(&s->lock);
}

static unsigned get(struct kernel_server *s, const unsigned *counter)
	EXCLUDES(s->lock);
static unsigned get(struct kernel_server *s, const unsigned *counter)
{
	unsigned value;

	mutex_lock(&s->lock);
	value = *counter;
	mutex_unlock(&s->lock);
	return value;
}

static void note_asked(struct kernel_server *s) EXCLUDES(s->lock);
static void note_asked(struct kernel_server *s)
{
	mutex_lock(&s->lock);
	s->asked++;
	waitlist_wake(&s->waiters);
	mutex_unlock(&s->lock);
}

/* --- kernels ------------------------------------------------------------- */

static unsigned make_kernel(struct kernel_server *s) EXCLUDES(s->lock);
static unsigned make_kernel(struct kernel_server *s)
{
	unsigned number;

	mutex_lock(&s->lock);
	number = s->started < KERNELS_MAX ? ++s->started : 0;
	s->births[number] = s->next;
	s->is_alive[number] = number > 0 && s->next == BIRTH_GOOD;
	s->next = BIRTH_GOOD;
	mutex_unlock(&s->lock);
	return number;
}

static bool is_alive(struct kernel_server *s, unsigned number)
	EXCLUDES(s->lock);
static bool is_alive(struct kernel_server *s, unsigned number)
{
	bool answer;

	mutex_lock(&s->lock);
	answer = number <= KERNELS_MAX && s->is_alive[number];
	mutex_unlock(&s->lock);
	return answer;
}

static enum birth birth_of(struct kernel_server *s, unsigned number)
	EXCLUDES(s->lock);
static enum birth birth_of(struct kernel_server *s, unsigned number)
{
	enum birth birth;

	mutex_lock(&s->lock);
	birth = number <= KERNELS_MAX ? s->births[number] : BIRTH_GOOD;
	mutex_unlock(&s->lock);
	return birth;
}

static void end_kernel(struct kernel_server *s, unsigned number)
	EXCLUDES(s->lock);
static void end_kernel(struct kernel_server *s, unsigned number)
{
	mutex_lock(&s->lock);
	if (number <= KERNELS_MAX)
		s->is_alive[number] = false;
	mutex_unlock(&s->lock);
}

/* True for what is to get lost. */
static bool takes_loss(struct kernel_server *s) EXCLUDES(s->lock);
static bool takes_loss(struct kernel_server *s)
{
	bool is_lost;

	mutex_lock(&s->lock);
	s->openings++;
	is_lost = s->losses > 0;
	if (is_lost)
		s->losses--;
	mutex_unlock(&s->lock);
	return is_lost;
}

static bool is_first_loss(struct kernel_server *s) EXCLUDES(s->lock);
static bool is_first_loss(struct kernel_server *s)
{
	bool is_first;

	mutex_lock(&s->lock);
	is_first = !s->has_lost;
	s->has_lost = true;
	mutex_unlock(&s->lock);
	return is_first;
}

static unsigned count_of(const struct kernel_server *s, const char *verb)
	REQUIRES(s->lock)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(s->verbs, verb));
}

/* Counts it. True for one that is to get lost each time. */
static bool note_verb(struct kernel_server *s, const char *verb)
	EXCLUDES(s->lock);
static bool note_verb(struct kernel_server *s, const char *verb)
{
	bool is_lost;

	mutex_lock(&s->lock);
	s->calls++;
	(void)g_hash_table_insert(s->verbs, g_strdup(verb),
		GUINT_TO_POINTER(count_of(s, verb) + 1));
	is_lost = g_strcmp0(verb, s->lost_verb) == 0;
	waitlist_wake(&s->waiters);
	mutex_unlock(&s->lock);
	return is_lost;
}

/* Its answer alone is asked for. */
static bool is_lost_again(struct kernel_server *s, const char *verb)
	EXCLUDES(s->lock);
static bool is_lost_again(struct kernel_server *s, const char *verb)
{
	bool is_lost;

	mutex_lock(&s->lock);
	(void)g_hash_table_insert(s->verbs, g_strdup("again"),
		GUINT_TO_POINTER(count_of(s, "again") + 1));
	is_lost = g_strcmp0(verb, s->lost_verb) == 0;
	waitlist_wake(&s->waiters);
	mutex_unlock(&s->lock);
	return is_lost;
}

static bool is_vanishing(struct kernel_server *s, const char *verb)
	EXCLUDES(s->lock);
static bool is_vanishing(struct kernel_server *s, const char *verb)
{
	bool answer;

	mutex_lock(&s->lock);
	answer = strcmp(verb, "vanish") == 0 ||
		 g_strcmp0(verb, s->vanish_verb) == 0;
	mutex_unlock(&s->lock);
	return answer;
}

/* --- its WebSocket ------------------------------------------------------- */

static void say(struct web_connection *c, const char *type, const char *content)
{
	g_autofree char *text = g_strdup_printf(
		"{\"header\":{\"msg_type\":\"%s\"},\"parent_header\":{},"
		"\"metadata\":{},\"content\":%s,\"channel\":\"iopub\"}",
		type, content);

	peer_send_text(c, text);
}

static void say_data(
	struct web_connection *c, const char *comm_id, const char *data)
{
	g_autofree char *content = g_strdup_printf(
		"{\"comm_id\":\"%s\",\"data\":%s}", comm_id, data);

	say(c, "comm_msg", content);
}

/* What goes on in the kernel may speak before it greets. */
static void greet(struct web_connection *c, const char *comm_id)
{
	say_data(c, comm_id, "{\"event\":\"alive\"}");
	say_data(c, comm_id, "{\"event\":\"hello\",\"version\":7}");
}

static void answer_call(struct kernel_server *s, struct web_connection *c,
	unsigned number, const struct kernel_msg *msg)
{
	const cJSON *data = json_object(msg->content, "data");
	const char *verb = data == NULL ? NULL : json_string(data, "call");
	g_autofree char *reply = NULL;
	int64_t id = 0;

	if (verb == NULL || !is_alive(s, number))
		return;
	if (json_bool(data, "again", false) ? is_lost_again(s, verb)
					    : note_verb(s, verb))
		return;
	if ((is_vanishing(s, verb) || strcmp(verb, "mute") == 0) &&
		is_first_loss(s)) {
		if (is_vanishing(s, verb))
			end_kernel(s, number);
		return;
	}
	(void)json_int64(data, "id", &id);
	if (strcmp(verb, "abandon") == 0)
		reply = g_strdup_printf("{\"event\":\"ended\",\"run\":\"%s\"}",
			json_string(data, "run"));
	else
		reply = g_strdup_printf(
			"{\"reply\":%d,\"error\":\"\"}", (int)id);
	if (strcmp(verb, "quit") == 0)
		end_kernel(s, number);
	if (strcmp(verb, "restart") == 0)
		add(s, &s->losses);
	say_data(c, json_string(msg->content, "comm_id"), reply);
	if (strcmp(verb, "quit") == 0)
		say(c, "shutdown_reply", "{\"restart\":false}");
	if (strcmp(verb, "restart") == 0)
		say(c, "shutdown_reply", "{\"restart\":true}");
}

/* False: the end of the test. */
static bool listens(struct kernel_server *s) EXCLUDES(s->lock);
static bool listens(struct kernel_server *s)
{
	bool is_over;

	mutex_lock(&s->lock);
	while (s->is_deaf && !s->is_over)
		(void)waitlist_wait(&s->waiters, &s->lock, NULL, -1);
	is_over = s->is_over;
	mutex_unlock(&s->lock);
	return !is_over;
}

static void serve_channel(
	struct kernel_server *s, struct web_connection *c, unsigned number)
{
	GByteArray *frame = g_byte_array_new();
	unsigned first;

	while (listens(s) && (first = peer_read(c, frame)) != 0) {
		bool is_binary = (first & 0xf) == OPCODE_BINARY;
		struct kernel_msg msg;

		if (kernel_msg_parse(is_binary, frame->data, frame->len, &msg) <
			0)
			continue;
		note_asked(s);
		if (strcmp(msg.type, "comm_msg") == 0)
			answer_call(s, c, number, &msg);
		else if (strcmp(msg.type, "comm_open") == 0 && !takes_loss(s))
			greet(c, json_string(msg.content, "comm_id"));
		kernel_msg_clear(&msg);
	}
	g_byte_array_unref(frame);
}

/* --- its API ------------------------------------------------------------- */

static void answer_specs(struct kernel_server *s, struct web_connection *c)
{
	g_autofree char *text = g_strdup_printf(
		"{\"default\":\"x\",\"kernelspecs\":{\"x\":{\"name\":\"x\","
		"\"spec\":{\"language\":\"%s\"}}}}",
		s->has_python ? "python" : "R");

	web_answer(c, "200 OK", text);
}

static void answer_kernel(
	struct kernel_server *s, struct web_connection *c, unsigned number)
{
	bool is_there = is_alive(s, number);

	if (strncmp(c->request->str, "GET ", 4) == 0)
		add(s, &s->checks);
	else
		end_kernel(s, number);
	if (is_there)
		web_answer(c, "200 OK", "{}");
	else
		web_answer(c, "404 Not Found", "{\"message\":\"no kernel\"}");
}

static void answer_new(struct kernel_server *s, struct web_connection *c)
{
	g_autofree char *text =
		g_strdup_printf("{\"id\":\"%u\"}", make_kernel(s));

	web_answer(c, "201 Created", text);
}

/* False: the connection has served. */
static bool answer_channel(
	struct kernel_server *s, struct web_connection *c, unsigned number)
{
	switch (birth_of(s, number)) {
	case BIRTH_SILENT:
		return true;
	case BIRTH_HUNG_UP:
		(void)peer_agree(c);
		return false;
	case BIRTH_GOOD:
	default:
		break;
	}
	if (!is_alive(s, number)) {
		web_answer(c, "404 Not Found", "");
		return true;
	}
	if (peer_agree(c))
		serve_channel(s, c, number);
	return false;
}

static void serve(struct web_connection *c, void *arg)
{
	struct kernel_server *s = arg;

	while (web_read_request(c)) {
		const char *path = strchr(c->request->str, ' ');
		unsigned number = 0;
		int end = 0;

		note_asked(s);
		if (sscanf(path, " /api/kernels/%u%n", &number, &end) != 1)
			end = 0;
		if (end > 0 && g_str_has_prefix(path + end, "/channels")) {
			if (!answer_channel(s, c, number))
				return;
			continue;
		}
		if (end > 0)
			answer_kernel(s, c, number);
		else if (g_str_has_prefix(path, " /api/kernelspecs "))
			answer_specs(s, c);
		else
			answer_new(s, c);
	}
}

/* --- for tests ----------------------------------------------------------- */

struct kernel_server *kernel_server_start(bool has_python)
{
	struct kernel_server *s = g_new0(struct kernel_server, 1);

	s->has_python = has_python;
	mutex_init(&s->lock);
	s->verbs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	s->web = web_server_start(serve, s);
	return s;
}

void kernel_server_set_deaf(struct kernel_server *s, bool is_deaf)
{
	mutex_lock(&s->lock);
	s->is_deaf = is_deaf;
	waitlist_wake(&s->waiters);
	mutex_unlock(&s->lock);
}

void kernel_server_stop(struct kernel_server *s)
{
	mutex_lock(&s->lock);
	s->is_over = true;
	waitlist_wake(&s->waiters);
	mutex_unlock(&s->lock);
	web_server_stop(s->web);
	g_hash_table_unref(s->verbs);
	mutex_fini(&s->lock);
	g_free(s);
}

const char *kernel_server_url(const struct kernel_server *s)
{
	return web_server_url(s->web);
}

void kernel_server_break_start(struct kernel_server *s, bool is_answered)
{
	mutex_lock(&s->lock);
	s->next = is_answered ? BIRTH_HUNG_UP : BIRTH_SILENT;
	mutex_unlock(&s->lock);
}

unsigned kernel_server_started(struct kernel_server *s)
{
	return get(s, &s->started);
}

unsigned kernel_server_alive(struct kernel_server *s)
{
	unsigned count = 0;
	unsigned i;

	for (i = 1; i <= KERNELS_MAX; i++)
		count += is_alive(s, i);
	return count;
}

unsigned kernel_server_checks(struct kernel_server *s)
{
	return get(s, &s->checks);
}

unsigned kernel_server_openings(struct kernel_server *s)
{
	return get(s, &s->openings);
}

unsigned kernel_server_calls(struct kernel_server *s)
{
	return get(s, &s->calls);
}

void kernel_server_lose(struct kernel_server *s, const char *verb)
{
	mutex_lock(&s->lock);
	s->lost_verb = verb;
	mutex_unlock(&s->lock);
}

void kernel_server_vanish_at(struct kernel_server *s, const char *verb)
{
	mutex_lock(&s->lock);
	s->vanish_verb = verb;
	mutex_unlock(&s->lock);
}

unsigned kernel_server_count(struct kernel_server *s, const char *verb)
{
	unsigned count;

	mutex_lock(&s->lock);
	count = count_of(s, verb);
	mutex_unlock(&s->lock);
	return count;
}

bool kernel_server_await(
	struct kernel_server *s, const char *verb, unsigned count)
{
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, AWAIT_MS);
	mutex_lock(&s->lock);
	while (count_of(s, verb) < count && rc == 0)
		rc = waitlist_wait(&s->waiters, &s->lock, &limit, -1);
	mutex_unlock(&s->lock);
	cancel_fini(&limit);
	return rc == 0;
}

bool kernel_server_stays_idle(struct kernel_server *s, int ms)
{
	int64_t end = clock_now_ms() + ms;
	unsigned before;
	bool is_idle;

	mutex_lock(&s->lock);
	before = s->asked;
	while (s->asked == before && clock_now_ms() < end)
		(void)waitlist_wait(
			&s->waiters, &s->lock, NULL, end - clock_now_ms());
	is_idle = s->asked == before;
	mutex_unlock(&s->lock);
	return is_idle;
}

/* What proves that the helper and the server see the same tree, what refutes it,
 * and what says nothing. */
#include "config.h"

#include "assist.h"
#include "common_limits.h"
#include "mutex.h"
#include "test.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

#define SOON_MS 20000

static struct {
	struct helper_handler handler;

	struct mutex lock;
	/* guarded by lock */
	int64_t ctime_us; /* of the helper's root */
	int64_t behind;	  /* what the server shows is not of this time */
	unsigned changes; /* by others, each when the server is asked */
	int error;	  /* the server's */
	int64_t ahead_ms; /* the helper's clock */
	int64_t until_ms; /* of the last save */
} world;

/* --- the helper ----------------------------------------------------------- */

int __wrap_helper_ask(struct helper *, cJSON *call,
	const struct kernel_buffer *, int timeout_ms, const struct cancel *,
	struct helper_reply *ret);
struct helper_user *__wrap_helper_join(
	struct helper *, const struct helper_handler *);
void __wrap_helper_leave(struct helper *, struct helper_user *);
void __wrap_helper_wake(struct helper *);

int __wrap_helper_ask(struct helper *h, cJSON *call,
	const struct kernel_buffer *bytes, int timeout_ms,
	const struct cancel *cancel, struct helper_reply *ret)
{
	bool is_save = strcmp(json_string(call, "call"), "save") == 0;

	(void)h;
	(void)bytes;
	(void)timeout_ms;
	(void)cancel;
	*ret = (struct helper_reply){ .data = cJSON_CreateObject() };
	mutex_lock(&world.lock);
	if (strcmp(json_string(call, "call"), "prove") == 0)
		world.ctime_us++;
	(void)cJSON_AddNumberToObject(
		ret->data, "ctime_us", (double)world.ctime_us);
	(void)cJSON_AddNumberToObject(
		ret->data, "now_ms", (double)(clock_now_ms() + world.ahead_ms));
	(void)json_int64(call, "until_ms", &world.until_ms);
	mutex_unlock(&world.lock);
	cJSON_Delete(call);
	return is_save ? -ECANCELED : 0;
}

struct helper_user *__wrap_helper_join(
	struct helper *h, const struct helper_handler *handler)
{
	(void)h;
	world.handler = *handler;
	return NULL;
}

void __wrap_helper_leave(struct helper *h, struct helper_user *user)
{
	(void)h;
	(void)user;
}

void __wrap_helper_wake(struct helper *h)
{
	(void)h;
}

/* --- the server ----------------------------------------------------------- */

static int show_root(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	int64_t us;
	int rc;

	(void)remote;
	(void)path;
	(void)cancel;
	mutex_lock(&world.lock);
	if (world.changes > 0) {
		world.changes--;
		world.ctime_us += 1000;
	}
	us = world.ctime_us - world.behind;
	rc = world.error;
	mutex_unlock(&world.lock);
	*ret = (struct entry){ .type = ENTRY_DIRECTORY, .size = -1 };
	ret->ctime.tv_sec = us / 1000000;
	ret->ctime.tv_nsec = us % 1000000 * 1000;
	return rc;
}

static unsigned can_nothing(struct remote *remote)
{
	(void)remote;
	return 0;
}

static void free_nothing(struct remote *remote)
{
	(void)remote;
}

static const struct remote_ops server_ops = {
	.stat = show_root,
	.capabilities = can_nothing,
	.free = free_nothing,
};

/* --- what comes of it ----------------------------------------------------- */

/* What the status file says, when that is anything but "not yet". */
static void await_word(struct remote *remote, GString *text)
{
	int64_t end = clock_now_ms() + SOON_MS;

	world.handler.reconnected(world.handler.arg);
	do {
		assert_true(clock_now_ms() < end);
		g_thread_yield();
		g_string_truncate(text, 0);
		assist_describe(remote, text);
	} while (strcmp(text->str, "assist: not yet\n") == 0);
}

static struct remote *make_remote(void)
{
	static struct remote server = { &server_ops };
	struct remote *remote = NULL;

	assert_int_equal(assist_new(&server, NULL, &remote), 0);
	return remote;
}

static void assert_found(const char *expected)
{
	struct remote *remote = make_remote();
	g_autoptr(GString) text = g_string_new(NULL);

	await_word(remote, text);
	remote_free(remote);
	assert_non_null(strstr(text->str, expected));
}

static int begin(void **state)
{
	(void)state;
	world.ctime_us = 1700000000000000;
	world.behind = 0;
	world.changes = 0;
	world.error = 0;
	return 0;
}

static void same_tree_is_proven(void **state)
{
	(void)state;
	assert_found("assist: on");
}

static void other_tree_is_refused(void **state)
{
	(void)state;
	world.behind = 5000000;
	assert_found("sees another tree");
}

static void change_meanwhile_says_nothing(void **state)
{
	(void)state;
	world.changes = 2;
	assert_found("assist: on");
}

static void changes_without_end_are_waited_for(void **state)
{
	(void)state;
	world.changes = 1000;
	assert_found("was slow");
}

static void server_that_shows_nothing_refutes_nothing(void **state)
{
	(void)state;
	world.error = -EACCES;
	assert_found("was slow");
}

static void save_and_check(
	struct remote *remote, const struct cancel *cancel, int64_t most_ms)
{
	const struct remote_change change = { .condition = REMOTE_IF_ABSENT };
	const struct remote_source nothing = { 0 };
	struct entry entry;
	int64_t before_ms = clock_now_ms();

	/* The helper says that it came too late. */
	assert_int_equal(
		remote_replace(remote, "a", &change, &nothing, cancel, &entry),
		-EOPNOTSUPP);
	assert_true(
		world.until_ms <= clock_now_ms() + world.ahead_ms + most_ms);
	assert_true(world.until_ms >=
		    before_ms + world.ahead_ms + most_ms - SOON_MS);
}

/* By its clock, of this life. */
static void saves_say_until_when(void **state)
{
	struct remote *remote = make_remote();
	g_autoptr(GString) text = g_string_new(NULL);
	struct cancel cancel;

	(void)state;
	world.ahead_ms = 123456789;
	await_word(remote, text);
	save_and_check(remote, NULL, ASSIST_SAVE_MS);
	world.ahead_ms = -987;
	await_word(remote, text);
	cancel_init(&cancel, ASSIST_SAVE_MS / 2);
	save_and_check(remote, &cancel, ASSIST_SAVE_MS / 2);
	cancel_fini(&cancel);
	remote_free(remote);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(same_tree_is_proven, begin),
		cmocka_unit_test_setup(other_tree_is_refused, begin),
		cmocka_unit_test_setup(change_meanwhile_says_nothing, begin),
		cmocka_unit_test_setup(
			changes_without_end_are_waited_for, begin),
		cmocka_unit_test_setup(
			server_that_shows_nothing_refutes_nothing, begin),
		cmocka_unit_test_setup(saves_say_until_when, begin),
	};

	mutex_init(&world.lock);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

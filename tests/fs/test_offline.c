/* Without a server: what is known goes on being answered, what is not fails at
 * once, and nothing that was written is lost. */
#include "config.h"

#include "attr_cache.h"
#include "availability.h"
#include "cache.h"
#include "fs_limits.h"
#include "test.h"
#include "tree.h"
#include "world.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int_fast64_t fake_now;
static atomic_int probe_rc;

static int64_t read_clock(void)
{
	return atomic_load(&fake_now);
}

static int probe(void *arg, const struct cancel *cancel)
{
	(void)arg;
	(void)cancel;
	return atomic_load(&probe_rc);
}

/* The one that knows; the session has it within another one. */
static struct remote *outer;

static void describe(void *arg, GString *text)
{
	(void)arg;
	(void)text;
}

/* As world_setup(), with a cache, and with the session's remote one that knows
 * whether the server is there; w->remote is the fake within. */
static int setup(void **state)
{
	const struct availability_params params = { .probe = probe,
		.now_ms = read_clock };
	struct world *w = g_new0(struct world, 1);
	struct session_params session = {
		.options = { .attr_timeout_ms = 3600 * 1000,
			.uid = 1000,
			.gid = 1000,
			.cache_bytes = 1 << 20 },
		.describe = describe,
	};

	atomic_store(&fake_now, 1000000);
	atomic_store(&probe_rc, 0);
	world_make_places(w, &session);
	w->remote = fake_remote_new();
	session.remote = outer = availability_new(w->remote, &params);
	*state = w;
	return session_new(&session, &w->session);
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_end_session(w);
	remote_free(outer);
	world_remove_places(w);
	g_free(w);
	return 0;
}

/* All that is believed is too old, and the server is gone. */
static void lose_server(struct world *w)
{
	attr_cache_expire(w->session->attrs);
	fake_remote_fail_all(w->remote, ECONNREFUSED);
	atomic_store(&probe_rc, -ECONNREFUSED);
}

static void find_server(struct world *w)
{
	fake_remote_fail_all(w->remote, 0);
	atomic_store(&probe_rc, 0);
	(void)atomic_fetch_add(&fake_now, OFFLINE_DELAY_MAX_MS);
}

static bool is_online(void)
{
	struct availability_state state;

	availability_state(outer, &state);
	g_free(state.why);
	return state.is_online;
}

static void assert_names(
	struct world *w, const char *path, const char *expected)
{
	int rc;
	g_autofree char *names = world_names(w, path, &rc);

	assert_int_equal(rc, 0);
	assert_string_equal(names, expected);
}

static void names_and_attributes_are_answered_however_old(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "one");
	fake_remote_put(w->remote, "d/e", "three");
	assert_names(w, "", ".run a d");
	assert_names(w, "d", "e");
	lose_server(w);
	for (int i = 0; i < 2; i++) {
		assert_names(w, "", ".run a d");
		assert_names(w, "d", "e");
		assert_int_equal(world_size(w, "a"), 3);
		assert_int_equal(world_size(w, "d/e"), 5);
		assert_int_equal(world_exists(w, "none"), -ENOENT);
		assert_int_equal(world_exists(w, "d/none"), -ENOENT);
	}
	assert_false(is_online());
}

static void what_is_not_known_cannot_be_reached(void **state)
{
	struct world *w = *state;
	int rc;

	fake_remote_put(w->remote, "d/e", "");
	assert_names(w, "", ".run d");
	lose_server(w);
	assert_null(world_names(w, "d", &rc));
	assert_true(rc == -ECONNREFUSED || rc == -EHOSTUNREACH);
	assert_int_equal(world_exists(w, "d/e"), -EHOSTUNREACH);
	assert_int_equal(world_exists(w, "d/none"), -EHOSTUNREACH);
}

static void the_kernel_believes_old_answers_for_a_second(void **state)
{
	struct world *w = *state;
	struct node_attr attr;
	struct request r;
	struct node *n;
	int rc;

	fake_remote_put(w->remote, "a", "one");
	n = world_walk(w, "a", &rc);
	assert_int_equal(rc, 0);
	lose_server(w);
	world_begin(w, &r);
	assert_int_equal(n->ops->getattr(&r, n, &attr), 0);
	world_end(&r);
	assert_int_equal(attr.valid_ms, OFFLINE_VALID_MS);
	assert_int_equal(attr.st.st_size, 3);
	world_forget(w, n);
}

static void a_server_that_is_back_is_believed_again(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "one");
	assert_int_equal(world_size(w, "a"), 3);
	lose_server(w);
	assert_int_equal(world_size(w, "a"), 3);
	assert_int_equal(world_exists(w, "b"), -ENOENT);
	fake_remote_put(w->remote, "a", "longer");
	fake_remote_put(w->remote, "b", "");
	find_server(w);
	assert_int_equal(world_size(w, "a"), 6);
	assert_int_equal(world_exists(w, "b"), 0);
	assert_cat(w, "a", "longer");
	assert_true(is_online());
}

static void bytes_that_are_here_are_read(void **state)
{
	struct world *w = *state;
	struct handle *h;
	int rc;

	fake_remote_put(w->remote, "a", "held");
	fake_remote_put(w->remote, "b", "not held");
	fake_remote_put(w->remote, "c", "opened");
	assert_cat(w, "a", "held");
	assert_int_equal(world_open(w, "c", O_RDONLY, &h), 0);
	assert_handle(w, h, "opened");
	lose_server(w);
	assert_cat(w, "a", "held");
	assert_cat(w, "a", "held");
	assert_handle(w, h, "opened");
	assert_null(world_cat(w, "b", &rc));
	assert_int_equal(rc, -EHOSTUNREACH);
	assert_int_equal(world_close(w, h), 0);
	assert_cat(w, "c", "opened");
}

static void changes_of_names_fail(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "one");
	fake_remote_put(w->remote, "b", "two");
	fake_remote_put_directory(w->remote, "d");
	assert_names(w, "", ".run a b d");
	assert_names(w, "d", "");
	lose_server(w);
	assert_names(w, "", ".run a b d");
	assert_names(w, "", ".run a b d");
	assert_false(is_online());
	assert_int_equal(world_mkdir(w, "n"), -EHOSTUNREACH);
	assert_int_equal(world_unlink(w, "a"), -EHOSTUNREACH);
	assert_int_equal(world_rmdir(w, "d"), -EHOSTUNREACH);
	assert_int_equal(world_rename(w, "a", "n", 0), -EHOSTUNREACH);
	assert_int_equal(world_rename(w, "a", "b", 0), -EHOSTUNREACH);
	assert_int_equal(world_truncate(w, "a", 0), -EHOSTUNREACH);
	assert_names(w, "", ".run a b d");
}

/* The listing that is remembered says that it is empty; the server, which is
 * back a moment later, would remove it with all that is in it. */
static void an_old_listing_does_not_prove_that_a_directory_is_empty(
	void **state)
{
	struct world *w = *state;

	fake_remote_put_directory(w->remote, "d");
	assert_names(w, "d", "");
	fake_remote_put(w->remote, "d/precious", "bytes");
	fake_remote_fail(w->remote, FAKE_LIST, 1, ETIMEDOUT);
	assert_int_equal(world_rmdir(w, "d"), -ETIMEDOUT);
	assert_changes(w, "");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
}

static void what_is_written_is_kept_until_the_server_is_back(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_cat(w, "a", "old");
	lose_server(w);
	assert_cat(w, "a", "old");
	assert_int_equal(
		world_open(w, "new", O_RDWR | O_CREAT | O_EXCL, &h), 0);
	assert_int_equal(world_write(w, h, "fresh", 0), 5);
	assert_int_equal(world_flush(w, h), -EHOSTUNREACH);
	assert_handle(w, h, "fresh");
	assert_int_equal(world_close(w, h), -EHOSTUNREACH);
	assert_int_equal(world_save(w, "a", "edited"), -EHOSTUNREACH);
	assert_cat(w, "a", "edited");
	assert_cat(w, "new", "fresh");
	assert_int_equal(world_pending(w), 2);
	find_server(w);
	assert_int_equal(session_drain(w->session), 0);
	assert_remote(w, "a", "edited");
	assert_remote(w, "new", "fresh");
	assert_int_equal(world_pending(w), 0);
}

static void a_lost_root_takes_no_names_away(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "one");
	fake_remote_put(w->remote, "b", "two");
	fake_remote_put(w->remote, "c", "three");
	assert_cat(w, "a", "one");
	fake_remote_drop(w->remote, "a");
	fake_remote_drop(w->remote, "b");
	fake_remote_drop(w->remote, "c");
	attr_cache_expire(w->session->attrs);
	assert_names(w, "", ".run a b c");
	assert_cat(w, "a", "one");
	assert_false(is_online());
	(void)atomic_fetch_add(&fake_now, ROOT_EMPTY_MS);
	assert_names(w, "", ".run");
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_true(is_online());
}

#define with_world(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(names_and_attributes_are_answered_however_old),
		with_world(what_is_not_known_cannot_be_reached),
		with_world(the_kernel_believes_old_answers_for_a_second),
		with_world(a_server_that_is_back_is_believed_again),
		with_world(bytes_that_are_here_are_read),
		with_world(changes_of_names_fail),
		with_world(
			an_old_listing_does_not_prove_that_a_directory_is_empty),
		with_world(what_is_written_is_kept_until_the_server_is_back),
		with_world(a_lost_root_takes_no_names_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

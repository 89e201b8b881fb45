/* Which names there are, and how few requests it takes to know. */
#include "config.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static void assert_names(
	struct world *w, const char *path, const char *expected)
{
	int rc;
	g_autofree char *names = world_names(w, path, &rc);

	assert_int_equal(rc, 0);
	assert_string_equal(names, expected);
}

static void many_stats_are_one_listing(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "b", "22");
	fake_remote_put(w->remote, "d/e", "333");
	assert_int_equal(world_size(w, "a"), 1);
	assert_int_equal(world_size(w, "b"), 2);
	assert_int_equal(world_exists(w, "c"), -ENOENT);
	assert_int_equal(world_exists(w, "d"), 0);
	assert_names(w, "", ".run a b d");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 1);
	assert_int_equal(fake_remote_all_calls(w->remote), 1);
	assert_int_equal(world_size(w, "d/e"), 3);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 2);
}

static void absent_names_are_remembered_until_belief_ends(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_exists(w, "x"), -ENOENT);
	fake_remote_put(w->remote, "x", "");
	assert_int_equal(world_exists(w, "x"), -ENOENT);
	attr_cache_expire(w->session->attrs);
	assert_int_equal(world_exists(w, "x"), 0);
}

static void an_age_of_nothing_always_asks(void **state)
{
	struct world *w = *state;
	struct handle *h;

	w->session->options.attr_timeout_ms = 0;
	for (int i = 0; i < 100; i++) {
		fake_remote_drop(w->remote, "a");
		assert_int_equal(world_exists(w, "a"), -ENOENT);
		fake_remote_put(w->remote, "a", "theirs");
		assert_int_equal(
			world_open(w, "a", O_WRONLY | O_CREAT | O_EXCL, &h),
			-EEXIST);
		assert_cat(w, "a", "theirs");
		assert_int_equal(world_size(w, "a"), 6);
	}
	assert_changes(w, "");
}

static void fill_big_directory(struct world *w)
{
	for (int i = 0; i <= BIG_DIRECTORY; i++) {
		g_autofree char *path = g_strdup_printf("big/%d", i);

		fake_remote_put(w->remote, path, "");
	}
}

static void a_big_directory_is_asked_for_single_names(void **state)
{
	struct world *w = *state;

	fill_big_directory(w);
	assert_int_equal(world_exists(w, "big/0"), 0); /* lists: not known */
	attr_cache_expire(w->session->attrs);
	assert_int_equal(world_exists(w, "big"), 0);
	fake_remote_reset(w->remote);
	for (int i = 0; i < BIG_DIRECTORY_LOOKUPS; i++) {
		g_autofree char *path = g_strdup_printf("big/%d", i);

		assert_int_equal(world_exists(w, path), 0);
	}
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 0);
	assert_int_equal(
		fake_remote_calls(w->remote, FAKE_STAT), BIG_DIRECTORY_LOOKUPS);
	/* That many in a row make the listing cheaper. */
	assert_int_equal(world_exists(w, "big/400"), 0);
	assert_int_equal(world_exists(w, "big/401"), 0);
	assert_int_equal(world_exists(w, "big/none"), -ENOENT);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 1);
	assert_int_equal(
		fake_remote_calls(w->remote, FAKE_STAT), BIG_DIRECTORY_LOOKUPS);
}

static void a_listing_proves_nothing_about_unlisted_names(void **state)
{
	static const char *const names[] = { ".hidden", "a.pyo", "m.pyc",
		"x.so", "__pycache__" };
	struct world *w = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		fake_remote_put(w->remote, names[i], "here");
	fake_remote_put(w->remote, "a", "");
	assert_names(w, "", ".run a");
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		assert_cat(w, names[i], "here");
	assert_int_equal(world_exists(w, ".none"), -ENOENT);
}

static void what_is_known_of_unlisted_names_survives_a_listing(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "");
	assert_int_equal(world_save(w, "a.pyc", "backup"), 0);
	assert_int_equal(world_exists(w, "b.pyc"), -ENOENT);
	attr_cache_expire(w->session->attrs);
	assert_int_equal(world_exists(w, "a.pyc"), 0);
	assert_int_equal(world_exists(w, "b.pyc"), -ENOENT);
	assert_names(w, "", ".run a a.pyc");
	fake_remote_reset(w->remote);
	assert_int_equal(world_size(w, "a.pyc"), 6);
	assert_int_equal(world_exists(w, "b.pyc"), -ENOENT);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
}

static void hidden_names_are_listed_where_the_server_lists_them(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(w->remote, REMOTE_CAN_HIDDEN);
	fake_remote_put(w->remote, ".hidden", "");
	assert_names(w, "", ".run .hidden");
	assert_int_equal(world_exists(w, ".none"), -ENOENT);
	assert_int_equal(fake_remote_all_calls(w->remote), 1);
}

static void impossible_names_have_their_errno(void **state)
{
	struct world *w = *state;
	g_autofree char *long_name = g_strnfill(256, 'n');
	g_autofree char *longest = g_strnfill(255, 'n');

	assert_int_equal(world_exists(w, "caf\xe9"), -EILSEQ);
	assert_int_equal(world_save(w, "caf\xe9", ""), -EILSEQ);
	assert_int_equal(world_mkdir(w, "caf\xe9"), -EILSEQ);
	assert_int_equal(world_exists(w, long_name), -ENAMETOOLONG);
	assert_int_equal(world_save(w, long_name, ""), -ENAMETOOLONG);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
	assert_int_equal(world_save(w, longest, "fits"), 0);
	assert_int_equal(world_save(w, "a b%#?\\\n", "legal"), 0);
	assert_cat(w, "a b%#?\\\n", "legal");
}

static void the_control_names_are_reserved(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, ".run", "a file of the server's");
	fake_remote_put(w->remote, "d/a", "");
	assert_names(w, "", ".run d");
	assert_names(w, "d", "a");
	assert_int_equal(world_exists(w, "d/.run"), 0);
	assert_int_equal(world_exists(w, ".pycloud/status"), 0);
	assert_int_equal(world_exists(w, "d/.pycloud"), -ENOENT);
	assert_int_equal(world_save(w, ".run", ""), -EPERM);
	assert_int_equal(world_mkdir(w, ".pycloud"), -EPERM);
	assert_int_equal(world_unlink(w, "d/.run"), -EPERM);
	assert_int_equal(world_rmdir(w, ".pycloud"), -EPERM);
	assert_int_equal(world_rename(w, "d/a", ".run", 0), -EPERM);
	assert_int_equal(world_rename(w, ".run", "d/b", 0), -EPERM);
	assert_changes(w, "");
}

static void a_refused_dot_name_is_told_by_open(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_fail(w->remote, FAKE_WRITE, 1, EACCES);
	assert_int_equal(
		world_open(w, ".secret", O_WRONLY | O_CREAT, &h), -EACCES);
	assert_int_equal(world_exists(w, ".secret"), -ENOENT);
	assert_int_equal(world_pending(w), 0);
	assert_int_equal(world_open(w, ".secret", O_WRONLY | O_CREAT, &h), 0);
	assert_remote(w, ".secret", "");
	assert_int_equal(world_close(w, h), 0);
}

static void a_dot_name_that_is_allowed_is_uploaded_once(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(w->remote, REMOTE_CAN_HIDDEN);
	assert_int_equal(world_save(w, ".profile", "x"), 0);
	assert_remote(w, ".profile", "x");
	assert_changes(w, "write .profile;");
}

static void creating_exclusively_refuses_what_exists(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(
		world_open(w, "a", O_WRONLY | O_CREAT | O_EXCL, &h), -EEXIST);
	assert_int_equal(world_open(w, "d", O_WRONLY | O_CREAT, &h), -EISDIR);
	assert_int_equal(world_open(w, "a", O_RDONLY | O_CREAT, &h), 0);
	assert_handle(w, h, "old");
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "");
}

static void a_new_directory_is_there_at_once_and_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_mkdir(w, "d"), -EEXIST);
	assert_int_equal(world_save(w, "d/a", "x"), 0);
	assert_int_equal(world_mkdir(w, "d/a"), -EEXIST);
	assert_names(w, "d", "a");
	assert_int_equal(world_mkdir(w, "none/e"), -ENOENT);
	assert_int_equal(world_exists(w, "d/a/b"), -ENOTDIR);
	assert_changes(w, "mkdir d;write d/a;");
}

static void a_file_that_becomes_a_directory_is_another_node(void **state)
{
	struct world *w = *state;
	struct node *was, *now;
	int rc;

	fake_remote_put(w->remote, "a", "x");
	was = world_walk(w, "a", &rc);
	fake_remote_drop(w->remote, "a");
	fake_remote_put(w->remote, "a/b", "y");
	attr_cache_expire(w->session->attrs);
	now = world_walk(w, "a", &rc);
	assert_int_not_equal(was->ino, now->ino);
	assert_string_equal(now->ops->kind, "directory");
	world_forget(w, was);
	world_forget(w, now);
}

static void a_walk_goes_on_while_names_come_and_go(void **state)
{
	struct world *w = *state;
	struct node_dirent d;
	struct request r;
	struct handle *h;

	fake_remote_put(w->remote, "d/a", "");
	fake_remote_put(w->remote, "d/b", "");
	assert_int_equal(world_open(w, "d", O_RDONLY, &h), 0);
	world_begin(w, &r);
	assert_int_equal(h->node->ops->dirent(&r, h, 2, false, &d), 1);
	assert_string_equal(d.name, "a");
	assert_int_equal(world_unlink(w, "d/a"), 0);
	assert_int_equal(h->node->ops->dirent(&r, h, 3, false, &d), 1);
	assert_string_equal(d.name, "b");
	/* From the beginning again: the present. */
	assert_int_equal(h->node->ops->dirent(&r, h, 0, false, &d), 1);
	assert_int_equal(h->node->ops->dirent(&r, h, 2, false, &d), 1);
	assert_string_equal(d.name, "b");
	world_end(&r);
	world_release(w, h);
}

static void a_walk_tells_what_we_changed_since_it_began(void **state)
{
	struct world *w = *state;
	struct node_dirent d;
	struct request r;
	struct handle *h;

	fake_remote_put(w->remote, "d/a", "1");
	fake_remote_put(w->remote, "d/b", "1");
	fake_remote_put(w->remote, "d/c", "1");
	assert_int_equal(world_open(w, "d", O_RDONLY, &h), 0);
	world_begin(w, &r);
	assert_int_equal(h->node->ops->dirent(&r, h, 0, true, &d), 1);
	assert_int_equal(world_save(w, "d/a", "longer"), 0);
	assert_int_equal(world_unlink(w, "d/b"), 0);
	for (int i = 0; i < 2; i++) {
		bool wants_node = i == 0;

		assert_int_equal(
			h->node->ops->dirent(&r, h, 2, wants_node, &d), 1);
		assert_int_equal(d.attr.st.st_size, 6);
		world_forget(w, d.node);
		assert_int_equal(h->node->ops->dirent(&r, h, 3, wants_node, &d),
			-ENOENT);
		assert_int_equal(
			h->node->ops->dirent(&r, h, 4, wants_node, &d), 1);
		assert_string_equal(d.name, "c");
		assert_int_equal(d.attr.st.st_size, 1);
		world_forget(w, d.node);
	}
	world_end(&r);
	assert_int_equal(world_exists(w, "d/b"), -ENOENT);
	world_release(w, h);
}

static void an_open_directory_can_be_renamed_and_read_again(void **state)
{
	struct world *w = *state;
	struct node_dirent d;
	struct request r;
	struct handle *h;

	fake_remote_put(w->remote, "d/a", "");
	assert_int_equal(world_open(w, "d", O_RDONLY, &h), 0);
	world_begin(w, &r);
	assert_int_equal(h->node->ops->dirent(&r, h, 0, false, &d), 1);
	assert_int_equal(world_rename(w, "d", "e", 0), 0);
	assert_int_equal(h->node->ops->dirent(&r, h, 0, false, &d), 1);
	assert_int_equal(h->node->ops->dirent(&r, h, 2, false, &d), 1);
	assert_string_equal(d.name, "a");
	world_end(&r);
	world_release(w, h);
}

static void an_open_directory_that_is_removed_is_empty(void **state)
{
	struct world *w = *state;
	struct node_dirent d;
	struct request r;
	struct handle *h;

	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_open(w, "d", O_RDONLY, &h), 0);
	world_begin(w, &r);
	assert_int_equal(h->node->ops->dirent(&r, h, 0, false, &d), 1);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_int_equal(h->node->ops->dirent(&r, h, 0, false, &d), 1);
	assert_int_equal(h->node->ops->dirent(&r, h, 2, false, &d), 0);
	world_end(&r);
	world_release(w, h);
}

static void a_failed_listing_is_told_and_not_believed(void **state)
{
	struct world *w = *state;
	int rc;

	fake_remote_put(w->remote, "a", "");
	fake_remote_fail(w->remote, FAKE_LIST, 1, EHOSTUNREACH);
	assert_int_equal(world_exists(w, "a"), -EHOSTUNREACH);
	assert_int_equal(world_exists(w, "a"), 0);
	attr_cache_expire(w->session->attrs);
	fake_remote_fail(w->remote, FAKE_LIST, 1, EACCES);
	assert_null(world_names(w, "", &rc));
	assert_int_equal(rc, -EACCES);
	assert_names(w, "", ".run a");
}

struct looker {
	struct world *world;
	const char *path;
	int64_t size;
};

static void *look_for_size(void *arg)
{
	struct looker *l = arg;

	l->size = world_size(l->world, l->path);
	return NULL;
}

/* A name that is asked for alone, and stands still meanwhile. */
static void begin_looking(struct looker *l, pthread_t *ret_thread)
{
	fake_remote_stall(l->world->remote, FAKE_STAT);
	assert_int_equal(pthread_create(ret_thread, NULL, look_for_size, l), 0);
	fake_remote_await_stalled(l->world->remote, FAKE_STAT);
}

static void an_answer_that_our_change_overtook_is_not_given(void **state)
{
	struct world *w = *state;
	struct looker made = { .world = w, .path = "a.pyc" };
	struct looker gone = { .world = w, .path = "b.pyc" };
	pthread_t thread;

	begin_looking(&made, &thread);
	assert_int_equal(world_save(w, "a.pyc", "new"), 0);
	fake_remote_drop(w->remote, "a.pyc"); /* as it was */
	fake_remote_release(w->remote, FAKE_STAT);
	(void)pthread_join(thread, NULL);
	assert_int_equal(made.size, 3);

	fake_remote_put(w->remote, "b.pyc", "old");
	begin_looking(&gone, &thread);
	assert_int_equal(world_unlink(w, "b.pyc"), 0);
	fake_remote_put(w->remote, "b.pyc", "old");
	fake_remote_release(w->remote, FAKE_STAT);
	(void)pthread_join(thread, NULL);
	assert_int_equal(gone.size, -ENOENT);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(many_stats_are_one_listing),
		with_world(absent_names_are_remembered_until_belief_ends),
		with_world(an_age_of_nothing_always_asks),
		with_world(a_big_directory_is_asked_for_single_names),
		with_world(a_listing_proves_nothing_about_unlisted_names),
		with_world(what_is_known_of_unlisted_names_survives_a_listing),
		with_world(hidden_names_are_listed_where_the_server_lists_them),
		with_world(impossible_names_have_their_errno),
		with_world(the_control_names_are_reserved),
		with_world(a_refused_dot_name_is_told_by_open),
		with_world(a_dot_name_that_is_allowed_is_uploaded_once),
		with_world(creating_exclusively_refuses_what_exists),
		with_world(a_new_directory_is_there_at_once_and_once),
		with_world(a_file_that_becomes_a_directory_is_another_node),
		with_world(a_walk_goes_on_while_names_come_and_go),
		with_world(a_walk_tells_what_we_changed_since_it_began),
		with_world(an_open_directory_can_be_renamed_and_read_again),
		with_world(an_open_directory_that_is_removed_is_empty),
		with_world(a_failed_listing_is_told_and_not_believed),
		with_world(an_answer_that_our_change_overtook_is_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
